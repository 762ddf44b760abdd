package main

// Shows: the service manager hears that we are ready whether there is a broker or not, is pinged while every site is alive and no longer once
// one hangs, and reads a status on one line that says what matters first, whatever others write into it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

// systemd is the other end of the socket.
type systemd struct {
	t    *testing.T
	conn *net.UnixConn
}

// newSystemd listens under name, which may be abstract, and makes it the manager of what is started from now on.
func newSystemd(t *testing.T, name string) *systemd {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &systemd{t, c}
}

// next returns the next message.
func (s *systemd) next() string {
	s.t.Helper()
	if err := s.conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 64<<10)
	n, err := s.conn.Read(buf)
	if err != nil {
		s.t.Fatalf("no message came: %v", err)
	}
	return string(buf[:n])
}

func TestManagerSpeaksTheProtocol(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), "@ngxtap-test-" + strconv.Itoa(os.Getpid())} {
		sd := newSystemd(t, name)
		t.Setenv("WATCHDOG_USEC", "30000000")
		t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
		m := newManager(slog.New(slog.DiscardHandler))
		if m.watchdog != 30*time.Second {
			t.Errorf("the watchdog wants a ping each %v, want 30s", m.watchdog)
		}
		m.ready()
		m.reloading()
		m.refused(errors.New("ngxtap.yaml:3: unknown key"))
		m.stopping()
		var got []string
		for range 4 {
			got = append(got, sd.next())
		}
		kind, usec, _ := strings.Cut(got[1], "\nMONOTONIC_USEC=")
		if n, err := strconv.ParseInt(usec, 10, 64); kind != "RELOADING=1" || err != nil || n <= 0 {
			t.Errorf("a reload says %q", got[1])
		}
		if got[0] != "READY=1" || got[2] != "READY=1\nSTATUS=the new configuration is refused, the old one is in force: ngxtap.yaml:3: unknown key" || !strings.HasPrefix(got[3], "STOPPING=1\nSTATUS=") {
			t.Errorf("got %q", got)
		}
	}
}

func TestWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	for name, env := range map[string][3]string{
		"another process": {"/run/x", "1000000", "1"}, "no socket": {"", "1000000", ""}, "no number": {"/run/x", "often", ""}, "negative": {"/run/x", "-1", ""},
		"too much": {"/run/x", "9223372036854775807", ""},
	} {
		t.Setenv("NOTIFY_SOCKET", env[0])
		t.Setenv("WATCHDOG_USEC", env[1])
		t.Setenv("WATCHDOG_PID", env[2])
		if m := newManager(slog.New(slog.DiscardHandler)); m.watchdog != 0 {
			t.Errorf("%s: pings each %v", name, m.watchdog)
		}
	}
}

// TestManagerThatIsGone is said once, and harms nothing.
func TestManagerThatIsGone(t *testing.T) {
	var out bytes.Buffer
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	m := newManager(slog.New(slog.NewTextHandler(&out, nil)))
	m.ready()
	m.stopping()
	if n := strings.Count(out.String(), "can't be told"); n != 1 {
		t.Errorf("said %d times:\n%s", n, out.String())
	}
}

// TestStatusIsOneLine: what others write may not become a message of its own.
func TestStatusIsOneLine(t *testing.T) {
	got := statusOf("a file named x\nMAINPID=1\x1b[31m " + strings.Repeat("ä", 1000))
	if strings.ContainsAny(got, "\n\x1b") || len(got) > 500 || !strings.HasPrefix(got, `STATUS=a file named x\nMAINPID=1\u001b[31m ä`) || !strings.HasSuffix(got, "ä …") {
		t.Errorf("got %q", got)
	}
}

// slowSink is a far side that a test can make hang.
type slowSink struct {
	sink.Sink
	entered, release chan struct{}
}

func (s *slowSink) Commit(ctx context.Context, p sink.Position) error {
	close(s.entered)
	<-s.release // whatever ctx says
	return s.Sink.Commit(ctx, p)
}

