package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

// childDir makes the test binary serve that directory until it is killed, instead of running tests.
const childDir = "NGXTAP_EMBEDDED_CHILD_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(childDir)
	if dir == "" {
		goleak.VerifyTestMain(m)
		return
	}
	s, err := Start(context.Background(), Config{Dir: dir, BrokerPort: -1, RegistryPort: -1})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"broker": s.Brokers()[0], "registry": s.RegistryURL(), "joined": s.Joined()})
	io.Copy(io.Discard, os.Stdin) // the parent's end of the pipe closes when it dies: no child outlives it
	os.Exit(0)                    // without Close: for the data this is a kill
}

// child is a process that serves a directory.
type child struct {
	Broker   string `json:"broker"`
	Registry string `json:"registry"`
	Joined   bool   `json:"joined"`
	cmd      *exec.Cmd
	stdin    io.Closer
}

// startChild returns when the child serves.
func startChild(t *testing.T, dir string) *child {
	t.Helper()
	c, out := spawn(t, dir)
	if err := json.NewDecoder(out).Decode(c); err != nil {
		t.Fatalf("read the child's first line: %v", err)
	}
	return c
}

// spawn starts a child and returns it with its output.
func spawn(t *testing.T, dir string) (*child, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	t.Cleanup(c.kill)
	return c, out
}

// kill is kill -9. It returns when the process is gone.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
	c.stdin.Close()
}

// start starts servers that the test closes.
func start(t *testing.T, dir string) *Servers {
	t.Helper()
	s, err := Start(testContext(t), Config{Dir: dir, BrokerPort: -1, RegistryPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func newClient(t *testing.T, broker string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(broker), kgo.RetryTimeout(5 * time.Second), kgo.DisableClientMetrics()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// createTopic creates a topic of one partition; configs are name, value pairs.
func createTopic(t *testing.T, broker, name string, configs ...string) {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		rt.Configs = append(rt.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(testContext(t), newClient(t, broker))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create topic %s: %v", name, err)
	}
}

// stableEnd returns the offset up to which a read_committed reader may read.
func stableEnd(t *testing.T, cl *kgo.Client, topic string) int64 {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = 1
	rt, rp := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	rt.Topic, rp.Timestamp = topic, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(testContext(t), cl)
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("list offsets of %s: %v", topic, err)
	}
	return resp.Topics[0].Partitions[0].Offset
}

// committed returns the values of partition 0 that a read_committed reader sees.
func committed(t *testing.T, broker, topic string) []string {
	t.Helper()
	cl := newClient(t, broker, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	var values []string
	end := stableEnd(t, cl, topic)
	// The last batch of a log is a marker, or is kept: a reader gets to the end even if records before it are gone.
	for at := int64(0); at < end; {
		fs := cl.PollFetches(testContext(t))
		if err := fs.Err(); err != nil {
			t.Fatalf("read %s at %d of %d: %v", topic, at, end, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
		})
	}
	return values
}
