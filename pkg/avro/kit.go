package avro

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// The variables of our njs kit hold all headers of a request or a response. It writes the first form; the others are what people
// write themselves with njs, and what older kits wrote:
//
//	Name=value&Name2=value2          %XX for % & = " \ and every byte below 0x20 or above 0x7E; a space is a space
//	{"Name":"value","N":["v","w"]}   a JSON object; keys may repeat, as they do in JSON.stringify(r.headersOut)
//	[["Name","value"],…]             a JSON array of pairs, as in JSON.stringify(r.rawHeadersIn)
//
// Names are folded to lower case.

// read adds the headers of v, unescaped, to the set. The error says where v is broken.
func (s *headerSet) read(v []byte) error {
	switch kitStart(v) {
	case 0:
		return nil
	case '{':
		return (&kitJSON{set: s, v: v}).object()
	case '[':
		return (&kitJSON{set: s, v: v}).pairs()
	}
	return s.readPairs(v)
}

// readPairs reads the form with percent signs.
func (s *headerSet) readPairs(v []byte) error {
	for at := 0; at < len(v); {
		end := len(v)
		if n := bytes.IndexByte(v[at:], '&'); n >= 0 {
			end = at + n
			if end == len(v)-1 {
				return errKit(end, "a header ought to follow")
			}
		}
		equals := bytes.IndexByte(v[at:end], '=')
		if equals < 0 {
			return errKit(at, "a name without a value")
		}
		nameAt := len(s.buf)
		if !s.percent(v[at : at+equals]) {
			return errKit(at, "a percent sign without two hexadecimal digits")
		}
		if !s.endName(nameAt) {
			return errKit(at, "a header without a name")
		}
		valueAt := len(s.buf)
		if !s.percent(v[at+equals+1 : end]) {
			return errKit(at+equals+1, "a percent sign without two hexadecimal digits")
		}
		s.add(nameAt, valueAt)
		at = end + 1
	}
	return nil
}

// percent appends v to buf with %XX decoded; ok is false where the digits are missing.
func (s *headerSet) percent(v []byte) (ok bool) {
	for {
		i := bytes.IndexByte(v, '%')
		if i < 0 {
			s.buf = append(s.buf, v...)
			return true
		}
		s.buf = append(s.buf, v[:i]...)
		if len(v) < i+3 {
			return false
		}
		c, ok := unhex(v[i+1], v[i+2])
		if !ok {
			return false
		}
		s.buf = append(s.buf, c)
		v = v[i+3:]
	}
}

// endName makes what buf holds from nameAt on a name: in lower case and in UTF-8. ok is false if it is empty.
func (s *headerSet) endName(nameAt int) (ok bool) {
	name, all := s.buf[nameAt:], byte(0)
	for i, c := range name {
		name[i] = lower(c)
		all |= c
	}
	if all >= utf8.RuneSelf && !utf8.Valid(name) {
		// Not in place: the repaired name is longer. Nginx drops such headers unless it is told not to.
		s.buf = append(s.buf[:nameAt], appendRepaired(nil, name)...)
	}
	return len(name) > 0
}

// errKit is why a value that should hold all headers does not. It holds no bytes of the value, and is never built on the good path.
func errKit(at int, what string) error {
	return fmt.Errorf("the list of headers is broken at byte %d: %s", at, what)
}

// kitStart tells the three forms of such a value apart: nothing but JSON begins with a bracket, which no header name can hold.
func kitStart(v []byte) byte {
	v = bytes.TrimLeft(v, " ")
	if len(v) == 0 {
		return 0
	}
	return v[0]
}
