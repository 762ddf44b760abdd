package pipeline

import (
	"sort"
	"sync"
	"time"
)

// Bounds of the histograms of Stats, in seconds: a commit usually takes milliseconds; an event may wait for a registry, or an operator, for
// days.
var (
	commitBounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	delayBounds  = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}
)

// Histogram counts durations. Safe for concurrent use; the zero value has no bounds and counts only how many there were, and their sum.
type Histogram struct {
	bounds []float64 // ascending, in seconds; never changed

	mu     sync.Mutex
	counts []uint64 // guarded by mu; one for each bound, and one for what is above the last
	n      uint64   // guarded by mu
	sum    float64  // guarded by mu, in seconds
}

// Buckets is what a Histogram has counted so far. It belongs to whoever asked.
type Buckets struct {
	Bounds     []float64 // upper bounds, in seconds, ascending; not to be changed
	Cumulative []uint64  // how many were not above each bound
	Count      uint64
	Sum        float64 // seconds
}

func newHistogram(bounds []float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// observe counts one duration; a negative one, as two clocks may give it, is none.
func (h *Histogram) observe(d time.Duration) {
	s := max(d, 0).Seconds()
	at := sort.SearchFloat64s(h.bounds, s)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[at]++
	h.n++
	h.sum += s
}

// Snapshot returns what was counted so far.
func (h *Histogram) Snapshot() Buckets {
	b := Buckets{Bounds: h.bounds, Cumulative: make([]uint64, len(h.bounds))}
	h.mu.Lock()
	defer h.mu.Unlock()
	var sum uint64
	for i := range b.Cumulative {
		sum += h.counts[i]
		b.Cumulative[i] = sum
	}
	b.Count, b.Sum = h.n, h.sum
	return b
}

// Quantile estimates the value that the share q (0 to 1) of all is not above, in seconds, as Prometheus does it: evenly spread within a
// bucket, and the last bound for what is above it. 0 if there were none.
func (b Buckets) Quantile(q float64) float64 {
	if b.Count == 0 || len(b.Bounds) == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(b.Count)
	at := sort.Search(len(b.Cumulative), func(i int) bool { return float64(b.Cumulative[i]) >= rank && b.Cumulative[i] > 0 })
	if at == len(b.Bounds) {
		return b.Bounds[at-1]
	}
	low, below := 0.0, uint64(0)
	if at > 0 {
		low, below = b.Bounds[at-1], b.Cumulative[at-1]
	}
	return low + (b.Bounds[at]-low)*max(rank-float64(below), 0)/float64(b.Cumulative[at]-below)
}
