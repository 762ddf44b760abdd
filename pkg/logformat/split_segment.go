package logformat

import "bytes"

// splitSegment cuts a run of columns and returns where the run ends. The run's end is certain: it is where a byte stands that
// nothing in it can hold. From there columns are cut off from the right as long as each shows its own start. What is left is one
// column, or a matter of search.
func (f *Format) splitSegment(dst []Span, o *op, line []byte, pos int) (end int, m *Misfit) {
	end = f.endOfSegment(o, line, pos)
	if end < pos {
		return 0, f.misfit(int(o.last), len(line))
	}
	open := end
	for i := int(o.last); i > int(o.open); i-- {
		start := f.startFromRight(i, line, pos, open)
		if start < 0 {
			return 0, f.misfit(i, open)
		}
		dst[i] = Span{int32(start), int32(open)}
		open = start - len(f.literals[i])
	}
	if o.open > o.col {
		return end, f.splitOpen(dst, o, line, pos, open)
	}
	if !fits(o.kind, line[pos:open], f.def.Escape) {
		return 0, f.misfit(int(o.col), pos)
	}
	dst[o.col] = Span{int32(pos), int32(open)}
	return end, nil
}

// endOfSegment returns where the last value of a run that starts at pos ends, or less than pos if that can't be.
func (f *Format) endOfSegment(o *op, line []byte, pos int) int {
	if o.toEnd {
		return len(line) - len(o.after.text)
	}
	n := -1
	if f.def.Escape == EscapeJSON {
		n = indexUnescaped(line[pos:], o.stop)
	} else {
		n = bytes.IndexByte(line[pos:], o.stop)
	}
	if n < 0 {
		return -1
	}
	return pos + n - int(o.back)
}

// startFromRight returns where the value of column i starts that ends at end, with its literal before it and all of it from pos
// on, or -1 if it does not fit.
func (f *Format) startFromRight(i int, line []byte, pos, end int) int {
	kind, literal := f.columns[i].Kind, f.literals[i]
	start := end - fixedLen(kind)
	if start == end {
		set := f.sets[i]
		for start > pos && set[line[start-1]] {
			start--
		}
		// line[start-1] is the literal's last byte that the value can't hold; the literal's other bytes follow it.
		start += len(literal) - 1 - lastOutside(literal, set)
	}
	if start-len(literal) < pos || start > end || !literalAt(line, start-len(literal), literal) {
		return -1
	}
	if !fits(kind, line[start:end], f.def.Escape) {
		return -1
	}
	return start
}
