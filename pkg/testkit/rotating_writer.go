// Package testkit holds helpers that only tests use.
package testkit

import (
	"fmt"
	"os"
	"testing"
)

// RotatingWriter writes a log as Nginx and logrotate do: every worker has its own descriptor opened with O_APPEND and writes whole
// lines with one write each; a rotation renames the file, after which a worker goes on writing to the old file until it reopens
// (USR1). It is not safe for concurrent use, except that different workers may write at the same time.
type RotatingWriter struct {
	tb      testing.TB
	path    string
	workers []*os.File
}

// NewRotatingWriter creates the log at path and opens it for so many workers. All files are closed when the test ends.
func NewRotatingWriter(tb testing.TB, path string, workers int) *RotatingWriter {
	tb.Helper()
	w := &RotatingWriter{tb: tb, path: path, workers: make([]*os.File, workers)}
	for i := range w.workers {
		w.Reopen(i)
	}
	tb.Cleanup(w.Close)
	return w
}

// Path returns where the log is.
func (w *RotatingWriter) Path() string { return w.path }

// Write lets a worker write s as it is, by one write. Whole lines end in '\n'; without it, half a line is written.
func (w *RotatingWriter) Write(worker int, s string) {
	w.tb.Helper()
	if _, err := w.workers[worker].WriteString(s); err != nil {
		w.tb.Fatalf("worker %d writes: %v", worker, err)
	}
}

// Rename moves the log to the name path+suffix, as logrotate does before it sends USR1. Workers keep writing to it.
func (w *RotatingWriter) Rename(suffix string) {
	w.tb.Helper()
	w.check(os.Rename(w.path, w.path+suffix))
}

// Shift renames path.n-1 to path.n, … path.1 to path.2, as far as they exist, and then the log to path.1.
func (w *RotatingWriter) Shift(n int) {
	w.tb.Helper()
	for i := n - 1; i > 0; i-- {
		err := os.Rename(fmt.Sprintf("%s.%d", w.path, i), fmt.Sprintf("%s.%d", w.path, i+1))
		if err != nil && !os.IsNotExist(err) {
			w.check(err)
		}
	}
	w.Rename(".1")
}

// Reopen lets one worker open the log anew, creating it if need be, as it does on USR1.
func (w *RotatingWriter) Reopen(worker int) {
	w.tb.Helper()
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	w.check(err)
	if old := w.workers[worker]; old != nil {
		w.check(old.Close())
	}
	w.workers[worker] = f
}

// ReopenAll lets all workers reopen.
func (w *RotatingWriter) ReopenAll() {
	w.tb.Helper()
	for i := range w.workers {
		w.Reopen(i)
	}
}

// CopyTruncate copies the log to path+suffix and then truncates it, as logrotate's copytruncate does.
func (w *RotatingWriter) CopyTruncate(suffix string) {
	w.tb.Helper()
	b, err := os.ReadFile(w.path)
	w.check(err)
	w.check(os.WriteFile(w.path+suffix, b, 0o644))
	w.check(os.Truncate(w.path, 0))
}

// Close closes all descriptors.
func (w *RotatingWriter) Close() {
	for i, f := range w.workers {
		if f != nil {
			f.Close()
			w.workers[i] = nil
		}
	}
}

func (w *RotatingWriter) check(err error) {
	w.tb.Helper()
	if err != nil {
		w.tb.Fatal(err)
	}
}
