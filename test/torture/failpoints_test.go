package torture

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"ngxtap/pkg/failpoint"
)

// TestEveryFailpoint shows that a site goes on without loss or repetition from every point at which its daemon is killed, or stopped
// and resumed, and that every point is reached.
func TestEveryFailpoint(t *testing.T) {
	sum := newTally()
	for _, p := range failpoint.Points {
		for _, stop := range []bool{false, true} {
			hits := []int{1}
			if often(p) {
				hits = []int{1, 4}
			}
			for _, n := range hits {
				l := life{point: p, stop: stop, hits: n}
				t.Run(l.failpoints(), func(t *testing.T) {
					t.Parallel()
					atFailpoint(t, &l, sum)
				})
			}
		}
	}
}

// atFailpoint lets a daemon meet its failpoint, lets another one end the work, and judges.
func atFailpoint(t *testing.T, l *life, sum *tally) {
	s := &script{grace: 100 * time.Millisecond, nodes: 1, sites: []siteScript{{name: "s1", partition: "none", logs: []logScript{{"a1.log", shift, 2}}}}}
	w := newWorld(t, s, sum)
	defer w.report()
	w.first()
	w.logs[0].write(t, 0, 100, "mixed")
	w.life = l
	w.start(l.failpoints())
	w.await(fmt.Sprintf("the daemon to come to %s", l.point), func() bool {
		w.look()
		switch {
		case w.struck:
			return true
		case atEnd(l.point):
			w.ship()
			w.daemon.Signal(t, syscall.SIGTERM)
			w.terminating = true
			w.await("the daemon to come to the end of its life", func() bool { w.look(); return w.struck })
			return true
		}
		w.rotateFirst() // something to read, and something to finish
		w.ship()
		return false
	})
	if w.daemon != nil && !w.terminating {
		w.logs[0].write(t, 1, 100, "mixed")
		w.ship()
		w.daemon.Kill()
	} else if w.daemon != nil {
		w.await("the daemon to stop", func() bool { w.look(); return w.daemon == nil })
	}
	w.terminating = false
	w.settle()
	w.judge()
}
