package cluster

// Shows: a daemon that sleeps with a transaction open longer than the broker waits (SIGSTOP, a laptop's lid, a paused machine) finds
// its transaction aborted, and goes on by itself; one whose site was taken over meanwhile leaves without a trace.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/test/components"
)

// awaitStopped waits until the daemon has stopped itself at its failpoint.
func (r *runner) awaitStopped() {
	r.t.Helper()
	components.Eventually(r.t, patience, func() error {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.d.PID()))
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		return errNot(strings.HasPrefix(rest, "T"), "the daemon is not stopped: state %.1s", rest)
	})
}

// TestSleepsThroughItsTransaction stops the daemon at each place between the first record and EndTxn until the coordinator has aborted
// its transaction.
func TestSleepsThroughItsTransaction(t *testing.T) {
	for _, point := range []string{"K2", "K3", "K4", "K5"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			c := start(t)
			r := newRun(t, c, plan{name: "sleeps-" + strings.ToLower(point), failpoints: point + ":60:stop", kafka: []string{"transaction_timeout: 3s"}})
			r.launch()
			r.write(r.one())
			r.awaitStopped()
			c.admin.awaitTxn(t, r.txn(r.one()), "CompleteAbort")
			r.d.Signal(t, syscall.SIGCONT)
			r.commits(r.one(), 10)
			if n := r.sessions(r.one()); n < 2 {
				t.Errorf("%d sessions: the sleep did not strike", n)
			}
			r.finish()
		})
	}
}

// TestZombieWakesUp lets a second daemon take the site over while the first sleeps before its EndTxn. When the first wakes up, it
// exits with 78 and nothing of its transaction is committed.
func TestZombieWakesUp(t *testing.T) {
	t.Parallel()
	c := start(t)
	zombie := newRun(t, c, plan{name: "zombie", failpoints: "K5:60:stop"})
	s := zombie.one()
	zombie.launch()
	zombie.write(s)
	zombie.awaitStopped()

	other := *zombie
	other.h = zombie.twin(filepath.Join(t.TempDir(), "state"))
	other.launch()
	other.commits(s, 10)
	zombie.d.Signal(t, syscall.SIGCONT)
	if code := zombie.d.Wait(t, patience); code != 78 {
		t.Errorf("exit code %d of the zombie, want 78:\n%s", code, zombie.d.Output(t))
	}
	if out := zombie.d.Output(t); !strings.Contains(out, "taken over") {
		t.Errorf("the zombie does not say that its site was taken over:\n%s", out)
	}
	other.commits(s, 10)
	if n := other.sessions(s); n != 1 {
		t.Errorf("%d sessions of the new owner, want 1: the zombie has disturbed it", n)
	}
	other.finish()
}
