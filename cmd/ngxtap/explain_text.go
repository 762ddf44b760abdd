package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ngxtap/pkg/schema"
)

// explainText prints an explanation for people.
func (a *app) explainText(x *explained) error {
	v, shown, err := x.view()
	if err != nil {
		return err
	}
	t := &explainPrinter{out: &bytes.Buffer{}, width: columns(a) - len(indent), x: x, v: v, shown: shown}
	t.head()
	t.columns()
	t.event()
	t.end()
	if _, err := io.Copy(escaper{a.out}, t.out); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// explainPrinter prints one explanation. All that comes from the line is escaped before it gets here, or by pointAt.
type explainPrinter struct {
	out   *bytes.Buffer
	width int
	x     *explained
	v     *explainedJSON
	shown *shownLine
}

func (t *explainPrinter) say(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// row prints a word and what it means; what follows a newline in it stands below.
func (t *explainPrinter) row(word, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.say("%-10s%s\n", word, strings.ReplaceAll(text, "\n", "\n          "))
}

// head prints where the line is, whose it is, the line, and which formats were tried.
func (t *explainPrinter) head() {
	v := t.v
	where := oneLine(v.File)
	if v.Line != nil {
		where += fmt.Sprintf(":%d", *v.Line)
	}
	t.row("line", "%s, offset %d, %d bytes", where, v.Offset, v.Length)
	if t.x.place.number == 0 && t.x.place.offset != v.Offset {
		t.row("", "offset %d is within it", t.x.place.offset)
	}
	if !v.Newline {
		t.row("", "it has no newline yet: the daemon waits until Nginx has finished it")
	}
	defined := ""
	if s := t.x.site; s.File != "" {
		defined = fmt.Sprintf(" (%s:%d)", oneLine(s.File), s.Line)
	}
	t.row("site", "%s%s: %s", v.Site, defined, v.Why)
	if v.Result == "blank" {
		t.row("result", "an empty line: counted and passed over")
		return
	}
	if t.shown != nil {
		text, _ := pointAt(t.shown.text, -1, t.width)
		t.row("text", "%s", text)
	}
	switch {
	case v.Format != nil:
		t.row("format", "%s, %s", *v.Format, oneLine(*v.Defined))
	case t.x.oversize():
		t.row("format", "none was tried")
	default:
		t.row("format", "none of %d takes it", len(v.Refused))
	}
	for i := range v.Refused {
		t.refused(&v.Refused[i])
	}
}

// refused prints why a format does not take the line, and where.
func (t *explainPrinter) refused(r *refusedJSON) {
	column := ""
	if r.Column >= 0 {
		column = fmt.Sprintf(", column %d", r.Column+1)
	}
	t.row("", "not %s, %s%s: %s", r.Format, oneLine(r.Defined), column, oneLine(r.Reason))
	if t.shown == nil || r.Column < 0 {
		return
	}
	text, mark := pointAt(t.shown.text, t.shown.at(r.Column), t.width-2)
	t.row("", "  %s\n  %s", text, mark)
}

// columns prints what stands in the line.
func (t *explainPrinter) columns() {
	if len(t.v.Columns) == 0 {
		return
	}
	wide := 0
	for i := range t.v.Columns {
		wide = max(wide, len(t.v.Columns[i].Variable))
	}
	wide = min(wide, 30)
	t.say("\ncolumns   what stands in the line, and the fields that it becomes\n")
	for i := range t.v.Columns {
		c := &t.v.Columns[i]
		note := ""
		switch {
		case c.Text == nil:
			note = fmt.Sprintf("%d bytes, not shown: secrets, or headers that the rules leave out", c.Length)
		case c.Missing:
			note = "no value"
		case c.Hidden && !t.x.raw:
			note = "hidden"
		}
		text := ""
		if c.Text != nil {
			text, _ = pointAt([]byte(*c.Text), -1, max(t.width-wide-10, 20))
		}
		if note != "" {
			note = strings.TrimLeft("  ("+note+")", map[bool]string{true: " ", false: ""}[text == ""])
		}
		t.say("  %3d  $%-*s  %s%s\n", i+1, wide, oneLine(c.Variable), text, note)
		if len(c.Fields) > 1 || len(c.Fields) == 1 && c.Fields[0] != c.Variable {
			t.say("       %-*s   -> %s\n", wide, "", strings.Join(c.Fields, ", "))
		}
	}
	if slices.ContainsFunc(t.v.Columns, func(c columnJSON) bool { return c.Hidden }) && !t.x.raw {
		t.say("  hidden: what must not leave the host is replaced, here and in the event\n")
	}
	if t.v.Hashes != "" {
		t.say("  hashes are made with %s\n", oneLine(t.v.Hashes))
	}
}

// event prints the fields of the event with their bytes.
func (t *explainPrinter) event() {
	v := t.v
	if v.Result != "event" {
		return
	}
	t.say("\nevent     %s: %d bytes of Avro; as JSON %d, in the log %d\n", *v.Record, len(v.Value)-v.Prefix, len(v.Event), v.Length)
	t.say("  offset  field\n")
	if v.Prefix > 0 {
		t.say("  %6d  (%s)\n          %s\n", 0, t.framing(), hexText(fmt.Sprintf("%x", v.Value[:v.Prefix]), t.width))
	}
	for i := range v.Fields {
		f := &v.Fields[i]
		note := ""
		if f.Name == "event_time" {
			note = "  from " + t.timeFrom()
		}
		t.say("  %6d  %s  %s%s\n", f.Offset, f.Name, avroType(f.Type), note)
		t.value(f)
		t.say("          %s\n", hexText(f.Hex, t.width))
	}
}

func (t *explainPrinter) timeFrom() string {
	if t.v.Time == nil {
		return "the time of reading: the format has no time, or the line has none"
	}
	return "$" + *t.v.Time
}

func (t *explainPrinter) framing() string {
	switch {
	case t.x.idMissing():
		return t.v.Framing + " framing: the id of the schema, which only the registry knows; here it is 0 (see --brokers)"
	case t.v.ID != nil:
		return fmt.Sprintf("%s framing: schema id %s", t.v.Framing, *t.v.ID)
	}
	return t.v.Framing + " framing: the fingerprint of the schema"
}

// value prints the value of a field, and of a map each entry by itself.
func (t *explainPrinter) value(f *fieldJSON) {
	var entries map[string]json.RawMessage
	if bytes.HasPrefix(f.Type, []byte(`{"type":"map"`)) && json.Unmarshal(f.Value, &entries) == nil && len(entries) > 0 {
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			text, _ := pointAt(fmt.Appendf(nil, "%s: %s", name, entries[name]), -1, t.width-6)
			t.say("          %s\n", text)
		}
		return
	}
	text, _ := pointAt(f.Value, -1, t.width-6)
	t.say("          %s\n", text)
}

// end prints where it all goes.
func (t *explainPrinter) end() {
	v, x := t.v, t.x
	if v.Result == "blank" {
		return
	}
	t.say("\n")
	if v.Result == "quarantine" {
		t.quarantine()
		return
	}
	t.mended()
	t.row("topic", "%s", v.Topic)
	if v.Framing == schema.Header.String() {
		id := "which only the registry knows (see --brokers)"
		if v.ID != nil {
			id = *v.ID
		}
		t.row("header", "%s: the id of the schema, %s", schema.HeaderName, id)
	}
	sticky := fmt.Sprintf("one partition takes all events of site %s from host %s, in the order of the file", v.Site, oneLine(x.host))
	switch {
	case v.Key != nil:
		t.row("key", "%q (partition_by: %s)", *v.Key, v.Rule)
	case v.Rule == "none":
		t.row("key", "none (partition_by: none): %s", sticky)
	default:
		t.row("key", "none: %s has no value in this line, so that %s", v.Rule, sticky)
	}
	switch {
	case v.Partition != nil:
		t.row("partition", "%d of %d, counted from 0", *v.Partition, *v.Partitions)
	case x.noTopic:
		t.row("partition", "there is no such topic yet: the daemon makes it")
	case x.cfg == nil:
		t.row("partition", "depends on how many the topic has: --partitions N")
	default:
		t.row("partition", "depends on how many the topic has: --partitions N, or --brokers to ask")
	}
}

// mended says which values the event does not have as they were sent.
func (t *explainPrinter) mended() {
	for _, list := range []struct{ field, word, why string }{
		{"invalid_utf8", "repaired", "bytes that are not UTF-8 became U+FFFD"},
		{"cut", "cut", "not there in full, by headers.max_headers and headers.max_value"},
	} {
		i := slices.IndexFunc(t.v.Fields, func(f fieldJSON) bool { return f.Name == list.field })
		var names []string
		if i >= 0 && json.Unmarshal(t.v.Fields[i].Value, &names) == nil && len(names) > 0 {
			t.row(list.word, "%s: %s", oneLine(strings.Join(names, ", ")), list.why)
		}
	}
}

func (t *explainPrinter) quarantine() {
	v := t.v
	column := ""
	if v.Reason.Column >= 0 {
		column = fmt.Sprintf(" (column %d)", v.Reason.Column+1)
	}
	t.row("result", "quarantine: %s%s", oneLine(v.Reason.Reason), column)
	if t.shown == nil {
		t.row("", "the line is not shown, since nobody can tell where its secrets are; --raw shows it")
	}
	how := "as it is (quarantine.raw: clear)"
	switch {
	case v.Sealed != nil:
		how = "encrypted with key " + *v.Sealed
	case t.x.site.Quarantine.Raw != "clear":
		how = "encrypted"
	}
	t.row("topic", "%s, the line %s", v.Topic, how)
}

// hexText returns digits as pairs, as many as there is room for.
func hexText(digits string, width int) string {
	most := max((width-20)/3, 8)
	n := len(digits) / 2
	var b strings.Builder
	for i := range min(n, most) {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(digits[2*i : 2*i+2])
	}
	if n > most {
		fmt.Fprintf(&b, " … %d bytes", n)
	}
	return b.String()
}

// avroType returns a type for people: "null|int", "map<array<string>>".
func avroType(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return name
	}
	var union []json.RawMessage
	if json.Unmarshal(raw, &union) == nil {
		var branches []string
		for _, b := range union {
			branches = append(branches, avroType(b))
		}
		return strings.Join(branches, "|")
	}
	var t struct {
		Type, Items, Values json.RawMessage
		Name, LogicalType   string
	}
	if json.Unmarshal(raw, &t) != nil {
		return "?"
	}
	switch kind := avroType(t.Type); {
	case t.LogicalType != "":
		return t.LogicalType
	case kind == "array":
		return "array<" + avroType(t.Items) + ">"
	case kind == "map":
		return "map<" + avroType(t.Values) + ">"
	case t.Name != "":
		return kind + " " + t.Name
	default:
		return kind
	}
}
