package avro

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// Encoder writes the events of one format. It is for one goroutine.
type Encoder struct {
	format  *logformat.Format
	columns []logformat.Column
	escape  logformat.Escape
	noSum   bool // the checksum of a line would tell its address
	dash    bool // a missing value is "-", otherwise it is empty
	prefix  []byte
	steps   []step
	filter  *headerFilter
	secrets *redactor                                // nil: every value is kept
	kits    [logformat.UpstreamHeader + 1]*headerSet // by family, nil where no column holds all headers; filled anew for each line

	maxValue int  // of filter
	filtered bool // filter leaves headers out

	// The following belong to the line being encoded.
	plain        int32                 // how many bytes of it stand for themselves
	invalid      nameList              // what had to be repaired
	cut          nameList              // what is not there in full
	cuts         int                   // how many values that are
	sums         HeaderSums            // of the names of its headers
	room, left   int                   // values that the map of headers may still take, and those it had no room for
	time         int64                 // its event_time
	request      logformat.RequestLine // the parts of $request
	isRequest    bool                  // $request is an HTTP request line
	plainRequest bool                  // $request stands for itself

	clocks []timeMemo // the last time that each column held, by index of the column

	// The following are scratch memory, kept from line to line.
	text     []byte // an unescaped value
	redacted []byte // a value without its secrets
	repaired []byte // a value in UTF-8
	joined   []byte // values of a promoted header
}

// step writes one field of the event.
type step struct {
	source schema.Source
	kind   logformat.Kind // of the column
	column int            // the first of the field's columns, -1 without
	times  []int          // of schema.EventTime: the columns to try
	policy policy
	name   []byte // the field's name as an Avro string, for invalid_utf8

	headers  *headerPlan // of schema.HeaderMap
	promoted *promotion  // of schema.Promoted
}

// maxText is the length of a line in bytes after which scratch memory is not kept for the next one.
const maxText = 1 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // never modified

// NewEncoder compiles an encoder. ev must have been derived from f.
func NewEncoder(f *logformat.Format, ev *schema.Event, o Options) (*Encoder, error) {
	if f == nil || ev == nil {
		return nil, errors.New("compile an encoder: no format or no schema given")
	}
	e := &Encoder{
		format: f, columns: f.Columns(), escape: f.Escape(), dash: f.Missing([]byte("-")), prefix: slices.Clone(o.Prefix),
		filter: newHeaderFilter(&o.Headers), noSum: o.Secrets.HidesSum(), secrets: newRedactor(o.Secrets), clocks: make([]timeMemo, len(f.Columns())),
	}
	e.maxValue, e.filtered = e.filter.maxValue, e.filter.allow != nil || e.filter.deny != nil
	for _, field := range ev.Fields() {
		for _, c := range field.Columns {
			if c < 0 || c >= len(e.columns) {
				return nil, fmt.Errorf("compile an encoder: field %s needs column %d of format %q, which has %d: the schema is not of this format",
					field.Name, c+1, f.Definition().Name, len(e.columns))
			}
		}
		s := e.compile(&field, o.Secrets)
		if s.source == schema.Value && s.policy == wholeSecret && s.holdsNumber() {
			return nil, fmt.Errorf("compile an encoder: $%s may hold a secret, which a number would carry in clear text; give it no type, "+
				"or name it in headers.keep", e.columns[s.column].Name)
		}
		e.steps = append(e.steps, s)
	}
	return e, nil
}

// holdsNumber tells whether the value is written as a number. Only variables that were given a type can be numbers and secrets.
func (s *step) holdsNumber() bool {
	return s.kind == logformat.Int || s.kind == logformat.Long || s.kind == logformat.Double
}

