package torture

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"ngxtap/test/oracle"
)

// tally counts what was done in all runs. It is safe for concurrent use.
type tally struct {
	mu    sync.Mutex // guards all of it
	began time.Time
	runs  int
	bad   []uint64 // seeds of failed runs
	hits  map[string]int
	miss  map[string]int
	acts  map[string]int
	sum   oracle.Verdict

	grownRSS                int64
	grownFDs, grownRoutines int
}

func newTally() *tally {
	return &tally{began: time.Now(), hits: map[string]int{}, miss: map[string]int{}, acts: map[string]int{}}
}

// fault counts a fault that was injected.
func (s *tally) fault(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hits[what]++
}

// missed counts a fault that was planned, but the daemon never came there.
func (s *tally) missed(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.miss[what]++
}

// act counts something that writers did.
func (s *tally) act(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acts[what]++
}

func (s *tally) verdict(v *oracle.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Generations += v.Generations
	s.sum.Lines += v.Lines
	s.sum.Events += v.Events
	s.sum.Quarantined += v.Quarantined
	s.sum.Bytes += v.Bytes
	s.sum.Lost += v.Lost
	s.sum.Duplicates += v.Duplicates
}

// usage notes by how much a daemon has grown.
func (s *tally) usage(before, after oracle.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grownRSS = max(s.grownRSS, after.RSS-before.RSS)
	s.grownFDs = max(s.grownFDs, after.FDs-before.FDs)
	s.grownRoutines = max(s.grownRoutines, after.Goroutines-before.Goroutines)
}

// ended counts a run.
func (s *tally) ended(seed uint64, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	if failed {
		s.bad = append(s.bad, seed)
	}
}

// String is the report.
func (s *tally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := time.Since(s.began)
	var b strings.Builder
	fmt.Fprintf(&b, "torture: %d seeds in %v (%.1f a minute), %d failed %v\n", s.runs, took.Round(time.Second), float64(s.runs)/took.Minutes(), len(s.bad), s.bad)
	fmt.Fprintf(&b, "checked: %v\n", &s.sum)
	fmt.Fprintf(&b, "the last daemons grew by at most %d MiB, %d descriptors, %d goroutines\n", s.grownRSS>>20, s.grownFDs, s.grownRoutines)
	list(&b, "writers", s.acts)
	list(&b, "faults injected", s.hits)
	list(&b, "faults planned but never reached (not counted)", s.miss)
	return b.String()
}

// list writes counts, the greatest first.
func list(b *strings.Builder, title string, counts map[string]int) {
	total := 0
	for _, n := range counts {
		total += n
	}
	fmt.Fprintf(b, "%s: %d\n", title, total)
	names := slices.SortedFunc(maps.Keys(counts), func(x, y string) int { return cmp.Or(counts[y]-counts[x], strings.Compare(x, y)) })
	for _, name := range names {
		fmt.Fprintf(b, "  %6d %s\n", counts[name], name)
	}
}
