// Shows that links, pipes, directories and devices are refused without blocking, and when links are followed.
package tail

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func TestWhatIsNoLogIsRefused(t *testing.T) {
	for _, tt := range []struct {
		kind string
		make func(path string) error
	}{
		{"symbolic link", func(p string) error { return os.Symlink("/dev/stdout", p) }},
		{"named pipe", func(p string) error { return syscall.Mkfifo(p, 0o644) }},
		{"directory", func(p string) error { return os.Mkdir(p, 0o755) }},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.log")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			r := newRig(t, dir, Config{}, "a.log")
			r.after(time.Minute)
			if n := strings.Count(r.log.String(), "but a "+tt.kind); n != 1 {
				t.Errorf("it was said %d times", n)
			}
			if s := r.Status(); len(s) != 1 || s[0].State != Failing || !strings.Contains(s[0].Err, tt.kind) {
				t.Errorf("status %+v", s)
			}
			remove(t, path)
			write(t, path, "a log at last\n")
			r.pollOnce()
			r.want("a log at last\n")
		})
	}
}

func TestSymlinkFollowed(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Mkdir(at("data"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, at("data/jan.log"), "jan 1\n")
	symlink(t, "data/jan.log", at("a.log"))
	r := newRig(t, dir, Config{FollowSymlinks: true}, "a.log")
	r.drain()
	write(t, at("data/feb.log"), "feb 1\n")
	symlink(t, "data/feb.log", at("a.log"))
	write(t, at("data/jan.log"), "jan 2\n")
	r.pollOnce()
	r.want("jan 1\njan 2\n", "feb 1\n")

	// The target is rotated where it lies, and the link is switched while nobody reads.
	p := r.stop()
	write(t, at("data/feb.log"), "feb 2\n")
	rename(t, at("data/feb.log"), at("data/feb.log.1"))
	write(t, at("data/feb.log"), "feb' 1\n")
	r.start(p)
	r.pollOnce()
	p = r.stop()
	write(t, at("data/feb.log"), "feb' 2\n")
	write(t, at("data/mar.log"), "mar 1\n")
	symlink(t, "data/mar.log", at("a.log"))
	r.start(p)
	r.after(time.Minute)
	r.want("jan 1\njan 2\n", "feb 1\nfeb 2\n", "feb' 1\nfeb' 2\n", "mar 1\n")
	r.wantLost()
}
