package main

// Shows: a terminal gets colours and a line that changes; a pipe, a dumb terminal and NO_COLOR get none of it.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPty returns a new terminal of 100 columns: its two ends.
func openPty(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	return master, slave
}

// onTerminal runs ngxtap with standard error on a terminal, and returns what that got, and standard output, which is a pipe.
func onTerminal(t *testing.T, dir string, env []string, args ...string) (screen, stdout string) {
	t.Helper()
	master, slave := openPty(t)
	cmd := exec.Command("ngxtap", args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR="), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, err := io.ReadAll(master)
		if err != nil && !errors.Is(err, syscall.EIO) { // EIO: nobody has the other end any more
			b = append(b, err.Error()...)
		}
		read <- string(b)
	}()
	_ = cmd.Wait() // some are to fail
	slave.Close()
	return <-read, out.String()
}

func TestColours(t *testing.T) {
	args := []string{"config", "-c", "nothere.yaml"}
	for _, tt := range []struct {
		name     string
		env      []string
		coloured bool
	}{
		{"a terminal", nil, true},
		{"NO_COLOR", []string{"NO_COLOR=1"}, false},
		{"a dumb terminal", []string{"TERM=dumb"}, false},
	} {
		screen, _ := onTerminal(t, t.TempDir(), tt.env, args...)
		if !strings.Contains(screen, "nothere.yaml") || strings.Contains(screen, "\x1b[31mngxtap:\x1b[0m") != tt.coloured || strings.Contains(screen, "\x1b") != tt.coloured {
			t.Errorf("%s: %q", tt.name, screen)
		}
	}
	cmd := exec.Command("ngxtap", args...)
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=")
	if out, _ := cmd.CombinedOutput(); bytes.Contains(out, []byte("\x1b")) || !bytes.Contains(out, []byte("ngxtap: ")) {
		t.Errorf("a pipe: %q", out)
	}
}

// Findings begin with their level in colour; nothing that they say can.
func TestColoursOfFindings(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	const text = "ok       all\nerror    error \x1b[2J\n         error in the middle\nwarning  w\n"
	master, slave := openPty(t)
	if n, err := (levelWriter{escaper{slave}}).Write([]byte(text)); n != len(text) || err != nil {
		t.Fatal(n, err)
	}
	want := "ok       all\r\n\x1b[31merror\x1b[0m    error \\u001b[2J\r\n         error in the middle\r\n\x1b[33mwarning\x1b[0m  w\r\n"
	b := make([]byte, len(want))
	if _, err := io.ReadFull(master, b); err != nil || string(b) != want {
		t.Errorf("got %q, %v, want %q", b, err, want)
	}
	var pipe bytes.Buffer
	if _, err := (levelWriter{escaper{&pipe}}).Write([]byte(text)); err != nil || strings.Contains(pipe.String(), "\x1b") || !strings.Contains(pipe.String(), "warning  w\n") {
		t.Errorf("got %q, %v", pipe.String(), err)
	}
}

