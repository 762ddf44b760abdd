package logformat

// state is a place where the value of a column can start.
type state struct {
	pos  int32 // offset in the line
	from int32 // index of the state of the column before that leads here; -1 for the first
	ways uint8 // number of ways to get here: 1, or 2 for more than one
}

// search finds all ways to read a run of columns whose ends don't show. Column by column, it goes from the set of places where a
// value can start to the set of places where the next one can. So the work is bounded by columns times length, not by the number
// of ways, which grows with the power of the columns.
type search struct {
	f      *Format
	line   []byte // up to the end of the run
	states []state
	room   [128]state // where states starts out, enough for most lines
	level  int        // index of the first state of the current column
	steps  int        // bytes looked at and states made, so far
	limit  int        // bound of steps
}

// maxStates bounds the memory of a search. Only hostile lines have that many separators.
const maxStates = 1 << 16

// keptStates is the most that a search keeps from one line to the next.
const keptStates = 1 << 12

// splitOpen cuts the open columns of a run, from pos to end.
func (f *Format) splitOpen(dst []Span, o *op, line []byte, pos, end int) *Misfit {
	s := f.searches.Get().(*search)
	s.begin(f, o, line, pos, end)
	m := s.run(dst, int(o.col), int(o.open), pos)
	s.f, s.line = nil, nil
	if cap(s.states) <= keptStates {
		f.searches.Put(s)
	}
	return m
}

// begin makes the search ready for one run of one line.
func (s *search) begin(f *Format, o *op, line []byte, pos, end int) {
	s.f, s.line, s.steps = f, line[:end], 0
	s.limit = (int(o.open-o.col) + 8) * 4 * (end - pos + 64)
}

// exhausted says that the line costs more than a line may.
func (s *search) exhausted() bool { return s.steps > s.limit || len(s.states) > maxStates }

// run finds the way to read columns first to last from pos to the end of s.line, and fills their spans.
func (s *search) run(dst []Span, first, last, pos int) *Misfit {
	if s.states == nil {
		s.states = s.room[:]
	}
	s.states = append(s.states[:0], state{pos: int32(pos), from: -1, ways: 1})
	s.level = 0
	for i := first; i <= last; i++ {
		start, next := s.level, len(s.states)
		if isText(s.f.columns[i].Kind) && s.f.columns[i].Kind != TextList {
			s.stepText(i, i == last)
		} else {
			s.stepTyped(i, i == last)
		}
		switch {
		case s.exhausted():
			return &Misfit{Offset: pos, Variable: s.f.columns[first].Name, Reason: "there are too many ways to read the line from here on; " +
				"put double quotes around the variable in the format"}
		case len(s.states) == next:
			return s.f.misfit(i, int(s.states[start].pos))
		}
		s.level = next
	}
	end := &s.states[s.level]
	if end.ways > 1 {
		return s.ambiguous(first, last)
	}
	s.fill(dst, last, end)
	return nil
}

// fill writes the spans on the way that leads to end, the only state behind the last column.
func (s *search) fill(dst []Span, last int, end *state) {
	valueEnd := end.pos
	for i, from := last, end.from; from >= 0; i-- {
		st := &s.states[from]
		dst[i] = Span{st.pos, valueEnd}
		valueEnd = st.pos - int32(len(s.f.literals[i]))
		from = st.from
	}
}

// ambiguous names a column that can end in more than one place. A word, a number or a time is only moved about by the text or
// list before it, which is the one to put in quotes.
func (s *search) ambiguous(first, last int) *Misfit {
	i := last
	st := &s.states[s.states[s.level].from]
	for ; st.ways > 1; i-- {
		st = &s.states[st.from]
	}
	// There is one way to here, and more than one place where the column before can end.
	i--
	for st = &s.states[st.from]; i > first && hasNoSpace(s.f.columns[i].Kind); i-- {
		st = &s.states[st.from]
	}
	return &Misfit{Offset: int(st.pos), Variable: s.f.columns[i].Name,
		Reason: "can be read in more than one way; put double quotes around the variable in the format"}
}

