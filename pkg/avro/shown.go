package avro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"ngxtap/pkg/logformat"
)

// AppendShown appends the value of a column of a line for people to see: as it stands in the line, or, where something in it must not leave
// the host, unescaped and with what stands for that in its place; hidden says so. Of a header that HeaderRules leave out, and of a column
// that holds all headers with a secret among them, it appends nothing. spans are those of Split for the line. It works on what
// AppendEvent works on, and must not be called while that runs.
func (e *Encoder) AppendShown(dst, line []byte, spans []logformat.Span, column int) (out []byte, hidden bool) {
	c, at := &e.columns[column], spans[column]
	v := line[at.Start:at.End]
	if e.missing(v) {
		return append(dst, v...), false
	}
	_, header, isHeader := c.Header()
	switch {
	case c.Kind == logformat.Headers:
		if e.kitHides(v) {
			return dst, true
		}
		return append(dst, v...), false
	case isHeader && !e.filter.takes([]byte(header)):
		return dst, true
	case e.secrets == nil:
		return append(dst, v...), false
	case isHeader:
		return e.appendShown(dst, v, e.secrets.header([]byte(header)))
	case c.Kind == logformat.Request:
		return e.appendShownRequest(dst, v)
	}
	p := e.secrets.variable(c.Name)
	if p == inClear || c.Kind != logformat.TextList {
		return e.appendShown(dst, v, p)
	}
	before := len(dst) // each item may be hidden by where it begins
	for item, rest, ok := logformat.NextListItem(v); ok; item, rest, ok = logformat.NextListItem(rest) {
		if len(dst) > before {
			dst = append(dst, ", "...)
		}
		var h bool
		dst, h = e.appendShown(dst, item, p)
		hidden = hidden || h
	}
	if !hidden {
		return append(dst[:before], v...), false
	}
	return dst, true
}

// appendShown appends a value as its policy has it.
func (e *Encoder) appendShown(dst, v []byte, p policy) (out []byte, hidden bool) {
	text := e.unescape(v, isPlain(v))
	if safe := e.redactIf(text, p); !bytes.Equal(safe, text) {
		return append(dst, safe...), true
	}
	return append(dst, v...), false
}

func (e *Encoder) redactIf(text []byte, p policy) []byte {
	if p == inClear {
		return text
	}
	return e.redact(text, p)
}

// appendShownRequest appends a $request with its parts as they become fields.
func (e *Encoder) appendShownRequest(dst, v []byte) (out []byte, hidden bool) {
	r, ok := logformat.SplitRequest(v)
	if !ok {
		return e.appendShown(dst, v, lineSecrets)
	}
	before := len(dst)
	dst = append(append(dst, r.Method...), ' ')
	dst, path := e.appendShown(dst, r.Path, urlSecrets)
	query := false
	if r.HasQuery {
		dst, query = e.appendShown(append(dst, '?'), r.Query, querySecrets)
	}
	if !path && !query {
		return append(dst[:before], v...), false
	}
	if len(r.Protocol) > 0 {
		dst = append(append(dst, ' '), r.Protocol...)
	}
	return dst, true
}

// kitHides tells whether some header in a value that holds them all must not be seen, or can't be told.
func (e *Encoder) kitHides(v []byte) bool {
	set := newHeaderSet()
	set.reset()
	if set.read(e.unescape(v, isPlain(v))) != nil {
		return true
	}
	for i := range set.items {
		h := &set.items[i]
		name, value := set.name(h), set.value(h)
		if !e.filter.takes(name) || !bytes.Equal(e.redactIf(value, e.headerPolicy(name)), value) {
			return true
		}
	}
	return false
}

// TimeColumn returns the column that event_time is taken from, or -1 where it is the time of reading. It belongs to the line of which spans
// are those of Split.
func (e *Encoder) TimeColumn(line []byte, spans []logformat.Span) int {
	for i := range e.steps {
		for _, column := range e.steps[i].times {
			if !e.missing(spans[column].Of(line)) {
				return column
			}
		}
	}
	return -1
}

// FieldData is a field of a record: where it lies, and what it says.
type FieldData struct {
	Name       string
	Type       string // as the schema has it, JSON
	Start, End int    // in the datum
	JSON       string // as AppendJSON has it
}

// Fields returns the fields of one datum, which is a record, in their order. Otherwise it is like AppendJSON.
func (d *Decoder) Fields(schemaJSON string, body []byte) ([]FieldData, error) {
	s, err := d.schema(schemaJSON)
	if err != nil {
		return nil, err
	}
	var types struct {
		Fields []struct{ Type json.RawMessage }
	}
	if err := json.Unmarshal([]byte(schemaJSON), &types); err != nil {
		return nil, fmt.Errorf("read an Avro schema: it is not that of a record: %w", err)
	}
	if s.root.kind != "record" || len(types.Fields) != len(s.root.fields) {
		return nil, errors.New("read an Avro schema: it is not that of a record")
	}
	rest := body
	var out []FieldData
	for i, f := range s.root.fields {
		start := len(body) - len(rest)
		if rest, err = skim(f.shape, rest, 1); err != nil {
			return nil, fmt.Errorf("decode Avro: field %s: %w", f.name, err)
		}
		out = append(out, FieldData{Name: f.name, Type: string(types.Fields[i].Type), Start: start, End: len(body) - len(rest)})
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("decode Avro: %d bytes follow the datum", len(rest))
	}
	native, _, err := s.codec.NativeFromBinary(body)
	if err != nil {
		return nil, fmt.Errorf("decode Avro: %w", err)
	}
	values, _ := native.(map[string]any)
	for i, f := range s.root.fields {
		text, err := appendJSON(nil, f.shape, values[f.name])
		if err != nil {
			return nil, fmt.Errorf("decode Avro: field %s: %w", f.name, err)
		}
		out[i].JSON = string(text)
	}
	return out, nil
}
