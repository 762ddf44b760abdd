// Shows that half lines stay in the file until they are whole, and leave once when nobody writes them any more.
package tail

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestPartialLine(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{BlockSize: 4096, MaxLine: 20000}, "a.log")
	text := "first\n\n" + strings.Repeat("y", 10000) + "\nlast\n"
	for i := range len(text) {
		w.Write(0, text[i:i+1])
		r.drain()
		if want := text[:strings.LastIndexByte(text[:i+1], '\n')+1]; r.all() != want {
			t.Fatalf("after %d bytes read %s", i+1, brief(r.all()))
		}
	}
	if len(r.over) > 0 || len(r.half) > 0 {
		t.Error("something else came out")
	}
}

func TestHalfLineOfAFinishedGeneration(t *testing.T) {
	for _, half := range []string{"half", strings.Repeat("z", 6000), strings.Repeat("z", 30000)} {
		dir := t.TempDir()
		w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
		r := newRig(t, dir, Config{BlockSize: 4096, MaxLine: 20000}, "a.log")
		w.Write(0, "whole\n"+half)
		r.after(time.Minute)
		w.Rename(".1")
		r.pollOnce()
		w.Reopen(0)
		w.Write(0, "new\n")
		r.after(DefaultRotateGrace / 2)
		r.want("whole\n", "new\n")
		if r.AtEnd() {
			t.Error("AtEnd before the half line has left")
		}
		r.after(DefaultRotateGrace)
		if !r.AtEnd() {
			t.Error("not AtEnd though all was read")
		}
		if len(half) > 20000 {
			if len(r.over) != 1 || r.over[0].Length != int64(len(half)) {
				t.Errorf("oversize %+v", r.over)
			}
		} else if len(r.half) != 1 || r.half[0] != half {
			t.Errorf("half lines %d, want 1", len(r.half))
		}
		r.wantOpen(1)
		p := r.stop()
		r.start(p)
		r.after(3 * DefaultRotateGrace)
		if len(r.half)+len(r.over) != 1 {
			t.Error("the half line left twice")
		}
	}
}

func TestHalfLineIsCompletedWithinTheGrace(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 2)
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(1, "a\nha")
	r.drain()
	w.Rename(".1")
	w.Reopen(0)
	r.after(DefaultRotateGrace / 2)
	w.Write(1, "lf\n")
	r.after(2 * DefaultRotateGrace)
	r.want("a\nhalf\n")
	if len(r.half) > 0 {
		t.Errorf("half lines %q", r.half)
	}
}
