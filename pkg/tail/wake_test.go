// Shows that new lines and new files appear at once with inotify, soon without it, and that a wait can be cancelled.
package tail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// real opens a Tailer with the clock and the waker of production.
func real(t *testing.T, cfg Config) *Tailer {
	t.Helper()
	tl, err := Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tl.Close() })
	return tl
}

// next reads one chunk, waiting far longer than it may take.
func next(t *testing.T, tl *Tailer) string {
	t.Helper()
	c, err := tl.Read(t.Context(), time.Minute)
	if err != nil || c.Empty() {
		t.Fatalf("nothing came: %v", err)
	}
	return string(c.Data)
}

// Polls are an hour apart here, so whatever arrives was announced by inotify.
func TestInotifyWakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	tl := real(t, Config{Paths: []string{path}, PollInterval: time.Hour})
	for _, step := range []func(){
		func() { write(t, path, "created\n") },
		func() { write(t, path, "appended\n") },
		func() { rename(t, path, path+".1"); write(t, path+".1", "drained\n") },
		func() { write(t, path, "created again\n") },
		func() { truncateTo(t, path, 0); write(t, path, "truncated\n") },
		func() { remove(t, path); write(t, path, "replaced\n") },
	} {
		var wg sync.WaitGroup
		started := make(chan struct{})
		wg.Go(func() {
			<-started
			step()
		})
		close(started)
		got := next(t, tl)
		wg.Wait()
		t.Logf("%q", got)
	}
}

func TestInotifyIgnoresOtherFiles(t *testing.T) {
	dir := t.TempDir()
	w, err := newInotify(func(name string) bool { return name == "mine" })
	if err != nil {
		t.Skip(err)
	}
	defer w.close()
	if err := w.watch(dir); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "other"), "x")
	start := time.Now()
	if w.wait(t.Context(), 50*time.Millisecond) || time.Since(start) < 50*time.Millisecond {
		t.Error("another file woke us")
	}
	write(t, filepath.Join(dir, "mine"), "x")
	if !w.wait(t.Context(), time.Minute) {
		t.Error("a new file is a change of names")
	}
	write(t, filepath.Join(dir, "mine"), "x")
	if w.wait(t.Context(), time.Minute) {
		t.Error("a write is no change of names")
	}
	// A directory that was replaced is watched again.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := w.watch(dir); err != nil {
		t.Fatal(err)
	}
	for w.wait(t.Context(), 10*time.Millisecond) { // what is queued about the old one
	}
	write(t, filepath.Join(dir, "mine"), "x")
	if !w.wait(t.Context(), time.Minute) {
		t.Error("the new directory is not watched")
	}
}

func TestReadIsCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	blind := Config{Paths: []string{path}, wake: timer{}}
	for _, cfg := range []Config{{Paths: []string{path}}, blind} {
		tl := real(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(cancel)
		if _, err := tl.Read(ctx, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		wg.Wait()
		if c, err := tl.Read(t.Context(), time.Millisecond); err != nil || !c.Empty() {
			t.Errorf("the Read after it: %v, %v", c, err)
		}
		tl.Close()
		if _, err := tl.Read(t.Context(), 0); err == nil {
			t.Error("a closed Tailer reads")
		}
	}
}

// Without inotify lines appear within 200 ms of polling, said once, whatever the poll interval is.
func TestWithoutInotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	var log bytes.Buffer
	tl := real(t, Config{Paths: []string{path}, PollInterval: time.Hour, wake: timer{}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, s := range []string{"a\n", "b\n", "c\n"} {
		write(t, path, s)
		if got := next(t, tl); got != s {
			t.Errorf("read %q, want %q", got, s)
		}
		rename(t, path, path+".1")
	}

	step := &stepper{now: time.Now()}
	start := step.now
	step.onWait = func() {
		if step.now.Sub(start) > time.Second && step.onWait != nil {
			step.onWait = nil
			start = step.now
			write(t, path, "late\n")
		}
	}
	tl = real(t, Config{Paths: []string{path}, PollInterval: time.Hour, wake: blindStepper{step}, now: func() time.Time { return step.now }})
	if got := next(t, tl); got != "late\n" {
		t.Errorf("read %q", got)
	}
	if d := step.now.Sub(start); d > blindPoll {
		t.Errorf("it took %v", d)
	}
}

type blindStepper struct{ *stepper }

func (blindStepper) watch(string) error { return errNoInotify }

func TestStatusFromAnotherGoroutine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write(t, path, strings.Repeat("line\n", 100000))
	tl := real(t, Config{Paths: []string{path}, BlockSize: 4096})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				for _, s := range tl.Status() {
					if s.Offset > s.Size || s.Offset%5 != 0 {
						t.Errorf("status %+v", s)
					}
				}
			}
		}
	})
	for !tl.AtEnd() {
		if _, err := tl.Read(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if s := tl.Status(); len(s) != 1 || s[0].Offset != 500000 || s[0].Lines != 100000 || s[0].Size != 500000 {
		t.Errorf("status %+v", s)
	}
}

// What is read again and again in steady state allocates nothing.
func TestReadAllocatesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "first\n")
	r := newRig(t, dir, Config{}, "a.log")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := []byte(lines("line", 20, 500))
	ctx := t.Context()
	if n := testing.AllocsPerRun(200, func() {
		if _, err := f.Write(line); err != nil {
			t.Fatal(err)
		}
		for {
			c, err := r.Read(ctx, 0)
			if err != nil {
				t.Fatal(err)
			}
			if c.Empty() {
				break
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations per read", n)
	}
}
