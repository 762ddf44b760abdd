// Package quarantine shows with a real Kafka, a real registry and the real binary that lines in quarantine are sent once after a fix,
// whatever happens to those who send them, and that it takes little memory however many there are.
package quarantine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// long is how long anything may take on a machine that is slow and busy.
const long = 3 * time.Minute

// shared holds the Kafka and the registry of all tests of this package.
var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return shared.Run(m)
}

// wrong is a format that no line of ours fits; right is that of the lines.
const (
	wrong = `log_format: '$status $bytes_sent $request_id "$http_x_id"'`
	right = `log_format: '$status $request_id "$http_x_id"'`
)

// world is a site of several hosts that write to the same topics.
type world struct {
	site  string
	log   string // the file that all hosts read, each for itself
	fit   int    // lines of it that fit the right format
	lines int
	want  int // lines of all hosts that must arrive
	stay  int // lines of all hosts that never fit
	kafka *components.Kafka
	reg   string // URL; empty: single-object framing

	framing string // "": that which ngxtap chooses
}

var worlds atomic.Int64

// newWorld makes a log of n lines, of which each tenth never fits.
func newWorld(t *testing.T, n, pad int, registry bool) *world {
	t.Helper()
	w := &world{site: fmt.Sprintf("q%d", worlds.Add(1)), log: filepath.Join(t.TempDir(), "access.log"), kafka: shared.Kafka(t)}
	if registry {
		w.reg = shared.Registry(t).URL
	}
	w.write(t, n, pad)
	return w
}

// write appends n lines.
func (w *world) write(t *testing.T, n, pad int) {
	t.Helper()
	f, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b strings.Builder
	for range n {
		if w.lines++; w.lines%10 == 0 {
			fmt.Fprintf(&b, "oops %d\n", w.lines)
			continue
		}
		w.fit++
		fmt.Fprintf(&b, "200 r%d \"id-%d-", w.lines%97, w.lines)
		for range pad / 10 { // does not compress as text that repeats
			fmt.Fprintf(&b, "%010x", rand.Uint64N(1<<40))
		}
		b.WriteString("\"\n")
	}
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
}

// host makes a host of the site with a format. kafka are further lines of that section.
func (w *world) host(t *testing.T, instance, format string, kafka ...string) *harness.Host {
	t.Helper()
	registry, daemon := w.reg, ""
	if w.framing != "" {
		registry, daemon = "", fmt.Sprintf("registry: {url: %s, framing: %s}", w.reg, w.framing)
	}
	return harness.NewHost(t, harness.HostConfig{
		Instance: instance, Brokers: strings.Split(w.kafka.Bootstrap, ","), Registry: registry, Daemon: daemon, Kafka: append(kafka, "partitions: 3"),
		Sites: []harness.Site{{Name: w.site, Paths: []string{w.log}, AccessLog: []string{format},
			Extra: "partition_by: request_id\nheaders: {hash_key: 0123456789abcdef0123456789abcdef}"}},
	})
}

// quarantine has a daemon of that name put all lines into quarantine.
func (w *world) quarantine(t *testing.T, instance string) {
	t.Helper()
	d := w.host(t, instance, wrong).Start(t, "--once")
	if code := d.Wait(t, long); code != 3 {
		t.Fatalf("exit code %d, want 3: %v", code, d.Alive())
	}
	w.read()
}

// read notes that a host has read all that the log holds.
func (w *world) read() { w.want, w.stay = w.want+w.fit, w.stay+w.lines-w.fit }

// replay starts a replay on h. fail is a failpoint, or empty.
func (w *world) replay(t *testing.T, h *harness.Host, fail string, args ...string) *components.Program {
	t.Helper()
	argv := append(append([]string{}, h.Wrap...), harness.Binary(t, true), "quarantine", "replay", "-c", h.Config, "--site", w.site)
	cmd := exec.Command(argv[0], append(argv[1:], args...)...)
	cmd.Env = append(os.Environ(), "NGXTAP_FAILPOINT="+fail)
	return components.StartCommand(t, cmd)
}

// onAnotherHost makes replays on h believe that they run on another host, where this test may do that.
func onAnotherHost(t *testing.T, h *harness.Host, name string) {
	t.Helper()
	if out, err := exec.Command("unshare", "--uts", "true").CombinedOutput(); err != nil {
		t.Logf("all replays run on one host, for here no other can be made: %v %s", err, out)
		return
	}
	h.Wrap = []string{"unshare", "--uts", "sh", "-c", `echo ` + name + ` >/proc/sys/kernel/hostname && exec "$@"`, "sh"}
}

// events reads how often each line has arrived, by host and offset in the file.
func (w *world) events(t *testing.T) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	s, err := oracle.Read(ctx, oracle.Source{Brokers: strings.Split(w.kafka.Bootstrap, ","), Site: w.site, Registry: w.reg})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range s.Records {
		if !r.Quarantine {
			seen[fmt.Sprint(r.Host, "/", r.File, "/", r.At)]++
		}
	}
	return seen
}

// check fails the test unless every line that fits has arrived from every host that read it, once.
func (w *world) check(t *testing.T) {
	t.Helper()
	seen := w.events(t)
	for line, n := range seen {
		if n != 1 {
			t.Errorf("line %s arrived %d times", line, n)
		}
	}
	if len(seen) != w.want {
		t.Errorf("%d lines arrived, want %d", len(seen), w.want)
	}
}
