package daemon

// Shows: what full and read-only disks do. Without room in state_dir the daemon goes on, because Kafka is the truth, and says so. With the
// log's own file system full, Nginx writes half lines: those go to quarantine, and no other line is touched.

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// onSmallDisk makes the daemons of h see their state_dir on a file system of 64 KiB of their own, after the shell command prepare was
// run there. Nobody else sees it, and it is gone with them.
func onSmallDisk(t *testing.T, h *harness.Host, prepare string) {
	t.Helper()
	needNamespaces(t, "a small file system is mounted")
	state := filepath.Join(h.Dir, "state")
	script := fmt.Sprintf(`set -e; mkdir -p "%[1]s.kept"; mkdir -p "%[1]s"; mount -t tmpfs -o size=64k tmpfs "%[1]s"
		cp "%[1]s.kept"/* "%[1]s"/ 2>/dev/null || true; cd "%[1]s"; %[2]s; cd /; exec "$@"`, state, prepare)
	h.Wrap = []string{"unshare", "--mount", "sh", "-c", script, "sh"}
}

// fill leaves no room on the file system of the working folder.
const fill = `dd if=/dev/zero of=ballast bs=4k 2>/dev/null || true`

func TestStateDirFull(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	// The key for hashed secrets is there, as after any first start.
	s.log.WriteLines(t, 0, 10)
	exits(t, h.Start(t, "--once"), 0)
	state := filepath.Join(h.Dir, "state")
	if err := os.Rename(state, state+".kept"); err != nil {
		t.Fatal(err)
	}
	onSmallDisk(t, h, fill)
	s.log.WriteLines(t, 1, 10)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, 1, long)
	awaitOutput(t, d, "the local hint can't be written", "no space left on device")
	awaitHealth(t, h, d, http.StatusOK, "site "+s.name+": running", "state_dir", "full")
	awaitMetric(t, h, d, "ngxtap_state_dir_writable", func(n int64) bool { return n == 0 })
	s.log.WriteLines(t, 1, 10)
	stop(t, d)
	s.shipped(t, h)
}

// awaitHealth waits until /healthz answers with that code and all of the texts.
func awaitHealth(t *testing.T, h *harness.Host, d *components.Program, code int, texts ...string) {
	t.Helper()
	components.Eventually(t, long, func() error {
		if err := d.Alive(); err != nil {
			return err
		}
		got, text, err := health(t, h)
		if err != nil {
			return err
		}
		for _, s := range texts {
			if got != code || !strings.Contains(text, s) {
				return fmt.Errorf("/healthz answers %d, want %d and %q: %s", got, code, s, text)
			}
		}
		return nil
	})
}

// At a first start the key for hashed secrets can't be kept: then nothing may be shipped, or the hashes could never be joined with
// those of the next run.
func TestStateDirFullAtTheFirstStart(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	onSmallDisk(t, h, fill)
	s.log.WriteLines(t, 0, 10)
	args := append(h.Wrap[1:], harness.Binary(t, false), "check", "--user", "", "--logrotate", "", "-c", h.Config)
	out, err := exec.CommandContext(t.Context(), h.Wrap[0], args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "has no room for the key") {
		t.Errorf("check: %v: %s", err, out)
	}
	exits(t, h.Start(t), 1, "key for hashed secrets", "no space left on device") // a restart may find room
	h.Wrap = nil
	s.shipped(t, h)
}

