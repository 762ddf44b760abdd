package embedded

// Shows who starts and who joins, what survives a restart on other ports, and that strangers at the door do no harm.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestSecondStartJoins(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "embedded")
	first := start(t, dir)
	if first.Joined() {
		t.Fatal("the first start joined")
	}
	second, third := start(t, dir), startChild(t, dir)
	if !second.Joined() || !third.Joined {
		t.Errorf("joined: %v in this process, %v in another one", second.Joined(), third.Joined)
	}
	for _, broker := range []string{second.Brokers()[0], third.Broker} {
		if broker != first.Brokers()[0] {
			t.Errorf("joined %s, the broker is %s", broker, first.Brokers()[0])
		}
	}
	if second.RegistryURL() != first.RegistryURL() || third.Registry != first.RegistryURL() {
		t.Errorf("joined %s and %s, the registry is %s", second.RegistryURL(), third.Registry, first.RegistryURL())
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	createTopic(t, first.Brokers()[0], "still-alive")
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", info, err)
	}
}

func TestOwnerAfterKill(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir)
	c.kill()
	s := start(t, dir)
	if s.Joined() {
		t.Error("joined servers that were killed")
	}
	s.Close()
	if _, err := os.Stat(endpointsPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close the endpoints are still there: %v", err)
	}
}

func TestJoinWaitsForTheOwner(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	// As between the lock and the servers' first moment.
	if err := os.Remove(endpointsPath(dir)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Config{Dir: dir}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("without endpoints: %v", err)
	}
	joined := make(chan error)
	go func() {
		s2, err := Start(context.Background(), Config{Dir: dir})
		if err == nil && !s2.Joined() {
			err = errors.New("did not join")
		}
		joined <- err
	}()
	if err := s.ends.write(); err != nil {
		t.Fatal(err)
	}
	if err := <-joined; err != nil {
		t.Fatal(err)
	}
}

func TestTakenPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	s, err := Start(testContext(t), Config{Dir: t.TempDir(), BrokerPort: port, RegistryPort: port})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if addr := taken.Addr().String(); s.Brokers()[0] == addr || s.RegistryURL() == "http://"+addr {
		t.Errorf("broker %v and registry %s share %s with a stranger", s.Brokers(), s.RegistryURL(), addr)
	}
	createTopic(t, s.Brokers()[0], "x")
}

func TestRestartKeepsData(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	createTopic(t, s.Brokers()[0], "events")
	createTopic(t, s.Brokers()[0], "state", "cleanup.policy", "compact")
	cl := producer(t, s.Brokers()[0], nil)
	for n := range 50 {
		cl.BeginTransaction()
		if err := errors.Join(cl.ProduceSync(testContext(t), record("events", n+1), record("state", n+1)).FirstErr(), cl.EndTransaction(testContext(t), kgo.TryCommit)); err != nil {
			t.Fatal(err)
		}
	}
	cl.Close()
	ids, end := topicIDs(t, s.Brokers()[0]), stableEnd(t, newClient(t, s.Brokers()[0]), "state")
	post(t, s.RegistryURL()+"/subjects/events-value/versions", `{"schema":"\"string\""}`)
	old := s.Brokers()[0]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	hold, err := net.Listen("tcp", old) // so that the broker's port changes
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()

	s = start(t, dir)
	if got := committed(t, s.Brokers()[0], "events"); !slices.Equal(got, ints(1, 50)) {
		t.Errorf("events: %v", got)
	}
	if got := committed(t, s.Brokers()[0], "state"); !slices.Equal(got, ints(50, 50)) {
		t.Errorf("the compacted topic holds %v", got)
	}
	if got := stableEnd(t, newClient(t, s.Brokers()[0]), "state"); got != end {
		t.Errorf("the compacted topic ends at %d, before it did at %d", got, end)
	}
	if got := topicIDs(t, s.Brokers()[0]); fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("topic ids %v, before %v", got, ids)
	}
	if got := post(t, s.RegistryURL()+"/subjects/events-value", `{"schema":"\"string\""}`); !strings.Contains(got, `"id":1`) {
		t.Errorf("the registry answers %s", got)
	}
	cl = producer(t, s.Brokers()[0], nil)
	cl.BeginTransaction()
	if err := errors.Join(cl.ProduceSync(testContext(t), record("state", 51)).FirstErr(), cl.EndTransaction(testContext(t), kgo.TryCommit)); err != nil {
		t.Fatal(err)
	}
	if got := committed(t, s.Brokers()[0], "state"); !slices.Equal(got, ints(50, 51)) {
		t.Errorf("after one more commit the compacted topic holds %v", got)
	}
}

