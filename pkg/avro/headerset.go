package avro

// headerSet is the headers of one line, read from a value that holds them all. Equal names are chained in their order. A hash table
// finds them: a client decides how many headers there are, and may send thousands.
type headerSet struct {
	buf   []byte   // names and values
	items []header // in the order of the value
	table []slot   // open addressing; its length is a power of two, at least twice that of items
	line  uint32   // slots of other lines are empty
	sum   uint64   // of the hashes of the names, see HeaderSums
}

// header is one name and value.
type header struct {
	nameAt, nameEnd   int32 // in buf
	valueAt, valueEnd int32
	after             int32 // index of the next item of this name, 0 without: item 0 follows none
	last              int32 // of the first item of a name: index of the last
	first             bool
}

type slot struct {
	line uint32
	item int32
}

const minTable = 64

func newHeaderSet() *headerSet {
	return &headerSet{table: make([]slot, minTable)}
}

// reset empties the set.
func (s *headerSet) reset() {
	s.buf, s.items, s.sum = s.buf[:0], s.items[:0], 0
	s.line++
	if s.line == 0 { // after four billion lines: no old slot may pass for one of this line
		clear(s.table)
		s.line = 1
	}
}

// forget empties the set and gives back its memory.
func (s *headerSet) forget() { *s = headerSet{table: make([]slot, minTable), line: 1} }

func (s *headerSet) name(h *header) []byte  { return s.buf[h.nameAt:h.nameEnd] }
func (s *headerSet) value(h *header) []byte { return s.buf[h.valueAt:h.valueEnd] }

// next returns the next header of the same name, or nil.
func (s *headerSet) next(h *header) *header {
	if h.after == 0 {
		return nil
	}
	return &s.items[h.after]
}

// count returns how many headers have the name of h, which is the first of them.
func (s *headerSet) count(h *header) (n int) {
	for ; h != nil; h = s.next(h) {
		n++
	}
	return n
}

// find returns the first header of a name, which is in lower case, or nil.
func (s *headerSet) find(name []byte) *header {
	if at := s.slot(name, hashName(name)); s.table[at].line == s.line {
		return &s.items[s.table[at].item]
	}
	return nil
}

// slot returns the index of the slot that holds the name, whose hash is given, or of the empty one where it belongs.
func (s *headerSet) slot(name []byte, hash uint64) int {
	mask := len(s.table) - 1
	at := int(hash) & mask
	for s.table[at].line == s.line && string(s.name(&s.items[s.table[at].item])) != string(name) {
		at = (at + 1) & mask
	}
	return at
}

// add takes the header whose name and value are the end of buf: the name from nameAt on, the value from valueAt on. The name is in lower case
// and in UTF-8.
func (s *headerSet) add(nameAt, valueAt int) {
	n := int32(len(s.items))
	h := header{nameAt: int32(nameAt), nameEnd: int32(valueAt), valueAt: int32(valueAt), valueEnd: int32(len(s.buf)), last: n}
	name := s.buf[nameAt:valueAt]
	hash := hashName(name)
	at := s.slot(name, hash)
	if s.table[at].line == s.line {
		first := &s.items[s.table[at].item]
		s.items[first.last].after = n
		first.last = n
	} else {
		s.table[at] = slot{s.line, n}
		h.first = true
		s.sum += hash
	}
	s.items = append(s.items, h)
	if 2*len(s.items) > len(s.table) {
		s.grow()
	}
}

// grow doubles the table.
func (s *headerSet) grow() {
	s.table = make([]slot, 2*len(s.table))
	for i := range s.items {
		if h := &s.items[i]; h.first {
			name := s.name(h)
			s.table[s.slot(name, hashName(name))] = slot{s.line, int32(i)}
		}
	}
}
