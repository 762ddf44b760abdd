// Package harness runs the real ngxtap for tests: it builds the binary, writes its configuration, starts and stops it, and writes logs
// as Nginx does, with a journal of every byte for the oracle.
package harness

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/oracle"
)

// built are the binaries of this checkout, made when a test first asks and kept until the test binary ends.
var built struct {
	sync.Mutex
	dir   string
	paths map[bool]string
}

// Binary builds cmd/ngxtap once, with or without failpoints (package failpoint), and returns its path. A package that uses it calls
// Cleanup at the end of its TestMain.
func Binary(t testing.TB, failpoints bool) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if path := built.paths[failpoints]; path != "" {
		return path
	}
	if built.dir == "" {
		dir, err := os.MkdirTemp("", "ngxtap-binary-")
		if err != nil {
			t.Fatal(err)
		}
		// Others may run it: a test can start it as another user.
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		built.dir, built.paths = dir, map[bool]string{}
	}
	name, args := "ngxtap", []string{"build", "-pgo=off"}
	if failpoints {
		name, args = "ngxtap-failpoint", append(args, "-tags", "failpoint")
	}
	path := filepath.Join(built.dir, name)
	cmd := exec.Command("go", append(args, "-o", path, "./cmd/ngxtap")...)
	cmd.Dir = components.Root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	built.paths[failpoints] = path
	return path
}

// Cleanup removes what Binary has built.
func Cleanup() {
	built.Lock()
	defer built.Unlock()
	os.RemoveAll(built.dir)
	built.dir, built.paths = "", nil
}

// Host is one host with ngxtap: a folder with its configuration and its state, and at most one daemon at a time unless a test wants
// two.
type Host struct {
	Dir      string
	Config   string // path of ngxtap.yaml
	Instance string
	Admin    string // host:port of metrics and health
	Brokers  []string
	Registry string // empty: single-object framing

	// For the daemons that Start starts from now on.
	Failpoints string               // value of NGXTAP_FAILPOINT; empty: none
	Env        []string             // further variables
	Attr       *syscall.SysProcAttr // a user, namespaces; nil: as the test itself
	Wrap       []string             // a program with arguments that runs ngxtap, such as prlimit or unshare
}

// HostConfig is what a Host is made of. The zero value of a field means its default.
type HostConfig struct {
	Instance string   // default: web-01
	Brokers  []string // at least one
	Registry string   // default: none
	Kafka    []string // further lines for the section kafka, as "key: value"
	Daemon   string   // further lines of ngxtap.yaml
	Sites    []Site   // at least one
	StateDir string   // default: a folder of its own
}

// Site is one site's file.
type Site struct {
	Name  string
	Paths []string // files or globs
	// AccessLog are further lines for the section access_log, as "key: value". Without nginx_conf among them the format is LogFormat.
	AccessLog []string
	// Extra are further lines of the site's file.
	Extra string
}

// LogFormat is the format of the lines that Line makes. Its last part is the id that the oracle looks for.
const LogFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_id"`

// NewHost writes the configuration of a host. Commits come every 20 ms, and a rotated file is let go after a quiet second, so that
// tests are quick.
func NewHost(t testing.TB, c HostConfig) *Host {
	t.Helper()
	dir := t.TempDir()
	h := &Host{Dir: dir, Config: filepath.Join(dir, "ngxtap.yaml"), Instance: c.Instance, Admin: freeAddr(t), Brokers: c.Brokers, Registry: c.Registry}
	if h.Instance == "" {
		h.Instance = "web-01"
	}
	if c.StateDir == "" {
		c.StateDir = filepath.Join(dir, "state")
	}
	kafka := append([]string{"brokers: [" + strings.Join(c.Brokers, ", ") + "]", "commit_interval: 20ms"}, c.Kafka...)
	text := fmt.Sprintf("instance: %s\nstate_dir: %s\nadmin: {listen: %s}\nkafka:\n  %s\n%s\n", h.Instance, c.StateDir, h.Admin,
		strings.Join(dedupe(kafka), "\n  "), c.Daemon)
	if c.Registry != "" {
		text += "registry: {url: " + c.Registry + "}\n"
	}
	write(t, h.Config, text)
	for _, s := range c.Sites {
		h.WriteSite(t, s)
	}
	return h
}

