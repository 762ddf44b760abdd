package harness

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ngxtap/test/oracle"
)

var lineID atomic.Int64

// Line makes one line of LogFormat, with its newline, and an id that no other line of this process has. pad bytes make it longer.
func Line(pad int) string {
	id := fmt.Sprintf("id-%09d", lineID.Add(1))
	return fmt.Sprintf("192.0.2.7 - - [%s] \"GET /item/%s?pad=%s HTTP/1.1\" 200 %d \"-\" \"curl/8.0\" \"%s\"\n",
		time.Now().Format("02/Jan/2006:15:04:05 -0700"), id, strings.Repeat("p", pad), pad, id)
}

// CheckID says whether an event has the id of its line: in its header map and in its path.
func CheckID(line []byte, event map[string]any) string {
	parts := strings.Split(string(bytes.TrimSuffix(line, []byte("\r"))), `"`)
	if len(parts) < 2 {
		return "the line has no id, and yet it is an event"
	}
	want := parts[len(parts)-2]
	headers, _ := event["request_headers"].(map[string]any)
	values, _ := headers["x-id"].([]any)
	if len(values) != 1 || values[0] != want {
		return fmt.Sprintf("its x-id is %v, want %q", values, want)
	}
	path, _ := event["path"].(map[string]any)
	if path["string"] != "/item/"+want {
		return fmt.Sprintf("its path is %v, want /item/%s", path, want)
	}
	return ""
}

// Log is a log that is written as Nginx does it: each worker has a descriptor of its own, opened with O_APPEND, and writes blocks of
// whole lines by one write each. Every byte goes into the journal, under the generation that the worker's descriptor belongs to. It is safe
// for concurrent use by workers.
type Log struct {
	Path string

	mu      sync.Mutex
	journal *oracle.Journal
	workers []*worker                        // guarded by mu
	gens    map[[2]uint64]*oracle.Generation // guarded by mu; by device and inode
	current *oracle.Generation               // guarded by mu
	n       int                              // guarded by mu; generations so far
}

type worker struct {
	f   *os.File
	gen *oracle.Generation
}

// NewLog creates the log at path, opened by so many workers. Its files are closed when the test ends.
func NewLog(t testing.TB, j *oracle.Journal, path string, workers int) *Log {
	t.Helper()
	l := &Log{Path: path, journal: j, workers: make([]*worker, workers), gens: map[[2]uint64]*oracle.Generation{}}
	for i := range l.workers {
		l.workers[i] = &worker{}
	}
	l.ReopenAll(t)
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, w := range l.workers {
			w.f.Close()
		}
	})
	return l
}

// Write lets a worker write text by one write.
func (l *Log) Write(t testing.TB, worker int, text string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.workers[worker]
	n, err := w.f.WriteString(text)
	w.gen.Append([]byte(text[:n]))
	if err != nil {
		t.Fatalf("worker %d writes: %v", worker, err)
	}
}

// WriteLines lets a worker write n lines by one write.
func (l *Log) WriteLines(t testing.TB, worker, n int) {
	t.Helper()
	var b strings.Builder
	for range n {
		b.WriteString(Line(n % 100))
	}
	l.Write(t, worker, b.String())
}

// Reopen lets one worker open the path anew, creating the file if need be, as it does on USR1.
func (l *Log) Reopen(t testing.TB, worker int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.OpenFile(l.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	key, size := inode(t, f)
	g := l.gens[key]
	if g == nil || size == 0 && g.Len() > 0 { // the inode is used again
		g = l.begin()
		l.gens[key] = g
	}
	w := l.workers[worker]
	if w.f != nil {
		w.f.Close()
	}
	w.f, w.gen = f, g
}

// begin starts a new generation in the journal.
func (l *Log) begin() *oracle.Generation {
	l.n++
	l.current = l.journal.Begin(l.Path, fmt.Sprintf("generation %d", l.n))
	return l.current
}

// ReopenAll lets all workers reopen.
func (l *Log) ReopenAll(t testing.TB) {
	t.Helper()
	for i := range l.workers {
		l.Reopen(t, i)
	}
}

// Rename moves path+from to path+to, as logrotate does before it sends USR1; workers keep writing to it. The live log has from "".
func (l *Log) Rename(t testing.TB, from, to string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Rename(l.Path+from, l.Path+to); err != nil {
		t.Fatal(err)
	}
}

// Rotate shifts .1 to .2 and so on, as far as they exist, moves the log to .1 and lets all workers reopen.
func (l *Log) Rotate(t testing.TB) {
	t.Helper()
	for i := 99; i > 0; i-- {
		from := fmt.Sprintf("%s.%d", l.Path, i)
		if _, err := os.Lstat(from); err == nil {
			l.Rename(t, fmt.Sprintf(".%d", i), fmt.Sprintf(".%d", i+1))
		}
	}
	l.Rename(t, "", ".1")
	l.ReopenAll(t)
}

// truncate cuts the live log to nothing. What the workers write from now on is another generation. l.mu is held.
func (l *Log) truncate(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(l.Path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	key, _ := inode(t, f)
	old := l.gens[key]
	g := l.begin()
	l.gens[key] = g
	for _, w := range l.workers {
		if w.gen == old {
			w.gen = g
		}
	}
}

// CopyTruncate copies the live log to path+to and truncates it, with nothing written in between.
func (l *Log) CopyTruncate(t testing.TB, to string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	data, err := os.ReadFile(l.Path)
	if err == nil {
		err = os.WriteFile(l.Path+to, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.truncate(t)
}

// Current returns the generation at the path.
func (l *Log) Current() *oracle.Generation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// Bytes returns how many bytes the journal holds, over all logs.
func Bytes(j *oracle.Journal) (n int64) {
	for _, g := range j.Generations() {
		n += g.Len()
	}
	return n
}
