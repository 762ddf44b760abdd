package quarantine

// Shows: what list and replay hold in memory does not grow with the number of lines. LINES=1000000 gives the figures of docs/quarantine.md.

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"ngxtap/test/harness"
)

// mostMemory is what either may ever hold, in bytes.
const mostMemory = 150 << 20

func TestMemoryOfManyLines(t *testing.T) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("LINES"), "150000"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, n, 300, false)
	w.quarantine(t, "web-01")
	h := w.host(t, "web-01", right)
	list := []string{"quarantine", "list", "-c", h.Config}
	replay := []string{"quarantine", "replay", "-c", h.Config, "--site", w.site}
	watched(t, "list", 0, "", list...)
	watched(t, "list --json", 0, "", append(list, "--json")...)
	watched(t, "replay", 3, fmt.Sprintf("%d replayed, %d still fit no format, 0 can't be replayed, 0 were", w.want, w.stay), replay...)
	watched(t, "replay again", 3, fmt.Sprintf("0 replayed, %d still fit no format, 0 can't be replayed, %d were", w.stay, w.want), replay...)
	watched(t, "list after replay", 0, "", list...)
}

// watched runs ngxtap, checks its exit code, what it says on standard error, and the most memory that it held.
func watched(t *testing.T, what string, code int, says string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), harness.Binary(t, false), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr // what it prints to standard output goes nowhere
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait() // the exit code tells
	}()
	peak := int64(0)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * long)
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
			peak = max(peak, peakOf(cmd.Process.Pid))
		case <-deadline:
			cmd.Process.Kill()
			t.Fatalf("%s still runs after %v", what, 2*long)
		}
	}
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(stderr.String(), says) {
		t.Fatalf("%s: exit code %d, want %d, and %q in:\n%s", what, got, code, says, stderr.Bytes())
	}
	usage := cmd.ProcessState
	t.Logf("%-18s %6.1f s, %5.1f s of CPU, at most %d MiB resident", what, time.Since(began).Seconds(), (usage.UserTime() + usage.SystemTime()).Seconds(), peak>>20)
	if peak == 0 || peak > mostMemory {
		t.Errorf("%s: %d MiB were resident, want at most %d", what, peak>>20, mostMemory>>20)
	}
}

// peakOf returns the most memory that a process has held so far, 0 when it has ended.
func peakOf(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib int64
	fmt.Sscan(string(after), &kib)
	return kib << 10
}
