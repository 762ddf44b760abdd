package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// explainedJSON is what explain --json prints, and what the text is made from.
type explainedJSON struct {
	File    string `json:"file"`
	Line    *int64 `json:"line"`   // null: not counted
	Offset  int64  `json:"offset"` // of its first byte
	Length  int64  `json:"length"` // without its newline
	Newline bool   `json:"newline"`
	Site    string `json:"site"`
	Why     string `json:"site_is"`
	Result  string `json:"result"` // event, quarantine or blank

	Refused []refusedJSON `json:"refused"` // by the formats that were tried before
	Format  *string       `json:"format"`  // null: none takes the line
	Defined *string       `json:"defined"`

	Text    *string      `json:"text"` // what the line says; null where that can't be shown
	Columns []columnJSON `json:"columns"`
	Hashes  string       `json:"hashes_by,omitempty"` // what key the hashes in all this have, if not the daemon's

	Record  *string         `json:"record"` // full name of the Avro record
	Event   json.RawMessage `json:"event"`
	Time    *string         `json:"event_time_from"` // a variable, or null: the time of reading
	Framing string          `json:"framing"`
	ID      *string         `json:"schema_id"` // null: not known, or not part of the framing
	Prefix  int             `json:"prefix_bytes"`
	Fields  []fieldJSON     `json:"fields"`
	Value   []byte          `json:"value"` // of the Kafka record; where the id is not known, zeros stand for it
	Header  []byte          `json:"header,omitempty"`

	Reason     *refusedJSON `json:"reason"` // of quarantine
	Sealed     *string      `json:"raw_key"`
	Topic      string       `json:"topic"`
	Key        *string      `json:"key"`
	Rule       string       `json:"partition_by"`
	Partition  *int32       `json:"partition"`
	Partitions *int32       `json:"partitions"`
}

// refusedJSON is why a format does not take the line.
type refusedJSON struct {
	Format   string  `json:"format,omitempty"`
	Defined  string  `json:"defined,omitempty"`
	Reason   string  `json:"reason"`
	Column   int     `json:"column"` // from 0, as in quarantine; -1 where it is not known
	Variable *string `json:"variable"`
}

// columnJSON is one variable of the line.
type columnJSON struct {
	Variable string   `json:"variable"`
	Offset   int32    `json:"offset"` // in the line
	Length   int32    `json:"length"`
	Text     *string  `json:"text"` // null: not shown
	Hidden   bool     `json:"hidden"`
	Missing  bool     `json:"missing"`
	Fields   []string `json:"fields"`
}

// fieldJSON is one field of the event.
type fieldJSON struct {
	Name   string          `json:"name"`
	Type   json.RawMessage `json:"type"`
	Offset int             `json:"offset"` // in the value of the record
	Length int             `json:"length"`
	Value  json.RawMessage `json:"value"`
	Hex    string          `json:"hex"`
}

// view gathers what is to be said. shown is the line as it may be seen, nil where it may not.
func (x *explained) view() (v *explainedJSON, shown *shownLine, err error) {
	l, r := x.line, x.result
	v = &explainedJSON{File: x.place.file, Offset: l.offset, Length: l.length, Newline: l.newline, Site: x.site.Site, Why: x.why, Result: "event", Framing: x.framing.String(),
		Refused: []refusedJSON{}, Columns: []columnJSON{}, Fields: []fieldJSON{}, Topic: x.site.Topic, Rule: x.site.PartitionBy}
	if l.number > 0 {
		v.Line = &l.number
	}
	for i := range r.Refused {
		v.Refused = append(v.Refused, refused(&r.Refused[i]))
	}
	switch {
	case r.Blank:
		v.Result = "blank"
		return v, nil, nil
	case r.Reason != "":
		v.Result = "quarantine"
		v.Topic += kafka.QuarantineSuffix
		why := refused(&r.Judgment)
		v.Reason, v.Rule = &why, "none"
		if key := siteKey(x.site, x.key); x.site.Quarantine.Raw != "clear" && key != nil {
			id := avro.KeyID(key)
			v.Sealed = &id
		}
	}
	if r.Format != nil {
		def := r.Format.LogFormat().Definition()
		name, where := def.Name, place(def)
		v.Format, v.Defined = &name, &where
		shown = x.columns(v)
	}
	switch {
	case x.raw:
		shown = rawLine(l.raw)
		fallthrough
	case shown != nil:
		text := valid(shown.text)
		v.Text = &text
	}
	if v.Result == "event" {
		err = x.event(v)
	}
	x.destination(v)
	return v, shown, err
}

func refused(a *pipeline.Attempt) refusedJSON {
	j := refusedJSON{Reason: a.Text, Column: a.Column}
	if a.Format != nil {
		j.Format, j.Defined = a.Format.Name(), place(a.Format.LogFormat().Definition())
	}
	if a.Variable != "" {
		j.Variable = &a.Variable
	}
	return j
}

