package main

// Shows: top fits every terminal, says by signs what it says by colours, never prints a control character of somebody else, and gives the terminal
// back as it was, however it ends.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/admin"
)

var topTime = time.Date(2026, 11, 28, 21, 30, 12, 0, time.UTC)

// topSample has a site of each kind.
func topSample(n int) *admin.Status {
	st := &admin.Status{API: 1, Time: topTime, Instance: "web-01", Started: topTime.Add(-50 * time.Hour), Version: "v"}
	for i := range n {
		s := admin.Site{Name: fmt.Sprintf("site-%02d", i), State: admin.StateRunning, Since: topTime.Add(-time.Duration(i+1) * time.Hour), LagBytes: int64(i * 1000),
			Rates: admin.Rates{Lines: float64(1000 - i), Bytes: float64(i) * 1e6, Rejects: float64(i % 3)}, Commit: admin.Commit{P50: 0.004, P99: 0.02, Over: 9},
			Counters: admin.Counters{Events: 1234567}}
		switch i {
		case 1:
			s.State, s.Reason = admin.StateHeld, "the change is breaking\x1b[2J\u202e; `ngxtap schema accept --site site-01 8f3c11ab90de4471` lets it through"
		case 2:
			s.Attention = []string{"a.log: permission denied"}
			s.Changes = []admin.Change{{Class: "breaking", Time: topTime.Add(-3 * time.Minute)}}
		}
		st.Sites = append(st.Sites, s)
	}
	return st
}

func TestTopFitsEveryTerminal(t *testing.T) {
	v := topView{sort: "trouble"}
	v.update(topSample(40), nil)
	for _, size := range [][2]int{{80, 24}, {200, 60}, {40, 12}, {20, 5}, {9, 3}, {1, 1}, {80, 2}, {0, 0}, {33, 0}, {0, 10}} {
		lines := v.lines(size[0], size[1])
		if size[1] > 0 && len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); size[0] > 0 && n > size[0] {
				t.Errorf("%v: a line of %d: %q", size, n, l)
			}
			if strings.ContainsAny(l, "\x1b\u202e\n") {
				t.Errorf("a control character is printed: %q", l)
			}
		}
	}
	all := strings.Join(v.lines(80, 24), "\n")
	for _, want := range []string{"SITE", "STATE", "EVENTS/S", "LAG", "! held", "* running", "1 to ", "of 40 sites", "ngxtap schema accept --site\n  site-01 8f3c"} {
		if !strings.Contains(all, want) {
			t.Errorf("80x24 lacks %q:\n%s", want, all)
		}
	}
	if narrow := strings.Join(v.lines(30, 24), "\n"); !strings.Contains(narrow, "SITE    STATE     EVENTS/S") || strings.Contains(narrow, "P50") {
		t.Errorf("30 wide:\n%s", narrow)
	}
	if wide := strings.Join(v.lines(0, 0), "\n"); !strings.Contains(wide, "LAST CHANGE") || !strings.Contains(wide, "breaking 3m ago") || !strings.Contains(wide, "site-39") {
		t.Errorf("as wide as need be:\n%s", wide)
	}
}

func TestTopKeys(t *testing.T) {
	v := topView{sort: "trouble"}
	v.update(topSample(40), nil)
	first := func() string {
		for i, l := range v.lines(80, 20) {
			if strings.HasPrefix(l, "SITE") {
				return strings.Fields(v.lines(80, 20)[i+1])[0]
			}
		}
		return "none"
	}
	for _, step := range []struct {
		key  byte
		want string
	}{{'g', "site-39"}, {keyDown, "site-38"}, {keyUp, "site-39"}, {keyUp, "site-39"}, {'l', "site-00"}, {keyEnd, "site-29"}, {keyPageUp, "site-19"}, {keyHome, "site-00"}, {'n', "site-00"}, {'x', "site-00"}} {
		v.key(step.key, 10)
		if got := first(); got != step.want {
			t.Errorf("after %q: %s, want %s", step.key, got, step.want)
		}
	}
	for _, c := range []struct {
		in   string
		want []byte
	}{{"q", []byte("q")}, {"\x1b[A\x1b[B", []byte{keyUp, keyDown}}, {"\x1bOA", []byte{keyUp}}, {"\x1b[5~g\x1b[6~", []byte{keyPageUp, 'g', keyPageDown}}, {"\x1b", nil},
		{"\x1b[", nil}, {"\x1b[1;5C", nil}, {"\x1b[200~l", []byte("l")}, {"\x00\xff\x7f", nil}} {
		if got := keysOf([]byte(c.in)); !bytes.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[5~q\x1bO"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(keysOf(b)) > len(b) {
			t.Error("more keys than bytes")
		}
	})
}

