// Package daemon shows what happens to the real process on a real host: who owns a site, what a damaged or lost state does, full disks
// and exhausted limits, flat memory, rotation while it is down, and how it ends. Every run ends with the verdict of package oracle.
//
// Brokers are a real Kafka where ownership, time or outages of the broker matter, and kfake elsewhere. Tests that need root say so.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// long is how long anything may take on a machine that is slow and busy.
const long = 2 * time.Minute

// shared holds the Kafka of all tests of this package. Tests that use it do not run in parallel: some take it away for a while.
var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return shared.Run(m)
}

// realBroker returns the shared Kafka's addresses.
func realBroker(t *testing.T) []string {
	t.Helper()
	return strings.Split(shared.Kafka(t).Bootstrap, ",")
}

// fakeBroker starts a kfake for this test.
func fakeBroker(t *testing.T) []string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

// errAgain asks a poll to go on.
var errAgain = errors.New("not yet")

var siteNumber atomic.Int64

// site is one site's log, its journal, and the topic it goes to. Every site of this process has a name of its own.
type site struct {
	name    string
	dir     string // of the log; other users may search it
	path    string
	log     *harness.Log
	journal *oracle.Journal
}

// newSite makes an empty log with two workers.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{name: fmt.Sprintf("s%d", siteNumber.Add(1)), dir: publicDir(t), journal: &oracle.Journal{}}
	s.path = filepath.Join(s.dir, "access.log")
	s.log = harness.NewLog(t, s.journal, s.path, 2)
	return s
}

// publicDir makes a folder that every user may enter and write to, as the folders above it.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ngxtap-daemon-")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// host makes a host that reads the site's log. mutate changes the host's configuration before it is written; nil changes nothing.
func (s *site) host(t *testing.T, brokers []string, mutate func(*harness.HostConfig)) *harness.Host {
	t.Helper()
	c := harness.HostConfig{Brokers: brokers, Sites: []harness.Site{{Name: s.name, Paths: []string{s.path}}}}
	if mutate != nil {
		mutate(&c)
	}
	return harness.NewHost(t, c)
}

// written returns how many bytes the journal holds.
func (s *site) written() int64 { return harness.Bytes(s.journal) }

// verdict judges the site by the strictest rules.
func (s *site) verdict(t *testing.T, h *harness.Host) *oracle.Verdict {
	t.Helper()
	return h.Judge(t, s.name, s.journal, oracle.Rules{})
}

// onHost makes the daemons that h starts from now on believe that they run on another host.
func onHost(t *testing.T, h *harness.Host, name string) {
	t.Helper()
	needNamespaces(t, "another host name needs a UTS namespace")
	h.Wrap = []string{"unshare", "--uts", "sh", "-c", `echo ` + name + ` >/proc/sys/kernel/hostname && exec "$@"`, "sh"}
}

// needRoot skips the test for other users; where everything must run it fails.
func needRoot(t *testing.T, why string) {
	t.Helper()
	switch {
	case os.Getuid() == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("this test needs root: %s", why)
	default:
		t.Skipf("this test needs root: %s", why)
	}
}

// needNamespaces is needRoot for tests that also mount or give a process a host name, which a sandbox may forbid to root.
func needNamespaces(t *testing.T, why string) {
	t.Helper()
	needRoot(t, why)
	if err := harness.Namespaces(); err != nil {
		t.Skipf("%s: %v", why, err)
	}
}

// metric reads a metric of a running daemon.
func metric(t *testing.T, h *harness.Host, name string, labels ...string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	v, err := oracle.Metric(ctx, h.Admin, name, labels...)
	if err != nil {
		t.Fatal(err)
	}
	return int64(v)
}

// awaitMetric waits until a metric of a running daemon has a value that fits.
func awaitMetric(t *testing.T, h *harness.Host, d *components.Program, name string, fits func(int64) bool, labels ...string) {
	t.Helper()
	components.Eventually(t, long, func() error {
		if err := d.Alive(); err != nil {
			return err
		}
		v, err := oracle.Metric(t.Context(), h.Admin, name, labels...)
		if err == nil && !fits(int64(v)) {
			err = fmt.Errorf("%s%v is %v", name, labels, v)
		}
		return err
	})
}

// health returns the status code and the text of /healthz.
func health(t *testing.T, h *harness.Host) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Admin+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// awaitOutput waits until a daemon has written all of the texts to its log.
func awaitOutput(t *testing.T, d *components.Program, texts ...string) {
	t.Helper()
	components.Eventually(t, long, func() error {
		out := d.Output(t)
		for _, s := range texts {
			if !strings.Contains(out, s) {
				return fmt.Errorf("it has not said %q, but:\n%s", s, out)
			}
		}
		return nil
	})
}

// exits waits for the end of a daemon and checks its exit code and that its last words hold all of the texts.
func exits(t *testing.T, d *components.Program, code int, texts ...string) {
	t.Helper()
	if got := d.Wait(t, long); got != code {
		t.Errorf("exit code %d, want %d; it said:\n%s", got, code, d.Output(t))
	}
	lines := strings.Split(strings.TrimSpace(d.Output(t)), "\n")
	last := lines[len(lines)-1]
	for _, s := range texts {
		if !strings.Contains(last, s) {
			t.Errorf("its last words do not hold %q: %s", s, last)
		}
	}
}

// stop ends a daemon in good order.
func stop(t *testing.T, d *components.Program) {
	t.Helper()
	d.Signal(t, syscall.SIGTERM)
	exits(t, d, 0)
}
