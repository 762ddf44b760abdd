package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// checkResult is what `ngxtap schema check` finds out. Its JSON is for programs.
type checkResult struct {
	OK      bool            `json:"ok"` // nothing is breaking, and the registry takes all
	Class   schema.Class    `json:"class"`
	Formats []checkedFormat `json:"formats"`
	Gone    []string        `json:"gone,omitempty"` // formats of the other nginx.conf that this one lacks
	Error   string          `json:"error,omitempty"`

	err error // why the registry could not be asked
}

type checkedFormat struct {
	Site        string       `json:"site"`
	Format      string       `json:"format"`
	DefinedAt   string       `json:"defined_at"` // file:line
	Comparisons []comparison `json:"comparisons"`
}

// comparison is what became of one format and one schema that programs know.
type comparison struct {
	With       string         `json:"with"`               // registry, schema or nginx.conf
	Name       string         `json:"name"`               // the subject, the file, or file:line of the old log_format
	Version    int            `json:"version,omitempty"`  // in the registry
	ID         string         `json:"id,omitempty"`       // in the registry
	Registry   string         `json:"registry,omitempty"` // known, accepted or refused
	Refusal    string         `json:"refusal,omitempty"`  // what the registry says
	Confusable bool           `json:"confusable,omitempty"`
	Change     *schema.Change `json:"change,omitempty"` // nil: there is nothing to compare with
	Note       string         `json:"note,omitempty"`
}

// The registry's verdicts.
const (
	verdictKnown    = "known"
	verdictAccepted = "accepted"
	verdictRefused  = "refused"
)

// severity puts classes in the order of how many programs they break.
var severity = map[schema.Class]int{schema.ClassFull: 1, schema.ClassForward: 2, schema.ClassBackward: 3, schema.ClassBreaking: 4}

// run compares everything. An error is one of the files; that the registry does not answer is kept in the result.
func (c *schemaCheck) run(ctx context.Context) (*checkResult, error) {
	sites := c.sites
	if sites == nil {
		sites = []config.Site{c.flags}
	}
	formats, of := make([][]*pipeline.Format, len(sites)), make([]int, len(sites)) // those to check, of so many
	total := 0
	for i := range sites {
		all, err := c.formatsIn(c.conf, sites[i])
		if err != nil {
			return nil, err
		}
		formats[i], of[i] = c.chosen(all), len(all)
		if c.sites == nil {
			if err := typesAreUsed(&sites[i], formats[i]); err != nil {
				return nil, err
			}
		}
		total += len(formats[i])
	}
	switch {
	case total == 0:
		return nil, fmt.Errorf("%s: no site uses a log_format %s", c.conf, c.format)
	case total > 1 && (c.against != "" || c.subject != "" || c.registry != nil && c.sites == nil):
		return nil, fmt.Errorf("%s has several formats, and one schema or subject is not for all of them: name one with --format; found: %s",
			c.conf, strings.Join(namesOf(formats), ", "))
	}
	r := &checkResult{OK: true, Formats: []checkedFormat{}}
	for i := range sites {
		for _, f := range formats[i] {
			checked := checkedFormat{Site: sites[i].Site, Format: f.Name(), DefinedAt: place(f.LogFormat().Definition())}
			if err := c.compareAll(ctx, r, &checked, &sites[i], f, of[i]); err != nil {
				return nil, err
			}
			r.Formats = append(r.Formats, checked)
		}
		if c.oldConf != nil {
			r.Gone = append(r.Gone, c.gone(sites[i], formats[i])...)
		}
	}
	return r, nil
}

func namesOf(formats [][]*pipeline.Format) []string {
	var names []string
	for _, some := range formats {
		for _, f := range some {
			names = append(names, f.Name())
		}
	}
	return names
}

// compareAll makes the comparisons of one format; its site has so many.
func (c *schemaCheck) compareAll(ctx context.Context, r *checkResult, checked *checkedFormat, s *config.Site, f *pipeline.Format, formats int) error {
	add := func(one *comparison, err error) error {
		if one != nil {
			checked.Comparisons = append(checked.Comparisons, *one)
			r.judge(one)
		}
		return err
	}
	if c.registry != nil && r.err == nil {
		if err := add(c.compareRegistry(ctx, s, f, formats)); err != nil {
			r.OK, r.err, r.Error = false, err, err.Error()
		}
	}
	if c.against != "" {
		change, err := schema.Compare(c.old, f.Schema())
		if err != nil {
			return fmt.Errorf("%s: %w", c.against, err)
		}
		if err := add(&comparison{With: "schema", Name: c.against, Change: change}, nil); err != nil {
			return err
		}
	}
	if c.oldConf != nil {
		return add(c.compareConf(s, f))
	}
	return nil
}

// judge counts a comparison in.
func (r *checkResult) judge(one *comparison) {
	if one.Registry == verdictRefused {
		r.OK = false
	}
	if one.Change == nil {
		return
	}
	if one.Change.Class == schema.ClassBreaking {
		r.OK = false
	}
	if severity[one.Change.Class] > severity[r.Class] {
		r.Class = one.Change.Class
	}
}

