package logformat

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Constants for looking at eight bytes at a time: each byte of a word is treated alike, and the high bit of each byte holds the
// answer.
const (
	each     = 0x0101010101010101
	highBits = each * 0x80
)

// isPlain says whether v holds no byte that mode e escapes, double quotes and backslashes aside: in the default mode below 0x20 or
// from 0x7f on, in JSON mode below 0x20. One look at the whole line spares a look at each byte of each value.
func isPlain(v []byte, e Escape) bool {
	if len(v) < 8 {
		for _, c := range v {
			if c < 0x20 || (c >= 0x7f && e == EscapeDefault) {
				return false
			}
		}
		return true
	}
	// The last word overlaps the one before it, so that no bytes are left over.
	last := binary.LittleEndian.Uint64(v[len(v)-8:])
	if e == EscapeDefault {
		return (oddASCII(last)|anyOddASCII(v))&highBits == 0
	}
	odd := oddJSON(last)
	for ; len(v) >= 8; v = v[8:] {
		odd |= oddJSON(binary.LittleEndian.Uint64(v))
	}
	return odd&highBits == 0
}

// anyOddASCII is oddASCII of all whole words of v together.
func anyOddASCII(v []byte) (odd uint64) {
	for ; len(v) >= 32; v = v[32:] {
		odd |= oddASCII(binary.LittleEndian.Uint64(v)) |
			oddASCII(binary.LittleEndian.Uint64(v[8:])) |
			oddASCII(binary.LittleEndian.Uint64(v[16:])) |
			oddASCII(binary.LittleEndian.Uint64(v[24:]))
	}
	for ; len(v) >= 8; v = v[8:] {
		odd |= oddASCII(binary.LittleEndian.Uint64(v))
	}
	return odd
}

// oddASCII sets high bits if w has a byte of 0x80 or more (w itself), 0x7f (the sum) or below 0x20 (the difference). Carries from one
// byte to the next happen only where a byte was found already, so that the answer for the word as a whole is right.
func oddASCII(w uint64) uint64 { return w | (w + each) | (w - each*0x20) }

// oddJSON sets high bits if w has a byte below 0x20. Bytes of 0x80 and more have the high bit anyway, so they are masked.
func oddJSON(w uint64) uint64 { return (w - each*0x20) &^ w }

// indexStop is bytes.IndexByte for line[pos:]. Most values are shorter than eight bytes, where the call costs more than the search.
func indexStop(line []byte, pos int, stop byte) int {
	if len(line)-pos >= 8 {
		w := binary.LittleEndian.Uint64(line[pos:]) ^ each*uint64(stop)
		// The lowest high bit that is set belongs to a byte that is zero now; those above it may not.
		if zero := (w - each) &^ w & highBits; zero != 0 {
			return bits.TrailingZeros64(zero) / 8
		}
	}
	return bytes.IndexByte(line[pos:], stop)
}

// separator is the literal behind a column, ready for a quick comparison.
type separator struct {
	text string
	word uint64 // the first eight bytes
	mask uint64 // the bits of word that count, all set if the text is longer
}

// newSeparator prepares text.
func newSeparator(text string) separator {
	var b, m [8]byte
	for i := range copy(b[:], text) {
		m[i] = 0xff
	}
	return separator{text: text, word: binary.LittleEndian.Uint64(b[:]), mask: binary.LittleEndian.Uint64(m[:])}
}

// isAt says whether the literal stands at line[i:].
func (s *separator) isAt(line []byte, i int) bool {
	if len(line)-i < 8 {
		return literalAt(line, i, s.text)
	}
	return binary.LittleEndian.Uint64(line[i:])&s.mask == s.word && (len(s.text) <= 8 || literalAt(line, i, s.text))
}

// literalAt says whether literal stands at line[i:].
func literalAt(line []byte, i int, literal string) bool {
	return len(line)-i >= len(literal) && string(line[i:i+len(literal)]) == literal
}
