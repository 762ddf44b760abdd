package daemon

// Shows: what exhausted limits do: descriptors, inotify instances, file sizes, memory, permissions. The daemon goes on with what it has,
// says what waits and why, and ships the rest when it may; nothing is read again and no position is given up.

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// somebody is the uid of a user without rights. It has its own inotify instances, which a test exhausts.
const somebody = 65533

// asSomebody makes the daemons of h run as a user without rights, to whom state_dir belongs.
func asSomebody(t *testing.T, h *harness.Host) {
	t.Helper()
	needRoot(t, "another user runs the daemon")
	h.Attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
	state := filepath.Join(h.Dir, "state")
	err := errors.Join(os.Chmod(filepath.Dir(h.Dir), 0o755), os.MkdirAll(state, 0o700), os.Chown(state, somebody, somebody))
	if err != nil {
		t.Fatal(err)
	}
}

// Row 13. Two hundred logs and sixty-four descriptors: so many logs are read that enough is left for Kafka and the admin port, the others
// wait and are named, and with a higher limit they are read from their beginning. A session never ends for it.
func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	const logs, limit = 200, 64
	all := []*harness.Log{s.log}
	for i := range logs - 1 {
		all = append(all, harness.NewLog(t, s.journal, filepath.Join(s.dir, fmt.Sprintf("vhost%03d.log", i)), 1))
	}
	for i, l := range all {
		l.WriteLines(t, 0, 1+i%7)
	}
	h := s.host(t, brokers, func(c *harness.HostConfig) { c.Sites[0].Paths = []string{filepath.Join(s.dir, "*.log")} })
	h.Wrap = []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", limit, limit)}
	var waiting int64
	for range 2 { // a restart does not change it
		d := h.Start(t)
		awaitMetric(t, h, d, "ngxtap_unreadable_files", func(n int64) bool { waiting = n; return n > logs/2 && n < logs })
		for i, l := range all {
			l.WriteLines(t, 0, 1+i%5)
		}
		h.AwaitBytes(t, d, s.name, 1, long)
		awaitHealth(t, h, d, http.StatusOK, "running", "too many open files", "LimitNOFILE")
		if n := metric(t, h, "ngxtap_sessions_total"); n != 1 {
			t.Errorf("%d sessions", n)
		}
		if n := metric(t, h, "ngxtap_losses_total"); n != 0 {
			t.Errorf("%d losses", n)
		}
		stop(t, d)
	}
	h.Wrap = nil // package tail shows it for a limit that is raised while it runs
	d := h.Start(t)
	awaitMetric(t, h, d, "ngxtap_unreadable_files", func(n int64) bool { return n == 0 })
	components.Eventually(t, long, func() error { return s.lag(t, h) })
	stop(t, d)
	t.Logf("%d of %d logs waited", waiting, logs)
	s.verdict(t, h)
}

// Row 14. Every inotify instance that the daemon's user may have is taken: it polls, says so once, and ships everything.
func TestInotifyExhausted(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	asSomebody(t, h)
	takeInotify(t)
	s.log.WriteLines(t, 0, 10)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	for range 3 {
		s.log.WriteLines(t, 1, 10)
		s.log.Rotate(t)
		s.log.WriteLines(t, 0, 10)
	}
	h.AwaitBytes(t, d, s.name, s.written(), long)
	stop(t, d)
	if n := strings.Count(d.Output(t), "inotify is not available"); n != 1 {
		t.Errorf("it said %d times that inotify is not available:\n%s", n, d.Output(t))
	}
	s.verdict(t, h)
}

// takeInotify takes every inotify instance of somebody, until the test ends.
func takeInotify(t *testing.T) {
	t.Helper()
	taken := make(chan error)
	var fds []int
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, whose user is another one, ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), somebody, ^uintptr(0)); errno != 0 {
			taken <- errno
			return
		}
		for {
			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			if err != nil {
				if !errors.Is(err, unix.EMFILE) {
					taken <- err
				}
				close(taken)
				return
			}
			fds = append(fds, fd)
		}
	}()
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	t.Logf("%d inotify instances are taken", len(fds))
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
}

