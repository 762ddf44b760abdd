package tail

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"hash/crc32"
	"io"
)

// overlong is a line longer than MaxLine that is being skipped over. Only its head, its sums and its last bytes are kept.
type overlong struct {
	head   []byte
	length int64
	sha    hash.Hash
	crc    uint32
	tail   [markMax]byte
	tailN  int
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newOverlong(b []byte) *overlong {
	o := &overlong{head: bytes.Clone(b[:headMax]), sha: sha256.New()}
	o.add(b)
	return o
}

// add takes the next bytes of the line, or its newline (which only the tail may have).
func (o *overlong) add(b []byte) {
	o.sha.Write(b)
	o.crc = crc32.Update(o.crc, castagnoli, b)
	o.length += int64(len(b))
	o.roll(b)
}

func (o *overlong) roll(b []byte) {
	b = b[max(0, len(b)-markMax):]
	keep := min(o.tailN, markMax-len(b))
	copy(o.tail[:], o.tail[o.tailN-keep:o.tailN])
	o.tailN = keep + copy(o.tail[keep:], b)
}

// readOverlong reads the next block of a line that is too long to be kept. It never moves the offset before the line is over.
func (t *Tailer) readOverlong(s *source, g *generation) (Chunk, outcome) {
	o := g.over
	same, err := t.stillThere(g)
	if err == nil && !same {
		return t.setback(s, g, nil)
	}
	var n int
	if err == nil {
		n, err = g.src.readAt(t.buf[:t.cfg.BlockSize], g.offset+o.length)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return t.setback(s, g, err)
	}
	block := t.buf[:n]
	if i := bytes.IndexByte(block, '\n'); i >= 0 {
		o.add(block[:i])
		o.roll(newline)
		return t.emitOverlong(g, 1), gotChunk
	}
	if n > 0 {
		o.add(block)
		g.quiet, g.final, g.half = t.tick, false, o.length
		return Chunk{}, gotOn
	}
	g.half = o.length
	if g.final || errors.Is(err, io.EOF) {
		c := t.emitOverlong(g, 0)
		c.NoNewline, g.final = true, true
		return c, gotChunk
	}
	return Chunk{}, gotNothing
}

// stillThere says whether mark, head and length of the line being skipped over are still as they were. An archive does not change.
func (t *Tailer) stillThere(g *generation) (bool, error) {
	if g.gz {
		return true, nil
	}
	st, err := g.src.stat()
	if err != nil {
		return false, err
	}
	m := g.tailLen
	n, err := g.src.readAt(t.buf[:m+headMax], g.offset-int64(m))
	if err != nil {
		return false, err
	}
	same := n == m+headMax && bytes.Equal(t.buf[:m], g.tail[:m]) && bytes.Equal(t.buf[m:n], g.over.head)
	return same && st.size >= g.offset+g.over.length, nil
}

// emitOverlong returns the line that is over; newlines is 1 if it ended with one.
func (t *Tailer) emitOverlong(g *generation, newlines int64) Chunk {
	o := g.over
	over := &Oversize{Head: o.head, Length: o.length, CRC32C: o.crc}
	o.sha.Sum(over.SHA256[:0])
	c := Chunk{File: g.file, Offset: g.offset, Line: g.lines, Oversize: over}
	g.over = nil
	g.lines++
	g.tail, g.tailLen = o.tail, o.tailN
	t.advance(g, o.length+newlines)
	return c
}
