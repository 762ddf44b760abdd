// Shows that a rotation as Nginx and logrotate do it loses nothing, and when the old file is let go.
package tail

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestRotationDrainsOldFile(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 2)
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "a1\n")
	r.drain()
	w.Rename(".1")
	w.Write(0, "a2\n") // before USR1 everybody writes to the renamed file
	r.pollOnce()
	w.Reopen(0)
	w.Write(0, "b1\n")
	w.Write(1, "a3\n") // a slow worker
	r.pollOnce()
	w.Write(0, "b2\n")
	w.Write(1, "a4\n")
	r.pollOnce()
	if got, want := r.text[GenerationID([]byte("a1\n"))], "a1\na2\na3\na4\n"; got != want {
		t.Fatalf("old generation: %q, want %q", got, want)
	}
	if got, want := r.text[GenerationID([]byte("b1\n"))], "b1\nb2\n"; got != want {
		t.Fatalf("new generation: %q, want %q", got, want)
	}
	r.wantOpen(2)
	r.after(2 * DefaultRotateGrace)
	r.wantOpen(1)
	w.Write(1, "a5\n") // after the grace, but the name is still there
	r.pollOnce()
	w.Reopen(1)
	w.Write(1, "b3\n")
	r.pollOnce()
	if got, want := r.text[GenerationID([]byte("a1\n"))], "a1\na2\na3\na4\na5\n"; got != want {
		t.Fatalf("old generation: %q, want %q", got, want)
	}
	r.wantLost()
	if got := r.paths[GenerationID([]byte("a1\n"))]; got != w.Path()+".1" {
		t.Errorf("path of the old generation is %s", got)
	}
}

func TestOldFileIsReadBeforeNew(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{BlockSize: 4096}, "a.log")
	old := lines("old", 1000, 50)
	w.Write(0, old)
	w.Rename(".1")
	w.ReopenAll()
	w.Write(0, "new\n")
	r.pollOnce()
	r.want(old, "new\n")
}

func TestManyRotationsBetweenTwoPolls(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	write(t, w.Path()+".9", "never ours\n")
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "a\n")
	r.drain()
	want := []string{"a\n"}
	for _, s := range []string{"b\n", "c\n", "d\n"} {
		w.Shift(5)
		w.ReopenAll()
		w.Write(0, s)
		want = append(want, s)
	}
	r.pollOnce()
	r.want(want...)
	r.after(2 * DefaultRotateGrace)
	r.want(want...)
	r.wantOpen(1)
}

func TestRotationsBeforeTheFileWasEverSeen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path+".1", "from before the first start\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.pollOnce()
	rename(t, path+".1", path+".3")
	write(t, path+".2", "a\n")
	write(t, path+".1", "b\n")
	write(t, path, "c\n")
	r.pollOnce()
	r.want("a\n", "b\n", "c\n")
}

func TestRenamedBack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "a1\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	rename(t, path, path+".1")
	r.pollOnce()
	rename(t, path+".1", path)
	write(t, path, "a2\n")
	r.after(time.Minute)
	r.want("a1\n", "a2\n")
	r.wantOpen(1)
}

func TestManyGenerationsStayBounded(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want string
	for i := range 40 {
		s := lines(string(rune('A'+i)), 2, 2000)
		w.Write(0, s)
		want += s
		r.pollOnce()
		w.Shift(14)
		_ = os.Remove(w.Path() + ".14")
		long := time.Now().Add(time.Duration(i-100) * time.Hour) // rotated within a second they would be kept longer
		if err := os.Chtimes(w.Path()+".1", long, long); err != nil {
			t.Fatal(err)
		}
		w.ReopenAll()
		r.after(2 * DefaultRotateGrace)
	}
	r.want(want)
	r.wantOpen(1)
	if n := len(r.Position().Files); n > keepFinished+1 {
		t.Errorf("the position has %d files", n)
	}
	// None of the files that are still there may look unread to the next start.
	p := r.stop()
	w.Shift(20)
	w.ReopenAll()
	r.start(p)
	r.after(2 * DefaultRotateGrace)
	r.want(want)
	r.wantLost()
}