func topicIDs(t *testing.T, broker string) map[string][16]byte {
	t.Helper()
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(testContext(t), newClient(t, broker))
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string][16]byte{}
	for _, topic := range resp.Topics {
		ids[*topic.Topic] = topic.TopicID
	}
	return ids
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTopicsAreBounded(t *testing.T) {
	s := start(t, t.TempDir())
	createTopic(t, s.Brokers()[0], "plain")
	createTopic(t, s.Brokers()[0], "own", "retention.bytes", "5")
	createTopic(t, s.Brokers()[0], "compacted", "cleanup.policy", "compact")
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, topic := range []string{"plain", "own", "compacted"} {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{"retention.bytes", "retention.ms"}
		req.Resources = append(req.Resources, r)
	}
	resp, err := req.RequestWith(testContext(t), newClient(t, s.Brokers()[0]))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range resp.Resources {
		for _, c := range r.Configs {
			got[r.ResourceName+" "+c.Name] = *c.Value
		}
	}
	for name, want := range map[string]string{
		"plain retention.bytes": "1073741824", "own retention.bytes": "5", "compacted retention.bytes": "-1",
		"plain retention.ms": "-1", "compacted retention.ms": "-1",
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %s", name, got[name], want)
		}
	}
}

func TestStrangersAtTheBroker(t *testing.T) {
	s := start(t, t.TempDir())
	for _, sent := range []string{
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"\x00\x00\x00\x08\x7f\xff\x00\x00\x00\x00\x00\x00", // an API key that nobody has
		"\x00\x00\x00\x08\x00\x03\xff\xff\x00\x00\x00\x00", // a negative version
		"\x7f\xff\xff\xff\x00\x03\x00\x00",                 // 2 GiB
		"\xff\xff\xff\xff\x00\x03\x00\x00",
	} {
		conn, err := net.Dial("tcp", s.Brokers()[0])
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(conn); len(b) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q was answered with %q, %v", sent, b, err)
		}
		conn.Close()
	}
	createTopic(t, s.Brokers()[0], "still-alive")
}

func TestGuardPassesRequestsOn(t *testing.T) {
	var stream []byte
	for _, key := range []byte{3, 18, 0} {
		stream = append(stream, 0, 0, 0, 9, 0, key, 0, 4, 1, 2, 3, 4, 5)
	}
	stream = append(stream, 0, 0, 0, 4, 0, 3, 0, 0) // nothing after the head
	for _, size := range []int{1, 3, 7, 4096} {
		in, out := net.Pipe()
		go func() {
			out.Write(stream)
			out.Close()
		}()
		var got []byte
		c := &guardedConn{Conn: in}
		for buf := make([]byte, size); ; {
			n, err := c.Read(buf)
			got = append(got, buf[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.Equal(got, stream) {
			t.Errorf("read in steps of %d: %v, want %v", size, got, stream)
		}
		in.Close()
	}
}

func TestStartOnDamage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "registry.jsonl"), []byte("{}\nnot JSON\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the lock must be free again after a failure
		_, err := Start(testContext(t), Config{Dir: dir, BrokerPort: -1, RegistryPort: -1})
		if err == nil || !strings.Contains(err.Error(), "registry.jsonl: line 1") {
			t.Fatalf("error: %v", err)
		}
	}
}
