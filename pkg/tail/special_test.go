// Shows what in a log folder is refused without blocking, that this is counted, and when links are followed.
package tail

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	rename(t, path+".new", path)
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, old, path string) {
	t.Helper()
	if err := os.Link(old, path); err != nil {
		t.Skipf("this file system makes no hard links: %v", err)
	}
}

// wantSkipped wants just these files to be skipped for that reason, and none for another.
func (r *rig) wantSkipped(why Skip, n int) {
	r.t.Helper()
	got := r.Skipped()
	if len(got) != n || slices.ContainsFunc(got, func(s Skipped) bool { return s.Why != why }) {
		r.t.Errorf("skipped %v, want %d for being a %s", got, n, why)
	}
}

// Between a look at a name and its opening it may become another file: what was opened is judged, not what the name was.
func TestWhatWasOpenedIsJudged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	r := newRig(t, dir, Config{}, "a.log")
	other := filepath.Join(dir, "other")
	write(t, other, "somebody else's\n")
	for name, swap := range map[string]func() error{
		"pipe":      func() error { return syscall.Mkfifo(path, 0o644) },
		"directory": func() error { return os.Mkdir(path, 0o755) },
		"hard link": func() error { return os.Link(other, path) },
	} {
		if err := swap(); err != nil {
			t.Fatal(err)
		}
		f, _, err := r.openPlain(path)
		if refused := (*refusal)(nil); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			f.close()
		}
		remove(t, path)
	}
}

func TestWhatIsNoLogIsRefused(t *testing.T) {
	for _, tt := range []struct {
		why  Skip
		said string
		make func(path string) error
	}{
		{SkipSymlink, "but a symbolic link", func(p string) error { return os.Symlink("/dev/stdout", p) }},
		{SkipPipe, "but a named pipe", func(p string) error { return syscall.Mkfifo(p, 0o644) }},
		{SkipDirectory, "but a directory", func(p string) error { return os.Mkdir(p, 0o755) }},
		{SkipSocket, "but a socket", func(p string) error { return syscall.Mknod(p, syscall.S_IFSOCK|0o644, 0) }},
		{SkipDevice, "but a device", func(p string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o644, 1<<8|5) }}, // /dev/zero
		{SkipHardLink, "has other names too", func(p string) error {
			canary := filepath.Join(filepath.Dir(p), "other")
			return errors.Join(os.WriteFile(canary, []byte("canary\n"), 0o600), os.Link(canary, p))
		}},
	} {
		t.Run(string(tt.why), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.log")
			if err := tt.make(path); errors.Is(err, syscall.EPERM) {
				t.Skip("only root can make it: ", err)
			} else if err != nil {
				t.Fatal(err)
			}
			r := newRig(t, dir, Config{}, "a.log")
			r.after(time.Minute)
			if n := strings.Count(r.log.String(), tt.said); n != 1 {
				t.Errorf("it was said %d times", n)
			}
			if s := r.Status(); len(s) != 1 || s[0].State != Failing || !strings.Contains(s[0].Err, tt.said) {
				t.Errorf("status %+v", s)
			}
			r.wantSkipped(tt.why, 1)
			remove(t, path)
			write(t, path, "a log at last\n")
			r.pollOnce()
			r.want("a log at last\n")

			// The same as a rotated file, plain and compressed, and where only a glob finds it.
			for _, name := range []string{"a.log.1", "a.log.2.gz", "b.log"} {
				if tt.why == SkipHardLink {
					remove(t, filepath.Join(dir, "other"))
				}
				if err := tt.make(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			p := r.stop()
			r.cfg.Paths = append(r.cfg.Paths, filepath.Join(dir, "b*.log"))
			r.start(p)
			r.after(time.Minute)
			if tt.why == SkipHardLink { // each was made of a file of its own, and only the last one still has two names
				r.wantSkipped(tt.why, 1)
			} else {
				r.wantSkipped(tt.why, 3)
			}
			if strings.Contains(r.all(), "b.log") || !strings.HasPrefix(r.all(), "a log at last\n") {
				t.Errorf("read %s", brief(r.all()))
			}
		})
	}
}

// A second name that somebody gives a file which is read already, a backup for one, is no reason to stop; not even after a restart.
func TestHardLinkToAKnownFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log"), "1\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	link(t, at("a.log"), at("backup"))
	write(t, at("a.log"), "2\n")
	r.after(time.Minute)
	p := r.stop()
	write(t, at("a.log"), "3\n")
	rename(t, at("a.log"), at("a.log.1"))
	write(t, at("a.log"), "4\n")
	r.start(p)
	r.after(time.Minute)
	r.want("1\n2\n3\n", "4\n")
	r.wantLost()
	r.wantSkipped(SkipHardLink, 0)
}

// A file that had two names when it was first seen is read as soon as it has one, from its beginning, or at once if that is allowed.
func TestHardLinkThatWasNotKnown(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("a.log"), "1\n")
	link(t, at("a.log"), at("backup"))
	r := newRig(t, dir, Config{}, "a.log")
	r.after(time.Minute)
	r.want()
	r.wantSkipped(SkipHardLink, 1)
	remove(t, at("backup"))
	r.pollOnce()
	r.want("1\n")
	r.wantSkipped(SkipHardLink, 0)

	write(t, at("b.log"), "2\n")
	link(t, at("b.log"), at("backup"))
	r = newRig(t, dir, Config{AllowHardLinks: true}, "b.log")
	r.drain()
	r.want("2\n")
}

