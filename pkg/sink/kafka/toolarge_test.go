// toolarge_test.go shows what a session says of a record that a topic refuses for its size: how much fits, or that the topic takes so little
// that only the operator can help.
package kafka

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"ngxtap/pkg/sink"
)

// noise returns n bytes that don't compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// one writes and commits one record.
func one(t *testing.T, cfg Config, st sink.Stream, size int) error {
	t.Helper()
	s, _ := recovered(t, cfg)
	defer s.Close()
	b := sink.NewBatch(size, nil)
	b.Buf = append(b.Buf, noise(size)...)
	b.Add(st, 1_700_000_000_000_000)
	if err := s.Write(t.Context(), b); err != nil {
		return err
	}
	return s.Commit(t.Context(), sink.Position("p"))
}

func TestRecordTooLarge(t *testing.T) {
	limit := func(topic, bytes string) func(*testing.T, *kfake.Cluster, Config) {
		return func(t *testing.T, _ *kfake.Cluster, cfg Config) { setTopic(t, cfg, topic, "max.message.bytes", bytes) }
	}
	secret := func(t *testing.T, c *kfake.Cluster, cfg Config) { // the broker does not tell its limit
		limit("nginx.shop", "100000")(t, c, cfg)
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	}
	tests := []struct {
		name     string
		stream   sink.Stream
		size     int
		setup    func(*testing.T, *kfake.Cluster, Config)
		low, top int // what the limit must be between; 0: sink.ErrConfig
	}{
		{"events", sink.Events, 300_000, limit("nginx.shop", "100000"), 99_000, 99_999},
		{"events, just over", sink.Events, 100_000, limit("nginx.shop", "100000"), 99_000, 99_999},
		{"events, the broker does not tell", sink.Events, 300_000, secret, 100_000, 299_999},
		{"quarantine", sink.Quarantine, 300_000, limit("nginx.shop.quarantine", "100000"), 99_000, 99_999},
		{"quarantine refuses even what is small", sink.Quarantine, 3000, limit("nginx.shop.quarantine", "1000"), 0, 0},
		{"events, next to nothing fits", sink.Events, 3000, limit("nginx.shop", "1000"), 0, 0},
		{"a change", sink.Changes, 300_000, limit(DefaultChangesTopic, "100000"), 99_000, 99_999},
		{"a schema", sink.Schemas, 300_000, limit(DefaultSchemasTopic, "100000"), 0, 0},
		{"the position", sink.Events, 10, limit(DefaultStateTopic, "100"), 0, 0},
	}
	for _, codec := range []string{"lz4", "none", "zstd", "snappy", "gzip"} {
		for _, tt := range tests {
			t.Run(tt.name+"/"+codec, func(t *testing.T) {
				c := broker(t)
				cfg := config(t, c)
				cfg.Compression = codec
				s, _ := recovered(t, cfg)
				s.Close()
				tt.setup(t, c, cfg)
				if tt.name == "the position" {
					s := newSink(t, cfg)
					if _, err := s.Recover(within(t, 30*time.Second)); !errors.Is(err, sink.ErrConfig) {
						t.Errorf("want sink.ErrConfig, got %v", err)
					}
					return
				}
				err := one(t, cfg, tt.stream, tt.size)
				var large *sink.TooLargeError
				if tt.top == 0 {
					if !errors.Is(err, sink.ErrConfig) || errors.As(err, &large) {
						t.Errorf("want sink.ErrConfig, got %v", err)
					}
					return
				}
				for errors.As(err, &large) && large.Limit > tt.top { // without an answer it takes steps
					err = one(t, cfg, tt.stream, large.Limit)
				}
				if !errors.As(err, &large) || errors.Is(err, sink.ErrConfig) || large.Stream != tt.stream || large.Limit < tt.low && tt.name != "events, the broker does not tell" {
					t.Fatalf("want a limit of %d to %d for %v, got %v", tt.low, tt.top, tt.stream, err)
				}
				for err != nil && errors.As(err, &large) {
					err = one(t, cfg, tt.stream, large.Limit)
				}
				if err != nil {
					t.Errorf("a record of %d bytes, which was said to fit: %v", large.Limit, err)
				}
			})
		}
	}
}
