package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// progress follows the positions that are committed.
type progress struct {
	client *kgo.Client
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	bytes map[string]map[string]int64 // guarded by mu; read, by site and generation
}

// follow starts to follow the commits of an instance. The caller calls close.
func follow(brokers []string, instance string) (*progress, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics("ngxtap.state"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(minAge), kgo.FetchMaxWait(maxWait))
	if err != nil {
		return nil, fmt.Errorf("follow the commits: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &progress{client: client, stop: stop, bytes: map[string]map[string]int64{}}
	p.done.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				if site, ok := strings.CutPrefix(string(r.Key), "v1/"+instance+"/"); ok && !strings.Contains(site, "/") {
					p.take(site, r.Value)
				}
			})
		}
	})
	return p, nil
}

func (p *progress) take(site string, value []byte) {
	var v struct {
		Position struct {
			Counts map[string]struct {
				Read int64 `json:"read"`
			} `json:"counts"`
		} `json:"position"`
	}
	if json.Unmarshal(value, &v) != nil {
		return // the oracle will say so
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes[site] == nil {
		p.bytes[site] = map[string]int64{}
	}
	for id, c := range v.Position.Counts {
		p.bytes[site][id] = c.Read
	}
}

// read returns how many bytes of a site are committed.
func (p *progress) read(site string) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.bytes[site] {
		n += b
	}
	return n
}

// counts returns the bytes of each generation in words.
func (p *progress) counts(site string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.bytes[site])
}

func (p *progress) close() {
	p.stop()
	p.done.Wait()
	p.client.Close()
}