// Archives keep whole seconds: of many that were made in one second none may look as if it were newer than what is being read.
func TestManyRotationsInOneSecond(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want []string
	second := time.Now().Truncate(time.Second)
	for i := range 3 * keepFinished {
		s := lines(fmt.Sprint("generation ", i, " "), 20, 2000)
		want = append(want, s)
		w.Write(0, s)
		r.pollOnce()
		for n := i; n > 0; n-- {
			rename(t, fmt.Sprintf("%s.%d.gz", w.Path(), n), fmt.Sprintf("%s.%d.gz", w.Path(), n+1))
		}
		w.Rename(".1")
		if err := os.Chtimes(w.Path()+".1", second, second); err != nil {
			t.Fatal(err)
		}
		w.ReopenAll()
		r.pollOnce()
		gz(t, w.Path()+".1")
		r.pollOnce() // the one that is being drained has no name now
		r.after(2 * DefaultRotateGrace)
	}
	r.want(want...)
	r.wantLost()
}

// logrotate's olddir: rotated files are found in another folder, also by the next start and compressed.
func TestRotatedIntoAnotherFolder(t *testing.T) {
	for _, relative := range []bool{true, false} {
		t.Run(fmt.Sprintf("relative %v", relative), func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "log", "old")
			if err := os.Mkdir(filepath.Dir(old), 0o755); err != nil {
				t.Fatal(err)
			}
			name := "old"
			if !relative {
				old = filepath.Join(dir, "elsewhere")
				name = old
			}
			path := filepath.Join(dir, "log", "a.log")
			moved := filepath.Join(old, "a.log")
			r := newRig(t, dir, Config{RotatedDirs: []string{name}}, "log/a.log")
			write(t, path, "a1\n")
			r.drain() // the folder does not exist yet
			if err := os.Mkdir(old, 0o755); err != nil {
				t.Fatal(err)
			}
			rename(t, path, moved+".1")
			write(t, path, "b1\n")
			write(t, moved+".1", "a2\n")
			r.pollOnce()
			p := r.stop()
			write(t, path, "b2\n")
			rename(t, moved+".1", moved+".2")
			rename(t, path, moved+".1")
			write(t, path, "c\n")
			gz(t, moved+".2")
			rename(t, moved+".2.gz", moved+".3.gz")
			rename(t, moved+".1", moved+".2")
			rename(t, path, moved+".1")
			write(t, path, "d\n")
			r.start(p)
			r.after(2 * DefaultRotateGrace)
			r.want("a1\na2\n", "b1\nb2\n", "c\n", "d\n")
			r.wantLost()
		})
	}
}

// Some scripts number the other way round: the highest is the newest.
func TestNumbersThatGrow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "a\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	want := []string{"a\n"}
	for i, s := range []string{"b\n", "c\n", "d\n"} {
		rename(t, path, fmt.Sprintf("%s.%d", path, i+1))
		write(t, path, s)
		for bornAt(t, path) == bornAt(t, fmt.Sprintf("%s.%d", path, i+1)) { // births must differ, and their clock is coarse
			remove(t, path)
			write(t, path, s)
		}
		want = append(want, s)
	}
	r.pollOnce()
	r.want(want...)
}

// A log that was unpacked beside its archive is nothing new.
func TestUnpackedArchive(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path+".5", "long ago\n")
	gz(t, path+".5")
	write(t, path, "a\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	write(t, path+".5", "long ago\n")
	r.pollOnce()
	rename(t, path, path+".1")
	write(t, path, "b\n")
	r.after(3 * DefaultRotateGrace)
	r.want("a\n", "b\n")
}

func bornAt(t *testing.T, path string) int64 {
	t.Helper()
	st, err := statPath(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.born == 0 {
		t.Skip("this file system does not tell the birth of a file")
	}
	return st.born
}
