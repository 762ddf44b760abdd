package logformat

import "encoding/binary"

// Constants for looking at eight bytes at a time: each byte of a word is treated alike, and the high bit of each byte holds the answer.
const (
	each     = 0x0101010101010101
	highBits = each * 0x80
)

// isPlain says whether v holds neither a backslash nor a byte that mode e escapes, the double quote aside: in the default mode
// below 0x20 or from 0x7f on, in JSON mode below 0x20. It is how most lines are spared a look at each byte of each value.
func isPlain(v []byte, e Escape) bool {
	if e == EscapeDefault {
		return isPlainASCII(v)
	}
	var odd uint64
	for ; len(v) >= 8; v = v[8:] {
		odd |= oddJSON(binary.LittleEndian.Uint64(v))
	}
	return (odd|oddJSON(lastWord(v)))&highBits == 0
}

// isPlainASCII is isPlain for the default mode.
func isPlainASCII(v []byte) bool {
	var odd uint64
	for ; len(v) >= 32; v = v[32:] {
		odd |= oddASCII(binary.LittleEndian.Uint64(v)) |
			oddASCII(binary.LittleEndian.Uint64(v[8:])) |
			oddASCII(binary.LittleEndian.Uint64(v[16:])) |
			oddASCII(binary.LittleEndian.Uint64(v[24:]))
	}
	for ; len(v) >= 8; v = v[8:] {
		odd |= oddASCII(binary.LittleEndian.Uint64(v))
	}
	return (odd|oddASCII(lastWord(v)))&highBits == 0
}

// oddASCII sets high bits if w has a byte of 0x80 or more (w itself), 0x7f (the sum), below 0x20 (the first difference) or a backslash
// (the second). Carries from one byte to the next happen only where a byte was found already, so that the word as a whole is right.
func oddASCII(w uint64) uint64 {
	return w | (w + each) | (w - each*0x20) | ((w ^ each*'\\') - each)
}

// oddJSON sets high bits if w has a byte below 0x20 or a backslash. Bytes of 0x80 and more have the high bit anyway, so they are masked.
func oddJSON(w uint64) uint64 {
	slash := w ^ each*'\\'
	return ((w - each*0x20) &^ w) | ((slash - each) &^ slash)
}

// lastWord returns up to seven bytes as a word, filled up with spaces, which are plain in all modes.
func lastWord(v []byte) uint64 {
	w := uint64(each * ' ')
	for i, c := range v {
		w ^= uint64(c^' ') << (8 * i)
	}
	return w
}
