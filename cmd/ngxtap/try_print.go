package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes the trial for a person.
func (t *trial) print(w io.Writer, o *tryOptions) error {
	var b bytes.Buffer
	t.printLines(&b)
	t.printFields(&b)
	t.printHidden(&b)
	t.printNumbers(&b)
	if len(t.Notes) > 0 {
		fmt.Fprintln(&b, "\nNotes")
		for _, n := range t.Notes {
			fmt.Fprintf(&b, "  %s\n", n)
		}
	}
	if o.schema {
		fmt.Fprintln(&b, "\nAvro schema")
		if err := json.Indent(&b, t.Schema, "", "  "); err != nil {
			return fmt.Errorf("print the schema: %w", err)
		}
		fmt.Fprintln(&b)
	}
	_, err := escaper{w}.Write(b.Bytes())
	return err
}

func (t *trial) printLines(b *bytes.Buffer) {
	part := ""
	if !t.Sample.Whole {
		part = ", the beginning"
	}
	fmt.Fprintf(b, "%s: %s, %s%s\n", oneLine(t.Sample.names()), count(t.Lines.Read, "line"), bytesText(float64(t.Lines.Bytes)), part)
	fmt.Fprintf(b, "Format %s (%s): %s\n", t.Format.Name, t.Format.Where, t.Format.Why)
	fmt.Fprintf(b, "\nParsed     %s of %s, %s\n", grouped(int64(t.Lines.Fit)), count(t.Lines.Read, "line"), percent(t.Lines.Fit, t.Lines.Read))
	for _, f := range t.Formats {
		if len(t.Formats) > 1 {
			fmt.Fprintf(b, "           %s by log_format %s\n", count(f.Lines, "line"), f.Name)
		}
	}
	if t.From != "" {
		fmt.Fprintf(b, "           written from %s to %s\n", t.From, t.To)
	}
	if t.Lines.Refused > 0 {
		fmt.Fprintf(b, "\nRefused    %s, which would go to quarantine\n", count(t.Lines.Refused, "line"))
		for _, r := range t.Refused {
			fmt.Fprintf(b, "  %8s  %s", grouped(int64(r.Lines)), oneLine(r.Reason))
			if r.First != "" {
				fmt.Fprintf(b, "; first %s", oneLine(r.First))
			}
			fmt.Fprintln(b)
		}
	}
}

func (t *trial) printFields(b *bytes.Buffer) {
	fmt.Fprintf(b, "\nEvent      %d fields, schema fingerprint %s%s\n", len(t.Fields), t.Format.Fingerprint, " (all of it: --schema)")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, f := range t.Fields {
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", f.Name, f.Type, filledText(f.Filled), oneLine(f.Example))
	}
	tw.Flush() // into memory
	if len(t.Headers) == 0 {
		return
	}
	fmt.Fprintf(b, "\nHeaders    in how many of %s\n", count(t.LookedAt, "event"))
	tw = tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	const most = 40
	for _, h := range t.Headers[:min(most, len(t.Headers))] {
		note := ""
		if h.Hidden {
			note = "hidden"
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", h.Side, oneLine(short(h.Name, 64)), filledText(h.Share), note)
	}
	tw.Flush()
	if n := len(t.Headers) - most; n > 0 {
		fmt.Fprintf(b, "  and %s more names (--json has them all)\n", grouped(int64(n)))
	}
}

func (t *trial) printHidden(b *bytes.Buffer) {
	if len(t.Hidden) == 0 {
		fmt.Fprintf(b, "\nSecrets    nothing in this sample looks like one\n")
		return
	}
	fmt.Fprintf(b, "\nSecrets    hashed before they leave the host, in how many of %s (docs/secrets.md)\n", count(t.LookedAt, "event"))
	const most = 30
	for _, h := range t.Hidden[:min(most, len(t.Hidden))] {
		fmt.Fprintf(b, "  %8s  %s\n", grouped(int64(h.Events)), oneLine(h.Place))
	}
	if n := len(t.Hidden) - most; n > 0 {
		fmt.Fprintf(b, "  and %s more places\n", grouped(int64(n)))
	}
}

func (t *trial) printNumbers(b *bytes.Buffer) {
	p := t.Bytes
	fmt.Fprintf(b, "\nSize       a line has %.0f bytes, its event %.0f as JSON and %.0f as Avro (%.0f %% of JSON); with lz4 %.0f and %.0f\n",
		p.Raw, p.JSON, p.Avro, 100*p.Avro/p.JSON, p.JSONLZ4, p.AvroLZ4)
	fmt.Fprintf(b, "Speed      %s lines/s on one core of this host, %.2f us a line: cut, encoded, compressed; without reading and sending\n",
		grouped(int64(t.Speed.LinesPerSecond)), t.Speed.MicrosPerLine)
	if d := t.Day; d != nil {
		fmt.Fprintf(b, "A day      %s lines at the pace of this sample: %s of log, %s of events as JSON, %s as Avro, %s with lz4\n",
			grouped(int64(d.Lines)), bytesText(d.RawGB*1e9), bytesText(d.JSONGB*1e9), bytesText(d.AvroGB*1e9), bytesText(d.AvroLZ4GB*1e9))
		return
	}
	million := 1e6
	fmt.Fprintf(b, "A million  lines: %s of log, %s of events as JSON, %s as Avro, %s with lz4 (the sample is too short to tell a day's)\n",
		bytesText(p.Raw*million), bytesText(p.JSON*million), bytesText(p.Avro*million), bytesText(p.AvroLZ4*million))
}

// bytesText is a number of bytes for people, in powers of ten as disks and networks are sold.
func bytesText(n float64) string {
	for _, u := range []struct {
		name string
		size float64
	}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.size {
			return fmt.Sprintf("%.3g %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f bytes", n)
}

// percent never rounds to all or to nothing what is not.
func percent(part, whole int) string {
	p := 100 * float64(part) / float64(whole)
	switch {
	case part == whole:
		return "100 %"
	case p > 99.9:
		return "over 99.9 %"
	case part > 0 && p < 0.1:
		return "under 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", p)
}

func filledText(share float64) string {
	switch {
	case share == 0:
		return "never"
	case share == 1:
		return "always"
	case share < 0.001:
		return "under 0.1 %"
	case share > 0.999:
		return "over 99.9 %"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}
