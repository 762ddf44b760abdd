// Shows that a deleted file is drained, that its successor is found, and that a file deleted unread is declared lost.
package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestDeletedFileIsDrained(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 2)
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "a1\n")
	remove(t, w.Path())
	w.Write(0, "a2\n")
	r.after(time.Minute) // Nginx was not told: it goes on writing to the deleted file
	w.Write(0, "a3\n")
	r.pollOnce()
	w.Reopen(0)
	w.Write(1, "a4\n")
	w.Write(0, "b1\n")
	r.after(2 * DefaultRotateGrace)
	r.want("a1\na2\na3\na4\n", "b1\n")
	r.wantOpen(1)
	r.wantLost()
}

func TestDeletedWithoutSuccessorIsClosedInTheEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "a\nhalf")
	r := newRig(t, dir, Config{PollInterval: 10 * time.Second}, "a.log")
	r.drain()
	remove(t, path)
	r.after(2 * deletedFactor * DefaultRotateGrace)
	r.wantOpen(0)
	if len(r.half) != 1 {
		t.Errorf("half lines %q", r.half)
	}
	write(t, path, "b\n")
	r.after(time.Minute)
	r.want("a\nhalf", "b\n")
}

func TestInodeUsedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	r := newRig(t, dir, Config{}, "a.log")
	want := ""
	seen := make(map[uint64]int)
	for i := range 30 {
		s := lines(string(rune('A'+i)), 3, 500)
		write(t, path, s)
		want += s
		r.pollOnce()
		p := r.stop() // so that nobody holds the inode
		seen[p.Files[len(p.Files)-1].Ino]++
		remove(t, path)
		if i%2 == 0 { // there from the start, or seen to come
			s = lines(string(rune('A'+i))+"'", 3, 500)
			write(t, path, s)
			want += s
			r.start(p)
			r.after(2 * DefaultRotateGrace)
			p = r.stop()
			remove(t, path)
		}
		r.start(p)
		r.after(2 * DefaultRotateGrace)
	}
	r.want(want)
	t.Logf("%d inodes for 45 files", len(seen))
}

func TestDirectoryReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "a.log")
	r := newRig(t, filepath.Dir(dir), Config{}, "log/a.log")
	r.pollOnce()
	if s := r.Status(); len(s) != 1 || s[0].State != Waiting || s[0].Err == "" {
		t.Errorf("status %+v", s)
	}
	for _, s := range []string{"a\n", "b\n"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, s)
		r.pollOnce()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		r.pollOnce()
	}
	r.want("a\n", "b\n")
	r.wantLost()
}

func TestMissingDirectoryIsNoDeletion(t *testing.T) {
	r, path, text, p := readHalf(t)
	away := filepath.Dir(path) + ".away"
	rename(t, filepath.Dir(path), away)
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.wantLost()
	rename(t, away, filepath.Dir(path))
	r.after(2 * time.Second)
	r.want(text)
}
