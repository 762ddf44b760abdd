package admin

import (
	"fmt"
	"strings"
)

// The size of a plot in its own units; the page stretches it.
const (
	plotWidth  = 150
	plotHeight = 32
)

// spark is a small plot: two paths of SVG and what they say in words. The zero value is no plot.
type spark struct {
	Line, Area string // the attribute d
	Label      string
	Max        string // at the top of the plot
}

// plot is a plot with a heading and the numbers at its axes.
type plot struct {
	spark
	ID, Title, Now string
	From           string // at the left end
}

// newSpark draws a series from 0 up to its greatest value.
func newSpark(what string, s Series, say func(float64) string) spark {
	var top, low, last float32
	known := 0
	for _, v := range s {
		if v != v {
			continue
		}
		if known == 0 || v < low {
			low = v
		}
		top, last = max(top, v), v
		known++
	}
	if known == 0 {
		return spark{Label: what + ": not known yet", Max: "–"}
	}
	p := spark{Max: say(float64(top))}
	p.Label = fmt.Sprintf("%s: lowest %s, highest %s, now %s", what, say(float64(low)), p.Max, say(float64(last)))
	p.Line, p.Area = paths(s, top)
	return p
}

// paths writes a line through the known points, and the area below it. Gaps stay gaps.
func paths(s Series, top float32) (line, area string) {
	var l, a strings.Builder
	if top <= 0 {
		top = 1
	}
	start := -1
	end := func(i int) {
		if start >= 0 {
			fmt.Fprintf(&a, "L%s,%d L%s,%dZ", x(i-1, len(s)), plotHeight, x(start, len(s)), plotHeight)
		}
		start = -1
	}
	for i, v := range s {
		if v != v {
			end(i)
			continue
		}
		step := "L"
		if start < 0 {
			start, step = i, "M"
			if i == len(s)-1 || s[i+1] != s[i+1] { // a point alone is a short line
				fmt.Fprintf(&l, "M%s,%.1f h.01", x(i, len(s)), y(v, top))
				fmt.Fprintf(&a, "M%s,%.1f", x(i, len(s)), y(v, top))
				continue
			}
		}
		fmt.Fprintf(&l, "%s%s,%.1f", step, x(i, len(s)), y(v, top))
		fmt.Fprintf(&a, "%s%s,%.1f", step, x(i, len(s)), y(v, top))
	}
	end(len(s))
	return l.String(), a.String()
}

func x(i, n int) string {
	return fmt.Sprintf("%.4g", float64(i)*plotWidth/float64(max(1, n-1)))
}

// y leaves room for the line at the top and at the bottom.
func y(v, top float32) float32 { return plotHeight - 1.5 - v/top*(plotHeight-4) }

// plotsOf makes the plots of all sites together.
func plotsOf(t *Totals, span Span) []plot {
	if t.History == nil {
		return nil
	}
	from := "5 min ago"
	if span == SpanHour {
		from = "1 h ago"
	}
	h := t.History
	slowest := 0.0
	for _, v := range h.Commit {
		if v == v {
			slowest = float64(v)
		}
	}
	return []plot{
		{newSpark("Events per second", h.Lines, HumanCount), "plot-lines", "Events/s", HumanCount(t.Rates.Lines), from},
		{newSpark("Bytes of logs per second", h.Bytes, HumanBytes), "plot-bytes", "Log data/s", HumanBytes(t.Rates.Bytes), from},
		{newSpark("Lag", h.Lag, HumanBytes), "plot-lag", "Lag", HumanBytes(float64(t.LagBytes)), from},
		{newSpark("Slowest commit", h.Commit, HumanSeconds), "plot-commit", "Slowest commit", HumanSeconds(slowest), from},
		{newSpark("Refused lines per second", h.Rejects, HumanCount), "plot-rejects", "Refused lines/s", HumanCount(t.Rates.Rejects), from},
	}
}