// No file may grow: not the hint, not even the daemon's own log if that is a file. It goes on all the same.
func TestFileSizeLimited(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 10)
	exits(t, h.Start(t, "--once"), 0)
	h.Wrap = []string{"prlimit", "--fsize=256:256"}
	d := h.Start(t)
	s.log.WriteLines(t, 1, 10)
	h.AwaitBytes(t, d, s.name, 1, long)
	stop(t, d)
	h.Wrap = nil
	s.shipped(t, h)
}

// Row 12. The log can't be read any more, and later it can: said once with what to do, nothing is lost, nothing is taken for deleted.
func TestPermissionTakenAndGiven(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	asSomebody(t, h)
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	s.log.WriteLines(t, 0, 10)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)

	// Rotated by a logrotate whose "create" has the wrong mode: what is open is read to its end, the new one waits.
	s.log.Rename(t, "", ".1")
	s.log.WriteLines(t, 1, 10)
	s.log.ReopenAll(t)
	chmod(s.path, 0)
	s.log.WriteLines(t, 0, 10)
	old := s.written() - s.log.Current().Len()
	h.AwaitBytes(t, d, s.name, old, long)
	awaitHealth(t, h, d, http.StatusOK, s.path, "permission denied")
	awaitOutput(t, d, "let the user that ngxtap runs as read the file")
	chmod(s.path, 0o644)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	awaitMetric(t, h, d, "ngxtap_unreadable_files", func(n int64) bool { return n == 0 })

	// The whole folder, for longer than the grace, and over a restart.
	for range 2 {
		chmod(s.dir, 0)
		s.log.WriteLines(t, 1, 10)
		awaitHealth(t, h, d, http.StatusOK, "permission denied")
		stop(t, d)
		d = h.Start(t)
		awaitHealth(t, h, d, http.StatusOK, "permission denied")
		chmod(s.dir, 0o777)
		components.Eventually(t, long, func() error { return s.lag(t, h) })
	}
	if n := metric(t, h, "ngxtap_losses_total"); n != 0 {
		t.Errorf("%d losses", n)
	}
	stop(t, d)
	s.verdict(t, h)
}

// Row 47. Little memory: it still ships. Where that is too little and the kernel kills it, the next start goes on.
func TestLittleMemory(t *testing.T) {
	t.Parallel()
	for name, limited := range map[string]func(*testing.T, *harness.Host){
		"GOMEMLIMIT": func(_ *testing.T, h *harness.Host) { h.Env = []string{"GOMEMLIMIT=40MiB"} },
		// What is written to counts, not what is reserved.
		"prlimit": func(_ *testing.T, h *harness.Host) { h.Wrap = []string{"prlimit", "--data=100663296:100663296"} },
		"too little": func(t *testing.T, h *harness.Host) {
			group := memoryGroup(t, 8<<20)
			h.Wrap = []string{"sh", "-c", `echo $$ >"$0"/cgroup.procs && exec "$@"`, group}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, brokers := newSite(t), fakeBroker(t)
			h := s.host(t, brokers, nil)
			limited(t, h)
			for range 40 {
				s.log.WriteLines(t, 0, 2000)
			}
			s.log.Write(t, 1, harness.Line(900_000))
			d := h.Start(t, "--once")
			code := d.Wait(t, long)
			switch {
			case name == "too little" && code != -1:
				t.Errorf("exit code %d; it was to be killed:\n%s", code, d.Output(t))
			case name != "too little" && code != 0:
				t.Errorf("exit code %d:\n%s", code, d.Output(t))
			}
			h.Wrap, h.Env = nil, nil
			s.shipped(t, h)
		})
	}
}

// memoryGroup makes a control group that may use so many bytes of memory.
func memoryGroup(t *testing.T, limit int64) string {
	t.Helper()
	needRoot(t, "a control group is made")
	var errs []error
	for _, file := range []string{"/sys/fs/cgroup/memory/%s/memory.limit_in_bytes", "/sys/fs/cgroup/%s/memory.max"} { // version 1, version 2
		file = fmt.Sprintf(file, fmt.Sprintf("ngxtap-test-%d", os.Getpid()))
		dir := filepath.Dir(file)
		if err := os.Mkdir(dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		f, err := os.OpenFile(file, os.O_WRONLY, 0) // never made here: then it is no control group
		if err == nil {
			_, err = fmt.Fprint(f, limit)
			f.Close()
		}
		if err == nil {
			return dir
		}
		errs = append(errs, err)
	}
	t.Skipf("no control group for memory can be made here: %v", errors.Join(errs...))
	return ""
}
