package pipeline

import (
	"cmp"
	"hash/maphash"
	"slices"
)

// maxFrequent is how many names a table of frequentNames holds.
const maxFrequent = 256

// frequentNames finds the frequent among any number of names, in a table of fixed size (the algorithm of Misra and Gries): a name that is not
// in the full table takes one from the count of each that is. No count is too high, and none is too low by more than the number of names
// counted, divided by the size of the table.
type frequentNames struct {
	slots [maxFrequent]frequentName
	used  int
	index [2 * maxFrequent]uint16 // open addressing: the number of a slot plus one, 0 where there is none
	seed  maphash.Seed
}

// frequentName is a name and how often it was counted.
type frequentName struct {
	name    [maxName]byte
	size    uint8
	count   int32
	example place
}

func (c *frequentName) is(name []byte) bool { return string(c.name[:c.size]) == string(name) }

// add counts a name of at most maxName bytes.
func (t *frequentNames) add(name []byte, line place) {
	at := t.find(name)
	switch {
	case t.index[at] != 0:
		t.slots[t.index[at]-1].count++
	case t.used < maxFrequent:
		c := &t.slots[t.used]
		c.size, c.count, c.example = uint8(copy(c.name[:], name)), 1, line
		t.used++
		t.index[at] = uint16(t.used)
	default:
		t.decay()
	}
}

// find returns where in the index the name is, or belongs.
func (t *frequentNames) find(name []byte) int {
	at := int(maphash.Bytes(t.seed, name) % uint64(len(t.index)))
	for t.index[at] != 0 && !t.slots[t.index[at]-1].is(name) {
		at = (at + 1) % len(t.index)
	}
	return at
}

// decay takes one from each count and drops those without any. The table was full, so that many names were added since the last time.
func (t *frequentNames) decay() {
	used := t.used
	t.used = 0
	clear(t.index[:])
	for i := range used {
		c := &t.slots[i]
		if c.count--; c.count == 0 {
			continue
		}
		if t.used != i {
			t.slots[t.used] = *c
		}
		t.used++
		t.index[t.find(c.name[:c.size])] = uint16(t.used)
	}
}

// above returns the names that were counted more often than limit, the most frequent first. They belong to the table.
func (t *frequentNames) above(limit float64) (found []*frequentName) {
	for i := range t.used {
		if c := &t.slots[i]; c.count >= atLeast && float64(c.count) > limit {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *frequentName) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(string(a.name[:a.size]), string(b.name[:b.size])))
	})
	return found
}

// reset empties the table.
func (t *frequentNames) reset() {
	t.used = 0
	clear(t.index[:])
}
