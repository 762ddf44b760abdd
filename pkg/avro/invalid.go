package avro

import "bytes"

// maxInvalid is the most names that invalid_utf8 holds. Whoever sends more broken headers has made the point.
const maxInvalid = 32

// nameList collects the names for invalid_utf8.
type nameList struct {
	buf  []byte // Avro strings
	n    int    // how many
	last int    // where the last one begins
}

func (l *nameList) reset() { l.buf, l.n, l.last = l.buf[:0], 0, 0 }

// add takes an Avro string. The name of the value before is not taken again: a list, or a header that is repeated.
func (l *nameList) add(name []byte) {
	if l.n == maxInvalid || l.n > 0 && bytes.Equal(l.buf[l.last:], name) {
		return
	}
	l.last = len(l.buf)
	l.buf = append(l.buf, name...)
	l.n++
}

// appendTo writes the names as an array of strings.
func (l *nameList) appendTo(dst []byte) []byte {
	if l.n > 0 {
		dst = append(dst, byte(l.n)<<1)
		dst = append(dst, l.buf...)
	}
	return append(dst, 0)
}