func valid(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

// shownLine is a line as it may be seen.
type shownLine struct {
	text   []byte
	pieces []shownPiece
}

// shownPiece is a value within it.
type shownPiece struct {
	from, to int // in the line
	at, end  int // in the text
	hidden   bool
}

func rawLine(raw []byte) *shownLine { return &shownLine{text: raw} }

// at returns where in the text a byte of the line is: the start of a value that is hidden.
func (s *shownLine) at(offset int) int {
	for _, p := range s.pieces {
		if offset < p.from || offset < p.to || offset == p.to && p.from == p.to {
			if p.hidden || offset < p.from {
				return p.at - max(0, p.from-offset)
			}
			return p.at + offset - p.from
		}
	}
	if n := len(s.pieces); n > 0 {
		return min(s.pieces[n-1].end+offset-s.pieces[n-1].to, len(s.text))
	}
	return min(offset, len(s.text))
}

// notShown stands for a value of which nothing can be shown.
const notShown = "(not shown)"

// columns adds the columns of a line that fits a format, and returns the line made of them.
func (x *explained) columns(v *explainedJSON) *shownLine {
	f := x.result.Format
	lf, line := f.LogFormat(), x.line.raw
	feeds := map[string][]string{} // by variable: a repeated one has one field
	for _, field := range f.Event().Fields() {
		for _, c := range field.Columns {
			name := lf.Columns()[c].Name
			feeds[name] = append(feeds[name], field.Name)
		}
	}
	s := &shownLine{}
	for i, c := range lf.Columns() {
		at := x.result.Spans[i]
		s.text = append(s.text, lf.Literal(i)...)
		p := shownPiece{from: int(at.Start), to: int(at.End), at: len(s.text)}
		s.text, p.hidden = f.Encoder().AppendShown(s.text, line, x.result.Spans, i)
		text := valid(s.text[p.at:])
		j := columnJSON{Variable: c.Name, Offset: at.Start, Length: at.End - at.Start, Text: &text, Hidden: p.hidden, Missing: lf.Missing(at.Of(line)), Fields: feeds[c.Name]}
		switch {
		case x.raw:
			text = valid(at.Of(line))
		case p.hidden && len(s.text) == p.at:
			j.Text = nil
			s.text = append(s.text, notShown...)
		}
		if p.hidden {
			v.Hashes = x.keyWhy
		}
		p.end = len(s.text)
		v.Columns = append(v.Columns, j)
		s.pieces = append(s.pieces, p)
	}
	s.text = append(s.text, lf.Literal(len(lf.Columns()))...)
	return s
}

// event adds what the event is made of.
func (x *explained) event(v *explainedJSON) error {
	r := x.result
	name := r.Format.Event().FullName()
	v.Record, v.Value = &name, r.Value
	if n := r.Format.Encoder().TimeColumn(x.line.raw, r.Spans); n >= 0 {
		v.Time = &r.Format.LogFormat().Columns()[n].Name
	}
	frame := x.frame(r.Format)
	v.Prefix = len(frame.Prefix)
	if x.idKnown {
		id := x.id.String()
		v.ID = &id
	}
	if frame.Header != nil {
		v.Header = frame.Header.Value
	}
	body := r.Value[v.Prefix:]
	dec := &avro.Decoder{}
	var err error
	if v.Event, err = dec.AppendJSON(nil, r.Format.Schema(), body); err != nil {
		return fmt.Errorf("decode the event: %w", err)
	}
	fields, err := dec.Fields(r.Format.Schema(), body)
	if err != nil {
		return fmt.Errorf("decode the event: %w", err)
	}
	for _, f := range fields {
		v.Fields = append(v.Fields, fieldJSON{Name: f.Name, Type: json.RawMessage(f.Type), Offset: v.Prefix + f.Start, Length: f.End - f.Start,
			Value: json.RawMessage(f.JSON), Hex: hex.EncodeToString(body[f.Start:f.End])})
	}
	return nil
}

// destination adds topic, key and partition.
func (x *explained) destination(v *explainedJSON) {
	if x.partitions > 0 && v.Result == "event" {
		v.Partitions = &x.partitions
	}
	key := x.result.Key
	if key != nil {
		text := valid(key)
		v.Key = &text
	}
	if v.Partitions == nil {
		return
	}
	p := kafka.StickyPartition(x.host, x.site.Site, x.partitions)
	if key != nil {
		p = kafka.PartitionOf(key, x.partitions)
	}
	v.Partition = &p
}

// idMissing says that the framing needs an id that only the registry knows.
func (x *explained) idMissing() bool { return x.framing != schema.SingleObject && !x.idKnown }

func (a *app) explainJSON(x *explained) error {
	v, _, err := x.view()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode as JSON: %w", err)
	}
	if _, err := a.out.Write(appendPrintable(nil, text.Bytes(), "\n")); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