// runOnce is a folder with a log that takes more than a moment to ship.
func runOnce(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	var log bytes.Buffer
	for n := range 200_000 {
		fmt.Fprintf(&log, "%d %d\n", 200+n%7, n)
	}
	for name, text := range map[string]string{
		"ngxtap.yaml":       "state_dir: state\n",
		"sites.d/shop.yaml": "site: shop\naccess_log: {paths: [../access.log], log_format: '$status $body_bytes_sent'}\n",
		"access.log":        log.String(),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestProgressOfRunOnce(t *testing.T) {
	args := []string{"run", "--once", "--embedded", "-c", "ngxtap.yaml"}
	screen, stdout := onTerminal(t, runOnce(t), nil, args...)
	if !strings.Contains(screen, eraseLine) || !strings.Contains(screen, "KiB") && !strings.Contains(screen, "MiB") {
		t.Errorf("no progress on a terminal: %q", screen)
	}
	if !strings.Contains(screen, "200000 events") || strings.Contains(stdout, "\x1b") {
		t.Errorf("screen %q\nstdout %q", screen, stdout)
	}
	// What a person sees at the end has nothing left of the line.
	for _, l := range strings.Split(screen, "\r\n") {
		if shown := l[strings.LastIndex(l, eraseLine)+1:]; strings.Contains(shown, "KiB (") || strings.Contains(shown, "MiB (") {
			t.Errorf("left on the screen: %q", l)
		}
	}
	screen, _ = onTerminal(t, runOnce(t), []string{"TERM=dumb"}, args...)
	if strings.Contains(screen, "\x1b") || !strings.Contains(screen, "200000 events") {
		t.Errorf("a dumb terminal: %q", screen)
	}
	cmd := exec.Command("ngxtap", args...)
	cmd.Dir = runOnce(t)
	if out, err := cmd.CombinedOutput(); err != nil || bytes.ContainsAny(out, "\x1b\r") || !bytes.Contains(out, []byte("200000 events")) {
		t.Errorf("a pipe: %v, %q", err, out)
	}
}

// A replay of many lines shows how far it is, and then what became of them.
func TestProgressOfReplay(t *testing.T) {
	dir := runOnce(t)
	site := filepath.Join(dir, "sites.d", "shop.yaml")
	write := func(format string) {
		t.Helper()
		if err := os.WriteFile(site, []byte("site: shop\naccess_log: {paths: [../access.log], log_format: '"+format+"'}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("$status") // which no line fits
	at := []string{"--embedded", "-c", "ngxtap.yaml"}
	if screen, _ := onTerminal(t, dir, nil, append(at, "run", "--once")...); !strings.Contains(screen, "200000 quarantined") {
		t.Fatalf("%q", screen)
	}
	screen, stdout := onTerminal(t, dir, nil, append(at, "cat", "nginx.shop.access.quarantine")...)
	if !strings.Contains(screen, " events") || strings.Count(stdout, "\n") != 200_000 || strings.Contains(stdout, "\x1b") {
		t.Errorf("cat: screen %q, %d bytes", screen, len(stdout))
	}
	screen, stdout = onTerminal(t, dir, nil, append(at, "quarantine", "list", "-n", "1")...)
	if !strings.Contains(screen, " records looked at") || !strings.Contains(stdout, "200000 lines, 0 of them replayed") || strings.Contains(stdout, "\x1b") {
		t.Errorf("list: screen %q, stdout %q", screen, stdout)
	}
	write("$status $body_bytes_sent")
	replay := append(at, "quarantine", "replay", "--site", "shop")
	screen, stdout = onTerminal(t, dir, nil, append(replay, "--dry-run", "--json")...)
	if !strings.Contains(screen, eraseLine) || !strings.Contains(screen, " of 200000 lines (") || !strings.HasPrefix(stdout, `{"site":"shop","dry_run":true,"replayed":200000,`) {
		t.Errorf("screen %q\nstdout %q", screen, stdout)
	}
	if end := screen[strings.LastIndex(screen, eraseLine)+len(eraseLine):]; strings.Contains(end, "lines (") {
		t.Errorf("left on the screen: %q", end)
	}
	screen, _ = onTerminal(t, dir, []string{"TERM=dumb"}, replay...)
	if strings.Contains(screen, "\x1b") || !strings.Contains(screen, "site shop: 200000 replayed") {
		t.Errorf("a dumb terminal: %q", screen)
	}
}

func TestProgressText(t *testing.T) {
	for _, tt := range []struct {
		what                     string
		first, done, total, took int64
		want                     string
	}{
		{"", 0, 0, 0, 0, "0 B"},
		{"", 0, 1000, 0, 0, "1000 B"},
		{"", 0, 1 << 30, 4 << 30, 10, "1.00 GiB of 4.00 GiB (25%), 102.4 MiB/s, 30s left"},
		{"", 1 << 30, 2 << 30, 4 << 30, 1024, "2.00 GiB of 4.00 GiB (50%), 1.0 MiB/s, 34m8s left"},
		{"", 0, 4 << 30, 4 << 30, 10, "4.00 GiB of 4.00 GiB (100%), 409.6 MiB/s"},
		{"", 0, 5 << 20, 4 << 20, 0, "5.0 MiB of 4.0 MiB (100%)"}, // the file grows
		{"", 0, 0, 4 << 20, 100, "0 B of 4.0 MiB (0%)"},
		{"lines", 0, 50, 200, 5, "50 of 200 lines (25%), 10 lines/s, 15s left"},
		{"lines", 0, 199, 200, 2, "199 of 200 lines (99%), 99 lines/s, 1s left"},
	} {
		m := newProgressLine(io.Discard, tt.what)
		m.first = tt.first
		if got := m.text(time.Duration(tt.took)*time.Second, tt.done, tt.total); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// What is written meanwhile stands above the line, which is never wider than the terminal and never has control characters.
func TestTerminalLine(t *testing.T) {
	master, slave := openPty(t)
	w := asTerminal(slave)
	term, ok := w.(*terminal)
	if !ok {
		t.Fatalf("a terminal is %T", w)
	}
	var seen bytes.Buffer
	want := func(text string) {
		t.Helper()
		b := make([]byte, len(text))
		if _, err := io.ReadFull(master, b); err != nil {
			t.Fatal(err)
		}
		seen.Write(b)
		if string(b) != text {
			t.Fatalf("got %q, want %q", b, text)
		}
	}
	term.show("half")
	want("\r\x1b[Khalf")
	term.show("half") // nothing new
	fmt.Fprint(escaper{w}, "a log line\x1b\n")
	want("\r\x1b[Ka log line\\u001b\r\nhalf")
	term.show(strings.Repeat("é", 200) + "\x1b[2J")
	want("\r\x1b[K" + strings.Repeat("é", 99))
	term.show("")
	want("\r\x1b[K")
	fmt.Fprint(w, "the end\n")
	want("the end\r\n")
	if !isTerminal(escaper{w}) || isTerminal(&seen) {
		t.Error("what is a terminal is not known")
	}
}
