package avro

import (
	"bytes"
	"unicode/utf8"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// appendValue writes a column as ["null", T] by its kind.
func (e *Encoder) appendValue(dst []byte, s *step, line []byte, at logformat.Span) ([]byte, error) {
	v := line[at.Start:at.End]
	switch s.kind {
	case logformat.Int, logformat.Long, logformat.Double:
		if isNull(v) {
			return append(dst, branchNull), nil
		}
		out, ok := appendNumber(append(dst, branchValue), s.kind, v)
		if !ok {
			return dst, misfit(&e.columns[s.column], at, notA(s.kind))
		}
		return out, nil
	case logformat.IntList, logformat.LongList, logformat.DoubleList, logformat.TextList:
		if e.missing(v) {
			return append(dst, branchNull), nil
		}
		return e.appendList(append(dst, branchValue), s, v, at)
	}
	if e.missing(v) {
		return append(dst, branchNull), nil
	}
	return e.appendOptional(dst, s, v, e.isPlain(v, at)), nil
}

// missing is Format.Missing, without the way through the format's definition.
func (e *Encoder) missing(v []byte) bool {
	if e.dash {
		return len(v) == 1 && v[0] == '-'
	}
	return len(v) == 0
}

// isNull tells whether a number is not there: Nginx prints "-" for some in every escape mode.
func isNull(v []byte) bool { return len(v) == 0 || len(v) == 1 && v[0] == '-' }

// appendNumber writes the value of a column, or of an item of a list, that holds numbers.
func appendNumber(dst []byte, kind logformat.Kind, v []byte) ([]byte, bool) {
	switch kind {
	case logformat.Int, logformat.IntList:
		n, ok := logformat.ParseInt(v)
		return appendLong(dst, int64(n)), ok
	case logformat.Long, logformat.LongList:
		n, ok := logformat.ParseLong(v)
		return appendLong(dst, n), ok
	}
	x, ok := logformat.ParseDouble(v)
	return appendDouble(dst, x), ok
}

func notA(kind logformat.Kind) string {
	switch kind {
	case logformat.Int, logformat.IntList:
		return "not a whole number of 32 bits"
	case logformat.Long, logformat.LongList:
		return "not a whole number of 64 bits"
	}
	return "not a decimal number"
}

// appendList writes an array of ["null", T]. An item without a value is null.
func (e *Encoder) appendList(dst []byte, s *step, v []byte, at logformat.Span) ([]byte, error) {
	plain := e.isPlain(v, at)
	if plain && s.policy == inClear && bytes.IndexByte(v, ' ') < 0 && !isNull(v) {
		return e.appendOne(dst, s, v, at) // nearly every request was answered by one server
	}
	var b blocks
	dst = b.begin(dst)
	for item, rest, ok := logformat.NextListItem(v); ok; item, rest, ok = logformat.NextListItem(rest) {
		dst = b.add(dst)
		if isNull(item) {
			dst = append(dst, branchNull)
			continue
		}
		dst = append(dst, branchValue)
		if s.kind == logformat.TextList {
			dst = e.appendText(dst, e.unescape(item, plain), s.policy, s.name)
			continue
		}
		if dst, ok = appendNumber(dst, s.kind, item); !ok {
			return dst, misfit(&e.columns[s.column], at, "an item of the list is "+notA(s.kind))
		}
	}
	return b.end(dst), nil
}

// appendOne writes a list of one item that has a value.
func (e *Encoder) appendOne(dst []byte, s *step, v []byte, at logformat.Span) ([]byte, error) {
	dst = append(dst, oneItem, branchValue)
	if s.kind == logformat.TextList {
		dst = appendBytes(dst, v)
	} else {
		var ok bool
		if dst, ok = appendNumber(dst, s.kind, v); !ok {
			return dst, misfit(&e.columns[s.column], at, "an item of the list is "+notA(s.kind))
		}
	}
	return append(dst, 0), nil
}

// appendRequestPart writes a part of $request as ["null", "string"]. The part method comes before the others of a line and cuts it.
func (e *Encoder) appendRequestPart(dst []byte, s *step, line []byte, at logformat.Span) []byte {
	if s.source == schema.Method {
		v := at.Of(line)
		e.request, e.isRequest = logformat.SplitRequest(v)
		e.plainRequest = e.isPlain(v, at)
	}
	part, ok := e.requestPart(s.source, line, at)
	if !ok {
		return append(dst, branchNull)
	}
	return e.appendOptional(dst, s, part, e.plainRequest)
}

// requestPart returns a part of $request, still escaped; ok is false if it has none.
func (e *Encoder) requestPart(source schema.Source, line []byte, at logformat.Span) (part []byte, ok bool) {
	switch source {
	case schema.Method:
		return e.request.Method, e.isRequest
	case schema.Path:
		return e.request.Path, e.isRequest
	case schema.Query:
		return e.request.Query, e.request.HasQuery
	case schema.Protocol:
		return e.request.Protocol, len(e.request.Protocol) > 0
	}
	v := at.Of(line)
	return v, !e.isRequest && !e.missing(v)
}

// appendOptional writes the text of an escaped value as ["null", "string"]: null only if it is a secret that is dropped. plain says
// that the value stands for itself.
func (e *Encoder) appendOptional(dst []byte, s *step, v []byte, plain bool) []byte {
	if plain && s.policy != wholeSecret {
		return appendBytes(append(dst, branchValue), e.clear(v, s.policy))
	}
	if e.drops(s.policy) {
		return append(dst, branchNull)
	}
	return e.appendText(append(dst, branchValue), e.unescape(v, plain), s.policy, s.name)
}

// drops tells whether a value of that policy is left out.
func (e *Encoder) drops(p policy) bool { return p == wholeSecret && e.secrets.mode == SecretDrop }

// isPlain tells whether the value v, which lies at a span of the line, stands for itself.
func (e *Encoder) isPlain(v []byte, at logformat.Span) bool { return at.End <= e.plain || isPlain(v) }

// unescape returns what a value stands for: v itself, or scratch memory that lasts until the next call.
func (e *Encoder) unescape(v []byte, plain bool) []byte {
	if plain || e.escape == logformat.EscapeNone || bytes.IndexByte(v, '\\') < 0 {
		return v
	}
	e.text = logformat.AppendUnescaped(e.text[:0], v, e.escape)
	return e.text
}

// appendText writes unescaped bytes as a string, with secrets replaced and what is not UTF-8 repaired; name is what invalid_utf8
// says then.
func (e *Encoder) appendText(dst, raw []byte, p policy, name []byte) []byte {
	text, repaired := e.safe(raw, p)
	if repaired {
		e.invalid.add(name)
	}
	return appendBytes(dst, text)
}

// safe returns raw with secrets replaced and in UTF-8: raw itself, or scratch memory that lasts until the next call.
func (e *Encoder) safe(raw []byte, p policy) (text []byte, repaired bool) {
	if p != inClear {
		raw = e.redact(raw, p)
	}
	if utf8.Valid(raw) {
		return raw, false
	}
	e.repaired = appendRepaired(e.repaired[:0], raw)
	return e.repaired, true
}

// clear returns a plain value with the secrets in it replaced. What is plain is UTF-8, and so is what replaces it.
func (e *Encoder) clear(v []byte, p policy) []byte {
	if p == inClear {
		return v
	}
	return e.redact(v, p)
}

func (e *Encoder) redact(raw []byte, p policy) []byte {
	var changed bool
	if e.redacted, changed = e.secrets.appendSafe(e.redacted[:0], raw, p); !changed {
		return raw
	}
	return e.redacted
}
