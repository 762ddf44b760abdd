package tail

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The rival may hang for ever, and what it leaves behind is not ours.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/hpcloud/tail.(*Tail).tailFileSync"),
		goleak.IgnoreAnyFunction("github.com/hpcloud/tail.(*Tail).Stop"),
		goleak.IgnoreAnyFunction("github.com/hpcloud/tail/watch.(*PollingFileWatcher).ChangeEvents.func1"))
}

// stepper is waker and clock of a test: waiting moves the clock, so that no test sleeps and every poll is foreseen.
type stepper struct {
	now    time.Time
	onWait func() // what the world does meanwhile
}

func (s *stepper) watch(string) error { return nil }
func (s *stepper) close() error       { return nil }

func (s *stepper) wait(_ context.Context, d time.Duration) bool {
	s.now = s.now.Add(d)
	if s.onWait != nil {
		s.onWait()
	}
	return false
}

// rig is a Tailer under test and what it returned.
type rig struct {
	t    *testing.T
	step *stepper
	cfg  Config
	log  bytes.Buffer
	*Tailer
	*output
}

// output is what was returned, by generation.
type output struct {
	order []string          // generation ids as they first came
	text  map[string]string // all data
	over  []*Oversize
	half  []string // half lines
	lost  []*Lost
	// declared are the losses with where they are
	declared []loss
	paths    map[string]string // last path of a generation
	ends     map[string]int64  // where the next chunk of a generation must begin
}

// loss is a declared loss and where it is.
type loss struct {
	file *File
	at   int64
	*Lost
}

func newOutput() *output {
	return &output{text: make(map[string]string), paths: make(map[string]string), ends: make(map[string]int64)}
}

func (o *output) clone() *output {
	c := *o
	c.text, c.paths, c.ends = clone(o.text), clone(o.paths), clone(o.ends)
	c.order, c.over, c.half, c.lost = c.order[:len(c.order):len(c.order)], c.over[:len(c.over):len(c.over)],
		c.half[:len(c.half):len(c.half)], c.lost[:len(c.lost):len(c.lost)]
	c.declared = c.declared[:len(c.declared):len(c.declared)]
	return &c
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// take checks a chunk against what its generation has returned before, and notes it.
func (o *output) take(t *testing.T, c Chunk) {
	t.Helper()
	id := c.File.ID
	if c.Lost != nil {
		o.lost = append(o.lost, c.Lost)
		o.declared = append(o.declared, loss{c.File, c.Offset, c.Lost})
		return
	}
	if id == "" {
		t.Fatalf("data without a generation id: %q", c.Data)
	}
	end, ok := o.ends[id]
	if !ok {
		o.order = append(o.order, id)
		end = c.Offset
	}
	if c.Offset != end {
		t.Fatalf("generation %s (%s): chunk at %d, want %d", id, c.File.Path, c.Offset, end)
	}
	o.paths[id] = c.File.Path
	switch {
	case c.Oversize != nil:
		o.over = append(o.over, c.Oversize)
		end += c.Oversize.Length
		if !c.NoNewline {
			end++
		}
	case c.NoNewline:
		o.half = append(o.half, string(c.Data))
		o.text[id] += string(c.Data)
		end += int64(len(c.Data))
	default:
		if c.Data[len(c.Data)-1] != '\n' {
			t.Fatalf("half a line came out: %q", c.Data)
		}
		o.text[id] += string(c.Data)
		end += int64(len(c.Data))
	}
	o.ends[id] = end
}

// all returns the data of all generations in the order in which they first came.
func (o *output) all() string {
	var b strings.Builder
	for _, id := range o.order {
		b.WriteString(o.text[id])
	}
	return b.String()
}

// newRig opens a Tailer on paths that are relative to dir.
func newRig(t *testing.T, dir string, cfg Config, paths ...string) *rig {
	t.Helper()
	r := &rig{t: t, step: &stepper{now: time.Now()}, cfg: cfg, output: newOutput()}
	for _, p := range paths {
		r.cfg.Paths = append(r.cfg.Paths, filepath.Join(dir, p))
	}
	if step, ok := cfg.wake.(*stepper); ok {
		r.step = step
	}
	r.cfg.wake, r.cfg.now = r.step, func() time.Time { return r.step.now }
	r.cfg.Logger = slog.New(slog.NewTextHandler(&r.log, nil))
	t.Cleanup(func() {
		if r.Tailer != nil {
			r.Close()
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log.String())
		}
	})
	r.start(nil)
	return r
}

