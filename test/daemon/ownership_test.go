package daemon

// Shows: one site has one owner. A second daemon on one state_dir, a clone on another host and a zombie that wakes up each exit with 78
// and say what to do, whoever is the owner goes on undisturbed, and every line is shipped once.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

func TestSecondDaemonOnOneStateDir(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	first := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 10)
	d := first.Start(t)
	first.AwaitBytes(t, d, s.name, s.written(), long)
	state := filepath.Join(first.Dir, "state")
	second := s.host(t, brokers, func(c *harness.HostConfig) { c.StateDir = state })
	exits(t, second.Start(t), 78, "another ngxtap runs already with state_dir "+state, "stop it first")
	s.log.WriteLines(t, 1, 10)
	first.AwaitBytes(t, d, s.name, s.written(), long)
	if n := metric(t, first, "ngxtap_sessions_total"); n != 1 {
		t.Errorf("%d sessions: the first was disturbed", n)
	}
	stop(t, d)
	s.verdict(t, first)
}

// On one host the name of the host says nothing: the newer daemon is taken for the restart of the older one, which leaves.
func TestSameInstanceOnOneHost(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	first, second := s.host(t, brokers, nil), s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 10)
	old := first.Start(t)
	first.AwaitBytes(t, old, s.name, s.written(), long)
	d := second.Start(t)
	awaitMetric(t, second, d, "ngxtap_commits_total", func(n int64) bool { return n >= 0 })
	s.writeUntilGone(t, old) // it notices at its next commit
	exits(t, old, 78, "was taken over by", fmt.Sprintf("(pid %d)", d.PID()))
	s.log.WriteLines(t, 1, 10)
	second.AwaitBytes(t, d, s.name, 1, long)
	stop(t, d)
	s.shipped(t, second)
}

// shipped starts the site's daemon once more, waits until everything is read, and judges.
func (s *site) shipped(t *testing.T, h *harness.Host) *oracle.Verdict {
	t.Helper()
	exits(t, h.Start(t, "--once"), 0)
	return s.verdict(t, h)
}

// writeUntilGone writes lines until a daemon has ended.
func (s *site) writeUntilGone(t *testing.T, d *components.Program) {
	t.Helper()
	components.Eventually(t, long, func() error {
		if d.Alive() != nil {
			return nil
		}
		s.log.WriteLines(t, 0, 1)
		return errors.New("it goes on")
	})
}

func TestCloneOnAnotherHostIsRefused(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	first, clone := s.host(t, brokers, nil), s.host(t, brokers, nil)
	onHost(t, first, "original")
	onHost(t, clone, "clone")
	s.log.WriteLines(t, 0, 10)
	d := first.Start(t)
	first.AwaitBytes(t, d, s.name, s.written(), long)
	for range 3 {
		exits(t, clone.Start(t), 78, "site "+s.name+" of instance web-01 belongs to host original", "this is clone", "stop ngxtap there", "instance name of its own", "--takeover")
		s.log.WriteLines(t, 1, 10)
		first.AwaitBytes(t, d, s.name, s.written(), long)
	}
	if n := metric(t, first, "ngxtap_sessions_total"); n != 1 {
		t.Errorf("%d sessions: the owner was fenced by a clone", n)
	}
	stop(t, d)
	// A clean stop releases the site: now the other host may have it without a word.
	s.log.WriteLines(t, 0, 10)
	d = clone.Start(t)
	clone.AwaitBytes(t, d, s.name, 1, long)
	stop(t, d)
	s.verdict(t, first)
}

// A crash does not release the site: the other host is refused, and the crashed one may come back.
func TestCrashDoesNotRelease(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	first, clone := s.host(t, brokers, nil), s.host(t, brokers, nil)
	onHost(t, first, "original")
	onHost(t, clone, "clone")
	s.log.WriteLines(t, 0, 10)
	d := first.Start(t)
	first.AwaitBytes(t, d, s.name, s.written(), long)
	d.Kill()
	exits(t, clone.Start(t), 78, "belongs to host original")
	s.log.WriteLines(t, 1, 10)
	s.shipped(t, first)
}

func TestTwoClonesAtTheSameMoment(t *testing.T) {
	brokers := realBroker(t)
	wins := map[string]int{}
	for range 10 {
		s := newSite(t)
		s.log.WriteLines(t, 0, 50)
		hosts := []*harness.Host{s.host(t, brokers, nil), s.host(t, brokers, nil)}
		var daemons []*components.Program
		for i, h := range hosts {
			onHost(t, h, fmt.Sprintf("clone-%d", i))
			daemons = append(daemons, h.Start(t))
		}
		winner := 0
		components.Eventually(t, long, func() error {
			for i, d := range daemons {
				if d.Alive() != nil {
					winner = 1 - i
					return nil
				}
			}
			// The loser may have been the owner for a moment, and then it learns of its loss by its next commit.
			s.log.WriteLines(t, 1, 1)
			return errors.New("both go on")
		})
		exits(t, daemons[1-winner], 78, "instance web-01")
		s.log.WriteLines(t, 0, 10)
		d := daemons[winner]
		components.Eventually(t, long, func() error { return errors.Join(d.Alive(), s.lag(t, hosts[winner])) })
		if n := metric(t, hosts[winner], "ngxtap_sessions_total"); n > 1 {
			t.Errorf("the winner needed %d sessions", n)
		}
		wins[fmt.Sprint(winner)]++
		stop(t, d)
		s.shipped(t, hosts[winner])
	}
	t.Logf("winners: %v", wins)
}

