package pipeline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// Rules for rare names: those in too few events for headerWatch, which the census knows all the same.
const (
	rareWindows = 3                // a name is told when it was seen in so many windows, the last among them,
	rareEvents  = atLeast          // and in so many events
	rareLearn   = 24 * time.Hour   // names that come in the first day of a census are learned in silence
	rarePause   = 60 * time.Minute // between two events that tell of rare names
	rareRecent  = 32               // names that the position remembers to have been told
)

// rareWatch is what drift remembers of rare names, beside the census, which is a cache.
type rareWatch struct {
	told   int64    // when rare names were last told, in Unix seconds
	recent []uint32 // fingerprints of the names that were told last, oldest first: the file of the census may not know that yet
}

// rareName is a name that may be told.
type rareName struct {
	*censusName
	side logformat.Family
}

func (r *rareName) fingerprint() uint32 {
	return crc32.ChecksumIEEE(append([]byte{byte(r.side)}, r.name...))
}

// endWindow ends a window of the census. It returns the names that are new and came again and again, those in the most events first; what
// known reports is not among them. While it learns, all names become known.
func (c *census) endWindow(learning bool, known func(*rareName) bool) (rare []rareName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.sides {
		for _, n := range c.sides[i].names {
			r := rareName{n, logformat.Family(i)}
			switch {
			case n.known:
			case learning || known(&r):
				n.known, c.changed = true, true
			case n.windows >= rareWindows && n.window == c.window && n.total.count >= rareEvents:
				rare = append(rare, r)
			}
		}
	}
	c.window++
	slices.SortFunc(rare, func(a, b rareName) int {
		return cmp.Or(cmp.Compare(b.total.count, a.total.count), cmp.Compare(a.side, b.side), byName(a.censusName, b.censusName))
	})
	return rare
}

// learning reports whether a census that began then is too young to say what is new.
func (c *census) learning(now time.Time) bool {
	return now.Before(time.UnixMicro(c.began).Add(rareLearn)) // only the site's goroutine changes began
}

// endRare adds to the event about headers, which may be nil, the rare names that are to be told.
func (d *drift) endRare(now time.Time, e *schema.ChangeEvent) *schema.ChangeEvent {
	c := d.census
	if c == nil {
		return e
	}
	rare := c.endWindow(c.learning(now) || !d.headers.learned, func(r *rareName) bool {
		return d.headers.sides[r.side].known[r.name] != nil || slices.Contains(d.rare.recent, r.fingerprint())
	})
	room := maxDiffs
	if e != nil {
		room -= len(e.Diffs)
	}
	at := now.Unix()
	if len(rare) == 0 || room == 0 || at >= d.rare.told && at < d.rare.told+int64(rarePause/time.Second) {
		return e
	}
	d.rare.told = at
	var texts []string
	var diffs []schema.Diff
	for _, r := range rare[:min(len(rare), room)] {
		c.telling = append(c.telling, r.censusName)
		d.rare.recent = append(d.rare.recent, r.fingerprint())
		diffs = append(diffs, r.diff())
		texts = append(texts, diffs[len(diffs)-1].Text)
	}
	d.rare.recent = slices.Delete(d.rare.recent, 0, max(0, len(d.rare.recent)-rareRecent))
	if more := len(rare) - len(diffs); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more rare names, which `ngxtap headers` lists", more))
	}
	if e == nil {
		e = &schema.ChangeEvent{Time: now.UnixMicro(), Source: schema.FromData, Class: schema.ClassNone, Action: schema.Notice, Offset: -1}
	} else {
		texts = append([]string{e.Text}, texts...)
	}
	if e.File == "" {
		e.File, e.Offset = rare[0].at.orNone()
	}
	e.Diffs = append(e.Diffs, diffs...)
	e.Text = strings.Join(texts, "; ")
	return e
}

// diff says that a rare name is new.
func (r *rareName) diff() schema.Diff {
	path := familyField(r.side) + "." + r.name
	return schema.Diff{Path: path, Kind: schema.KindAdded, New: "rare", Text: fmt.Sprintf("%s is new: %d lines had it since %s",
		path, r.total.count, time.UnixMicro(r.total.first).UTC().Format(time.RFC3339))}
}

// encode appends what is saved.
func (r *rareWatch) encode(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(max(0, r.told)))
	dst = append(dst, byte(len(r.recent)))
	for _, f := range r.recent {
		dst = binary.LittleEndian.AppendUint32(dst, f)
	}
	return dst
}

// rare reads what rareWatch.encode wrote.
func (r *savedReader) rare() (w rareWatch) {
	w.told = int64(r.number(1 << 40))
	n := int(r.byte())
	if n > rareRecent || 4*n > len(r.b) {
		r.broken = true
		return w
	}
	for range n {
		w.recent = append(w.recent, binary.LittleEndian.Uint32(r.b))
		r.b = r.b[4:]
	}
	return w
}
