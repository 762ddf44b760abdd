package logformat

import (
	"bytes"
	"fmt"
)

// Split cuts line, without its line feed, by the format. It returns one span per column, in the memory of dst if there is room
// for them; what dst held is overwritten. A span's bytes are still escaped (AppendUnescaped) and may be "missing" (Missing).
// Literals and spans joined are the line again.
//
// A line that Nginx can't have written by this format, or that can be read in more than one way, is refused: the error is a
// *Misfit. Values that are numbers or times are checked as the parsers of this package check them. It allocates nothing for a
// line that fits once dst is large enough. Work is linear in the length of the line, whatever a client makes of it.
func (f *Format) Split(dst []Span, line []byte) ([]Span, error) {
	if cap(dst) < len(f.columns) {
		dst = make([]Span, len(f.columns))
	}
	dst = dst[:len(f.columns)]
	if m := f.split(dst, line); m != nil {
		return dst[:0], m
	}
	return dst, nil
}

// split is Split with memory for the spans.
func (f *Format) split(dst []Span, line []byte) *Misfit {
	if len(line) > maxLine {
		return &Misfit{Offset: maxLine, Reason: "the line is too long"}
	}
	if !literalAt(line, 0, f.literals[0]) {
		return &Misfit{Reason: fmt.Sprintf("the line should start with %q", f.literals[0])}
	}
	pos := len(f.literals[0])
	plain := f.mayScan && isPlain(line, f.def.Escape)
	slash := nextSlash(line, pos)
	for i := range f.ops {
		o := &f.ops[i]
		var end int
		switch o.code {
		case opText:
			if end = f.endOfText(o, line, pos, slash, plain); end < 0 {
				return f.misfitText(o, line, pos)
			}
		case opSet:
			if end = o.endOfNumber(line, pos); end < 0 {
				end = o.endOfSet(line, pos)
				if end < pos || (o.kind != Token && !fits(o.kind, line[pos:end], f.def.Escape)) {
					return f.misfit(int(o.col), pos)
				}
			}
		case opFixed:
			end = pos + int(o.size)
			if end > len(line) || !fits(o.kind, line[pos:end], f.def.Escape) {
				return f.misfit(int(o.col), pos)
			}
		case opSegment:
			var m *Misfit
			if end, m = f.splitSegment(dst, o, line, pos); m != nil {
				return m
			}
		}
		if !o.after.isAt(line, end) {
			return f.misfit(int(o.last), end)
		}
		if o.code != opSegment {
			dst[o.col] = Span{int32(pos), int32(end)}
		}
		pos = end + len(o.after.text)
		if slash < pos {
			slash = nextSlash(line, pos)
		}
	}
	if pos != len(line) {
		return &Misfit{Offset: pos, Reason: "the line goes on after its last column"}
	}
	return nil
}

// endOfSet returns where the value at pos ends, by its bytes.
func (o *op) endOfSet(line []byte, pos int) int {
	end := pos
	for end < len(line) && o.set[line[end]] {
		end++
	}
	return end - int(o.back)
}

// endOfNumber is endOfSet and fits in one pass for an ordinary number, so short that it fits its kind whatever its digits are. -1
// means that the value is something else, which may fit all the same.
func (o *op) endOfNumber(line []byte, pos int) int {
	end := pos
	for end < len(line) && line[end]-'0' < 10 {
		end++
	}
	if end == pos || end-pos > int(o.whole) {
		return -1
	}
	if o.fraction > 0 && end < len(line) && line[end] == '.' {
		point := end
		for end++; end < len(line) && line[end]-'0' < 10; {
			end++
		}
		if n := end - point - 1; n == 0 || n > int(o.fraction) || o.kind == Msec && n != 3 {
			return -1
		}
	} else if o.kind == Msec {
		return -1
	}
	if end < len(line) && o.set[line[end]] {
		return -1 // a list, or no number
	}
	return end
}

// nextSlash returns the place of the first backslash from pos on, or the length of the line.
func nextSlash(line []byte, pos int) int {
	if n := bytes.IndexByte(line[pos:], '\\'); n >= 0 {
		return pos + n
	}
	return len(line)
}

// endOfText returns where the text at pos ends, or -1 if it does not fit. slash is the place of the next backslash. plain says
// that all bytes of the line but quotes and backslashes were looked at.
func (f *Format) endOfText(o *op, line []byte, pos, slash int, plain bool) int {
	n := indexStop(line, pos, o.stop)
	if slash < pos+n && f.def.Escape == EscapeJSON {
		n = indexUnescaped(line[pos:], o.stop)
	}
	end := pos + n - int(o.back)
	switch {
	case n < 0 || end < pos:
		return -1
	case !plain && !fitsText(line[pos:end], f.def.Escape):
		return -1
	case plain && slash < end && !fitsEscapes(line[slash:end], f.def.Escape):
		return -1
	}
	return end
}

// indexUnescaped is bytes.IndexByte for a line in JSON mode: it passes over the byte behind each backslash.
func indexUnescaped(v []byte, stop byte) int {
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case stop:
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// misfit says that column i, whose value should start or end at offset, does not fit.
func (f *Format) misfit(i, offset int) *Misfit {
	c := &f.columns[i]
	after := "and then the line should end"
	if l := f.literals[i+1]; l != "" {
		after = fmt.Sprintf("and then %q", l)
	}
	return &Misfit{Offset: offset, Variable: c.Name, Reason: fmt.Sprintf("%s should stand here, %s", expected(c.Kind), after)}
}

// misfitText says what is wrong with the text at pos: a byte that Nginx would have escaped, or no end.
func (f *Format) misfitText(o *op, line []byte, pos int) *Misfit {
	end := len(line)
	if n := bytes.IndexByte(line[pos:], o.stop); n >= 0 {
		end = pos + n
	}
	for i := pos; i < end; i++ {
		if c := line[i]; c == '\\' {
			_, n := unescapeOne(line[i:end], f.def.Escape)
			if n == 0 {
				return &Misfit{Offset: i, Variable: f.columns[o.col].Name, Reason: "a backslash that is no escape of Nginx"}
			}
			i += n - 1
		} else if !textByte(c, f.def.Escape) {
			return &Misfit{Offset: i, Variable: f.columns[o.col].Name, Reason: fmt.Sprintf("a byte that Nginx would have escaped (0x%02X)", c)}
		}
	}
	return f.misfit(int(o.col), end)
}

// expected names the values of a kind.
func expected(k Kind) string {
	switch k {
	case Token:
		return "one word"
	case Int, Long:
		return "a whole number"
	case Double:
		return "a number"
	case Msec:
		return "seconds with three decimals"
	case TimeLocal:
		return "a time such as 10/Oct/2000:13:55:36 -0700"
	case TimeISO:
		return "a time such as 2000-10-10T13:55:36-07:00"
	case IntList, LongList, DoubleList, TextList:
		return "a list such as \"a, b : c\""
	}
	return "a text"
}
