// Shows that a line over the limit comes out as its sums, in bounded memory, and that the lines around it are whole.
package tail

import (
	"crypto/sha256"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOversize(t *testing.T) {
	const limit = 10000
	for _, n := range []int{limit - 1, limit, limit + 1, limit + 2, 3*4096 - 1, 3 * 4096, 50000} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.log")
		long := strings.Repeat("0123456789", n/10+1)[:n]
		write(t, path, "before\n"+long+"\nafter\n")
		r := newRig(t, dir, Config{BlockSize: 4096, MaxLine: limit}, "a.log")
		r.drain()
		if n <= limit {
			r.want("before\n", long+"\n", "after\n")
			continue
		}
		r.want("before\n", "after\n")
		if len(r.over) != 1 {
			t.Fatalf("%d bytes: %d oversize lines", n, len(r.over))
		}
		o := r.over[0]
		if o.Length != int64(n) || o.SHA256 != sha256.Sum256([]byte(long)) || string(o.Head) != long[:headMax] ||
			o.CRC32C != crc32.Checksum([]byte(long), crc32.MakeTable(crc32.Castagnoli)) {
			t.Errorf("%d bytes: %+v", n, o)
		}
		write(t, path, "later\n") // the mark after a long line must be right
		p := r.stop()
		r.start(p)
		r.pollOnce()
		r.want("before\n", "after\n", "later\n")
		r.wantLost()
	}
}

func TestOversizeGrowsSlowly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	r := newRig(t, dir, Config{BlockSize: 4096, MaxLine: 4096}, "a.log")
	var long string
	for i := range 100 {
		s := strings.Repeat(string(rune('a'+i%26)), 100+i)
		write(t, path, s)
		long += s
		r.drain()
		r.pollOnce()
	}
	if len(r.over) > 0 {
		t.Fatal("it came out before its end")
	}
	write(t, path, "\nnext\n")
	r.pollOnce()
	if len(r.over) != 1 || r.over[0].SHA256 != sha256.Sum256([]byte(long)) {
		t.Errorf("oversize %+v", r.over)
	}
	r.want("next\n")
}

func TestOversizeTruncatedMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	write(t, path, "a\n"+strings.Repeat("x", 50000))
	r := newRig(t, dir, Config{BlockSize: 4096, MaxLine: 4096}, "a.log")
	r.drain()
	truncateTo(t, path, 0)
	write(t, path, strings.Repeat("y", 60000)+"\nb\n")
	r.after(3 * DefaultRotateGrace)
	r.want("a\n", "b\n")
	if len(r.over) != 1 || r.over[0].Length != 60000 || r.over[0].Head[0] != 'y' {
		t.Errorf("oversize %+v", r.over)
	}
	r.wantLost(50000)
}

func TestOversizeInArchive(t *testing.T) {
	r, path, text, p := readHalf(t)
	long := strings.Repeat("x", 100000)
	write(t, path, long+"\nend\n"+long)
	rename(t, path, path+".1")
	gz(t, path+".1")
	write(t, path, "live\n")
	r.cfg.MaxLine = 50000
	r.start(p)
	r.drain()
	r.want(text, "end\n", "live\n")
	if len(r.over) != 2 || r.over[1].SHA256 != sha256.Sum256([]byte(long)) || r.over[0].SHA256 != r.over[1].SHA256 {
		t.Errorf("oversize %+v", r.over)
	}
}

// A line of 256 MiB (a hole in a sparse file) passes in flat memory.
func TestEndlessLine(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 256 MiB")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	const length = 256 << 20
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err = f.Truncate(length); err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil {
		_, err = f.WriteString("\nnext\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	r := newRig(t, dir, Config{}, "a.log")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.drain()
	runtime.ReadMemStats(&after)
	if len(r.over) != 1 || r.over[0].Length != length {
		t.Fatalf("oversize %+v", r.over)
	}
	r.want("next\n")
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}
