package tail

import (
	"os"
	"path/filepath"
	"testing"
)

// Ends says where a file ends now, also where nobody has looked since it grew.
func TestEndsAreFresh(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	if err := os.WriteFile(path, []byte("one\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("two\nthree\n"); err != nil {
		t.Fatal(err)
	}
	ends := r.Ends()
	if id := r.order[0]; len(ends) != 1 || ends[id] != 14 {
		t.Errorf("the file of 14 bytes ends at %v (%s)", ends, id)
	}
	if size := r.Status()[0].Size; size != 4 {
		t.Errorf("nobody has looked, and yet the size is %d: this shows nothing", size)
	}
}