// compareRegistry asks the registry. Where the site has other formats as well, the newest version may be the schema of one of them:
// it is then no measure for a format that the registry knows.
func (c *schemaCheck) compareRegistry(ctx context.Context, s *config.Site, f *pipeline.Format, formats int) (*comparison, error) {
	subject := c.subject
	if subject == "" {
		subject = c.strategy.Subject(s.Topic, f.Event().FullName())
	}
	one := &comparison{With: "registry", Name: subject}
	known, err := c.registry.Try(ctx, subject, f.Schema())
	var refused *schema.RefusedError
	switch {
	case errors.As(err, &refused):
		one.Registry, one.Refusal = verdictRefused, fmt.Sprintf("HTTP %d: %s", refused.Status, cmp.Or(refused.Message, "no reason given"))
	case err != nil:
		return nil, fmt.Errorf("ask the registry about subject %q: %w", subject, err)
	case known:
		one.Registry = verdictKnown
	default:
		one.Registry = verdictAccepted
	}
	if known && formats > 1 {
		return one, nil
	}
	id, version, old, found, err := c.registry.Latest(ctx, subject)
	if err != nil {
		return nil, err
	}
	if !found {
		one.Note = "nothing is registered under this subject yet"
		return one, nil
	}
	one.ID, one.Version = id.String(), version
	if one.Change, err = schema.Compare(old, f.Schema()); err != nil {
		return nil, fmt.Errorf("version %d of subject %q: %w", version, subject, err)
	}
	return one, nil
}

// compareConf compares with the format of the same name in the other nginx.conf.
func (c *schemaCheck) compareConf(s *config.Site, f *pipeline.Format) (*comparison, error) {
	one := &comparison{With: "nginx.conf", Name: c.againstConf}
	d, err := c.oldConf.Format(f.Name())
	if err != nil {
		one.Note = "the format is new"
		return one, nil
	}
	one.Name = place(d)
	old, err := compile(d, s)
	if err != nil {
		one.Note = "the old format could not be read by ngxtap either: " + err.Error()
		return one, nil
	}
	if one.Change, err = schema.Compare(old.Schema(), f.Schema()); err != nil {
		return nil, fmt.Errorf("format %s: %w", f.Name(), err)
	}
	now := f.LogFormat().Definition()
	if one.Change.Class == schema.ClassNone && (now.Text != d.Text || now.Escape != d.Escape) {
		one.Note = "the log_format changed, but not its events"
	}
	one.Confusable = logformat.Confusable(old.LogFormat(), f.LogFormat())
	return one, nil
}

// gone returns the formats of a site that the other nginx.conf has and this one has not.
func (c *schemaCheck) gone(s config.Site, now []*pipeline.Format) []string {
	var old []string
	if c.sites == nil {
		for _, d := range c.oldConf.Formats {
			if d.File != "" && (c.format == "" || d.Name == c.format) {
				old = append(old, d.Name)
			}
		}
	} else {
		s.AccessLog.NginxConf = c.againstConf
		formats, _, err := formatsOf(&s)
		if err != nil {
			return nil // the site had no formats, which compareConf tells of each that it has now
		}
		old = namesOf([][]*pipeline.Format{c.chosen(formats)})
	}
	var gone []string
	for _, name := range old {
		found := false
		for _, f := range now {
			found = found || f.Name() == name
		}
		if !found {
			gone = append(gone, name)
		}
	}
	return gone
}

// print tells a person.
func (r *checkResult) print(w io.Writer) error {
	var b bytes.Buffer
	for _, f := range r.Formats {
		fmt.Fprintf(&b, "%s: format %s of site %s\n", oneLine(f.DefinedAt), oneLine(f.Format), oneLine(f.Site))
		for i := range f.Comparisons {
			f.Comparisons[i].print(&b)
		}
	}
	for _, name := range r.Gone {
		fmt.Fprintf(&b, "format %s is gone\n", oneLine(name))
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (c *comparison) print(b *bytes.Buffer) {
	switch c.With {
	case "registry":
		fmt.Fprintf(b, "  registry, subject %s", oneLine(c.Name))
		if c.Version > 0 {
			fmt.Fprintf(b, ", version %d, id %s", c.Version, oneLine(c.ID))
		}
		b.WriteByte('\n')
	default:
		fmt.Fprintf(b, "  %s\n", oneLine(c.Name))
	}
	say := func(format string, args ...any) { fmt.Fprintf(b, "    "+format+"\n", args...) }
	if c.Change != nil {
		var text bytes.Buffer
		_ = printChange(&text, c.Change) // a buffer takes all
		for line := range strings.Lines(text.String()) {
			b.WriteString("    " + line)
		}
	}
	if c.Note != "" {
		say("%s", oneLine(c.Note))
	}
	if c.Confusable {
		say("beware: ordinary lines of the old format fit the new one too, with values in the wrong columns, and nothing in the file tells " +
			"which of them wrote a line; add a word to the format that tells them apart")
	}
	switch c.Registry {
	case verdictKnown:
		say("the registry has this schema")
	case verdictAccepted:
		say("the registry would take this schema")
	case verdictRefused:
		say("the registry refuses this schema (%s)", oneLine(c.Refusal))
	}
}
