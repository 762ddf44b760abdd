package brokerlog

// Shows that the note says what was written last, and nothing when it is torn.

import (
	"errors"
	"os"
	"testing"
)

func TestNote(t *testing.T) {
	dir := t.TempDir()
	read := func() note {
		t.Helper()
		n, err := readNote(dir)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := read(); n.set {
		t.Errorf("without a file: %+v", n)
	}
	n, err := OpenNote(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if got := read(); got.set {
		t.Errorf("an empty note says %+v", got)
	}
	if err := n.Commit(1<<62, 32766, true); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != (note{true, 1 << 62, 32766, true}) || !got.commits(1<<62, 32766) || got.commits(1<<62, 1) || got.commits(1, 32766) {
		t.Errorf("read %+v", got)
	}
	whole, err := os.ReadFile(notePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		torn := append([]byte(nil), whole...)
		torn[i] ^= 0x40
		if err := os.WriteFile(notePath(dir), torn, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := read(); got.set {
			t.Errorf("with byte %d changed it says %+v", i, got)
		}
	}
	if err := errors.Join(n.Commit(5, 6, false), n.Clear()); err != nil {
		t.Fatal(err)
	}
	if got := read(); got.commits(5, 6) || got.commits(0, 0) {
		t.Errorf("cleared, it says %+v", got)
	}
}
