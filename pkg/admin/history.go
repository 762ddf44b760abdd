package admin

import (
	"context"
	"math"
	"sync"
	"time"
)

// How long the past is kept for plots: second by second, and then ten seconds at a time. It takes 13 KiB for each site, whatever happens.
const (
	fineStep    = time.Second
	finePoints  = 300
	coarseStep  = 10 * time.Second
	coarseRatio = int(coarseStep / fineStep)
	coarsePoint = 360
	// RatesOver is the time over which Rates are means.
	RatesOver = 10 * time.Second
	// busyPoints is how many readings may be late on a busy host; more are a gap.
	busyPoints = 5
	// plotPoints is about how many points a plot has.
	plotPoints = 150
)

// Reading is what a site has done up to a moment.
type Reading struct {
	Lines, Bytes, Rejects int64         // since some start; they never go back while a Recorder runs
	Lag                   int64         // bytes
	Slowest               time.Duration // commit since the reading before
}

// Reader reads one site, by its number.
type Reader func(site int) Reading

// History is the recent past of a site, for plots.
type History struct {
	End     time.Time `json:"end"` // of the last point
	Step    float64   `json:"step_seconds"`
	Lines   Series    `json:"lines_per_second"`
	Bytes   Series    `json:"bytes_per_second"`
	Rejects Series    `json:"rejects_per_second"`
	Lag     Series    `json:"lag_bytes"`
	Commit  Series    `json:"commit_seconds"` // the slowest in the step
}

// point is one moment of a site.
type point struct{ lines, bytes, rejects, lag, commit float32 }

var unknown = point{nan, nan, nan, nan, nan}

var nan = float32(math.NaN())

// Recorder keeps the recent past of sites. Safe for concurrent use.
type Recorder struct {
	read Reader

	mu    sync.Mutex // guards the following
	sites []record
	last  time.Time // of the last reading; zero: none
	steps int       // readings that were put down
}

// record is the past of one site.
type record struct {
	last   Reading
	known  bool // last was read
	fine   [finePoints]point
	coarse [coarsePoint]point
}

// NewRecorder returns a recorder of n sites, which read reads.
func NewRecorder(n int, read Reader) *Recorder {
	r := &Recorder{read: read, sites: make([]record, n)}
	for i := range r.sites {
		for k := range r.sites[i].fine {
			r.sites[i].fine[k] = unknown
		}
		for k := range r.sites[i].coarse {
			r.sites[i].coarse[k] = unknown
		}
	}
	return r
}

// Continue takes over the past of a site from another recorder, which is not running any more. It is called before Run, and all calls name the same
// recorder.
func (r *Recorder) Continue(site int, from *Recorder, was int) {
	from.mu.Lock()
	defer from.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sites[site], r.last, r.steps = from.sites[was], from.last, from.steps
}

// Run reads all sites once a second until ctx ends.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(fineStep)
	defer tick.Stop()
	r.sample(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			r.sample(now)
		}
	}
}

