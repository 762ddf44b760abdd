// Shows what those who watch a reader are told: sizes as they are now, also while nothing is read, and since when all of a file is known.
package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestSurveySeesWhatIsNotReadYet(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	w := testkit.NewRotatingWriter(t, path, 1)
	if err := os.Symlink("/etc/passwd", path+".1"); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "one\n")
	r.drain()
	w.Write(0, "two\nthree\n") // nobody looks at the file from here on
	s := r.Survey()
	if len(s.Files) != 1 || s.Files[0].Offset != 4 || s.Files[0].Size != 14 || s.Files[0].Modified.IsZero() {
		t.Errorf("files: %+v", s.Files)
	}
	if s.Skipped[SkipSymlink] != 1 || len(s.Skipped) != len(Skips()) {
		t.Errorf("skipped: %v", s.Skipped)
	}
	if st := r.Status(); st[0].Size != 4 {
		t.Errorf("Status asks the kernel too: %+v", st)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.pollOnce()
	if s := r.Survey(); s.HeldFiles != 1 || s.HeldBytes != 14 {
		t.Errorf("held: %d files, %d bytes", s.HeldFiles, s.HeldBytes)
	}
	r.stop()
	if s := r.Survey(); len(s.Files) == 0 || s.Files[0].Size != 14 {
		t.Errorf("when it is closed it tells what it saw last: %+v", s.Files)
	}
}

func TestCaughtIsWhenTheEndWasSeen(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{BlockSize: minBlock}, "a.log")
	caught := func() time.Time { return r.Status()[0].Caught }
	if !caught().IsZero() {
		t.Errorf("before the first read: %v", caught())
	}
	w.Write(0, "one\n")
	r.drain()
	first := caught()
	if !first.Equal(r.step.now) {
		t.Errorf("caught at %v, want %v", first, r.step.now)
	}
	// Three blocks are behind: only the last read comes to the end.
	w.Write(0, strings.Repeat(strings.Repeat("x", 99)+"\n", 3*minBlock/100))
	for n := 0; ; n++ {
		r.step.now = r.step.now.Add(time.Minute)
		c, err := r.Read(t.Context(), 0)
		if err != nil || c.Empty() {
			t.Fatal(err, "the end came without data")
		}
		if c.Offset+int64(len(c.Data)) == r.Status()[0].Size && n >= 2 {
			break
		}
		if !caught().Equal(first) {
			t.Fatalf("block %d: caught at %v, but more is there", n, caught())
		}
	}
	if !caught().Equal(r.step.now) {
		t.Errorf("caught at %v, want %v", caught(), r.step.now)
	}
	// What is given back is not known to be taken: then the look before counts.
	before := caught()
	r.step.now = r.step.now.Add(time.Minute)
	w.Write(0, "two\nthree\n")
	c, err := r.Read(t.Context(), 0)
	if err != nil || caught().Equal(before) {
		t.Fatalf("%v, caught at %v", err, caught())
	}
	if err := r.Unread(c.Offset + 4); err != nil || !caught().Equal(before) {
		t.Errorf("%v, after Unread caught at %v, want %v", err, caught(), before)
	}
}
