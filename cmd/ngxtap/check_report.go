package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The levels of a finding.
const (
	levelOK      = "ok"
	levelWarning = "warning"
	levelError   = "error"
)

// finding is one thing that check looked at. docs/check.md promises these fields to scripts.
type finding struct {
	Level string   `json:"level"`           // ok, warning or error
	What  what     `json:"what"`            // what was looked at: one of the fixed words of check_ids.go
	Sites []string `json:"sites,omitempty"` // that it is about; none: the daemon
	File  string   `json:"file,omitempty"`  // where it is to be mended
	Line  int      `json:"line,omitempty"`  // in File, from 1; 0: no line
	Text  string   `json:"text"`            // what was found
	Fix   string   `json:"fix,omitempty"`   // what to do, unless Text says so
}

// report gathers findings. Several goroutines have one each.
type report struct {
	found []finding
	code  int // the worst exit code so far
}

func (r *report) add(level string, f finding) {
	f.Level = level
	r.found = append(r.found, f)
}

func (r *report) ok(f finding)   { r.add(levelOK, f) }
func (r *report) warn(f finding) { r.add(levelWarning, f) }

// fail adds an error that may cure itself.
func (r *report) fail(f finding) { r.bad(exitFailed, f) }

// misfit adds an error that only a change of the configuration cures.
func (r *report) misfit(f finding) { r.bad(exitConfig, f) }

func (r *report) bad(code int, f finding) {
	r.add(levelError, f)
	r.code = max(r.code, code)
}

// take adds the findings of another report.
func (r *report) take(o *report) {
	r.found = append(r.found, o.found...)
	r.code = max(r.code, o.code)
}

// placed is "file:line: text", which is how errors and warnings of a configuration begin.
var placed = regexp.MustCompile(`(?s)^(/[^:\n]+):(\d+): (.*)$`)

// at returns a finding with the place that a text begins with, if it does.
func placedAt(w what, text string) finding {
	if m := placed.FindStringSubmatch(text); m != nil {
		if line, err := strconv.Atoi(m[2]); err == nil {
			return finding{What: w, File: m[1], Line: line, Text: m[3]}
		}
	}
	return finding{What: w, Text: text}
}

// of returns the finding as one about a site.
func (f finding) of(site string) finding {
	f.Sites = []string{site}
	return f
}

// merged returns the findings in order, those that differ only in the site as one.
func (r *report) merged() []finding {
	var out []finding
	seen := map[string]int{}
	for _, f := range r.found {
		key := strings.Join([]string{f.Level, string(f.What), f.File, strconv.Itoa(f.Line), f.Text, f.Fix}, "\x00")
		i, ok := seen[key]
		if !ok {
			seen[key] = len(out)
			f.Sites = slices.Clone(f.Sites)
			out = append(out, f)
			continue
		}
		for _, s := range f.Sites {
			if !slices.Contains(out[i].Sites, s) {
				out[i].Sites = append(out[i].Sites, s)
			}
		}
	}
	return out
}

// countOf returns how many findings have a level.
func countOf(found []finding, level string) int {
	n := 0
	for _, f := range found {
		if f.Level == level {
			n++
		}
	}
	return n
}

// print writes the findings for people.
func (r *report) print(w io.Writer) {
	for _, f := range r.merged() {
		fmt.Fprintln(w, f)
	}
}

// String returns the finding for people. What follows a newline in it is indented, so that no name and no error can look like a finding of
// its own.
func (f finding) String() string {
	var b strings.Builder
	switch {
	case f.File == "", f.Line > 0 && f.Level == levelOK: // there is nothing to mend
	case f.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", oneLine(f.File), f.Line)
	default:
		fmt.Fprintf(&b, "%s: ", oneLine(f.File))
	}
	const shown = 5
	switch n := len(f.Sites); {
	case f.inNginx(): // the place says more than the sites
	case n == 1:
		fmt.Fprintf(&b, "site %s: ", f.Sites[0])
	case n > shown+1:
		fmt.Fprintf(&b, "sites %s and %d more: ", strings.Join(f.Sites[:shown], ", "), n-shown)
	case n > 1:
		fmt.Fprintf(&b, "sites %s: ", strings.Join(f.Sites, ", "))
	}
	b.WriteString(f.Text)
	if f.Fix != "" {
		b.WriteString("; " + f.Fix)
	}
	return fmt.Sprintf("%-9s%s", f.Level, strings.ReplaceAll(b.String(), "\n", "\n         "))
}

// inNginx reports whether the finding is about a line of nginx.conf.
func (f finding) inNginx() bool {
	return strings.HasPrefix(string(f.What), "nginx.") && f.What != whatFormat && f.Line > 0
}

// printJSON writes the findings for programs, one object a line.
func (r *report) printJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for _, f := range r.merged() {
		if err := e.Encode(f); err != nil {
			return err
		}
	}
	return nil
}