// WriteSite writes a site's file, in place of the one that is there. A daemon that runs takes it over on SIGHUP.
func (h *Host) WriteSite(t testing.TB, s Site) {
	t.Helper()
	log := []string{"paths: [" + strings.Join(s.Paths, ", ") + "]", "rotate_grace: 1s"}
	if !slices.ContainsFunc(s.AccessLog, func(l string) bool { return strings.HasPrefix(l, "nginx_conf:") }) {
		log = append(log, "log_format: '"+LogFormat+"'")
	}
	log = dedupe(append(log, s.AccessLog...))
	write(t, filepath.Join(h.Dir, "sites.d", s.Name+".yaml"), fmt.Sprintf("site: %s\naccess_log:\n  %s\n%s\n", s.Name, strings.Join(log, "\n  "), s.Extra))
}

// dedupe keeps the last of several lines with one key.
func dedupe(lines []string) []string {
	last := map[string]int{}
	for i, l := range lines {
		key, _, _ := strings.Cut(l, ":")
		last[key] = i
	}
	var out []string
	for i, l := range lines {
		key, _, _ := strings.Cut(l, ":")
		if last[key] == i {
			out = append(out, l)
		}
	}
	return out
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ips counts what IP returned.
var ips atomic.Uint32

// IP returns an address of the loopback that no other caller of this process gets. Ports there are not taken by outgoing connections
// of others, which come from 127.0.0.1, so that a port which is free stays free until it is listened on.
func IP() string {
	n := ips.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 1+os.Getpid()%250, n>>8&255, n&255)
}

// freeAddr returns an address on the loopback that nobody uses.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", IP()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Start starts ngxtap run with args after it. It does not wait for anything.
func (h *Host) Start(t testing.TB, args ...string) *components.Program {
	t.Helper()
	argv := append(append([]string{}, h.Wrap...), Binary(t, h.Failpoints != ""), "run", "-c", h.Config)
	argv = append(argv, args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), h.Env...)
	if h.Failpoints != "" {
		cmd.Env = append(cmd.Env, "NGXTAP_FAILPOINT="+h.Failpoints)
	}
	if h.Attr != nil {
		attr := *h.Attr
		cmd.SysProcAttr = &attr
	}
	return components.StartCommand(t, cmd)
}

// Source says where the oracle finds what this host shipped of a site.
func (h *Host) Source(site string) oracle.Source {
	return oracle.Source{Brokers: h.Brokers, Instance: h.Instance, Site: site, Registry: h.Registry}
}

// AwaitBytes waits until the daemon's metrics say that so many bytes of a site were committed since it started.
func (h *Host) AwaitBytes(t testing.TB, daemon *components.Program, site string, bytes int64, within time.Duration) {
	t.Helper()
	components.Eventually(t, within, func() error {
		if err := daemon.Alive(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		n, err := oracle.Metric(ctx, h.Admin, "ngxtap_read_bytes_total", `site="`+site+`"`)
		if err == nil && int64(n) < bytes {
			err = fmt.Errorf("%d of %d bytes of site %s are committed", int64(n), bytes, site)
		}
		return err
	})
}

// AwaitArrived waits until as many lines of a site as said are events or in quarantine. It reads Kafka, so it counts across restarts.
func (h *Host) AwaitArrived(t testing.TB, daemon *components.Program, site string, lines int, within time.Duration) {
	t.Helper()
	components.Eventually(t, within, func() error {
		if err := daemon.Alive(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s, err := oracle.Read(ctx, h.Source(site))
		if err == nil && len(s.Records) < lines {
			err = fmt.Errorf("%d of %d lines of site %s have arrived", len(s.Records), lines, site)
		}
		return err
	})
}

// Judge reads what arrived of a site and judges it. Every problem is an error of the test.
func (h *Host) Judge(t testing.TB, site string, j *oracle.Journal, rules oracle.Rules) *oracle.Verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	s, err := oracle.Read(ctx, h.Source(site))
	if err != nil {
		t.Fatalf("read what arrived: %v", err)
	}
	if rules.Instance == "" {
		rules.Instance = h.Instance
	}
	if rules.Check == nil {
		rules.Check = CheckID
	}
	v := oracle.Judge(j, s, rules)
	for _, p := range v.Problems {
		t.Error(p)
	}
	t.Logf("site %s: %v", site, v)
	return v
}