// sample reads all sites. A host that slept leaves a gap, not a spike.
func (r *Recorder) sample(now time.Time) {
	readings := make([]Reading, len(r.sites))
	for i := range readings {
		readings[i] = r.read(i) // takes locks of its own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.last.IsZero()
	took := now.Round(0).Sub(r.last.Round(0)) // by the wall clock, which goes on while a host sleeps
	r.last = now
	if first || took <= 0 {
		for i := range r.sites {
			r.sites[i].last, r.sites[i].known = readings[i], true
		}
		return
	}
	missed := int((took - fineStep/2) / fineStep)
	for i := range r.sites {
		s, now := &r.sites[i], readings[i]
		rate := func(was, is int64) float32 { return float32(float64(max(0, is-was)) / took.Seconds()) }
		p := point{
			lines: rate(s.last.Lines, now.Lines), bytes: rate(s.last.Bytes, now.Bytes), rejects: rate(s.last.Rejects, now.Rejects),
			lag: float32(now.Lag), commit: float32(now.Slowest.Seconds()),
		}
		if !s.known {
			p = unknown
		}
		fill := p
		if missed > busyPoints {
			fill = unknown
		}
		for k := range min(missed, finePoints) {
			s.put(r.steps+k, fill)
		}
		s.put(r.steps+min(missed, finePoints), p)
		s.last, s.known = now, true
	}
	r.steps += min(missed, finePoints) + 1
}

// put puts down the point of a step, and after each coarseRatio of them a coarse one.
func (s *record) put(step int, p point) {
	s.fine[step%finePoints] = p
	if (step+1)%coarseRatio != 0 {
		return
	}
	from := step + 1 - coarseRatio
	s.coarse[step/coarseRatio%coarsePoint] = merge(coarseRatio, func(i int) point { return s.fine[(from+i)%finePoints] })
}

// merge makes one point of n: the mean of rates, the most of what is a level or a time.
func merge(n int, at func(int) point) point {
	sum, known := point{}, 0
	for i := range n {
		p := at(i)
		if p.lag != p.lag {
			continue
		}
		known++
		sum.lines, sum.bytes, sum.rejects = sum.lines+p.lines, sum.bytes+p.bytes, sum.rejects+p.rejects
		sum.lag, sum.commit = max(sum.lag, p.lag), max(sum.commit, p.commit)
	}
	if known == 0 {
		return unknown
	}
	k := float32(known)
	return point{sum.lines / k, sum.bytes / k, sum.rejects / k, sum.lag, sum.commit}
}

// Span is how far back a History goes.
type Span string

// The spans that there are.
const (
	SpanNone    Span = "none"
	SpanMinutes Span = "5m"
	SpanHour    Span = "1h"
)

// History returns the past of a site, nil for SpanNone. It is as long as the span from the first second on; what is before the start is unknown.
func (r *Recorder) History(site int, span Span) *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sites[site]
	switch span {
	case SpanMinutes:
		return r.history(fineStep, finePoints, r.steps, func(i int) point { return s.fine[i%finePoints] })
	case SpanHour:
		return r.history(coarseStep, coarsePoint, r.steps/coarseRatio, func(i int) point { return s.coarse[i%coarsePoint] })
	}
	return nil
}

// history makes a History of the last size of n points, some of which become one where there are too many for a plot. Those borders stand
// still: a plot moves to the left, its peaks do not flicker.
func (r *Recorder) history(step time.Duration, size, n int, at func(int) point) *History {
	group := max(1, size/plotPoints)
	end := n - n%group
	points := size / group
	h := &History{Step: step.Seconds() * float64(group), End: r.last.Add(-time.Duration(n-end) * step).UTC().Truncate(time.Millisecond)}
	for i := range points {
		from := end - (points-i)*group
		p := unknown
		if from >= 0 {
			p = merge(group, func(k int) point { return at(from + k) })
		}
		h.Lines, h.Bytes, h.Rejects = append(h.Lines, p.lines), append(h.Bytes, p.bytes), append(h.Rejects, p.rejects)
		h.Lag, h.Commit = append(h.Lag, p.lag), append(h.Commit, p.commit)
	}
	return h
}

// Rates returns the means over the last RatesOver.
func (r *Recorder) Rates(site int) Rates {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.sites[site]
	n := min(r.steps, int(RatesOver/fineStep))
	p := merge(n, func(i int) point { return s.fine[(r.steps-n+i)%finePoints] })
	if p.lag != p.lag {
		return Rates{}
	}
	return Rates{Lines: roundTo4(float64(p.lines)), Bytes: roundTo4(float64(p.bytes)), Rejects: roundTo4(float64(p.rejects))}
}

// sum adds the histories of sites: rates and lag add up, of commits the slowest counts.
func sum(all []*History) *History {
	var total *History
	for _, h := range all {
		if h == nil {
			continue
		}
		if total == nil {
			total = &History{End: h.End, Step: h.Step}
			for range h.Lines {
				total.Lines, total.Bytes, total.Rejects = append(total.Lines, nan), append(total.Bytes, nan), append(total.Rejects, nan)
				total.Lag, total.Commit = append(total.Lag, nan), append(total.Commit, nan)
			}
		}
		plus := func(a, b float32) float32 { return a + b }
		most := func(a, b float32) float32 { return max(a, b) }
		total.Lines.fold(h.Lines, plus)
		total.Bytes.fold(h.Bytes, plus)
		total.Rejects.fold(h.Rejects, plus)
		total.Lag.fold(h.Lag, plus)
		total.Commit.fold(h.Commit, most)
	}
	return total
}

// fold makes each point that of s and o together; one that is unknown is left out.
func (s Series) fold(o Series, with func(a, b float32) float32) {
	for i := range min(len(s), len(o)) {
		switch {
		case o[i] != o[i]:
		case s[i] != s[i]:
			s[i] = o[i]
		default:
			s[i] = with(s[i], o[i])
		}
	}
}
