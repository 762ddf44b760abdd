package avro

import (
	"unicode/utf16"
	"unicode/utf8"
)

// kitJSON reads headers out of JSON. It is not encoding/json: keys may repeat, strings may hold bytes that are not UTF-8, and nothing is
// allocated.
type kitJSON struct {
	set *headerSet
	v   []byte
	at  int
}

// object reads {"name":value,…}.
func (j *kitJSON) object() error {
	return j.list('{', '}', func() error {
		nameAt := len(j.set.buf)
		if err := j.name(nameAt); err != nil {
			return err
		}
		if !j.take(':') {
			return errKit(j.at, "no colon after a name")
		}
		return j.values(nameAt, len(j.set.buf))
	})
}

// pairs reads [["name",value],…].
func (j *kitJSON) pairs() error {
	return j.list('[', ']', func() error {
		if !j.take('[') {
			return errKit(j.at, "no pair of name and value")
		}
		nameAt := len(j.set.buf)
		if err := j.name(nameAt); err != nil {
			return err
		}
		if !j.take(',') {
			return errKit(j.at, "no comma after a name")
		}
		if err := j.values(nameAt, len(j.set.buf)); err != nil {
			return err
		}
		if !j.take(']') {
			return errKit(j.at, "a pair without an end")
		}
		return nil
	})
}

// list reads the whole value: open, items with commas between them, end, and nothing after it.
func (j *kitJSON) list(open, end byte, item func() error) error {
	if err := j.items(open, end, item); err != nil {
		return err
	}
	if j.peek() != 0 || j.at != len(j.v) {
		return errKit(j.at, "more after the end")
	}
	return nil
}

func (j *kitJSON) items(open, end byte, item func() error) error {
	if !j.take(open) {
		return errKit(j.at, "no opening bracket")
	}
	if j.take(end) {
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		if j.take(end) {
			return nil
		}
		if !j.take(',') {
			return errKit(j.at, "no comma between headers")
		}
	}
}

func (j *kitJSON) name(nameAt int) error {
	if err := j.text(); err != nil {
		return err
	}
	if !j.set.endName(nameAt) {
		return errKit(j.at, "a header without a name")
	}
	return nil
}

// values reads a value, or an array of values, of the name that lies in buf from nameAt to nameEnd.
func (j *kitJSON) values(nameAt, nameEnd int) error {
	if j.peek() != '[' {
		return j.value(nameAt, nameEnd)
	}
	return j.items('[', ']', func() error {
		// Each further value needs the name before it again: a header's name and value lie side by side.
		again := len(j.set.buf)
		if again > nameEnd {
			j.set.buf = append(j.set.buf, j.set.buf[nameAt:nameEnd]...)
			return j.value(again, len(j.set.buf))
		}
		return j.value(nameAt, nameEnd)
	})
}

// value reads a string or a number; null is a header without a value and adds none, and so is {}: JSON.stringify(r.headersIn) writes it in
// place of what a header named __proto__ holds, and no client may send a line to quarantine with that.
func (j *kitJSON) value(nameAt, valueAt int) error {
	switch c := j.peek(); {
	case c == '"':
		if err := j.text(); err != nil {
			return err
		}
	case c == 'n' && len(j.v)-j.at >= 4 && string(j.v[j.at:j.at+4]) == "null":
		j.at += 4
		return nil
	case c == '{':
		if j.at++; !j.take('}') {
			return errKit(j.at, "a value that is neither a string nor a number")
		}
		return nil
	case c == '-' || c >= '0' && c <= '9':
		for j.at < len(j.v) && isNumber(j.v[j.at]) {
			j.set.buf = append(j.set.buf, j.v[j.at])
			j.at++
		}
	default:
		return errKit(j.at, "a value that is neither a string nor a number")
	}
	j.set.add(nameAt, valueAt)
	return nil
}

func isNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// peek skips blanks and returns the next byte, 0 at the end.
func (j *kitJSON) peek() byte {
	for j.at < len(j.v) {
		switch c := j.v[j.at]; c {
		case ' ', '\t', '\r', '\n':
			j.at++
		default:
			return c
		}
	}
	return 0
}

// take skips blanks and the byte c, if it comes next.
func (j *kitJSON) take(c byte) bool {
	if j.peek() != c || j.at == len(j.v) {
		return false
	}
	j.at++
	return true
}

// text reads a string and appends what it stands for to buf.
func (j *kitJSON) text() error {
	if !j.take('"') {
		return errKit(j.at, "no string")
	}
	for j.at < len(j.v) {
		c := j.v[j.at]
		j.at++
		switch c {
		case '"':
			return nil
		case '\\':
			if !j.escape() {
				return errKit(j.at, "an unknown escape in a string")
			}
		default:
			j.set.buf = append(j.set.buf, c)
		}
	}
	return errKit(j.at, "a string without an end")
}

// escape reads what follows a backslash.
func (j *kitJSON) escape() bool {
	if j.at == len(j.v) {
		return false
	}
	c := j.v[j.at]
	j.at++
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return j.unicode()
	default:
		return false
	}
	j.set.buf = append(j.set.buf, c)
	return true
}

// unicode reads four digits, and a second escape if they are the first half of a surrogate pair. Half a pair becomes U+FFFD.
func (j *kitJSON) unicode() bool {
	r, ok := j.digits(j.at)
	if !ok {
		return false
	}
	j.at += 4
	if utf16.IsSurrogate(r) {
		r2, ok := rune(0), false
		if len(j.v) >= j.at+6 && j.v[j.at] == '\\' && j.v[j.at+1] == 'u' {
			r2, ok = j.digits(j.at + 2)
		}
		r = utf16.DecodeRune(r, r2)
		if ok && r != utf8.RuneError {
			j.at += 6
		}
	}
	j.set.buf = utf8.AppendRune(j.set.buf, r)
	return true
}

func (j *kitJSON) digits(at int) (rune, bool) {
	if len(j.v) < at+4 {
		return 0, false
	}
	hi, ok1 := unhex(j.v[at], j.v[at+1])
	lo, ok2 := unhex(j.v[at+2], j.v[at+3])
	return rune(hi)<<8 | rune(lo), ok1 && ok2
}
