package cluster

// A reader of the state topic: what is committed, as anybody else sees it.

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ngxtap/test/components"
	"ngxtap/test/oracle"
)

// watch follows ngxtap.state with read_committed for as long as the test binary lives.
type watch struct {
	mu    sync.Mutex
	sites map[string]*progress // guarded by mu; by instance/site
}

// progress is what was committed of a site.
type progress struct {
	read    map[string]int64 // bytes by generation
	commits int
	last    time.Time // when the last commit was seen
}

func newWatch(t *testing.T, k *components.Kafka) *watch {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.ConsumeTopics("ngxtap.state"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.FetchMaxWait(250*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{sites: map[string]*progress{}}
	go func() {
		for {
			client.PollFetches(context.Background()).EachRecord(w.note)
		}
	}()
	return w
}

func (w *watch) note(r *kgo.Record) {
	var v struct {
		Position *struct {
			Counts map[string]oracle.Count `json:"counts"`
		} `json:"position"`
	}
	if json.Unmarshal(r.Value, &v) != nil || v.Position == nil {
		return // a marker, or nothing of ours; the oracle looks closer
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := strings.TrimPrefix(string(r.Key), "v1/")
	p := w.sites[key]
	if p == nil {
		p = &progress{read: map[string]int64{}}
		w.sites[key] = p
	}
	for id, c := range v.Position.Counts {
		p.read[id] = max(p.read[id], c.Read)
	}
	p.commits++
	p.last = time.Now()
}

// of returns how many bytes of a site are committed, by how many commits, and when the last was seen.
func (w *watch) of(instance, site string) (read int64, commits int, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.sites[instance+"/"+site]
	if p == nil {
		return 0, 0, last
	}
	for _, n := range p.read {
		read += n
	}
	return read, p.commits, p.last
}

// await waits until so many bytes of a site are committed.
func (w *watch) await(t *testing.T, instance, site string, bytes int64, alive func() error) {
	t.Helper()
	components.Eventually(t, patience, func() error {
		if err := alive(); err != nil {
			return err
		}
		if read, commits, _ := w.of(instance, site); read < bytes {
			return fmt.Errorf("site %s: %d of %d bytes are committed, by %d commits", site, read, bytes, commits)
		}
		return nil
	})
}