func (e *Encoder) compile(field *schema.Field, secrets *Secrets) step {
	s := step{source: field.Source, column: -1, name: appendString(nil, field.Name)}
	if len(field.Columns) > 0 {
		s.column = field.Columns[0]
		s.kind = e.columns[s.column].Kind
	}
	switch field.Source {
	case schema.EventTime:
		s.times = field.Columns
	case schema.Value:
		s.policy = secrets.variable(e.columns[s.column].Name)
	case schema.Query:
		if secrets != nil {
			s.policy = querySecrets
		}
	case schema.Path:
		if secrets != nil {
			s.policy = urlSecrets
		}
	case schema.RequestLine:
		if secrets != nil {
			s.policy = lineSecrets
		}
	case schema.HeaderMap:
		s.headers = e.compileHeaders(field, secrets)
	case schema.Promoted:
		s.policy = secrets.header([]byte(field.Header))
		s.promoted = e.compilePromotion(field, secrets)
	}
	return s
}

// AppendEvent appends the prefix and the event of a line to dst, and returns the event's time in microseconds since the Unix epoch.
// spans are what the format's Split returned for the line; line and spans are only read. dst must not share memory with line.
// It allocates nothing once its scratch memory and dst are large enough.
//
// If a value is not of its column's type, the error is a *logformat.Misfit and dst comes back at its old length.
func (e *Encoder) AppendEvent(dst, line []byte, spans []logformat.Span, o *Origin) (out []byte, eventTime int64, err error) {
	if len(spans) != len(e.columns) {
		return dst, 0, fmt.Errorf("encode an event: %d values for %d columns of format %q", len(spans), len(e.columns), e.format.Definition().Name)
	}
	start := len(dst)
	e.plain = int32(e.plainLen(line))
	e.invalid.reset()
	e.cut.reset()
	e.cuts = 0
	dst = append(dst, e.prefix...)
	for i := range e.steps {
		s := &e.steps[i]
		if dst, err = e.append(dst, s, line, spans, o); err != nil {
			return dst[:start], 0, err
		}
	}
	if len(line) > maxText {
		e.forget()
	}
	return dst, e.time, nil
}

// Cuts returns how many header values of the last event were cut or left out because of HeaderRules.MaxHeaders and MaxValue.
func (e *Encoder) Cuts() int { return e.cuts }

// plainLen returns how many bytes of a line stand for themselves. Under escape=default that ends at the first backslash: all other
// bytes that Nginx leaves alone are ASCII, and Split has refused the line if its values hold any others.
func (e *Encoder) plainLen(line []byte) int {
	if e.escape == logformat.EscapeDefault {
		if i := bytes.IndexByte(line, '\\'); i >= 0 {
			return i
		}
		return len(line)
	}
	return plainLen(line)
}

// append writes the field of a step.
func (e *Encoder) append(dst []byte, s *step, line []byte, spans []logformat.Span, o *Origin) ([]byte, error) {
	switch s.source {
	case schema.Value:
		return e.appendValue(dst, s, line, spans[s.column])
	case schema.HeaderMap:
		return e.appendHeaders(dst, s.headers, line, spans)
	case schema.EventTime:
		t, err := e.eventTime(s.times, line, spans, o.ReadTime)
		if err != nil {
			return dst, err
		}
		e.time = t
		return appendLong(dst, t), nil
	case schema.Site:
		return appendString(dst, o.Site), nil
	case schema.Origin:
		dst = appendString(dst, o.Host)
		dst = appendString(dst, o.File)
		dst = appendLong(dst, o.Offset)
		dst = appendLong(dst, int64(len(line)))
		if e.noSum {
			return append(dst, 0), nil
		}
		return appendLong(dst, int64(int32(crc32.Checksum(line, castagnoli)))), nil
	case schema.Promoted:
		return e.appendPromoted(dst, s, line, spans), nil
	case schema.InvalidUTF8:
		return e.invalid.appendTo(dst), nil
	case schema.Cut:
		return e.cut.appendTo(dst), nil
	}
	return e.appendRequestPart(dst, s, line, spans[s.column]), nil
}

// forget gives back the scratch memory that a huge line may have made huge.
func (e *Encoder) forget() {
	e.text, e.redacted, e.repaired, e.joined = nil, nil, nil, nil
	if e.secrets != nil {
		e.secrets.users, e.secrets.decoded = nil, [maxNesting][]byte{}
	}
	for _, k := range e.kits {
		if k != nil {
			k.forget()
		}
	}
}
