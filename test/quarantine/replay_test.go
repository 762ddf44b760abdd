package quarantine

// Shows: replays that are killed at any step, at any moment, and while another replay runs, and with a daemon that writes to the same
// quarantine, send each line once between them; and each run that is not killed ends, with an exit code that tells the truth.

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/pkg/failpoint"
	"ngxtap/test/components"
)

func TestReplayKilledWithRegistry(t *testing.T)    { killed(t, true) }
func TestReplayKilledWithoutRegistry(t *testing.T) { killed(t, false) }

func killed(t *testing.T, registry bool) {
	w := newWorld(t, 30_000, 50, registry)
	w.quarantine(t, "web-01")
	w.quarantine(t, "web-02")
	// A third one goes on writing to the same quarantine.
	third := w.host(t, "web-03", wrong)
	daemon := third.Start(t)
	one, two := w.host(t, "web-01", right), w.host(t, "web-02", right)
	onAnotherHost(t, two, "another")

	points := []failpoint.Point{failpoint.StateRead, failpoint.ProducerID, failpoint.TxnBegun, failpoint.BatchSent, failpoint.AllSent,
		failpoint.StateAcked, failpoint.TxnEnded, failpoint.Committed, failpoint.ReleasingSite}
	met := 0
	for i, p := range points {
		w.write(t, 100, 50)
		h, limit := one, fmt.Sprintf("--limit=%d", 200+rand.IntN(800))
		// The first transaction is the owner's marker, the next that of the lines.
		fail := fmt.Sprintf("%s:%d:kill", p, 1+i%2)
		switch p {
		case failpoint.StateRead, failpoint.ProducerID, failpoint.Committed, failpoint.ReleasingSite:
			fail = fmt.Sprintf("%s:1:kill", p)
		}
		if i%2 == 1 {
			h = two
		}
		run := w.replay(t, h, fail, limit)
		if code := run.Wait(t, long); code == -1 {
			met++
		} else {
			t.Logf("%s: exit code %d", fail, code)
		}
	}
	if met < len(points) {
		t.Errorf("only %d of %d runs met their failpoint", met, len(points))
	}
	for i := range 6 {
		w.write(t, 100, 50)
		// Two at once, of which one is killed at a moment that is not known.
		first, second := w.replay(t, one, "", "--limit=5000"), w.replay(t, two, "", "--limit=5000")
		<-time.After(time.Duration(rand.IntN(1500)) * time.Millisecond)
		if i%2 == 0 {
			first.Kill()
		} else {
			second.Kill()
		}
		for _, p := range []*components.Program{first, second} {
			if code := p.Wait(t, long); code != 0 && code != 3 && code != 78 && code != -1 {
				t.Errorf("exit code %d", code)
			}
		}
	}
	info, err := os.Stat(w.log)
	if err != nil {
		t.Fatal(err)
	}
	third.AwaitBytes(t, daemon, w.site, info.Size(), long)
	w.read()
	daemon.Signal(t, syscall.SIGTERM)
	if code := daemon.Wait(t, long); code != 0 {
		t.Errorf("exit code %d of the daemon", code)
	}
	last := w.replay(t, one, "")
	if code := last.Wait(t, long); code != 3 {
		t.Fatalf("exit code %d, want 3, for some lines never fit", code)
	}
	again := w.replay(t, two, "")
	code := again.Wait(t, long)
	want := fmt.Sprintf("site %s: 0 replayed, %d still fit no format, 0 can't be replayed, %d were replayed before",
		w.site, w.stay, w.want)
	if code != 3 || !strings.Contains(again.Output(t), want) {
		t.Errorf("exit code %d, want 3 and %q", code, want)
	}
	w.check(t)
}
