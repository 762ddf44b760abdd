// Shows what becomes of logs in archives that can't be read: what was in them and not read is declared lost with their names, and a
// log that was read before it was compressed is no loss.
package tail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

// pack puts something unreadable in place of a file, with its time, as xz does.
func pack(t *testing.T, path, suffix string) {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path+suffix, "\xfd7zXZ\x00 and so on")
	if err := os.Chtimes(path+suffix, st.ModTime(), st.ModTime()); err != nil {
		t.Fatal(err)
	}
	remove(t, path)
}

func TestUnreadableArchives(t *testing.T) {
	for _, suffix := range unreadable {
		t.Run(suffix, func(t *testing.T) {
			r, path, text, p := readHalf(t)
			read := len(r.all())
			rename(t, path, path+".2")
			pack(t, path+".2", suffix)
			write(t, path+".1", "never seen\n")
			later := time.Now().Add(5 * time.Second)
			if err := os.Chtimes(path+".1", later, later); err != nil {
				t.Fatal(err)
			}
			pack(t, path+".1", suffix)
			write(t, path, "live\n")
			r.start(p)
			r.after(3 * DefaultRotateGrace)
			r.want(text[:read], "live\n")
			r.wantLost(int64(len(text)-read), UnknownBytes)
			for _, l := range r.lost {
				if !strings.Contains(l.Reason, suffix) {
					t.Errorf("the reason does not name the archive: %s", l.Reason)
				}
			}
		})
	}
}

func TestLogsThatWereReadMayBeCompressedByAnything(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want []string
	for i := range 4 {
		s := lines(string(rune('a'+i)), 10, 100)
		w.Write(0, s)
		want = append(want, s)
		r.pollOnce()
		_ = os.Rename(w.Path()+".1.xz", w.Path()+".2.xz")
		w.Rename(".1")
		w.ReopenAll()
		r.after(2 * DefaultRotateGrace)
		pack(t, w.Path()+".1", ".xz")
		r.pollOnce()
		r.start(r.stop())
	}
	r.after(3 * DefaultRotateGrace)
	r.want(want...)
	r.wantLost()
}
