package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

// contender is one program of a comparison.
type contender struct {
	name string
	// command returns what to run, for a log file and a topic.
	command func(file, topic string) ([]string, error)
	records func(size int64, lines int) int // how many must be in the topic after a log of so many bytes; nil: nothing is sent
}

// result is what a contender took, by round.
type result struct {
	name  string
	full  []usage
	start []usage // for a file of one line
	bytes int64   // in Kafka after the last round
	lines int
}

// part returns a contender that is a part of this program and makes one record of each line.
func (b *bench) part(name string) contender {
	return contender{name: name, records: eachLine, command: func(file, topic string) ([]string, error) {
		return b.partArgs(name, file, topic), nil
	}}
}

// eachLine is the records of a contender that makes one of each line.
func eachLine(_ int64, lines int) int { return lines }

// interleave runs the contenders one after the other, round by round, so that what changes on the machine meanwhile meets all of them.
// Each runs on the whole file and on its first line alone, which tells what starting costs.
func (b *bench) interleave(ctx context.Context, file string, all []contender) ([]result, error) {
	one, err := b.generate(ctx, "one.log", 1)
	if err != nil {
		return nil, err
	}
	results := make([]result, len(all))
	for i, c := range all {
		results[i] = result{name: c.name, lines: b.lines}
	}
	for round := range b.runs {
		for i, c := range all {
			r := &results[i]
			full, size, err := b.once(ctx, c, file, b.lines)
			if err != nil {
				return nil, fmt.Errorf("round %d, %s: %w", round+1, c.name, err)
			}
			start, _, err := b.once(ctx, c, one, 1)
			if err != nil {
				return nil, fmt.Errorf("round %d, %s, one line: %w", round+1, c.name, err)
			}
			r.full, r.start, r.bytes = append(r.full, full), append(r.start, start), size
			fmt.Fprintf(b.out, "round %d  %-18s %6.2f us/line  %5.1f MiB  %5.1f s\n", round+1, c.name, r.micros()[round], mib(full.resident), full.wall.Seconds())
		}
	}
	return results, nil
}

// once runs a contender on a topic of its own, checks what arrived and removes the topic.
func (b *bench) once(ctx context.Context, c contender, file string, lines int) (u usage, size int64, err error) {
	topic := ""
	if b.kafka != nil && c.records != nil {
		if topic, err = b.newTopic(c.name); err != nil {
			return u, 0, err
		}
		defer b.kafka.admin.DeleteTopic(topic)
	}
	argv, err := c.command(file, topic)
	if err != nil {
		return u, 0, err
	}
	if u, err = measure(ctx, argv, nil); err != nil || topic == "" {
		return u, 0, err
	}
	if size, err = b.kafka.size(topic); err != nil {
		return u, 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return u, 0, err
	}
	n, err := b.kafka.count(ctx, topic)
	if want := c.records(info.Size(), lines); err == nil && n != want {
		err = fmt.Errorf("%d records in Kafka, want %d; the program ended well and said:\n%s", n, want, u.said)
	}
	return u, size, err
}

// startCPU returns the median processor time of a start.
func (r *result) startCPU() time.Duration {
	return time.Duration(median(collect(r.start, func(u usage) float64 { return float64(u.cpu) })))
}

// micros returns the processor time per line in microseconds, by round, without the cost of starting.
func (r *result) micros() []float64 {
	start := r.startCPU()
	return collect(r.full, func(u usage) float64 { return float64(u.cpu-start) / 1e3 / float64(max(1, r.lines-1)) })
}

// resident returns the most memory that any round took, in bytes.
func (r *result) resident() int64 {
	return slices.MaxFunc(r.full, func(a, b usage) int { return int(a.resident - b.resident) }).resident
}

// speed returns the lines per second, by round.
func (r *result) speed() []float64 {
	return collect(r.full, func(u usage) float64 { return float64(r.lines) / u.wall.Seconds() })
}

// find returns the result of that name.
func find(results []result, name string) *result {
	for i := range results {
		if results[i].name == name {
			return &results[i]
		}
	}
	panic("no result of " + name)
}

// ratios returns, round by round, what a took in units of what b took in the same round.
func ratios(a, b *result) []float64 {
	x, y := a.micros(), b.micros()
	for i := range x {
		x[i] /= y[i]
	}
	return x
}

// table prints the medians of all contenders.
func (b *bench) table(results []result) {
	fmt.Fprintln(b.out)
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tCPU us/line\tmin..max\tstart ms\tresident MiB\tlines/s\tin Kafka MB\t")
	for i := range results {
		r := &results[i]
		m := r.micros()
		stored := "-"
		if r.bytes > 0 {
			stored = fmt.Sprintf("%.0f", float64(r.bytes)/1e6)
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f..%.2f\t%.0f\t%.1f\t%.0f\t%s\t\n", r.name, median(m), slices.Min(m), slices.Max(m),
			float64(r.startCPU())/1e6, mib(r.resident()), median(r.speed()), stored)
	}
	w.Flush()
	fmt.Fprintln(b.out)
}

// verdict returns PASS or FAIL.
func verdict(ok bool) string {
	if ok {
		return "PASS"
	}
	return "FAIL"
}

// collect returns f of every element.
func collect[T any](all []T, f func(T) float64) []float64 {
	out := make([]float64, len(all))
	for i, x := range all {
		out[i] = f(x)
	}
	return out
}

// median returns the middle of values, the mean of the middle two if their number is even; 0 of none.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// quantile returns the smallest value that is at least as large as the share q of all, by the nearest-rank rule. sorted must be.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// mib returns bytes in MiB.
func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