func TestStateDirTurnsReadOnly(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	onSmallDisk(t, h, ":")
	s.log.WriteLines(t, 0, 10)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	awaitMetric(t, h, d, "ngxtap_state_dir_writable", func(n int64) bool { return n == 1 })
	// A read-only view is laid over the folder: what turns a real file system read-only does not ask whether files are open in it.
	state := filepath.Join(h.Dir, "state")
	script := `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0"`
	if out, err := exec.CommandContext(t.Context(), "nsenter", "-t", fmt.Sprint(d.PID()), "-m", "sh", "-c", script, state).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.log.WriteLines(t, 1, 10)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	awaitHealth(t, h, d, http.StatusOK, "running", "state_dir", "read-only")
	awaitMetric(t, h, d, "ngxtap_state_dir_writable", func(n int64) bool { return n == 0 })
	stop(t, d)
	if out := d.Output(t); !strings.Contains(out, "the local hint can't be written") {
		t.Errorf("it did not say that it could not write:\n%s", out)
	}
	s.shipped(t, h)
}

// padToTear sends a request that makes the next page of the log end in the quoted part of a line. A line that is torn further to the left
// can't be told from one with an odd user name, which stands without quotes in this format, as in Nginx's own "combined".
func (s *site) padToTear(t *testing.T, request func(pad int)) {
	t.Helper()
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	line := len(data) - 1 - strings.LastIndexByte(string(data[:len(data)-1]), '\n')
	for pad := range 4096 {
		if left := 4096 - (len(data)+line+pad)%4096; left > line && left%line > 70 && left%line < line-10 {
			request(pad)
			return
		}
	}
	t.Fatalf("no way to tear a line of %d bytes", line)
}

const smallLog = `{{.Main}}
worker_processes 2;
events {}
http {
	{{.HTTP}}
	log_format tap '{{.Vars.format}}';
	access_log {{.Vars.log}} tap;
	server { listen {{.Addr}}; location / { return 204; } }
}
`

// Row 20. Real Nginx on a file system of 256 KiB: when it is full, the last line is torn, and Nginx writes nothing for a second. When
// there is room again it goes on in the middle of a line. What is in the file is the truth: every line of it arrives once, the
// glued ones in quarantine.
func TestLogDiskFull(t *testing.T) {
	t.Parallel()
	needNamespaces(t, "a small file system is mounted")
	s, brokers := newSite(t), fakeBroker(t)
	disk := filepath.Join(s.dir, "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	s.path = filepath.Join(disk, "access.log")
	nginx := components.StartNginx(t, smallLog, map[string]string{"format": harness.LogFormat, "log": s.path})
	n := 0
	request := func(pad int) {
		n++
		id := fmt.Sprintf("nginx-%06d", n)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+nginx.Addr+"/item/"+id+"?"+strings.Repeat("p", pad), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Id", id)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	h := s.host(t, brokers, nil)
	d := h.Start(t)
	for round := range 3 {
		for range 10 {
			request(0)
		}
		h.AwaitBytes(t, d, s.name, 1, long)
		s.padToTear(t, request)
		ballast := filepath.Join(disk, "ballast")
		full := func() { // what is free is less than a page
			f, err := os.Create(ballast)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			f.Close()
		}
		full()
		last := 0
		components.Eventually(t, long, func() error {
			request(0)
			data, err := os.ReadFile(s.path)
			stays := len(data) == last // a line that is being written looks torn too
			if last = len(data); err == nil && (!stays || data[last-1] == '\n') {
				err = fmt.Errorf("round %d: no line is torn after %d bytes", round, last)
			}
			return err
		})
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(s.path)
		if err != nil {
			t.Fatal(err)
		}
		components.Eventually(t, long, func() error { // after its second of silence Nginx writes again
			request(0)
			data, err := os.ReadFile(s.path)
			if err == nil && len(data) == len(before) {
				err = errAgain
			}
			return err
		})
	}
	nginx.Stop(t)
	data, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.journal = &oracle.Journal{}
	s.journal.Begin(s.path, "as it is on the disk").Append(data)
	h.AwaitBytes(t, d, s.name, int64(len(data)), long)
	stop(t, d)
	v := s.verdict(t, h)
	if v.Quarantined != 3 || v.Lost != 0 {
		t.Errorf("%d lines in quarantine, want the three glued ones", v.Quarantined)
	}
}
