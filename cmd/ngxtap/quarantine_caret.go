package main

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// cell is one character of a line as it is printed.
type cell struct {
	end   int    // in the line, after its last byte
	text  string // escaped where it can't be printed
	width int    // columns of a terminal
}

// pointAt returns a line as it can be printed in width columns, and what to print below it: a caret under the byte at column, which may be
// that after the last. Of a longer line it returns the part around that byte, with … where it was cut. The mark is empty where column is
// neither.
func pointAt(raw []byte, column, width int) (text, mark string) {
	inLine := column >= 0 && column <= len(raw)
	if !inLine {
		column = 0
	}
	// No character is wider than its bytes but by escapes, so this many bytes are enough on either side.
	from, to := max(0, column-2*width), min(len(raw), column+2*width)
	for i := 0; i < utf8.UTFMax-1 && from > 0 && from < column && !utf8.RuneStart(raw[from]); i++ {
		from++
	}
	cells := cellsOf(raw[from:to], from)
	caret := 0
	for caret < len(cells) && cells[caret].end <= column {
		caret++
	}
	first, last := window(cells, caret, width-2)
	var b strings.Builder
	before := 0
	if from > 0 || first > 0 {
		b.WriteString("…")
		before = 1
	}
	for i, c := range cells[first:last] {
		b.WriteString(c.text)
		if first+i < caret {
			before += c.width
		}
	}
	if to < len(raw) || last < len(cells) {
		b.WriteString("…")
	}
	if !inLine {
		return b.String(), ""
	}
	return b.String(), strings.Repeat(" ", before) + "^"
}

// window chooses which cells to print: up to width columns with the caret in them, with more before it than after it.
func window(cells []cell, caret, width int) (first, last int) {
	room := 2 * width / 3
	first = caret
	for first > 0 && room >= cells[first-1].width {
		first--
		room -= cells[first].width
	}
	room = width
	for last = first; last < len(cells) && (room >= cells[last].width || last <= caret); last++ {
		room -= cells[last].width
	}
	for first > 0 && room >= cells[first-1].width { // the line ends soon after the caret
		first--
		room -= cells[first].width
	}
	return first, last
}

// cellsOf cuts a line into characters. at is the offset of b in it.
func cellsOf(b []byte, at int) []cell {
	cells := make([]cell, 0, len(b))
	for len(b) > 0 {
		if ' ' <= b[0] && b[0] <= '~' { // most of them
			at++
			cells = append(cells, cell{end: at, text: string(b[:1]), width: 1})
			b = b[1:]
			continue
		}
		r, n := utf8.DecodeRune(b)
		c := cell{end: at + n, text: string(appendPrintable(nil, b[:n], ""))}
		if c.text == string(b[:n]) {
			c.width = runeWidth(r)
		} else {
			c.width = len(c.text) // escapes are ASCII
		}
		cells = append(cells, c)
		b, at = b[n:], at+n
	}
	return cells
}

// runeWidth returns how many columns a terminal gives to a character that can be printed.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), 0x1160 <= r && r <= 0x11FF:
		return 0 // drawn over or into the one before
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wide are the characters that take two columns: those of Unicode's EastAsianWidth.txt that are W or F, in rough ranges.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115F, 1}, {0x231A, 0x231B, 1}, {0x2329, 0x232A, 1}, {0x23E9, 0x23EC, 1}, {0x23F0, 0x23F3, 3}, {0x25FD, 0x25FE, 1},
		{0x2614, 0x2615, 1}, {0x2648, 0x2653, 1}, {0x267F, 0x2693, 20}, {0x26A1, 0x26AA, 9}, {0x26AB, 0x26BD, 18}, {0x26BE, 0x26C4, 6},
		{0x26C5, 0x26CE, 9}, {0x26D4, 0x26EA, 22}, {0x26F2, 0x26F3, 1}, {0x26F5, 0x26FA, 5}, {0x26FD, 0x26FD, 1}, {0x2705, 0x2705, 1},
		{0x270A, 0x270B, 1}, {0x2728, 0x2728, 1}, {0x274C, 0x274E, 2}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2795, 0x2797, 1},
		{0x27B0, 0x27BF, 15}, {0x2B1B, 0x2B1C, 1}, {0x2B50, 0x2B55, 5}, {0x2E80, 0x303E, 1}, {0x3041, 0x4DBF, 1}, {0x4E00, 0xA4CF, 1},
		{0xA960, 0xA97F, 1}, {0xAC00, 0xD7A3, 1}, {0xF900, 0xFAFF, 1}, {0xFE10, 0xFE19, 1}, {0xFE30, 0xFE6F, 1}, {0xFF00, 0xFF60, 1},
		{0xFFE0, 0xFFE6, 1},
	},
	R32: []unicode.Range32{
		{0x16FE0, 0x18DFF, 1}, {0x1B000, 0x1B2FF, 1}, {0x1F004, 0x1F004, 1}, {0x1F0CF, 0x1F0CF, 1}, {0x1F18E, 0x1F18E, 1}, {0x1F191, 0x1F19A, 1},
		{0x1F200, 0x1F320, 1}, {0x1F32D, 0x1F335, 1}, {0x1F337, 0x1F37C, 1}, {0x1F37E, 0x1F393, 1}, {0x1F3A0, 0x1F3CA, 1}, {0x1F3CF, 0x1F3D3, 1},
		{0x1F3E0, 0x1F3F0, 1}, {0x1F3F4, 0x1F3F4, 1}, {0x1F3F8, 0x1F43E, 1}, {0x1F440, 0x1F440, 1}, {0x1F442, 0x1F4FC, 1}, {0x1F4FF, 0x1F53D, 1},
		{0x1F54B, 0x1F54E, 1}, {0x1F550, 0x1F567, 1}, {0x1F57A, 0x1F57A, 1}, {0x1F595, 0x1F596, 1}, {0x1F5A4, 0x1F5A4, 1}, {0x1F5FB, 0x1F64F, 1},
		{0x1F680, 0x1F6C5, 1}, {0x1F6CC, 0x1F6CC, 1}, {0x1F6D0, 0x1F6D2, 1}, {0x1F6D5, 0x1F6DF, 1}, {0x1F6EB, 0x1F6EC, 1}, {0x1F6F4, 0x1F6FC, 1},
		{0x1F7E0, 0x1F7EB, 1}, {0x1F90C, 0x1F93A, 1}, {0x1F93C, 0x1F945, 1}, {0x1F947, 0x1F9FF, 1}, {0x1FA70, 0x1FAFF, 1}, {0x20000, 0x3FFFD, 1},
	},
}