// testSite makes a site over a log of two lines.
func testSite(t *testing.T, name string, pulse *pipeline.Pulse, open func() (sink.Sink, error)) *pipeline.Site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte("200\n404\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lf, err := logformat.Compile(logformat.Inline("$status", logformat.EscapeDefault), logformat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := pipeline.NewFormat(lf, schema.Options{Site: name})
	if err != nil {
		t.Fatal(err)
	}
	s, err := pipeline.New(pipeline.Config{Site: name, Instance: "web-01", Formats: []*pipeline.Format{f}, CommitInterval: time.Millisecond, Pulse: pulse,
		RetryAfter: time.Millisecond, Logger: slog.New(slog.DiscardHandler), Tail: tail.Config{Paths: []string{path}, PollInterval: 5 * time.Millisecond},
		Frame: func(context.Context, sink.Stream, string, string) (*pipeline.Frame, error) {
			return &pipeline.Frame{}, nil
		}, Open: open})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// runFleet runs sites until ctx ends.
func runFleet(ctx context.Context, d *daemon, sites []*pipeline.Site) {
	d.cfg.Sites = make([]config.Site, len(sites))
	f := newFleet(ctx, d, sites)
	for f.left > 0 {
		f.note(<-f.ended)
	}
}

// start runs sites until the test ends.
func start(t *testing.T, sites ...*pipeline.Site) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		runFleet(ctx, &daemon{cfg: &config.Config{}, log: slog.New(slog.DiscardHandler)}, sites)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
}

func testDaemon(t *testing.T) *daemon {
	t.Helper()
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", "")
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	cfg := &config.Config{}
	cfg.Kafka.Brokers, cfg.Kafka.RequestTimeout = []string{"kafka-1:9092", "kafka-2:9092"}, 20*time.Second
	return &daemon{cfg: cfg, log: log, manager: newManager(log)}
}

// TestHungSiteStopsThePings: no ping, and the status says which site and what it was doing; when it goes on, so do they.
func TestHungSiteStopsThePings(t *testing.T) {
	sd := newSystemd(t, filepath.Join(t.TempDir(), "notify"))
	d := testDaemon(t)
	s := &slowSink{Sink: sinktest.NewMemory().Open(sinktest.Process{Run: "test", Host: "web-01"}), entered: make(chan struct{}), release: make(chan struct{})}
	pulse := &pipeline.Pulse{}
	sites := []*pipeline.Site{testSite(t, "shop", pulse, func() (sink.Sink, error) { return s, nil })}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		runFleet(ctx, d, sites)
	}()
	<-s.entered
	w := newWatch(d, sites, 5*time.Second)
	limit := int(hangAfter(20*time.Second) / w.step)
	w.look(0)
	for range limit {
		if got := sd.next(); !strings.HasPrefix(got, "WATCHDOG=1") {
			t.Fatalf("a commit that takes its time: %q", got)
		}
		w.look(w.step)
	}
	if got := sd.next(); strings.Contains(got, "WATCHDOG") || !strings.HasPrefix(got, "STATUS=site shop hangs: committing; 0 of 1 site running") {
		t.Errorf("a site that hangs: %q", got)
	}
	if got := d.stuck(); len(got) != 1 || got[0] != "shop" {
		t.Errorf("stuck are %q", got)
	}
	w.look(w.step)
	if err := sd.conn.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := sd.conn.Read(make([]byte, 1<<10)); err == nil {
		t.Errorf("a message of %d bytes from a daemon that hangs and has nothing new to say", n)
	}
	cancel()
	close(s.release)
	<-done
	w.look(w.step)
	if got := sd.next(); !strings.HasPrefix(got, "WATCHDOG=1\nSTATUS=0 of 1 site running") {
		t.Errorf("it goes on: %q", got)
	}
	if got := d.stuck(); len(got) != 0 {
		t.Errorf("stuck are %q", got)
	}
}

