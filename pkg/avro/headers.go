package avro

import (
	"unicode/utf8"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// headerPlan says how a map of headers comes about.
type headerPlan struct {
	field   []byte         // name of the map, for invalid_utf8
	name    []byte         // the same as an Avro string
	all     int            // the column that holds all headers, -1 without
	kit     *headerSet     // what that column holds, nil without one
	named   []headerColumn // the columns that hold one header each
	skipped []headerColumn // likewise, of headers that the filter leaves out of events; they count in sums only

	family logformat.Family
	sum    uint64 // of a line that has every header of named
}

// headerColumn is a column that holds one header.
type headerColumn struct {
	column int
	hash   uint64 // of its name, see HeaderSums
	policy policy
	joined bool   // the values of several Set-Cookie, which Nginx 1.23 and later join
	header []byte // its name
	key    []byte // the name as an Avro string, and the count of an array with one item
	name   []byte // what invalid_utf8 and cut say
}

// oneItem is the count of a block with one item.
const oneItem = 1 << 1

func (e *Encoder) compileHeaders(field *schema.Field, secrets *Secrets) *headerPlan {
	plan := &headerPlan{field: []byte(field.Name), name: appendString(nil, field.Name), all: -1, family: field.Family}
	for _, c := range field.Columns {
		if e.columns[c].Kind == logformat.Headers {
			if plan.all < 0 {
				plan.all = c
				plan.kit = newHeaderSet()
				e.kits[field.Family] = plan.kit
			}
			continue
		}
		_, header, _ := e.columns[c].Header()
		hash := hashName([]byte(header))
		if !e.filter.takes([]byte(header)) {
			plan.skipped = append(plan.skipped, headerColumn{column: c, header: []byte(header), hash: hash})
			continue
		}
		plan.named = append(plan.named, headerColumn{
			column: c,
			policy: secrets.header([]byte(header)),
			joined: header == "set-cookie",
			header: []byte(header),
			hash:   hash,
			key:    append(appendString(nil, header), oneItem),
			name:   appendString(nil, field.Name+"."+header),
		})
		plan.sum += hash
	}
	return plan
}

// appendHeaders writes a map of arrays of strings: first what the column with all headers holds, then the headers with a column
// of their own that it lacks. A header without a value has no entry.
func (e *Encoder) appendHeaders(dst []byte, plan *headerPlan, line []byte, spans []logformat.Span) ([]byte, error) {
	var b blocks
	dst = b.begin(dst)
	e.room, e.left = e.filter.maxHeaders, 0
	sum := plan.sum
	if plan.all >= 0 {
		if err := e.readKit(plan, line, spans[plan.all]); err != nil {
			return dst, err
		}
		sum += plan.kit.sum
		dst = e.appendKit(dst, &b, plan)
	}
	for i := range plan.named {
		h := &plan.named[i]
		at := spans[h.column]
		v := line[at.Start:at.End]
		if e.missing(v) || plan.kit != nil && plan.kit.find(h.header) != nil {
			sum -= h.hash
			continue
		}
		if e.drops(h.policy) {
			continue
		}
		if e.room == 0 {
			e.left++
			continue
		}
		dst = b.add(dst)
		plain := e.isPlain(v, at)
		if h.joined {
			dst = e.appendSplit(append(dst, h.key[:len(h.key)-1]...), h, e.unescape(v, plain))
			continue
		}
		e.room--
		dst = append(dst, h.key...)
		if plain && h.policy == inClear && len(v) <= e.maxValue {
			dst = appendBytes(dst, v)
		} else if plain && h.policy != wholeSecret {
			dst = e.appendValueOf(dst, e.clear(v, h.policy), h.name)
		} else {
			dst = e.appendHeaderText(dst, e.unescape(v, plain), h)
		}
		dst = append(dst, 0)
	}
	if len(plan.skipped) > 0 {
		sum = e.addSkipped(sum, plan, line, spans)
	}
	e.sums[plan.family] = sum
	if e.left > 0 {
		e.cut.add(plan.name)
		e.cuts += e.left
	}
	return b.end(dst), nil
}

// appendHeaderText writes one value of a header that has a column of its own.
func (e *Encoder) appendHeaderText(dst, raw []byte, h *headerColumn) []byte {
	text, repaired := e.safe(raw, h.policy)
	if repaired {
		e.invalid.add(h.name)
	}
	return e.appendValueOf(dst, text, h.name)
}

// appendSplit writes the values that Nginx has joined as an array.
func (e *Encoder) appendSplit(dst []byte, h *headerColumn, v []byte) []byte {
	var values blocks
	dst = values.begin(dst)
	for {
		item, rest, more := nextSetCookie(v)
		if e.room == 0 {
			e.left++
		} else {
			e.room--
			dst = e.appendHeaderText(values.add(dst), item, h)
		}
		if !more {
			return values.end(dst)
		}
		v = rest
	}
}

// appendValueOf writes the text of a header, as much of it as may be; name is what cut says then.
func (e *Encoder) appendValueOf(dst, text, name []byte) []byte {
	if len(text) > e.maxValue {
		text = e.shorten(text)
		e.cut.add(name)
		e.cuts++
	}
	return appendBytes(dst, text)
}

// shorten cuts a text at the end of a character.
func (e *Encoder) shorten(text []byte) []byte {
	n := e.maxValue
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// readKit fills the plan's set from the column that holds all headers.
func (e *Encoder) readKit(plan *headerPlan, line []byte, at logformat.Span) error {
	plan.kit.reset()
	v := at.Of(line)
	if e.missing(v) {
		return nil
	}
	if err := plan.kit.read(e.unescape(v, e.isPlain(v, at))); err != nil {
		return misfit(&e.columns[plan.all], at, err.Error())
	}
	return nil
}

// appendKit writes the headers of the plan's set into the open map.
func (e *Encoder) appendKit(dst []byte, b *blocks, plan *headerPlan) []byte {
	room := e.room
	for i := range plan.kit.items {
		h := &plan.kit.items[i]
		if !h.first {
			continue
		}
		name := plan.kit.name(h)
		policy := e.headerPolicy(name)
		if e.drops(policy) || e.filtered && !e.filter.takes(name) {
			continue
		}
		if room == 0 {
			e.left += plan.kit.count(h)
			continue
		}
		dst = b.add(dst)
		dst = appendBytes(dst, name)
		var values blocks
		dst = values.begin(dst)
		repaired, short := false, false
		for v := h; v != nil; v = plan.kit.next(v) {
			if room == 0 {
				e.left++
				continue
			}
			room--
			text, bad := e.safe(plan.kit.value(v), policy)
			repaired = repaired || bad
			if len(text) > e.maxValue {
				text, short = e.shorten(text), true
				e.cuts++
			}
			dst = values.add(dst)
			dst = appendBytes(dst, text)
		}
		dst = values.end(dst)
		if repaired {
			e.markHeader(&e.invalid, plan.field, name)
		}
		if short {
			e.markHeader(&e.cut, plan.field, name)
		}
	}
	e.room = room
	return dst
}

func (e *Encoder) headerPolicy(name []byte) policy {
	if e.secrets == nil {
		return inClear
	}
	return e.secrets.header(name)
}

// maxHeaderName is the longest name of a header that invalid_utf8 and cut repeat, in bytes.
const maxHeaderName = 128

// markHeader notes a header of a map in a list; a name of absurd length is left out.
func (e *Encoder) markHeader(list *nameList, field, name []byte) {
	if len(name) > maxHeaderName {
		e.joined = appendBytes(e.joined[:0], field)
	} else {
		e.joined = appendLen(e.joined[:0], len(field)+1+len(name))
		e.joined = append(e.joined, field...)
		e.joined = append(e.joined, '.')
		e.joined = append(e.joined, name...)
	}
	list.add(e.joined)
}

// promotion says where a promoted header is looked for.
type promotion struct {
	kit       *headerSet // nil without a column that holds all headers
	named     int        // the column that holds it, -1 without
	header    []byte
	separator string // between several values
}

func (e *Encoder) compilePromotion(field *schema.Field, secrets *Secrets) *promotion {
	p := &promotion{kit: e.kits[field.Family], named: -1, header: []byte(field.Header), separator: ", "}
	if field.Header == "cookie" {
		p.separator = "; " // RFC 6265, section 5.4; Nginx joins them like this too
	}
	for _, c := range field.Columns {
		if e.columns[c].Kind != logformat.Headers && p.named < 0 {
			p.named = c
		}
	}
	if !e.filter.takes(p.header) {
		p.kit, p.named = nil, -1
	}
	return p
}

// appendPromoted writes one header as ["null", "string"], several values joined. It comes after the map of its family, which fills
// the set.
func (e *Encoder) appendPromoted(dst []byte, s *step, line []byte, spans []logformat.Span) []byte {
	p := s.promoted
	if p.kit != nil {
		if h := p.kit.find(p.header); h != nil {
			return e.appendJoined(dst, s, h)
		}
	}
	if p.named < 0 {
		return append(dst, branchNull)
	}
	at := spans[p.named]
	v := at.Of(line)
	if e.missing(v) {
		return append(dst, branchNull)
	}
	if e.drops(s.policy) {
		return append(dst, branchNull)
	}
	text, repaired := e.safe(e.unescape(v, e.isPlain(v, at)), s.policy)
	if repaired {
		e.invalid.add(s.name)
	}
	return appendBytes(append(dst, branchValue), e.shortened(s, text))
}

// shortened returns as much of the text of a promoted header as may be. It is counted where the map has it.
func (e *Encoder) shortened(s *step, text []byte) []byte {
	if len(text) <= e.maxValue {
		return text
	}
	e.cut.add(s.name)
	return e.shorten(text)
}

func (e *Encoder) appendJoined(dst []byte, s *step, h *header) []byte {
	if e.drops(s.policy) {
		return append(dst, branchNull)
	}
	set, repaired := s.promoted.kit, false
	e.joined = e.joined[:0]
	for v := h; v != nil; v = set.next(v) {
		if v != h {
			e.joined = append(e.joined, s.promoted.separator...)
		}
		text, bad := e.safe(set.value(v), s.policy)
		repaired = repaired || bad
		e.joined = append(e.joined, text...)
	}
	if repaired {
		e.invalid.add(s.name)
	}
	return appendBytes(append(dst, branchValue), e.shortened(s, e.joined))
}
