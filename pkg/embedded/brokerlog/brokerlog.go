// Package brokerlog makes the data directory of a kfake broker whole before the broker reads it.
//
// The promise: after Repair every transaction in the directory is ended, in all of its partitions, the way its producer was told
// (or would have been told): by a commit marker if Note had its commit on disk, else by an abort marker. Producers whose
// transaction was ended here are fenced, as the transaction coordinator of Kafka fences after a timeout (KIP-98, KIP-360).
//
// Why it exists: kfake (github.com/twmb/franz-go/pkg/kfake, pinned in go.mod) survives an orderly shutdown, but after a kill -9 it
// ends open transactions in memory only. Without a marker in the log the next commit of the same producer id makes the dead
// transaction's records visible at the second restart; a consumer drops committed records that follow; and a commit whose markers
// had reached some of its partitions is torn in two. Its compaction deletes the old segments before it writes the new ones, and
// drops the committed value of a key when an open transaction has a newer one. So the broker is run with compaction off, and
// compacted topics are compacted here, while nobody writes.
//
// Formats read and written here: Kafka record batches v2 (segment files *.dat), kfake's index (*.idx, 15 bytes a batch), its
// snapshot.json, pids.log, groups.log and seq_windows.json, all of persistence version 1.
package brokerlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// persistVersion is the version of kfake's files that this package knows (currentPersistVersion in kfake).
const persistVersion = 1

// Report says what Repair found and did.
type Report struct {
	Partitions int // partitions read
	Committed  int // transactions, counted per partition, that were ended by a commit marker
	Aborted    int // transactions, counted per partition, that were ended by an abort marker
	Truncated  int // segments and logs whose torn end was cut off
	Compacted  int // partitions of compacted topics that were rewritten
}

// Repair makes dir whole. It must have the directory to itself: no broker may run on it. A directory without broker data is fine.
// It is safe to kill at any moment: run again, it ends at the same state. An error means that the data are damaged in a way no
// crash of a process explains, or that the disk refuses to be written; the directory is then left as it was found, or half
// repaired, which is the same to the next Repair.
func Repair(dir string, log *slog.Logger) (Report, error) {
	r := repair{dir: dir, log: log, ended: map[int64]ended{}}
	err := r.run()
	return r.rep, err
}

// run does the steps of Repair in their order.
func (r *repair) run() error {
	topics, err := readTopics(r.dir)
	if err != nil || topics == nil {
		return err
	}
	if r.note, err = readNote(r.dir); err != nil {
		return err
	}
	// Group members, fetch sessions and open transactions of the last orderly shutdown. The open transactions are ended below, so
	// the broker must not open them again; the rest heals by itself when clients come back.
	if err := removeIfThere(filepath.Join(r.dir, "session_state.json")); err != nil {
		return err
	}
	for _, name := range []string{"pids.log", "groups.log"} {
		cut, err := truncateEntries(filepath.Join(r.dir, name))
		if err != nil {
			return err
		}
		if cut {
			r.rep.Truncated++
		}
	}
	for _, t := range topics {
		for i := range t.Partitions {
			if err := r.read(t, int32(i)); err != nil {
				return err
			}
		}
	}
	// Fence first: a kill between the markers and the fences would leave a producer that could go on where its transaction was cut.
	if err := r.writeState(); err != nil {
		return err
	}
	for i := range r.parts {
		if err := r.finish(&r.parts[i]); err != nil {
			return err
		}
	}
	return clearNote(r.dir)
}

// repair is the work of one Repair.
type repair struct {
	dir     string
	note    note
	log     *slog.Logger
	rep     Report
	parts   []part
	ended   map[int64]ended // by producer id
	windows []seqWindow
}

// part is a partition to repair.
type part struct {
	*partition
	compacted bool // its topic is
}

// ended says how a producer's open transaction was ended.
type ended struct {
	epoch  int16 // of the producer that had it open
	commit bool
}

// topic is an entry of kfake's topics.json.
type topic struct {
	Name       string            `json:"name"`
	Partitions int               `json:"partitions"`
	Configs    map[string]string `json:"configs"`
}

// readTopics returns the topics of dir, nil if dir holds no broker data.
func readTopics(dir string) ([]topic, error) {
	path := filepath.Join(dir, "topics.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of topics: %w", err)
	}
	var f struct {
		Version int     `json:"version"`
		Topics  []topic `json:"topics"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("read the list of topics %s: %w", path, err)
	}
	if f.Version != persistVersion {
		return nil, fmt.Errorf("%s has version %d, this program knows %d: move the directory away, or use the version that wrote it", path, f.Version, persistVersion)
	}
	return f.Topics, nil
}

// partitionDir names the directory of a partition as kfake does.
func partitionDir(dir, topic string, index int32) string {
	return filepath.Join(dir, "partitions", url.PathEscape(topic)+"-"+strconv.Itoa(int(index)))
}

// read reads one partition and decides how its open transactions end.
func (r *repair) read(t topic, index int32) error {
	p, err := readPartition(partitionDir(r.dir, t.Name, index), r.log)
	if err != nil || p == nil {
		return err
	}
	r.rep.Partitions++
	r.rep.Truncated += p.truncated
	for _, o := range p.open {
		r.ended[o.pid] = ended{epoch: o.epoch, commit: r.note.commits(o.pid, o.epoch)}
	}
	r.windows = append(r.windows, p.seqWindows(t.Name, index)...)
	r.parts = append(r.parts, part{p, strings.Contains(t.Configs["cleanup.policy"], "compact")})
	return nil
}

// finish ends the open transactions of one partition and makes it ready for the broker.
func (r *repair) finish(p *part) error {
	for _, o := range p.openInOrder() {
		commit := r.note.commits(o.pid, o.epoch)
		if err := p.finish(o, commit); err != nil {
			return err
		}
		if commit {
			r.rep.Committed++
		} else {
			r.rep.Aborted++
		}
	}
	if p.compacted {
		done, err := p.compact()
		if err != nil {
			return err
		}
		if done {
			r.rep.Compacted++
			if p.partition, err = readPartition(p.dir, r.log); err != nil {
				return err
			}
		}
	}
	return p.writeSnapshot()
}
