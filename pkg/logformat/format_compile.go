package logformat

import (
	"math"
	"strings"
)

// opCode is how an op finds the end of its value.
type opCode uint8

const (
	opText    opCode = iota // at the first stop byte, which the text can't hold
	opSet                   // at the first byte outside set
	opFixed                 // after size bytes
	opSegment               // a run of columns whose ends only show together
)

// op cuts one column, or one run of columns, off a line from the left.
type op struct {
	code     opCode
	kind     Kind
	stop     byte      // opText, opSegment: the byte that ends the value or the run, at literal[back]
	toEnd    bool      // opSegment: the run ends where the line's last literal starts
	col      int32     // the column, or the first of the run
	last     int32     // opSegment: the last of the run
	open     int32     // opSegment: the last that can't be cut off from the right
	back     int32     // opText, opSet, opSegment: bytes of the literal before its first one that the value can't hold
	size     int32     // opFixed
	set      *byteSet  // opSet: bytes of the value; nil otherwise
	whole    int8      // opSet: so many digits fit the kind whatever they are, 0 if it is no number
	fraction int8      // opSet: and so many behind a point, 0 if there may be none
	after    separator // the literal behind the value or the run
}

// Compile turns a definition into a plan for cutting its lines, or says why lines of that format can't be cut safely and what to
// do about it. Errors start with file and line where d has them, and give the column of the variable in the text.
//
// It refuses a format in which a value's end can't be seen: two variables with nothing between them; two texts with nothing but
// weak separators between them ($http_referer $http_user_agent without quotes); escape=none, unless the options trust it. A
// format with unquoted texts that are separated better compiles with a warning: most lines can then be read in one way only, and
// Split refuses the others.
func Compile(d *Definition, o Options) (*Format, error) {
	refs, literals, err := parseText(d)
	if err != nil {
		return nil, err
	}
	if err := checkTypes(o.Types); err != nil {
		return nil, err
	}
	f := &Format{def: d, columns: newColumns(refs, literals, o.Types), literals: literals}
	for _, c := range f.columns {
		set := valueBytes(c.Kind, d.Escape)
		f.sets = append(f.sets, &set)
	}
	if err := f.checkText(refs, o); err != nil {
		return nil, err
	}
	f.plan()
	if err := f.checkPlan(refs); err != nil {
		return nil, err
	}
	f.mayScan = d.Escape != EscapeNone
	for _, l := range literals {
		f.mayScan = f.mayScan && isPlain([]byte(l), d.Escape)
	}
	f.searches.New = func() any { return new(search) }
	return f, nil
}

// plan makes the ops.
func (f *Format) plan() {
	for i := 0; i < len(f.columns); {
		o, ok := f.planSingle(i)
		if !ok {
			o = f.planSegment(i)
		}
		f.ops = append(f.ops, o)
		i = int(o.last) + 1
	}
}

// planSingle makes the op of a column whose end shows by itself.
func (f *Format) planSingle(i int) (o op, ok bool) {
	kind, literal := f.columns[i].Kind, f.literals[i+1]
	o = op{kind: kind, col: int32(i), last: int32(i), open: int32(i), after: newSeparator(literal)}
	if n := fixedLen(kind); n > 0 {
		o.code, o.size = opFixed, int32(n)
		return o, true
	}
	back, ok := f.firstOutside(literal, f.sets[i])
	if !ok {
		return op{}, false
	}
	o.back = int32(back)
	if isText(kind) {
		o.code, o.stop = opText, literal[back]
	} else {
		o.code, o.set = opSet, f.sets[i]
		if back == 0 {
			o.whole, o.fraction = sureDigits(kind)
		}
	}
	return o, true
}

// sureDigits returns how many digits before and behind the point make a number of the kind whatever they are.
func sureDigits(k Kind) (whole, fraction int8) {
	switch k {
	case Int, IntList, Long, LongList:
		return 9, 0
	case Double, DoubleList:
		return 9, 6
	case Msec:
		return 10, 3
	}
	return 0, 0
}

// planSegment makes the op of the run that starts at column i, a text or a list whose end does not show by itself. The run ends
// before the first literal with a byte that nothing in the run can hold, or with the line.
func (f *Format) planSegment(i int) op {
	o := op{code: opSegment, kind: f.columns[i].Kind, col: int32(i)}
	j := i
	within := *f.sets[i]
	for ; ; j++ {
		if j == len(f.columns)-1 {
			o.toEnd = true
			break
		}
		back, ok := f.firstOutside(f.literals[j+1], &within)
		if ok {
			o.back, o.stop = int32(back), f.literals[j+1][back]
			break
		}
		within.union(f.sets[j+1])
	}
	o.last, o.open, o.after = int32(j), int32(j), newSeparator(f.literals[j+1])
	for o.open > o.col && f.showsItsStart(int(o.open)) {
		o.open--
	}
	return o
}

// firstOutside returns the index of the first byte of literal that is not in set. In JSON mode a quote behind a backslash does
// not count, for a value may end with the backslash's escape.
func (f *Format) firstOutside(literal string, set *byteSet) (i int, ok bool) {
	for i := range len(literal) {
		if !set[literal[i]] {
			return i, f.def.Escape != EscapeJSON || literal[i] != '"' || strings.IndexByte(literal[:i], '\\') < 0
		}
	}
	return 0, false
}

// showsItsStart says whether the start of column i can be found from its end: its length is fixed, or the literal before it has a
// byte that the value can't hold.
func (f *Format) showsItsStart(i int) bool {
	kind := f.columns[i].Kind
	if fixedLen(kind) > 0 {
		return true
	}
	return !isText(kind) && lastOutside(f.literals[i], f.sets[i]) >= 0
}

// lastOutside returns the index of the last byte of literal that is not in set, or -1.
func lastOutside(literal string, set *byteSet) int {
	for i := len(literal) - 1; i >= 0; i-- {
		if !set[literal[i]] {
			return i
		}
	}
	return -1
}

// maxLine is the longest line whose offsets fit a Span.
const maxLine = math.MaxInt32
