package quarantine

// Shows: a daemon that hangs with an open transaction in the quarantine topic does not make list or replay wait for ever, and they miss
// nothing that was committed when they started.

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

func TestOpenTransactionInQuarantine(t *testing.T) {
	w := newWorld(t, 300, 50, false)
	w.quarantine(t, "web-01")
	hangs := w.host(t, "web-02", wrong, "transaction_timeout: 10s")
	hangs.Failpoints = "K4:3:stop" // the first commit is the owner's marker, the second the position at the start, the third has lines
	daemon := hangs.Start(t)
	components.Eventually(t, long, func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", daemon.PID()))
		if err == nil && !strings.Contains(string(stat), ") T ") {
			err = fmt.Errorf("the daemon does not hang yet: %.100s", stat)
		}
		return err
	})
	w.quarantine(t, "web-03") // behind the open transaction, where a careful reader does not see it yet

	one := w.host(t, "web-01", right)
	list := components.StartProgram(t, harness.Binary(t, true), "quarantine", "list", "-n", "1", "-c", one.Config)
	if code := list.Wait(t, long); code != 0 || !strings.Contains(list.Output(t), ".quarantine: 600 lines, 0 of them replayed") {
		t.Errorf("exit code %d of list", code)
	}
	if code := w.replay(t, one, "").Wait(t, long); code != 3 {
		t.Errorf("exit code %d of replay, want 3", code)
	}
	w.check(t)
	daemon.Kill()
	// What it had not committed it reads again when it starts the next time.
	hangs.Failpoints = ""
	if code := hangs.Start(t, "--once").Wait(t, long); code != 3 {
		t.Errorf("exit code %d of the daemon", code)
	}
	w.read()
	if code := w.replay(t, one, "").Wait(t, long); code != 3 {
		t.Errorf("exit code %d of replay, want 3", code)
	}
	w.check(t)
}
