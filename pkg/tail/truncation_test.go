// Shows that a truncation begins another generation, that nothing read before is read again, and that what was not read is
// found in the copy or declared lost.
package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func truncateTo(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func TestTruncation(t *testing.T) {
	a, b := lines("a", 50, 40), lines("b", 30, 40)
	for _, tt := range []struct {
		name string
		then string // written after the truncation, before the next look
		late string // written after it
	}{
		{"seen while empty", "", b},
		{"seen while shorter", b[:400], b[400:]},
		{"grown past the old offset", lines("b", 200, 40), "end\n"},
		{"grown to the same size", lines("b", 50, 40), "end\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.log")
			write(t, path, a)
			r := newRig(t, dir, Config{}, "a.log")
			r.drain()
			truncateTo(t, path, 0)
			write(t, path, tt.then)
			r.pollOnce()
			write(t, path, tt.late)
			r.after(2 * DefaultRotateGrace)
			r.want(a, tt.then, tt.late)
			r.wantLost()
			if len(r.order) != 2 {
				t.Errorf("generations %v, want 2", r.order)
			}
			p := r.stop()
			r.start(p)
			r.pollOnce()
			r.want(a, tt.then, tt.late)
		})
	}
}

func TestUnreadBytesAreDeclaredAfterTruncation(t *testing.T) {
	r, path, text, p := readHalf(t)
	read := len(r.all())
	r.start(p)
	truncateTo(t, path, 0)
	write(t, path, "next\n")
	r.after(2 * DefaultRotateGrace)
	r.want(text[:read], "next\n")
	r.wantLost(int64(len(text) - read))
	if !r.AtEnd() {
		t.Error("not AtEnd though all was read or declared")
	}
}

func TestCopyTruncate(t *testing.T) {
	r, path, text, p := readHalf(t)
	r.start(p)
	w := testkit.NewRotatingWriter(t, path, 1)
	w.CopyTruncate(".1")
	b := lines("b", 100, 60)
	w.Write(0, b)
	r.after(2 * DefaultRotateGrace)
	r.want(text, b)
	rename(t, path+".1", path+".2")
	w.CopyTruncate(".1")
	w.Write(0, "c\n")
	r.after(2 * DefaultRotateGrace)
	r.want(text, b, "c\n")
	r.wantLost()
	r.wantOpen(1)
	p = r.stop()
	r.start(p)
	r.after(2 * DefaultRotateGrace)
	r.want(text, b, "c\n")
}

func TestManyCopyTruncations(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want string
	for i := range 3 * keepFinished {
		s := lines(strings.Repeat(string(rune('A'+i)), 3), 30, 60)
		w.Write(0, s)
		want += s
		r.pollOnce()
		for n := 30; n > 0; n-- {
			_ = os.Rename(fmt.Sprintf("%s.%d", w.Path(), n), fmt.Sprintf("%s.%d", w.Path(), n+1))
		}
		w.CopyTruncate(".1")
		r.after(2 * DefaultRotateGrace)
	}
	r.want(want)
	p := r.stop()
	rename(t, w.Path(), w.Path()+".0") // now it is not the file at the path that tells what is old
	write(t, w.Path(), "end\n")
	r.start(p)
	r.after(time.Minute)
	r.want(want, "end\n")
	r.wantLost()
}

func TestCutHalfLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "whole\nhalf")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	truncateTo(t, path, 6)
	r.drain()
	write(t, path, "next\n")
	r.pollOnce()
	r.want("whole\nnext\n")
	if !strings.Contains(r.log.String(), "vanished") {
		t.Error("nothing was said about the bytes")
	}
}
