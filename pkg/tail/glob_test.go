// Shows what a glob reads: every live file once, new ones from their beginning, rotated ones as generations of the live one.
package tail

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log"), "a1\n")
	write(t, at("b.log"), "b1\n")
	write(t, at("other.txt"), "no\n")
	r := newRig(t, dir, Config{}, "*.log", "b.log") // b.log is named twice
	r.drain()
	r.want("a1\n", "b1\n")
	write(t, at("c.log"), "c1\n")
	r.pollOnce()
	rename(t, at("a.log"), at("a.log.1"))
	write(t, at("a.log"), "a2\n")
	r.pollOnce()
	r.want("a1\n", "b1\n", "c1\n", "a2\n")

	// A new site appears and is rotated twice while nobody reads.
	p := r.stop()
	write(t, at("d.log.2"), "d1\n")
	write(t, at("d.log.1"), "d2\n")
	write(t, at("d.log"), "d3\n")
	r.start(p)
	r.pollOnce()
	r.want("a1\n", "b1\n", "c1\n", "a2\n", "d1\n", "d2\n", "d3\n")

	// One disappears for good.
	remove(t, at("c.log"))
	r.after(deletedFactor * 2 * DefaultRotateGrace)
	for _, s := range r.Status() {
		if s.Base == at("c.log") {
			t.Errorf("still there: %+v", s)
		}
	}
	r.wantLost()
}

func TestGlobThatMatchesRotatedFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log.2"), "a1\n")
	write(t, at("a.log.1"), "a2\n")
	write(t, at("a.log"), "a3\n")
	write(t, at("a.log.3"), "never\n")
	gz(t, at("a.log.3"))
	r := newRig(t, dir, Config{}, "a.log*")
	r.drain()
	r.want("a1\n", "a2\n", "a3\n")
	rename(t, at("a.log.2"), at("a.log.3"))
	rename(t, at("a.log.1"), at("a.log.2"))
	rename(t, at("a.log"), at("a.log.1"))
	write(t, at("a.log"), "a4\n")
	r.after(time.Minute)
	r.want("a1\n", "a2\n", "a3\n", "a4\n")
	r.wantOpen(1)
}

func TestOneLogRenamedToAnother(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log"), "a1\n")
	r := newRig(t, dir, Config{}, "*.log")
	r.drain()
	rename(t, at("a.log"), at("b.log"))
	write(t, at("a.log"), "new\n")
	r.after(time.Minute) // past the grace: b.log must not be taken for a rotated, finished a.log
	write(t, at("b.log"), "a2\n")
	r.pollOnce()
	if got := r.text[GenerationID([]byte("a1\n"))]; got != "a1\na2\n" {
		t.Errorf("read %q", got)
	}
	r.wantOpen(2)
}

func TestHardLinkIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log"), "a1\n")
	if err := os.Link(at("a.log"), at("b.log")); err != nil {
		t.Skip(err)
	}
	r := newRig(t, dir, Config{AllowHardLinks: true}, "*.log")
	r.after(time.Minute)
	write(t, at("b.log"), "a2\n")
	r.after(time.Minute)
	r.want("a1\na2\n")
	r.wantOpen(1)
}

// A fast file may not starve others: each has its turn after one block.
func TestFilesTakeTurns(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, n+".log"), lines(n, 1000, 100))
	}
	r := newRig(t, dir, Config{BlockSize: 4096}, "*.log")
	last := ""
	for range 30 {
		c, err := r.Read(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if c.File.ID == last {
			t.Fatal("one file was read twice in a row")
		}
		last = c.File.ID
		r.take(t, c)
	}
}

func TestRotationNames(t *testing.T) {
	for _, tt := range []struct {
		base, name string
		want       rank
		gz         bool
	}{
		{"a.log", "a.log.1", rank{ordinal, 1}, false},
		{"a.log", "a.log.12.gz", rank{ordinal, 12}, true},
		{"a.log", "a.log-20260131", rank{dated, 20260131}, false},
		{"a.log", "a.log-20260131.gz", rank{dated, 20260131}, true},
		{"a.log", "a.log-20260131-1769817600", rank{dated, 202601311769817600}, false},
		{"a.log", "a.log.2026-01-31_23:59", rank{dated, 202601312359}, false},
		{"a.log", "a-20260131.log", rank{dated, 20260131}, false},
		{"a.log", "a.1.log.gz", rank{ordinal, 1}, true},
		{"a.log", "a.log.gz", rank{ordinal, 0}, true},
		{"a.log", "a.log", rank{}, false},
		{"a.log", "a.log.", rank{}, false},
		{"a.log", "a.log.old", rank{}, false},
		{"a.log", "a.log.1~", rank{}, false},
		{"a.log", "a.log1", rank{}, false},
		{"a.log", "ab.log", rank{}, false},
		{"a.log", "b.log.1", rank{}, false},
		{"access", "access.1", rank{ordinal, 1}, false},
		{"access", "access.log", rank{}, false},
	} {
		if got, gz := rotation(tt.base, tt.name); got != tt.want || gz != tt.gz {
			t.Errorf("rotation(%q, %q) = %v, %v, want %v, %v", tt.base, tt.name, got, gz, tt.want, tt.gz)
		}
	}
}

func FuzzRotation(f *testing.F) {
	f.Add("a.log", "a.log-2026-01-31.gz")
	f.Add("a", "a.1")
	f.Add(".log", ".1.log")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, base, name string) {
		r, _ := rotation(base, name)
		if r.kind != noRank && (r.n < 0 || name == base) {
			t.Errorf("rotation(%q, %q) = %v", base, name, r)
		}
	})
}
