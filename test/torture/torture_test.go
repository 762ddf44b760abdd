// Shows: whatever Nginx-like writers, rotations, brokers, disks and signals do, every complete line is in the topic exactly once, in
// the order of its file. A seed determines what happens; SEEDS=7 or SEEDS=100..200 chooses, a hundred seeds are the default.
package torture

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ngxtap/test/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

func TestTorture(t *testing.T) {
	first, last, err := seeds(os.Getenv("SEEDS"))
	must(t, err)
	allowed := rights{root: os.Geteuid() == 0 && harness.Namespaces() == nil, limits: harness.UserNamespaces() == nil}
	if !allowed.root {
		fmt.Println("torture: not root, or not allowed to mount: no small disks, no ordinary user and no permissions taken away in these runs")
	}
	if !allowed.limits {
		fmt.Println("torture: no user namespaces: inotify is not taken away in these runs")
	}
	harness.Binary(t, true) // once, before the clock runs
	sum := newTally()
	todo := make(chan uint64)
	go func() {
		defer close(todo)
		for seed := first; seed <= last; seed++ {
			todo <- seed
		}
	}()
	var wg sync.WaitGroup
	for range workers() {
		wg.Go(func() {
			for seed := range todo {
				ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { run(t, newScript(seed, allowed), sum) })
				sum.ended(seed, !ok)
			}
		})
	}
	wg.Wait()
	fmt.Print(sum)
	for _, seed := range sum.bad {
		fmt.Printf("again: make torture SEED=%d\n", seed)
	}
}

// workers is how many runs go on at a time. They wait most of the time.
func workers() int {
	if n, err := strconv.Atoi(os.Getenv("TORTURE_WORKERS")); err == nil && n > 0 {
		return n
	}
	return max(2, 3*runtime.NumCPU())
}

// seeds reads SEEDS: one, or a range.
func seeds(s string) (first, last uint64, err error) {
	if s == "" {
		return 1, 100, nil
	}
	from, to, ranged := strings.Cut(s, "..")
	if !ranged {
		to = from
	}
	if first, err = strconv.ParseUint(from, 10, 64); err == nil {
		last, err = strconv.ParseUint(to, 10, 64)
	}
	if err != nil || last < first {
		return 0, 0, fmt.Errorf("SEEDS=%q: want a seed, or a range such as 100..200", s)
	}
	return first, last, nil
}
