// Shows that a restart goes on at the byte where the position says, wherever the file is by now.
package tail

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gz compresses path to path.gz and removes path, with the time kept as gzip does.
func gz(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	z.Close()
	f.Close()
	mtime := st.ModTime().Truncate(time.Second)
	if err := os.Chtimes(path+".gz", mtime, mtime); err != nil {
		t.Fatal(err)
	}
	remove(t, path)
}

// readHalf starts a rig on a.log and reads a part of it.
func readHalf(t *testing.T, old ...string) (r *rig, path, text string, p *Position) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "a.log")
	text = lines("first", 300, 50)
	for _, suffix := range old {
		write(t, path+suffix, "read long ago\n")
	}
	write(t, path, text)
	for _, suffix := range old {
		for bornAt(t, path) <= bornAt(t, path+suffix) { // births must differ, and their clock is coarse
			remove(t, path)
			write(t, path, text)
		}
	}
	r = newRig(t, dir, Config{BlockSize: 4096}, "a.log")
	c, err := r.Read(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r.take(t, c)
	if len(r.all()) >= len(text) {
		t.Fatal("all was read at once")
	}
	return r, path, text, r.stop()
}

// TestOldFilesBesideIt: rotated files from before our first start are none of ours, whatever happens to the live one.
func TestOldFilesBesideIt(t *testing.T) {
	r, path, text, p := readHalf(t, ".7", ".8")
	more := lines("second", 200, 60)
	gz(t, path+".8")
	rename(t, path, path+".1")
	write(t, path, more)
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.wantLost()
	r.want(text, more)
}

func TestRestart(t *testing.T) {
	more := lines("second", 200, 60)
	last := lines("third", 100, 60)
	for _, tt := range []struct {
		name string
		down func(t *testing.T, path string) // while nobody reads
		want []string                        // after the first 300 lines
		lost []int64
	}{
		{"nothing happened", func(*testing.T, string) {}, nil, nil},
		{"it grew", func(t *testing.T, p string) { write(t, p, more) }, []string{more}, nil},
		{"renamed", func(t *testing.T, p string) {
			rename(t, p, p+".1")
			write(t, p, more)
		}, []string{more}, nil},
		{"renamed and no new file", func(t *testing.T, p string) { rename(t, p, p+".1") }, nil, nil},
		{"renamed three times", func(t *testing.T, p string) {
			rename(t, p, p+".3")
			write(t, p+".2", more)
			write(t, p+".1", last)
			write(t, p, "live\n")
		}, []string{more, last, "live\n"}, nil},
		{"renamed with dates", func(t *testing.T, p string) {
			rename(t, p, p+"-20260129")
			write(t, p+"-20260130", more)
			write(t, p+"-20260131", last)
			write(t, p, "live\n")
		}, []string{more, last, "live\n"}, nil},
		{"renamed with dates before the extension", func(t *testing.T, p string) {
			stem := strings.TrimSuffix(p, ".log")
			rename(t, p, stem+"-20260130.log")
			write(t, stem+"-20260131.log", more)
			write(t, p, "live\n")
		}, []string{more, "live\n"}, nil},
		{"compressed", func(t *testing.T, p string) {
			rename(t, p, p+".1")
			write(t, p, more)
			gz(t, p+".1")
		}, []string{more}, nil},
		{"all compressed", func(t *testing.T, p string) {
			write(t, p, "the end\n")
			rename(t, p, p+".2")
			gz(t, p+".2")
			write(t, p+".1", more)
			gz(t, p+".1")
			write(t, p, last)
		}, []string{"the end\n", more, last}, nil},
		{"copied and truncated", func(t *testing.T, p string) {
			b, _ := os.ReadFile(p)
			write(t, p+".1", string(b))
			os.Truncate(p, 0)
			write(t, p, more)
		}, []string{more}, nil},
		{"copied and truncated twice", func(t *testing.T, p string) {
			b, _ := os.ReadFile(p)
			write(t, p+".2", string(b))
			os.Truncate(p, 0)
			write(t, p+".1", more)
			write(t, p, last)
		}, []string{more, last}, nil},
		{"deleted and written anew", func(t *testing.T, p string) {
			remove(t, p)
			write(t, p, more)
		}, []string{more}, []int64{-2}},
		{"moved to another disk", func(t *testing.T, p string) {
			b, _ := os.ReadFile(p)
			remove(t, p)
			write(t, p+".tmp", string(b)+more)
			rename(t, p+".tmp", p)
		}, []string{more}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, path, text, p := readHalf(t)
			read := len(r.all())
			tt.down(t, path)
			r.start(p)
			r.after(3 * DefaultRotateGrace)
			if len(tt.lost) > 0 {
				r.wantLost(int64(len(text) - read))
				r.want(append([]string{text[:read]}, tt.want...)...)
			} else {
				r.wantLost()
				r.want(append([]string{text}, tt.want...)...)
			}
			// And nothing of it comes a second time.
			p = r.stop()
			r.start(p)
			all := r.all()
			r.after(3 * DefaultRotateGrace)
			r.want(all)
		})
	}
}

func TestStartAtEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, lines("old", 1000, 100)+"half")
	write(t, path+".1", "older\n")
	r := newRig(t, dir, Config{StartAt: End, BlockSize: 4096}, "a.log", "later.log")
	r.pollOnce()
	r.want()
	p := r.stop()
	write(t, path, " a line\nnew\n")
	write(t, filepath.Join(dir, "later.log"), "a file that did not exist is read from its beginning\n")
	r.start(p)
	r.pollOnce()
	r.want("half a line\nnew\n", "a file that did not exist is read from its beginning\n")
	if id := r.order[0]; id != GenerationID([]byte(lines("old", 1, 100))) {
		t.Errorf("the id %s is not that of the first line", id)
	}
}

func TestNewPathInConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "a\n")
	write(t, filepath.Join(dir, "b.log"), "b\n")
	r := newRig(t, dir, Config{StartAt: End}, "a.log")
	p := r.stop()
	r.cfg.Paths = []string{filepath.Join(dir, "b.log")}
	r.start(p)
	write(t, filepath.Join(dir, "b.log"), "b2\n")
	r.pollOnce()
	r.want("b2\n")
	p = r.stop()
	write(t, filepath.Join(dir, "a.log"), "a2\n")
	r.cfg.Paths = []string{filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")}
	r.start(p)
	r.pollOnce()
	r.want("b2\n", "a2\n")
}

func TestDamagedArchiveIsDeclared(t *testing.T) {
	for _, percent := range []int64{1, 20, 80} { // in the header, before the offset, behind it
		t.Run(fmt.Sprint(percent), func(t *testing.T) { damagedArchive(t, percent) })
	}
}

func damagedArchive(t *testing.T, percent int64) {
	r, path, text, p := readHalf(t)
	read := len(r.all())
	rename(t, path, path+".1")
	write(t, path, "next\n")
	gz(t, path+".1")
	st, err := os.Stat(path + ".1.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path+".1.gz", st.Size()*percent/100); err != nil {
		t.Fatal(err)
	}
	r.start(p)
	r.after(5 * DefaultRotateGrace)
	if percent > 1 && len(r.lost) != 1 {
		t.Fatalf("%d losses were declared, want 1", len(r.lost))
	}
	if percent == 80 && len(r.all()) == read+len("next\n") {
		t.Error("nothing was read from the archive")
	}
	if !strings.HasPrefix(text+"next\n", r.all()[:read]) || !strings.HasSuffix(r.all(), "next\n") {
		t.Fatalf("read %s", brief(r.all()))
	}
	if n := int64(len(r.all())-len("next\n")) + r.lost[0].Bytes; n != int64(len(text)) {
		t.Errorf("read and lost are %d bytes, want %d", n, len(text))
	}
}

func TestUnreadableArchiveOfUnreadGeneration(t *testing.T) {
	r, path, text, p := readHalf(t)
	rename(t, path, path+".2")
	write(t, path+".1.gz", "this is no gzip")
	write(t, path, "live\n")
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.want(text, "live\n")
	r.wantLost(UnknownBytes)
}

func TestIdenticalBeginnings(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "same\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	rename(t, path, path+".1")
	write(t, path, "same\nmore\n")
	r.after(3 * DefaultRotateGrace)
	if len(r.order) != 2 || r.order[0] == r.order[1] {
		t.Fatalf("generations %v, want two", r.order)
	}
	r.want("same\n", "same\nmore\n")
	p := r.stop()
	remove(t, path)
	write(t, path, "same\n")
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	r.want("same\n", "same\nmore\n", "same\n")
}
