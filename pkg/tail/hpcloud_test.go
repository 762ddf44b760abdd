// Shows what arrives here and what at hpcloud/tail when a log is rotated as Nginx and logrotate do it.
package tail_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	hpcloud "github.com/hpcloud/tail"

	"ngxtap/pkg/tail"
	"ngxtap/pkg/testkit"
)

// rival is hpcloud/tail following a log. It may lose any line, hang, or never end, so nothing waits for it without a limit.
type rival struct {
	tail     *hpcloud.Tail
	got      map[string]int // lines that arrived, and how often
	patience time.Duration
}

func newRival(t *testing.T, path string) *rival {
	t.Helper()
	tl, err := hpcloud.TailFile(path, hpcloud.Config{Follow: true, ReOpen: true, Poll: true, Logger: hpcloud.DiscardingLogger})
	if err != nil {
		t.Fatal(err)
	}
	return &rival{tail: tl, got: make(map[string]int), patience: 2 * time.Second}
}

// until reads up to the line s, which gives the rival the time to keep up. Where s does not come it has lost it.
func (r *rival) until(s string) {
	late := time.After(r.patience)
	for {
		select {
		case l, ok := <-r.tail.Lines:
			if !ok {
				return
			}
			if r.got[l.Text]++; l.Text == s {
				return
			}
		case <-late:
			return
		}
	}
}

// stop reads what is left. hpcloud/tail ends only while somebody takes its lines, and not always then.
func (r *rival) stop() {
	ended := make(chan struct{})
	go func() {
		_ = r.tail.Stop() // what it complains of when it is stopped is not our matter
		close(ended)
	}()
	late := time.After(r.patience)
	for {
		select {
		case l, ok := <-r.tail.Lines:
			if !ok {
				return
			}
			r.got[l.Text]++
		case <-ended:
			return
		case <-late:
			return
		}
	}
}

// race is a log that both follow.
type race struct {
	t     *testing.T
	rnd   *rand.Rand
	w     *testkit.RotatingWriter
	ours  *tail.Tailer
	got   map[string]int // lines that arrived here, and how often
	rival *rival
	wrote []string
	turns int // rotations so far
}

func newRace(t *testing.T, seed uint64) *race {
	t.Helper()
	w := testkit.NewRotatingWriter(t, filepath.Join(t.TempDir(), "a.log"), 2)
	ours, err := tail.Open(tail.Config{Paths: []string{w.Path()}, PollInterval: 100 * time.Millisecond, RotateGrace: time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	return &race{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), w: w, ours: ours, got: make(map[string]int), rival: newRival(t, w.Path())}
}

// lines lets a worker write n lines.
func (r *race) lines(worker, n int) {
	for range n {
		s := fmt.Sprintf("%d line %06d %s", worker, len(r.wrote), strings.Repeat("x", r.rnd.IntN(100)))
		r.w.Write(worker, s+"\n")
		r.wrote = append(r.wrote, s)
	}
}

// settle gives both the time to read up to the last line: what is truncated before it was read nobody can read.
func (r *race) settle() {
	last := r.wrote[len(r.wrote)-1]
	for end := time.Now().Add(time.Minute); r.got[last] == 0; {
		if time.Now().After(end) {
			r.t.Fatalf("the line %q does not arrive", last)
		}
		r.read()
	}
	r.rival.until(last)
}

func (r *race) read() {
	c, err := r.ours.Read(r.t.Context(), 100*time.Millisecond)
	if err != nil {
		r.t.Fatal(err)
	}
	if c.Lost != nil && c.Lost.Bytes != tail.UnknownBytes { // who did not look for a while can't know what was truncated
		r.t.Errorf("declared lost: %+v", *c.Lost)
	}
	for s := range strings.Lines(string(c.Data)) {
		r.got[strings.TrimSuffix(s, "\n")]++
	}
}

func (r *race) rename() {
	r.turns++
	r.w.Rename(fmt.Sprintf(".%d", r.turns))
}

// score counts the lines that did not arrive, those that arrived more than once, and what was never written as a line.
func (r *race) score(got map[string]int) (lost, doubled, torn int) {
	wrote := make(map[string]bool, len(r.wrote))
	for _, s := range r.wrote {
		wrote[s] = true
		switch n := got[s]; {
		case n == 0:
			lost++
		case n > 1:
			doubled += n - 1
		}
	}
	for s := range got {
		if !wrote[s] {
			torn++
		}
	}
	return lost, doubled, torn
}

// The same histories for both. Every line must arrive here once; what arrives at hpcloud/tail is printed.
func TestComparedWithHpcloud(t *testing.T) {
	histories := []struct {
		name string
		turn func(r *race)
	}{
		{"renamed, late lines of a slow worker", func(r *race) {
			r.rename()
			r.w.Reopen(0)
			r.lines(0, 1)
			r.settle()
			r.lines(1, 100) // as Nginx's workers do until they have reopened
			r.w.Reopen(1)
		}},
		{"renamed twice quickly", func(r *race) {
			for range 2 {
				r.rename()
				r.lines(1, 10)
				r.w.ReopenAll()
				r.lines(0, 1+r.rnd.IntN(50))
			}
		}},
		{"copied and truncated", func(r *race) {
			r.settle()
			r.turns++
			r.w.CopyTruncate(fmt.Sprintf(".%d", r.turns))
		}},
		{"truncated and grown past the old end", func(r *race) {
			r.settle()
			truncate(r.t, r.w.Path())
			r.lines(0, 400)
		}},
	}
	for i, h := range histories {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			r := newRace(t, uint64(i))
			r.lines(0, 20)
			r.settle()
			for range 3 {
				r.lines(0, 20+r.rnd.IntN(50))
				h.turn(r)
			}
			r.lines(0, 1)
			r.settle()
			for !r.ours.AtEnd() {
				r.read()
			}
			r.rival.stop()
			t.Logf("%-22s %6s %6s %8s %6s", "", "wrote", "lost", "doubled", "torn")
			lost, doubled, torn := r.score(r.rival.got)
			t.Logf("%-22s %6d %6d %8d %6d", "hpcloud/tail", len(r.wrote), lost, doubled, torn)
			lost, doubled, torn = r.score(r.got)
			t.Logf("%-22s %6d %6d %8d %6d", "ngxtap", len(r.wrote), lost, doubled, torn)
			if lost+doubled+torn > 0 {
				t.Error("every line must arrive here once")
			}
		})
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}