func TestLinkThatLeadsOutside(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	mkdir(t, at("log"))
	mkdir(t, at("pods"))
	write(t, at("pods/0.log"), "pod\n")
	if err := os.Symlink("pods", at("alias")); err != nil {
		t.Fatal(err)
	}
	symlink(t, "../pods/0.log", at("log/a.log"))
	r := newRig(t, at("log"), Config{FollowSymlinks: true}, "a.log")
	r.after(time.Minute)
	r.want()
	r.wantSkipped(SkipOutside, 1)
	if s := r.Status(); len(s) != 1 || s[0].State != Failing || !strings.Contains(s[0].Err, "outside") {
		t.Errorf("status %+v", s)
	}

	// Allowed, also by a name that is itself a link; then the target is rotated.
	r = newRig(t, at("log"), Config{FollowSymlinks: true, SymlinkRoots: []string{at("alias")}}, "a.log")
	r.drain()
	r.want("pod\n")
	p := r.stop()
	write(t, at("pods/0.log"), "pod 2\n")
	rename(t, at("pods/0.log"), at("pods/0.log.1"))
	write(t, at("pods/0.log"), "new\n")
	r.start(p)
	r.after(time.Minute)
	r.want("pod\npod 2\n", "new\n")
	r.wantSkipped(SkipOutside, 0)
}

// The log's folder may be reached by a link: that is the administrator's doing.
func TestFolderReachedByALink(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	mkdir(t, at("data"))
	write(t, at("data/a.log"), "1\n")
	symlink(t, "data", at("log"))
	for _, follow := range []bool{false, true} {
		r := newRig(t, top, Config{FollowSymlinks: follow}, "log/a.log")
		r.drain()
		r.want("1\n")
	}
}

// Folders that a wildcard matches are not trusted: a link in place of one is refused, and followed only if that is allowed.
func TestFolderOfAGlobThatIsALink(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	mkdir(t, at("log/shop"))
	mkdir(t, at("elsewhere"))
	write(t, at("log/shop/a.log"), "shop\n")
	write(t, at("elsewhere/a.log"), "canary\n")
	symlink(t, "../elsewhere", at("log/evil"))
	r := newRig(t, at("log"), Config{}, "*/a.log")
	r.after(time.Minute)
	r.want("shop\n")
	r.wantSkipped(SkipSymlink, 1)
	r = newRig(t, at("log"), Config{FollowSymlinks: true}, "*/a.log")
	r.after(time.Minute)
	r.want("shop\n")
	r.wantSkipped(SkipOutside, 1)
	r = newRig(t, at("log"), Config{FollowSymlinks: true, SymlinkRoots: []string{at("elsewhere")}}, "*/a.log")
	r.after(time.Minute)
	if got := r.all(); !strings.Contains(got, "shop\n") || !strings.Contains(got, "canary\n") {
		t.Errorf("read %q", got)
	}
}

// What the kernel's openat2 refuses, the walk for kernels without it refuses too.
func TestOpenBeneath(t *testing.T) {
	top := t.TempDir()
	at := func(name string) string { return filepath.Join(top, name) }
	mkdir(t, at("log/sub/deep"))
	write(t, at("log/a"), "")
	write(t, at("log/sub/deep/a"), "")
	write(t, at("secret"), "")
	symlink(t, "../secret", at("log/out"))
	symlink(t, "a", at("log/in"))
	symlink(t, "sub", at("log/folder"))
	symlink(t, "/", at("log/sub/root"))
	dir, err := unix.Open(at("log"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dir)
	const file, folder = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC, unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	for _, how := range []struct {
		name string
		open func(int, string, int) (int, error)
	}{{"openat2", openBeneath}, {"walk", walkBeneath}} {
		for _, tt := range []struct {
			path  string
			flags int
			want  error
		}{
			{"a", file, nil}, {"sub/deep/a", file, nil}, {"out", file, unix.ELOOP}, {"in", file, unix.ELOOP}, {"folder/deep/a", file, unix.ELOOP},
			{"sub/root/etc/passwd", file, unix.ELOOP}, {"none", file, unix.ENOENT}, {"sub/none/a", file, unix.ENOENT}, {"a/b", file, unix.ENOTDIR},
			{"sub/deep", folder, nil}, {"folder", folder, unix.ELOOP}, {"sub/root", folder, unix.ELOOP}, {"folder/deep", folder, unix.ELOOP}, {"a", folder, unix.ENOTDIR},
		} {
			before := openFiles(t)
			fd, err := how.open(dir, tt.path, tt.flags)
			if err == nil {
				unix.Close(fd)
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("%s %s: %v, want %v", how.name, tt.path, err, tt.want)
			}
			if n := openFiles(t); n != before {
				t.Errorf("%s %s: %d descriptors stay open", how.name, tt.path, n-before)
			}
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
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
