// Shows that a file that may not be read is waited for, said once, and never taken for deleted.
package tail

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asNobody makes the file checks of this goroutine's thread those of an ordinary user, for root ignores permissions.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if err := syscall.Setfsuid(65534); err != nil {
		t.Skipf("can't give up root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Setfsuid(0) })
}

// asRoot undoes asNobody for f.
func asRoot(f func()) {
	if os.Geteuid() != 0 {
		f()
		return
	}
	_ = syscall.Setfsuid(0)
	f()
	_ = syscall.Setfsuid(65534)
}

// forbid takes all rights to path from who runs the test; allow gives them back.
func forbid(t *testing.T, path string) { chmod(t, path, 0) }
func allow(t *testing.T, path string)  { chmod(t, path, 0o755) }

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	asRoot(func() {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPermission(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	asNobody(t)
	allow(t, filepath.Dir(dir))
	asRoot(func() { write(t, path, "a1\n") })
	forbid(t, path)
	if f, err := os.Open(path); err == nil {
		f.Close()
		t.Skip("this system lets everybody read")
	}
	r := newRig(t, dir, Config{}, "a.log")
	r.after(3 * DefaultRotateGrace)
	r.want()
	if n := strings.Count(r.log.String(), "permission denied"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	if s := r.Status(); len(s) != 1 || s[0].State != Failing || !strings.Contains(s[0].Err, "permission") {
		t.Errorf("status %+v", s)
	}
	allow(t, path)
	r.after(time.Second)
	r.want("a1\n")
	if s := r.Status(); len(s) != 1 || s[0].State != Reading || s[0].Err != "" {
		t.Errorf("status %+v", s)
	}

	// Unreadable at a restart, first the file and then the directory: neither is a loss.
	p := r.stop()
	asRoot(func() { write(t, path, "a2\n") })
	forbid(t, path)
	r.start(p)
	r.after(3 * DefaultRotateGrace)
	forbid(t, dir)
	r.after(3 * DefaultRotateGrace)
	r.wantLost()
	allow(t, dir)
	allow(t, path)
	r.after(time.Second)
	r.want("a1\na2\n")
	r.wantLost()
}
