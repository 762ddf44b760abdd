package kafka

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/sink"
)

// The values of Config.OnRegression.
const (
	RegressionStop       = "stop"        // end the site with sink.ErrPositionLost
	RegressionTrustKafka = "trust_kafka" // go on from what the state topic says; if it knows nothing, as at a first start
	RegressionTrustLocal = "trust_local" // go on from what this host has seen committed
)

// hint is what this host has seen of a site: a commit that was confirmed, and the position in it. It is kept in Owner, where it is
// exact, and now and then in the local file, where it is only ever too old. A state topic that knows less has lost something.
type hint struct {
	Key        string `json:"key"`
	Cluster    string `json:"cluster,omitempty"` // id of the cluster that confirmed it; "": it has none
	Seq        int64  `json:"seq"`
	Topic      string `json:"topic,omitempty"`      // of the events
	Partitions int32  `json:"partitions,omitempty"` // of that topic
	Position   []byte `json:"position,omitempty"`   // nil in files of older versions
}

// known returns the newest commit that this host has seen; a file that is missing or damaged says nothing.
func (s *Sink) known() hint {
	h := s.cfg.Owner.last
	if f, ok := readHint(s.cfg.StateFile); ok && f.Key == s.st.key && f.Seq > h.Seq {
		return f
	}
	return h
}

// judge compares what the state topic says, pos, with what this host knows, h, and returns the commit to go on from. resume says that
// it is not the one in the topic, which must learn it again.
//
// The sequence decides, whatever the cluster: a topic that was mirrored or restored with all of it may stand in another cluster, and
// one that knows less is the same danger in any. The cluster's id only says which danger it is.
func (s *Sink) judge(pos *stateRecord, h hint) (seq int64, at sink.Position, resume bool, err error) {
	if pos != nil {
		seq, at = pos.Seq, pos.position()
	}
	elsewhere := h.Cluster != "" && s.clusterID != "" && h.Cluster != s.clusterID
	if seq >= h.Seq {
		if elsewhere {
			s.cfg.Logger.Warn("this is another cluster than before, and its state topic knows this site; going on from what it says",
				"site", s.cfg.Site, "before", h.Cluster, "now", s.clusterID, "commit", seq)
		}
		return seq, at, false, nil
	}
	what := "the topic was deleted, truncated or restored from a copy"
	if elsewhere {
		what = fmt.Sprintf("this is cluster %s and that was cluster %s", s.clusterID, h.Cluster)
	}
	log := s.cfg.Logger.With("site", s.cfg.Site, "topic", s.cfg.State, "topic_commit", seq, "seen_commit", h.Seq, "why", what)
	switch {
	case s.cfg.OnRegression == RegressionTrustKafka:
		log.Error("the state topic has gone back; going on from what it says (on_state_regression: trust_kafka): lines after that come again")
		return seq, at, false, nil
	case s.cfg.OnRegression == RegressionTrustLocal && h.Position != nil:
		log.Error("the state topic has gone back; going on from what this host has seen committed (on_state_regression: trust_local): what was " +
			"committed after the local file was last written comes again")
		return h.Seq, h.Position, true, nil
	}
	return 0, nil, false, fmt.Errorf("topic %s knows commit %d of site %s, but this host has seen commit %d: %s; going on from the topic would repeat lines: "+
		"restore the topic, or set kafka.on_state_regression to trust_local (go on from %s) or trust_kafka (go on from the topic; where it knows nothing, as at a "+
		"first start): %w (%w)", s.cfg.State, seq, s.cfg.Site, h.Seq, what, s.cfg.StateFile, sink.ErrPositionLost, sink.ErrConfig)
}

// remember keeps the commit that was just confirmed.
func (s *Sink) remember() {
	s.cfg.Owner.last = hint{Key: s.st.key, Cluster: s.clusterID, Seq: s.seq, Topic: s.cfg.Topic,
		Partitions: s.cfg.Owner.partitions[s.cfg.Topic], Position: s.pos}
}

// readHint reads the file: a line of JSON and a line with its CRC-32C.
func readHint(path string) (h hint, ok bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return h, false
	}
	line, sum, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(sum) != checksum(line) || json.Unmarshal(line, &h) != nil {
		return hint{}, false
	}
	return h, true
}

// writeHint replaces the file. It does not wait for the disk: a torn file fails its checksum and counts as none.
func writeHint(path string, h hint) error {
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	data := append(append(line, '\n'), checksum(line)...)
	err = os.WriteFile(tmp, data, 0o600)
	failpoint.Hit(failpoint.HintWriting)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	failpoint.Hit(failpoint.HintWritten)
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", filepath.Base(path), err), os.Remove(tmp))
	}
	return nil
}

func checksum(line []byte) string {
	return fmt.Sprintf("%08x\n", crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
}
