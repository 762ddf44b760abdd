// kafka_test.go shows that the sink keeps the contract of package sink against a broker in this process, in every compression,
// and holds the helpers of the other tests.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(brokerProcess) != "" {
		serveBroker()
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")) // see noMetrics
}

// broker starts a broker in this process.
func broker(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.DefaultNumPartitions(4)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// config returns the configuration of a site on c.
func config(t testing.TB, c *kfake.Cluster) Config {
	return Config{Brokers: c.ListenAddrs(), Instance: "web-01", Site: "shop", Topic: "nginx.shop", Host: "host-a", CreateTopics: true,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), StatePartitions: 3, Owner: NewOwner()}
}

func newSink(t testing.TB, cfg Config) *Sink {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// recovered returns a sink after Recover, and the position.
func recovered(t testing.TB, cfg Config) (*Sink, string) {
	t.Helper()
	s := newSink(t, cfg)
	pos, err := s.Recover(within(t, 30*time.Second))
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	return s, string(pos)
}

// batchOf returns a batch of events with these values and the time of now: a real broker soon deletes what is older than the
// topic's retention by its own time.
func batchOf(values ...string) *sink.Batch {
	b := sink.NewBatch(1024, nil)
	for _, v := range values {
		b.Buf = append(b.Buf, v...)
		b.Add(sink.Events, time.Now().UnixMicro())
	}
	return b
}

// values reads every value of a topic that is committed by now.
func values(t testing.TB, cfg Config, topic string) (vs []string) {
	t.Helper()
	for _, m := range messages(t, cfg, topic) {
		vs = append(vs, string(m.Value))
	}
	return vs
}

func messages(t testing.TB, cfg Config, topic string) []Message {
	t.Helper()
	return read(t, cfg, topic, ReaderOptions{From: Beginning(), Decided: true})
}

func read(t testing.TB, cfg Config, topic string, opts ReaderOptions) (ms []Message) {
	t.Helper()
	ctx := within(t, 30*time.Second)
	r, err := NewReader(ctx, cfg, topic, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		m, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			return ms
		}
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
}

// target is a site of its own for the suite, on the brokers of base.
func target(t *testing.T, base Config, site string) sinktest.Target {
	base.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	base.Site, base.Topic = site, "nginx."+site
	base.Schemas, base.Changes = site+".schemas", site+".changes"
	owners := map[string]*Owner{}
	return sinktest.Target{
		Open: func(p sinktest.Process) sink.Sink {
			if owners[p.Run] == nil {
				owners[p.Run] = NewOwner()
			}
			cfg := base
			cfg.Host, cfg.Takeover, cfg.Owner = p.Host, p.Takeover, owners[p.Run]
			return newSink(t, cfg)
		},
		Limit: func(limit int) { setTopic(t, base, base.Topic, "max.message.bytes", strconv.Itoa(limit)) },
		Committed: func() (recs []sinktest.Record) {
			for st := range sink.NumStreams {
				full := base.complete()
				for _, m := range messages(t, base, full.topics()[st].name) {
					r := sinktest.Record{Stream: st, Key: m.Key, Value: m.Value, Time: m.Time.UnixMicro()}
					if len(m.Headers) > 0 {
						r.Header = &sink.Header{Name: m.Headers[0].Key, Value: m.Headers[0].Value}
					}
					recs = append(recs, r)
				}
			}
			return recs
		},
	}
}

// setTopic changes a setting of a topic.
func setTopic(t testing.TB, cfg Config, topic, name, value string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.Configs = kmsg.ConfigResourceTypeTopic, topic, append(r.Configs, c)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(t.Context(), cl)
	if err != nil || resp.Resources[0].ErrorCode != 0 {
		t.Fatalf("set %s of topic %s: %v %+v", name, topic, err, resp)
	}
}

func TestKeepsTheContract(t *testing.T) {
	c := broker(t)
	var n atomic.Int32
	sinktest.RunSink(t, func(t *testing.T) sinktest.Target { return target(t, config(t, c), fmt.Sprint("site", n.Add(1))) })
}

func TestKeepsTheContractInEveryCompression(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "gzip", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			c := broker(t)
			cfg := config(t, c)
			cfg.Compression = codec
			s, _ := recovered(t, cfg)
			var want []string
			for i := range 5000 {
				want = append(want, fmt.Sprintf("%0600d", i))
			}
			if err := s.Write(t.Context(), batchOf(want...)); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context(), sink.Position("p")); err != nil {
				t.Fatal(err)
			}
			got := values(t, cfg, cfg.Topic)
			if len(got) != len(want) {
				t.Fatalf("want %d values, got %d", len(want), len(got))
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("value %d: want %.20s…, got %.20s…", i, want[i], got[i])
				}
			}
		})
	}
}
