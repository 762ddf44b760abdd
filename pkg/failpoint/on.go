//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// On says whether the program was built with failpoints.
const On = true

// Env is the environment variable that says what happens where.
const Env = "NGXTAP_FAILPOINT"

// plan is what is to happen at a point.
type plan struct {
	left   int // hits until then
	signal syscall.Signal
}

var (
	mu    sync.Mutex
	plans = mustParse(os.Getenv(Env)) // guarded by mu
)

func mustParse(s string) map[Point]*plan {
	plans, err := parse(s)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Env, err)
		os.Exit(2)
	}
	return plans
}

func parse(s string) (map[Point]*plan, error) {
	plans := map[Point]*plan{}
	for one := range strings.SplitSeq(s, ",") {
		if one == "" {
			continue
		}
		f := strings.Split(one, ":")
		if len(f) != 3 || !slices.Contains(Points, Point(f[0])) {
			return nil, fmt.Errorf("%q: want POINT:N:ACTION with a known point", one)
		}
		n, err := strconv.Atoi(f[1])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q: %q is not a number of hits", one, f[1])
		}
		sig, ok := map[string]syscall.Signal{"kill": syscall.SIGKILL, "stop": syscall.SIGSTOP}[f[2]]
		if !ok {
			return nil, fmt.Errorf("%q: want the action kill or stop", one)
		}
		plans[Point(f[0])] = &plan{left: n, signal: sig}
	}
	return plans, nil
}

// Hit tells that the program has come to a point, and does what was planned for it. After a stop it returns when the program is told
// to go on.
func Hit(p Point) {
	mu.Lock()
	defer mu.Unlock()
	pl := plans[p]
	if pl == nil {
		return
	}
	if pl.left--; pl.left > 0 {
		return
	}
	delete(plans, p)
	// To this thread, which then does not return from the call before the signal has done its work; one to the process may be taken by
	// another thread, while this one runs on to the next request. A stop stops all threads.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), pl.signal); err != nil {
		panic(err)
	}
	if pl.signal == syscall.SIGKILL {
		select {} // the signal is under way
	}
}
