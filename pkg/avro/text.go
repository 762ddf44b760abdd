package avro

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// isASCII tells whether no byte of b is above 0x7F.
func isASCII(b []byte) bool {
	for len(b) >= 32 {
		w := binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[8:]) |
			binary.LittleEndian.Uint64(b[16:]) | binary.LittleEndian.Uint64(b[24:])
		if w&highBits != 0 {
			return false
		}
		b = b[32:]
	}
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&highBits != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isPlain tells whether b is what it stands for: ASCII without anything escaped. Most lines are plain as a whole.
func isPlain(b []byte) bool { return bytes.IndexByte(b, '\\') < 0 && isASCII(b) }

const replacement = "\uFFFD"

// appendRepaired appends s with U+FFFD for each maximal subpart of an ill-formed sequence, as the Unicode Standard (section 3.9,
// "U+FFFD Substitution of Maximal Subparts") and the WHATWG Encoding Standard have it. Go's own conversions put one for each byte or
// one for each run instead.
func appendRepaired(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, replacement...)
			s = s[subpart(s):]
			continue
		}
		dst = append(dst, s[:n]...)
		s = s[n:]
	}
	return dst
}

// subpart returns the length of the maximal subpart at the start of s, which is ill-formed: the longest piece that begins a
// well-formed sequence (table 3-7 of the Unicode Standard), or one byte.
func subpart(s []byte) int {
	lo, hi, most := byte(0x80), byte(0xBF), 2
	switch c := s[0]; {
	case c == 0xE0:
		lo = 0xA0
	case c == 0xED:
		hi = 0x9F
	case c > 0xE0 && c <= 0xEF:
	case c == 0xF0:
		lo, most = 0x90, 3
	case c == 0xF4:
		hi, most = 0x8F, 3
	case c > 0xF0 && c < 0xF4:
		most = 3
	default:
		return 1
	}
	n := 1
	for n < most && n < len(s) && s[n] >= lo && s[n] <= hi {
		lo, hi = 0x80, 0xBF
		n++
	}
	return n
}
