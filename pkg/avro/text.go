package avro

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

const highBits = 0x8080808080808080

// plainLen returns how many bytes of b stand for themselves: up to the first that is escaped or not ASCII. Most lines are plain as
// a whole, and most others up to their last columns.
func plainLen(b []byte) int {
	if i := bytes.IndexByte(b, '\\'); i >= 0 {
		b = b[:i]
	}
	return asciiLen(b)
}

// isPlain tells whether b is what it stands for.
func isPlain(b []byte) bool { return plainLen(b) == len(b) }

// asciiLen returns how many bytes of b come before the first above 0x7F.
func asciiLen(b []byte) int {
	i := 0
	for ; len(b)-i >= 32; i += 32 {
		w := b[i : i+32]
		if (binary.LittleEndian.Uint64(w)|binary.LittleEndian.Uint64(w[8:])|
			binary.LittleEndian.Uint64(w[16:])|binary.LittleEndian.Uint64(w[24:]))&highBits != 0 {
			break
		}
	}
	for ; len(b)-i >= 8; i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&highBits != 0 {
			break
		}
	}
	for i < len(b) && b[i] < utf8.RuneSelf {
		i++
	}
	return i
}

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