// stepText finds where the values of text column i can end: before each of its literals, or at the end of the run, that can be
// reached from a start without a byte that a text can't hold. One pass over the line serves all starts.
func (s *search) stepText(i int, last bool) {
	literal, set := s.f.literals[i+1], s.f.sets[i]
	next, starts := s.level, len(s.states)
	var ways uint8 // of all starts from which the current place can be reached
	var from int32
	for p := int(s.states[next].pos); p <= len(s.line); {
		s.steps++
		if next < starts && int(s.states[next].pos) == p {
			ways, from = addWays(ways, s.states[next].ways), int32(next)
			next++
		}
		if ways == 0 {
			if next == starts {
				return
			}
			p = int(s.states[next].pos)
			continue
		}
		s.endText(p, literal, last, from, ways)
		if p == len(s.line) || s.exhausted() {
			return
		}
		n := s.lengthAt(p, set)
		if n == 0 {
			ways, n = 0, 1
		}
		p += n // no value starts within an escape: Compile refuses separators with a backslash here
	}
}

// endText adds the state behind the literal at p, if there is one, or the state behind the last column.
func (s *search) endText(p int, literal string, last bool, from int32, ways uint8) {
	switch {
	case last && p == len(s.line):
		s.states = append(s.states, state{pos: int32(p), from: from, ways: ways})
	case !last && literalAt(s.line, p, literal):
		s.states = append(s.states, state{pos: int32(p + len(literal)), from: from, ways: ways})
	}
}

// lengthAt returns how many bytes at p belong together in a text: one, or an escape; 0 if a text can't hold what is there.
func (s *search) lengthAt(p int, set *byteSet) int {
	c := s.line[p]
	if c == '\\' && s.f.def.Escape != EscapeNone {
		_, n := unescapeOne(s.line[p:], s.f.def.Escape)
		return n
	}
	if !set[c] {
		return 0
	}
	return 1
}

// stepTyped finds where the values of column i, a word, a number, a time or a list, can end. From each start it goes as far as
// the bytes of the kind go, and tries each of the literals on the way.
func (s *search) stepTyped(i int, last bool) {
	kind, literal, set := s.f.columns[i].Kind, s.f.literals[i+1], s.f.sets[i]
	starts := len(s.states)
	for from := s.level; from < starts && !s.exhausted(); from++ {
		start := int(s.states[from].pos)
		for end := start; end <= len(s.line) && !s.exhausted(); end++ {
			s.steps++
			if last && end == len(s.line) {
				s.tryTyped(kind, start, end, end, from, starts)
			} else if !last && literalAt(s.line, end, literal) {
				s.tryTyped(kind, start, end, end+len(literal), from, starts)
			}
			if end == len(s.line) || !set[s.line[end]] {
				break
			}
		}
	}
}

// tryTyped adds the state at next if the bytes from start to end are a value of the kind. The new states, from index first on,
// stay sorted by place, and ways that meet are added up.
func (s *search) tryTyped(kind Kind, start, end, next, from, first int) {
	s.steps += end - start
	if !fitsUnquoted(kind, s.line[start:end], s.f.def.Escape) {
		return
	}
	i := len(s.states)
	for i > first && int(s.states[i-1].pos) >= next {
		i--
		s.steps++
	}
	ways := s.states[from].ways
	if i < len(s.states) && int(s.states[i].pos) == next {
		s.states[i].ways = addWays(s.states[i].ways, ways)
		return
	}
	s.states = append(s.states, state{})
	copy(s.states[i+1:], s.states[i:])
	s.states[i] = state{pos: int32(next), from: int32(from), ways: ways}
}

// addWays adds two numbers of ways, up to 2.
func addWays(a, b uint8) uint8 { return min(a+b, 2) }
