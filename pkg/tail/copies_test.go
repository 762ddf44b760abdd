// Shows that what was read, or seen, is recognised in archives and copies, however little it is. Most cases were found by TestModel.
package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

// ago dates a file, for rotations of a test happen within one second and those of a log do not.
func ago(t *testing.T, path string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// A log of a few lines is rotated and compressed, several times: its archive is nothing new, read or being read.
func TestSmallArchivesAreRecognised(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want []string
	for i := range 4 {
		s := lines(string(rune('a'+i)), 2, 60)
		w.Write(0, s)
		want = append(want, s)
		r.drain()
		_ = os.Rename(w.Path()+".1.gz", w.Path()+".2.gz")
		w.Rename(".1")
		w.ReopenAll()
		gz(t, w.Path()+".1")
		p := r.stop()
		r.start(p)
		r.pollOnce()
	}
	r.after(3 * DefaultRotateGrace)
	r.want(want...)
	r.wantLost()
}

// A slow worker writes to a log that is compressed already and has no name any more, in a moment that begins another second: gzip keeps the
// whole second of the write before.
func TestArchiveOfALogThatIsStillWritten(t *testing.T) {
	for _, read := range []bool{true, false} {
		dir := t.TempDir()
		w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 2)
		r := newRig(t, dir, Config{}, "a.log")
		a := lines("a", 2, 60)
		if !read {
			a = lines("a", 100, 60)
		}
		w.Write(0, a)
		before := time.Now().Truncate(time.Second).Add(-10 * time.Millisecond)
		if err := os.Chtimes(w.Path(), before, before); err != nil {
			t.Fatal(err)
		}
		if read {
			r.drain()
		}
		r.poll()
		w.Rename(".1")
		w.Reopen(0)
		gz(t, w.Path()+".1")
		w.Write(1, "late\n")
		w.Write(0, "next\n")
		r.after(3 * DefaultRotateGrace)
		r.want(a, "late\n", "next\n")
		r.wantLost()
	}
}

// The archive is complete, and its source is still there.
func TestArchiveBesideItsSource(t *testing.T) {
	r, path, text, p := readHalf(t)
	rename(t, path, path+".1")
	write(t, path, "live\n")
	write(t, path+".1.keep", text)
	gz(t, path+".1")
	rename(t, path+".1.keep", path+".1")
	r.start(p)
	r.after(DefaultRotateGrace)
	remove(t, path+".1")
	r.after(3 * DefaultRotateGrace)
	r.want(text, "live\n")
	r.wantLost()
}

// Between copying and truncating Nginx writes on, and we read on: the copy is shorter than what came out.
func TestCopyThatEndsBeforeTheOffset(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		dir := t.TempDir()
		w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
		r := newRig(t, dir, Config{}, "a.log")
		a := lines("a", 100, 60)
		w.Write(0, a)
		r.drain()
		write(t, w.Path()+".1", a)
		w.Write(0, "after the copy\n")
		r.drain()
		truncateTo(t, w.Path(), 0)
		w.Write(0, "next\n")
		if compressed {
			gz(t, w.Path()+".1")
		}
		r.after(3 * DefaultRotateGrace)
		r.want(a, "after the copy\n", "next\n")
		r.wantLost()
		r.start(r.stop())
		r.after(3 * DefaultRotateGrace)
		r.want(a, "after the copy\n", "next\n")
		r.wantLost()
	}
}

// A small log is being copied while an older one is still looked for.
func TestCopyOfASmallLogInTheMaking(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "a1\n")
	r.drain()
	truncateTo(t, w.Path(), 0)
	w.Write(0, "b1\n")
	r.pollOnce()
	write(t, w.Path()+".1", "b1\n")
	r.pollOnce()
	w.Write(0, "b2\n")
	r.pollOnce()
	truncateTo(t, w.Path(), 0)
	r.after(3 * DefaultRotateGrace)
	r.want("a1\n", "b1\nb2\n")
}

// What was seen of a file and is not in its archive was lost, and is said to be.
func TestBytesThatAreNotInTheArchive(t *testing.T) {
	r, path, text, p := readHalf(t)
	rename(t, path, path+".1")
	truncateTo(t, path+".1", int64(len(text)-500)) // compressed before the last lines came
	gz(t, path+".1")
	write(t, path, "live\n")
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.want(text[:len(text)-500], "live\n")
	r.wantLost(500)
	r.start(r.stop())
	r.after(3 * DefaultRotateGrace)
	r.wantLost(500)
}

// An inode that was seen empty is not believed to be the same file when its birth is another.
func TestInodeOfAnEmptyFileIsUsedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "")
	ino := inode(t, path)
	r := newRig(t, dir, Config{}, "a.log")
	p := r.stop()
	write(t, path, lines("a", 20, 60))
	bornAt(t, path)
	gz(t, path)
	rename(t, path+".gz", path+".1.gz")
	ago(t, path+".1.gz", -2*time.Second)
	for try := 0; ; try++ {
		write(t, path, "b\n")
		if inode(t, path) == ino {
			break
		}
		if try == 100 {
			t.Skip("this file system does not use an inode again")
		}
		remove(t, path)
	}
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.want(lines("a", 20, 60), "b\n")
	r.wantLost()
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	st, err := statPath(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.key.ino
}

// A log is truncated and rotated while nobody looks: the file has another life than the one that was read, which was not its first.
func TestTruncatedAndThenRenamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, lines("a", 100, 60))
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	truncateTo(t, path, 0)
	write(t, path, lines("b", 100, 60))
	ago(t, path, -time.Second) // later than the file's birth, which says nothing of its second life
	r.pollOnce()
	p := r.stop()
	truncateTo(t, path, 0)
	write(t, path, lines("c", 100, 60))
	rename(t, path, path+".2")
	write(t, path+".1", lines("d", 100, 60))
	write(t, path, "live\n")
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.want(lines("a", 100, 60), lines("b", 100, 60), lines("c", 100, 60), lines("d", 100, 60), "live\n")
}
