package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// compareEncoders measures ways to make an Avro event of a line. ADR 0003 rests on it.
func compareEncoders(ctx context.Context, b *bench) error {
	b.describeMachine()
	file := filepath.Join(b.corpus(), "access.log")
	names := []string{"encode-ngxtap", "encode-goavro", "encode-ngxtap-whole", "encode-goavro-whole"}
	took := map[string][]encoded{}
	for range b.runs {
		for _, name := range names {
			var out bytes.Buffer
			if _, err := measure(ctx, b.partArgs(name, file, ""), &out); err != nil {
				return err
			}
			var e encoded
			if err := json.Unmarshal(out.Bytes(), &e); err != nil {
				return fmt.Errorf("%s printed %q: %w", name, out.Bytes(), err)
			}
			took[name] = append(took[name], e)
		}
	}
	fmt.Fprintf(b.out, "log      testdata/bench/access.log, %d rounds; \"whole\" is the way from the line to the event, without it the values are ready\n\n", b.runs)
	w := tabwriter.NewWriter(b.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tCPU us/line\tmin..max\tallocations/line\tbytes/event\t")
	for _, name := range names {
		m := collect(took[name], func(e encoded) float64 { return e.Micros })
		last := took[name][len(took[name])-1]
		fmt.Fprintf(w, "%s\t%.2f\t%.2f..%.2f\t%.2f\t%.0f\t\n", name, median(m), slices.Min(m), slices.Max(m), last.Allocs, last.Bytes)
	}
	return w.Flush()
}