// How late a site is stands beside how much it has to do; nothing is late where all is committed.
func TestTopSaysHowLate(t *testing.T) {
	v := topView{}
	st := topSample(2)
	st.Sites[1].LagSeconds = 93
	v.update(st, nil)
	var rows [][]string
	for _, line := range v.lines(0, 0) {
		if strings.HasPrefix(line, "site-") {
			rows = append(rows, strings.Fields(line))
		}
	}
	if len(rows) != 2 || !strings.Contains(strings.Join(rows[0], " "), " 0 B - ") || !strings.Contains(strings.Join(rows[1], " "), " 1 kB 93 s ") {
		t.Errorf("%q", rows)
	}
}

func TestTopSaysWhatIsWrong(t *testing.T) {
	v := topView{}
	if got := v.lines(80, 24); got[0] != "asking the daemon …" {
		t.Errorf("at first: %q", got)
	}
	v.update(nil, errors.New("no daemon answers at \x1b[31m:9"))
	if got := strings.Join(v.lines(80, 24), "\n"); !strings.Contains(got, `no daemon answers at \u001b[31m:9`) {
		t.Errorf("no answer: %q", got)
	}
	v.update(topSample(3), nil)
	v.update(nil, errors.New("connection refused"))
	if got := strings.Join(v.lines(80, 24), "\n"); !strings.Contains(got, "connection refused") || !strings.Contains(got, "site-00") {
		t.Errorf("the last answer is gone: %s", got)
	}
	v.colour = true
	if got := strings.Join(v.lines(80, 24), "\n"); !strings.Contains(got, "\x1b[31msite-01") {
		t.Errorf("no colour: %q", got)
	}
}

// Whoever answers in the daemon's place is told apart from it.
func TestTopAsksWhoIsNoDaemon(t *testing.T) {
	for _, c := range []struct {
		code       int
		body, want string
	}{
		{404, "<html>nginx", "has no status: it is another program"},
		{403, "this port answers to localhost\x1b[2J\nsecond", "403 Forbidden: this port answers to localhost\\u001b[2J"},
		{200, "hello", "is not the status of an ngxtap that this one knows"},
		{200, `{"api":2}`, "(api 2): api 1 is known"},
		{302, "elsewhere", "answers 302 Found"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(c.code)
			io.WriteString(w, c.body)
		}))
		client, err := newStatusClient(s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.get(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "second") {
			t.Errorf("%d %q: %v", c.code, c.body, err)
		}
		client.http.CloseIdleConnections()
		s.Close()
	}
	for addr, want := range map[string]string{":9464": "http://127.0.0.1:9464/", "0.0.0.0:9464": "http://127.0.0.1:9464/", "[::]:9464": "http://[::1]:9464/", "unix:/a b": "http://localhost/"} {
		if c, err := newStatusClient(addr); err != nil || !strings.HasPrefix(c.url, want+"api/v1/status?") {
			t.Errorf("%s: %+v %v", addr, c, err)
		}
	}
}

// openPTY returns both ends of a new pseudo-terminal.
func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close(); master.Close() })
	return master, slave
}

func TestTopInATerminal(t *testing.T) {
	s, err := admin.Start(admin.Config{Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Status: func(admin.Span) *admin.Status { return topSample(3) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		name string
		end  func(master *os.File, cancel context.CancelFunc)
	}{
		{"q", func(m *os.File, _ context.CancelFunc) { m.WriteString("g\x1b[Bq") }},
		{"signal", func(_ *os.File, cancel context.CancelFunc) { cancel() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			master, slave := openPTY(t)
			if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
				t.Fatal(err)
			}
			before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			code := make(chan int)
			go func() {
				code <- run(ctx, []string{"top", "--addr", s.Addr()}, stdio{in: slave, out: slave, err: io.Discard})
			}()
			screen := readUntil(t, master, "permission denied")
			if !strings.HasPrefix(screen, "\x1b[?1049h") || !strings.Contains(screen, "site-00") || !strings.Contains(screen, "q quit") {
				t.Errorf("the screen: %q", screen)
			}
			c.end(master, cancel)
			readUntil(t, master, "\x1b[?1049l")
			if got := <-code; got != 0 {
				t.Errorf("exit %d", got)
			}
			after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is %+v, was %+v, %v", after, before, err)
			}
		})
	}
}

// readUntil reads what appears until something is there.
func readUntil(t *testing.T, from *os.File, want string) string {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	if err := from.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		t.Fatal(err)
	}
	for !bytes.Contains(got, []byte(want)) {
		n, err := from.Read(buf)
		if err != nil {
			t.Fatalf("%v; so far %q", err, got)
		}
		got = append(got, buf[:n]...)
	}
	return string(got)
}