// TestStatusSaysWhatIsWaitedFor goes through the phases of sites.
func TestStatusSaysWhatIsWaitedFor(t *testing.T) {
	sd := newSystemd(t, filepath.Join(t.TempDir(), "notify"))
	d := testDaemon(t)
	var sites []*pipeline.Site
	away := make(chan struct{}, 8)
	for i := range 4 {
		pulse := &pipeline.Pulse{}
		sites = append(sites, testSite(t, fmt.Sprintf("away%d", i), pulse, func() (sink.Sink, error) { return &awaySink{away}, nil }))
	}
	good := testSite(t, "good", &pipeline.Pulse{}, func() (sink.Sink, error) {
		return sinktest.NewMemory().Open(sinktest.Process{Run: "test", Host: "web-01"}), nil
	})
	over := testSite(t, "over", &pipeline.Pulse{}, func() (sink.Sink, error) { return nil, fmt.Errorf("it is gone: %w\nMAINPID=1", sink.ErrNotOwner) })
	sites = append(sites, good, over)
	start(t, sites...)
	for range 4 {
		<-away
	}
	reach := func(s *pipeline.Site, want pipeline.Phase, commits int64) {
		deadline, tick := time.After(30*time.Second), time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			if p, _ := s.Stats().Phase(); p == want && s.Stats().Commits.Load() >= commits {
				return
			}
			select {
			case <-deadline:
				state, _ := s.Stats().State()
				t.Fatalf("site %s does not come so far: %s", s.Name(), state)
			case <-tick.C:
			}
		}
	}
	reach(good, pipeline.Running, 2)
	reach(over, pipeline.Failed, 0)
	stop := d.supervise(sites)
	defer stop()
	if got := sd.next(); got != "READY=1" {
		t.Errorf("a daemon without brokers is not ready: %q", got)
	}
	got := sd.next()
	for _, want := range []string{"WATCHDOG=1\nSTATUS=1 of 6 sites running; ", "away0, away1, 2 more waiting for Kafka at kafka-1:9092 and 1 more; ",
		`over can't go on: open the sink: it is gone: another owner has this site\nMAINPID=1`, "last commit "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// TestStatusOfAStop: what was said of the stop is not said over, while pings go on.
func TestStatusOfAStop(t *testing.T) {
	sd := newSystemd(t, filepath.Join(t.TempDir(), "notify"))
	d := testDaemon(t)
	d.manager.refused(errors.New("unknown key\nand another"))
	w := newWatch(d, nil, 5*time.Second)
	w.look(w.step)
	d.manager.stopping()
	w.look(w.step)
	var got []string
	for range 4 {
		got = append(got, sd.next())
	}
	if want := "WATCHDOG=1\nSTATUS=" + refusedText + "unknown key; 0 sites running"; got[1] != want {
		t.Errorf("after a reload that was refused: %q, want %q", got[1], want)
	}
	if !strings.HasPrefix(got[2], "STOPPING=1\nSTATUS=stopping") || got[3] != "WATCHDOG=1" {
		t.Errorf("a stop: %q", got[2:])
	}
}

// awaySink waits for a broker that never comes.
type awaySink struct{ waits chan<- struct{} }

func (s *awaySink) Recover(ctx context.Context) (sink.Position, error) {
	s.waits <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}
func (s *awaySink) Write(context.Context, *sink.Batch) error    { return errNotRecovered }
func (s *awaySink) Commit(context.Context, sink.Position) error { return errNotRecovered }
func (s *awaySink) Close() error                                { return nil }

var errNotRecovered = errors.New("not recovered")

func TestBytesForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1258291: "1.2 MiB", 5 << 40: "5.0 TiB", 1 << 62: "4096.0 PiB"} {
		if got := binaryBytes(n); got != want {
			t.Errorf("binaryBytes(%d) = %s, want %s", n, got, want)
		}
	}
}

// TestSitesOfADaemonShowSignsOfLife: what New is given by the daemon beats while a broker is away, from within the one call that waits for it.
func TestSitesOfADaemonShowSignsOfLife(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there now
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ngxtap.yaml":       fmt.Sprintf("instance: web-01\nkafka: {brokers: ['%s']}\nstate_dir: state\n", l.Addr()),
		"sites.d/shop.yaml": "site: shop\naccess_log: {paths: [/nowhere/access.log], log_format: '$status'}\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "ngxtap.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if err := errors.Join(d.own(), d.connect()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close() })
	sites, err := d.sites(false)
	if err != nil {
		t.Fatal(err)
	}
	start(t, sites...)
	v, tick := pipeline.NewVigil(time.Minute, sites), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for beats := 0; beats < 3; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d signs of life in a minute", beats)
		}
		p, _ := sites[0].Stats().Phase()
		if _, back := v.Look(time.Minute); p == pipeline.WaitingForSink && len(back) > 0 {
			beats++
		}
	}
}
