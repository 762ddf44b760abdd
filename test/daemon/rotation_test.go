package daemon

// Shows: rotation for good, with the real binary. Rotated several times, compressed, renamed by date or linked elsewhere while the daemon is
// down, every line arrives once and in order. What was deleted unread is declared lost: in the state, in the metrics, in the log and
// in /healthz.

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// started ships the first lines of a log and stops the daemon, with more lines written before it and after it.
func (s *site) started(t *testing.T, h *harness.Host) {
	t.Helper()
	s.log.WriteLines(t, 0, 100)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	stop(t, d)
	s.log.WriteLines(t, 1, 100)
}

// compress replaces a rotated log by its .gz as logrotate does: written beside it with its times, then the original is removed.
func compress(t *testing.T, path string) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(path + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	st, serr := in.Stat()
	if err = errors.Join(err, z.Close(), out.Close(), serr); err == nil {
		err = errors.Join(os.Chtimes(path+".gz", st.ModTime(), st.ModTime()), os.Remove(path))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRotatedWhileDown(t *testing.T) {
	t.Parallel()
	for name, rotate := range map[string]func(*testing.T, *site){
		"three times": func(t *testing.T, s *site) {
			for range 3 {
				s.log.Rotate(t)
				s.log.WriteLines(t, 0, 50)
			}
		},
		"compressed at once": func(t *testing.T, s *site) {
			s.log.Rotate(t)
			s.log.WriteLines(t, 0, 50)
			compress(t, s.path+".1")
		},
		"compressed a day later": func(t *testing.T, s *site) { // delaycompress: .1 is plain, older ones are not
			for i := range 3 {
				s.log.Rotate(t)
				s.log.WriteLines(t, 0, 50)
				if i == 0 {
					continue
				}
				compress(t, s.path+".2")
				if i == 1 {
					s.log.Rename(t, ".2.gz", ".3.gz") // makes room for the next
				}
			}
		},
		"by date": func(t *testing.T, s *site) {
			for _, day := range []string{"-20260130", "-20260131", "-20260201"} {
				s.log.Rename(t, "", day)
				s.log.ReopenAll(t)
				s.log.WriteLines(t, 0, 50)
			}
			compress(t, s.path+"-20260130")
		},
		"with late workers": func(t *testing.T, s *site) {
			s.log.Rename(t, "", ".1")
			s.log.Reopen(t, 0)
			s.log.WriteLines(t, 0, 20)
			s.log.WriteLines(t, 1, 20) // to the renamed file
			s.log.Reopen(t, 1)
			s.log.WriteLines(t, 1, 20)
		},
		"copied and truncated": func(t *testing.T, s *site) {
			s.log.CopyTruncate(t, ".1")
			s.log.WriteLines(t, 0, 20)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, brokers := newSite(t), fakeBroker(t)
			h := s.host(t, brokers, nil)
			s.started(t, h)
			rotate(t, s)
			s.shipped(t, h)
			s.log.WriteLines(t, 0, 10)
			s.shipped(t, h)
		})
	}
}

func TestSymlinkSwitchedWhileDown(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	link := filepath.Join(s.dir, "current.log")
	point := func(target string) {
		t.Helper()
		if err := errors.Join(os.Symlink(target, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	point("access.log")
	h := s.host(t, brokers, func(c *harness.HostConfig) {
		c.Sites[0].Paths = []string{link}
		c.Sites[0].AccessLog = []string{"follow_symlinks: true"}
	})
	s.started(t, h)
	next := harness.NewLog(t, s.journal, filepath.Join(s.dir, "access-2.log"), 1)
	next.WriteLines(t, 0, 50)
	point("access-2.log")
	s.shipped(t, h)
	next.WriteLines(t, 0, 50)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, 1, long)
	last := harness.NewLog(t, s.journal, filepath.Join(s.dir, "access-3.log"), 1)
	point("access-3.log")
	next.WriteLines(t, 0, 50) // the old target is drained
	last.WriteLines(t, 0, 50)
	components.Eventually(t, long, func() error { return s.lag(t, h) })
	stop(t, d)
	s.shipped(t, h)
}

// lag returns nil when everything that the journal holds is committed.
func (s *site) lag(t *testing.T, h *harness.Host) error {
	t.Helper()
	commits := s.read(t, h, "")
	var read int64
	last := map[string]int64{}
	for _, c := range commits.Commits {
		for id, n := range c.Counts {
			last[id] = n.Read
		}
	}
	for _, n := range last {
		read += n
	}
	if want := s.written(); read < want {
		return fmt.Errorf("%d of %d bytes are committed", read, want)
	}
	return nil
}

// The folder is replaced: the rotated world is moved away with its folder, and Nginx begins another one.
func TestDirectoryReplaced(t *testing.T) {
	t.Parallel()
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("down %v", down), func(t *testing.T) {
			t.Parallel()
			s, brokers := newSite(t), fakeBroker(t)
			dir := filepath.Join(s.dir, "nginx")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			s.path = filepath.Join(dir, "access.log")
			s.log = harness.NewLog(t, s.journal, s.path, 2)
			h := s.host(t, brokers, nil)
			old := s.log.Current()
			var d *components.Program
			if s.log.WriteLines(t, 0, 100); down {
				exits(t, h.Start(t, "--once"), 0)
				s.log.WriteLines(t, 0, 100)
				old.MayLose("its folder was moved away before it was read")
			} else {
				d = h.Start(t)
				h.AwaitBytes(t, d, s.name, 1, long)
				s.log.WriteLines(t, 1, 100)
			}
			if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			if !down {
				s.log.WriteLines(t, 1, 100) // to the file that has left, as workers do until they reopen
			}
			s.log.ReopenAll(t)
			s.log.WriteLines(t, 0, 100)
			if down {
				d = h.Start(t)
				awaitOutput(t, d, `"level":"ERROR"`, "log data is lost")
				awaitMetric(t, h, d, "ngxtap_losses_total", func(n int64) bool { return n == 1 })
			}
			h.AwaitBytes(t, d, s.name, s.log.Current().Len(), long)
			components.Eventually(t, long, func() error {
				if down {
					return nil
				}
				return s.lag(t, h)
			})
			stop(t, d)
			s.verdict(t, h)
		})
	}
}

// A generation is deleted while nobody reads it. Of a half line at its end the size had been seen, so that the loss has a number;
// of what was written later nobody can say how much it was, and the loss is declared without one.
func TestDeletedUnread(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 100)
	half := strings.TrimSuffix(harness.Line(50), "\n")
	s.log.Write(t, 0, half)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written()-int64(len(half)), long)
	stop(t, d)
	s.log.Current().MayLose("deleted with half a line that was seen but not read")
	s.log.Rotate(t)
	if err := os.Remove(s.path + ".1"); err != nil {
		t.Fatal(err)
	}
	s.log.WriteLines(t, 0, 10)
	want := fmt.Sprintf(`"bytes":%d`, len(half))

	d = h.Start(t)
	awaitMetric(t, h, d, "ngxtap_losses_total", func(n int64) bool { return n == 1 })
	awaitMetric(t, h, d, "ngxtap_bytes_total", func(n int64) bool { return n == int64(len(half)) }, `outcome="lost"`)
	out := d.Output(t)
	for _, s := range []string{`"level":"ERROR"`, "log data is lost", s.path, want, "deleted"} {
		if !strings.Contains(out, s) {
			t.Errorf("the log does not say %q:\n%s", s, out)
		}
	}
	awaitHealth(t, h, d, http.StatusOK, "site "+s.name+": running", fmt.Sprintf("declared lost 1 times since the start, %d bytes", len(half)))
	h.AwaitBytes(t, d, s.name, int64(len(half))+s.log.Current().Len(), long)
	stop(t, d)
	if v := s.verdict(t, h); v.Lost != int64(len(half)) {
		t.Errorf("%d bytes are declared lost, want %d", v.Lost, len(half))
	}
}

// A deleted log that workers still write is read on; what it takes on the disk, which nobody else sees, is in the metrics. It is let go
// when the workers have left it. (That there is a budget for such files shows package tail.)
func TestDeletedLogIsHeld(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 100)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	if err := os.Remove(s.path); err != nil {
		t.Fatal(err)
	}
	s.log.WriteLines(t, 1, 100)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	awaitMetric(t, h, d, "ngxtap_held_deleted_files", func(n int64) bool { return n == 1 })
	awaitMetric(t, h, d, "ngxtap_held_deleted_bytes", func(n int64) bool { return n == s.written() })
	s.log.ReopenAll(t)
	s.log.WriteLines(t, 0, 100)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	awaitMetric(t, h, d, "ngxtap_held_deleted_files", func(n int64) bool { return n == 0 })
	awaitMetric(t, h, d, "ngxtap_held_deleted_bytes", func(n int64) bool { return n == 0 })
	stop(t, d)
	s.verdict(t, h)
}