// The clone of a machine has a copy of the log: the same bytes in other files. After --takeover it goes on in its copy where the
// original had come to, and what is in the original's log alone stays there.
func TestTakeover(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	first := s.host(t, brokers, nil)
	onHost(t, first, "original")
	s.log.WriteLines(t, 0, 100)
	old := first.Start(t)
	first.AwaitBytes(t, old, s.name, s.written(), long)

	copied := filepath.Join(s.dir, "clone", "access.log")
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = os.Mkdir(filepath.Dir(copied), 0o777)
	}
	if err == nil {
		err = os.WriteFile(copied, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	clone := s.host(t, brokers, nil)
	// It is mounted over the original's folder, as the log of a cloned machine has the same path.
	clone.Wrap = []string{"unshare", "--uts", "--mount", "sh", "-c", `echo clone >/proc/sys/kernel/hostname &&
		mount --bind "` + filepath.Dir(copied) + `" "` + s.dir + `" && exec "$@"`, "sh"}
	exits(t, clone.Start(t), 78, "--takeover")
	d := clone.Start(t, "--takeover")
	awaitMetric(t, clone, d, "ngxtap_sessions_total", func(n int64) bool { return n == 1 })
	awaitOutput(t, d, "found a log file again by its content")
	s.writeUntilGone(t, old) // into the original's log only
	exits(t, old, 78, "was taken over by clone (pid "+fmt.Sprint(d.PID())+")")

	// What the clone's Nginx writes is the continuation of the copy. The journal of this instance is that file.
	tail := harness.Line(5) + harness.Line(7)
	f, err := os.OpenFile(copied, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(tail)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	clone.AwaitBytes(t, d, s.name, int64(len(tail)), long)
	if n := metric(t, clone, "ngxtap_losses_total"); n != 0 {
		t.Errorf("%d losses were declared", n)
	}
	stop(t, d)
	j := &oracle.Journal{}
	g := j.Begin(s.path, "the copy")
	g.Append(data)
	g.Append([]byte(tail))
	clone.Judge(t, s.name, j, oracle.Rules{})
}

// The owner is stopped, once in the middle of a transaction whose every record is confirmed, and another host takes over. When it
// wakes up it leaves, and nothing of that transaction is seen.
func TestZombie(t *testing.T) {
	for name, failpoint := range map[string]string{"between reads": "", "before EndTxn": "K5:6:stop", "while it sends": "K3:6:stop"} {
		t.Run(name, func(t *testing.T) {
			s, brokers := newSite(t), realBroker(t)
			first, second := s.host(t, brokers, nil), s.host(t, brokers, nil)
			onHost(t, first, "zombie")
			onHost(t, second, "heir")
			first.Failpoints = failpoint
			s.log.WriteLines(t, 0, 10)
			zombie := first.Start(t)
			if failpoint == "" {
				first.AwaitBytes(t, zombie, s.name, s.written(), long)
				zombie.Signal(t, syscall.SIGSTOP)
			}
			components.Eventually(t, long, func() error {
				s.log.WriteLines(t, 1, 3)
				return stopped(zombie.PID())
			})
			if failpoint == "" { // or the answer has to wait until the broker gives the open transaction up
				exits(t, second.Start(t), 78, "belongs to host zombie")
			}
			d := second.Start(t, "--takeover")
			s.log.WriteLines(t, 0, 10)
			second.AwaitBytes(t, d, s.name, 1, long)
			zombie.Signal(t, syscall.SIGCONT)
			s.log.WriteLines(t, 0, 10)
			exits(t, zombie, 78, "was taken over by heir (pid "+fmt.Sprint(d.PID())+")")
			if n := metric(t, second, "ngxtap_sessions_total"); n != 1 {
				t.Errorf("%d sessions: the zombie disturbed the owner", n)
			}
			stop(t, d)
			s.shipped(t, second)
		})
	}
}

// Row 31. The daemon is stopped in the middle of a transaction until the broker has given that up, as a laptop that sleeps. Nobody else
// came, so that it goes on by itself when it wakes up, at its last commit.
func TestSleepsPastItsTransaction(t *testing.T) {
	s, brokers := newSite(t), realBroker(t)
	h := s.host(t, brokers, func(c *harness.HostConfig) { c.Kafka = []string{"transaction_timeout: 5s", "request_timeout: 3s"} })
	h.Failpoints = "K5:6:stop"
	s.log.WriteLines(t, 0, 10)
	d := h.Start(t)
	components.Eventually(t, long, func() error {
		s.log.WriteLines(t, 1, 3)
		return stopped(d.PID())
	})
	s.read(t, h, "") // waits until every transaction is decided
	d.Signal(t, syscall.SIGCONT)
	awaitMetric(t, h, d, "ngxtap_sessions_total", func(n int64) bool { return n == 2 })
	s.log.WriteLines(t, 0, 10)
	components.Eventually(t, long, func() error { return s.lag(t, h) })
	stop(t, d)
	s.verdict(t, h)
}

// stopped returns nil if the process is stopped by a signal.
func stopped(pid int) error {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	if !strings.HasPrefix(rest, "T") {
		return fmt.Errorf("process %d is in state %.1s", pid, rest)
	}
	return nil
}
