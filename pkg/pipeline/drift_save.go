package pipeline

import (
	"encoding/binary"
	"maps"
	"slices"

	"ngxtap/pkg/logformat"
)

// driftVersion is the first byte of what is saved. Version 1 had no rare names.
const driftVersion = 2

// encode appends what is remembered from window to window: what was told, and the rhythm of what comes and goes.
func (d *drift) encode(dst []byte) []byte {
	h := &d.headers
	dst = append(dst, driftVersion)
	dst = binary.AppendUvarint(dst, uint64(h.windows))
	dst = binary.AppendUvarint(dst, uint64(h.calm))
	dst = append(dst, bit(h.learned, 0)|bit(h.held, 1)|bit(h.storm, 2), h.spent)
	dst = binary.AppendUvarint(dst, uint64(max(0, h.hour)))
	dst = binary.AppendUvarint(dst, uint64(h.passed))
	for i := range d.rejects {
		dst = d.rejects[i].encode(dst, 0)
	}
	dst = append(dst, byte(len(d.misfits)))
	for i := range d.misfits {
		dst = d.misfits[i].encode(dst, 0)
		dst = appendName(dst, d.misfits[i].variable)
	}
	dst = d.rare.encode(dst)
	for i := 1; i < len(h.sides); i++ {
		s := &h.sides[i]
		dst = s.full.encode(dst, 0)
		for _, name := range slices.Sorted(maps.Keys(s.known)) {
			dst = s.known[name].encode(dst, logformat.Family(i))
			dst = appendName(dst, name)
		}
	}
	return dst
}

// encode appends a signal: a byte of flags, and away. family is that of a header, otherwise 0.
func (s *signal) encode(dst []byte, family logformat.Family) []byte {
	dst = append(dst, bit(s.on, 0)|bit(s.told, 1)|s.exp<<2|byte(family)<<6)
	return binary.AppendUvarint(dst, uint64(s.away))
}

func appendName(dst []byte, name string) []byte { return append(append(dst, byte(len(name))), name...) }

func bit(is bool, at int) byte {
	if is {
		return 1 << at
	}
	return 0
}

// restore reads what encode wrote into a fresh drift. It reports whether that went well; if not, d is of no use.
func (d *drift) restore(saved []byte) bool {
	r := savedReader{b: saved}
	version := r.byte()
	if version == 0 || version > driftVersion {
		return false
	}
	h := &d.headers
	h.windows, h.calm = int(r.number(learnWindows)), int(r.number(learnWindows))
	flags := r.byte()
	h.learned, h.held, h.storm = flags&1 != 0, flags&2 != 0, flags&4 != 0
	h.spent = r.byte()
	h.hour = int64(r.number(1 << 40))
	h.passed = uint32(r.number(1<<32 - 1))
	for i := range d.rejects {
		d.rejects[i], _ = r.signal()
	}
	room := maxMisfitRoom
	for range min(r.byte(), maxMisfits) {
		s, _ := r.signal()
		m := misfitColumn{signal: s, variable: r.name()}
		room -= savedCost(m.variable)
		d.misfits = append(d.misfits, m)
	}
	if version > 1 {
		d.rare = r.rare()
	}
	total := 0
	for i := 1; i < len(h.sides); i++ {
		r.side(&h.sides[i], byte(i))
		total += h.sides[i].room
	}
	return !r.broken && len(r.b) == 0 && room >= 0 && total <= maxRoom
}

// savedReader reads what is saved. Once something is not as encode writes it, it is broken and gives zeros.
type savedReader struct {
	b      []byte
	broken bool
}

func (r *savedReader) byte() byte {
	if len(r.b) == 0 {
		r.broken = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *savedReader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > most {
		r.broken = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *savedReader) signal() (s signal, family byte) {
	flags := r.byte()
	s = signal{on: flags&1 != 0, told: flags&2 != 0, exp: flags >> 2 & 15, away: uint16(r.number(maxAway))}
	r.broken = r.broken || s.exp > headerPatience.maxExp
	return s, flags >> 6
}

func (r *savedReader) name() string {
	n := int(r.byte())
	if n == 0 || n > maxName || n > len(r.b) {
		r.broken = true
		return ""
	}
	name := string(r.b[:n])
	r.b = r.b[n:]
	return name
}

// side reads the headers of one family, each of which begins with a byte that says so; what is saved of a side as a whole begins with 0.
func (r *savedReader) side(s *headerSide, family byte) {
	s.full, _ = r.signal()
	for !r.broken && len(r.b) > 0 && r.b[0]>>6 == family {
		k, _ := r.signal()
		name := r.name()
		if s.known[name] != nil || name != oddName && !canBeTold([]byte(name)) {
			r.broken = true
			return
		}
		s.known[name] = &knownHeader{signal: k}
		s.room += savedCost(name)
	}
	r.broken = r.broken || s.room > maxSideRoom
}
