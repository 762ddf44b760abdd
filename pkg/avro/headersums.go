package avro

import (
	"hash/maphash"

	"ngxtap/pkg/logformat"
)

// HeaderSums holds a number for the set of header names of a line, for each family; 0 means no headers. Equal sets have equal numbers,
// in whatever order the names come and by whatever encoder of this process; different sets have different ones, as far as 64 bits with a
// secret seed can tell. So whoever counts names need not look at them again in the lines of which the set was seen before.
type HeaderSums [logformat.UpstreamHeader + 1]uint64

// nameSeed is of this process, so that no client can know which names fall together. It is never modified.
var nameSeed = maphash.MakeSeed()

func hashName(name []byte) uint64 { return maphash.Bytes(nameSeed, name) }

// addSkipped adds to the sum of a map the headers with a column of their own that are left out of events.
func (e *Encoder) addSkipped(sum uint64, plan *headerPlan, line []byte, spans []logformat.Span) uint64 {
	for i := range plan.skipped {
		if h := &plan.skipped[i]; e.has(plan, h, line, spans) {
			sum += h.hash
		}
	}
	return sum
}

// has tells whether a header with a column of its own is in the line, and not also in the column that holds all.
func (e *Encoder) has(plan *headerPlan, h *headerColumn, line []byte, spans []logformat.Span) bool {
	return !e.missing(spans[h.column].Of(line)) && (plan.kit == nil || plan.kit.find(h.header) == nil)
}

// HeaderSums returns the sums of the last event. They belong to the encoder, and hold until its next event.
func (e *Encoder) HeaderSums() *HeaderSums { return &e.sums }

// EachHeader calls yield with the names of one family's headers in the line that became the last event, each name once, in lower case and in
// UTF-8 and otherwise whatever a client sent. Those are counted, too, that are not in the event: for HeaderRules, or because they are secrets
// that are dropped. line and spans are what AppendEvent got. A name is scratch memory and may not be kept. It allocates nothing.
func (e *Encoder) EachHeader(side logformat.Family, line []byte, spans []logformat.Span, yield func(name []byte)) {
	for i := range e.steps {
		if plan := e.steps[i].headers; plan != nil && plan.family == side {
			e.eachHeader(plan, line, spans, yield)
		}
	}
}

func (e *Encoder) eachHeader(plan *headerPlan, line []byte, spans []logformat.Span, yield func(name []byte)) {
	if plan.kit != nil {
		if len(plan.kit.items) == 0 && e.sums[plan.family] != 0 { // its memory was given back after a huge line
			_ = e.readKit(plan, line, spans[plan.all]) // it could be read a moment ago
		}
		for i := range plan.kit.items {
			if h := &plan.kit.items[i]; h.first {
				yield(plan.kit.name(h))
			}
		}
	}
	for _, columns := range [...][]headerColumn{plan.named, plan.skipped} {
		for i := range columns {
			if h := &columns[i]; e.has(plan, h, line, spans) {
				yield(h.header)
			}
		}
	}
}
