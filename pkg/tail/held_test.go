// Shows that deleted files that are held open are counted, and let go when they take too much of the disk: first those that were
// read, then the oldest, whose bytes are declared lost to the byte.
package tail

import (
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/pkg/testkit"
)

func wantHeld(t *testing.T, r *rig, files int, bytes int64) {
	t.Helper()
	if n, b := r.Held(); n != files || b != bytes {
		t.Fatalf("%d deleted files with %d bytes are held, want %d with %d", n, b, files, bytes)
	}
}

// deleteFour writes and deletes four logs of a and then 10, 20 and 30 kB, which the reader has seen but not read, and leaves a fifth.
func deleteFour(t *testing.T, budget int64) (r *rig, texts []string) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r = newRig(t, dir, Config{BlockSize: 4096, HeldBytes: budget}, "a.log")
	texts = []string{"a\n", lines("b", 100, 100), lines("c", 200, 100), lines("d", 300, 100), "e\n"}
	for i, s := range texts {
		w.Write(0, s)
		r.mu.Lock()
		r.poll() // a look; nothing is read
		r.mu.Unlock()
		if i == len(texts)-1 {
			break
		}
		w.Rename(".1")
		remove(t, w.Path()+".1")
		w.ReopenAll()
	}
	return r, texts
}

func TestDeletedFilesAreHeldUntilRead(t *testing.T) {
	r, texts := deleteFour(t, 0)
	wantHeld(t, r, 4, 60002)
	r.drain()
	r.want(texts...)
	r.after(2 * DefaultRotateGrace)
	wantHeld(t, r, 0, 0)
	r.wantLost()
}

func TestHeldBytesAreBounded(t *testing.T) {
	r, texts := deleteFour(t, 50000)
	wantHeld(t, r, 2, 50000) // that of 2 bytes, being the oldest, and the one of 10 kB had to go
	r.after(2 * DefaultRotateGrace)
	r.want(texts[2:]...)
	r.wantLost(2, 10000)
	if !strings.Contains(r.log.String(), "log data are lost") {
		t.Error("nothing was said")
	}
	wantHeld(t, r, 0, 0)
}

func TestReadFilesAreLetGoFirst(t *testing.T) {
	r, _ := deleteFour(t, 0)
	r.drain()
	wantHeld(t, r, 4, 60002)
	r.Tailer.cfg.HeldBytes = 35000
	r.pollOnce()
	wantHeld(t, r, 1, 30000)
	r.wantLost()
}

// A deleted log that Nginx still writes to takes its place whatever we do, so it is read on.
func TestDeletedLogThatIsStillWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{HeldBytes: 1000}, "a.log")
	remove(t, w.Path())
	var want string
	for range 5 {
		s := lines("a", 50, 100)
		w.Write(0, s)
		want += s
		r.pollOnce()
	}
	r.want(want)
	wantHeld(t, r, 1, 25000)
	r.after(2 * DefaultRotateGrace) // nobody writes it any more
	wantHeld(t, r, 0, 0)
	r.wantLost()
}