func (r *rig) start(from *Position) {
	r.t.Helper()
	var err error
	if r.Tailer, err = Open(r.cfg, from); err != nil {
		r.t.Fatal(err)
	}
}

// stop closes the Tailer and returns its position as it comes back from storage.
func (r *rig) stop() *Position {
	r.t.Helper()
	b, err := json.Marshal(r.Position())
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		r.t.Fatal(err)
	}
	p := new(Position)
	if err := json.Unmarshal(b, p); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// drain reads until there is nothing to read now. It does not poll by itself.
func (r *rig) drain() {
	r.t.Helper()
	for {
		c, err := r.Read(r.t.Context(), 0)
		if err != nil {
			r.t.Fatal(err)
		}
		if c.Empty() {
			return
		}
		r.take(r.t, r.giveBack(c))
	}
}

// giveBack returns now and then some of the lines of a chunk to the reader, as a site does that is held in the middle of a block.
func (r *rig) giveBack(c Chunk) Chunk {
	r.t.Helper()
	n := bytes.LastIndexByte(c.Data[:max(0, len(c.Data)-1)], '\n') + 1
	if n == 0 || c.NoNewline || c.Oversize != nil || (int(c.Offset)+len(c.Data))%3 > 0 {
		return c
	}
	if err := r.Unread(c.Offset + int64(n)); err != nil {
		r.t.Fatal(err)
	}
	c.Data = c.Data[:n]
	return c
}

// after lets d pass, in polls, and reads all there is meanwhile.
func (r *rig) after(d time.Duration) {
	r.t.Helper()
	for end := r.step.now.Add(d); ; r.step.now = r.step.now.Add(r.Tailer.cfg.PollInterval) {
		r.drain()
		if !r.step.now.Before(end) {
			return
		}
	}
}

// poll lets one poll happen and reads.
func (r *rig) pollOnce() {
	r.t.Helper()
	r.after(DefaultPollInterval)
}

func (r *rig) want(lines ...string) {
	r.t.Helper()
	if want, got := strings.Join(lines, ""), r.all(); want != got {
		r.t.Fatalf("read %s\nwant %s", brief(got), brief(want))
	}
}

func (r *rig) wantLost(bytes ...int64) {
	r.t.Helper()
	var got []int64
	for _, l := range r.lost {
		got = append(got, l.Bytes)
	}
	if fmt.Sprint(got) != fmt.Sprint(bytes) {
		r.t.Fatalf("lost %v, want %v", got, bytes)
	}
}

func (r *rig) wantOpen(n int) {
	r.t.Helper()
	open := 0
	for _, s := range r.sources {
		for _, g := range s.gens {
			if g.src != nil {
				open++
			}
		}
	}
	if open != n {
		r.t.Fatalf("%d files are open, want %d", open, n)
	}
}

func brief(s string) string {
	if len(s) > 400 {
		return fmt.Sprintf("%q … (%d bytes)", s[:400], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// lines makes n numbered lines of about size bytes.
func lines(tag string, n, size int) string {
	var b strings.Builder
	for i := range n {
		l := fmt.Sprintf("%s %06d ", tag, i)
		b.WriteString(l)
		b.WriteString(strings.Repeat("x", max(0, size-len(l)-1)))
		b.WriteByte('\n')
	}
	return b.String()
}

func write(t *testing.T, path, s string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(s)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
