package tail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/failpoint"
)

const (
	headMax = 1 << 10 // bytes of the first line that the id is made of
	markMax = 1 << 10 // bytes before the offset that must still be there when reading goes on
	markMin = 64      // of them that prove an archive to be that of a file that has gone; a line of a log is hardly shorter
	idLen   = 12      // characters of a generation id: 60 bits
)

// generation is one file's life. It belongs to one source at a time, which closes it.
type generation struct {
	file *File // handed out with chunks; replaced, never changed
	key  fileKey
	copy fileKey // of a copy that ends before the offset
	src  content // nil: not open
	gz   bool    // src is, or was, an archive

	headLen  int // 0 until the first line is complete
	headHash [sha256.Size]byte
	offset   int64 // of the next byte to return
	lines    int64 // returned so far

	tail    [markMax]byte // tail[:tailLen] are the bytes before offset
	tailLen int
	markAt  int64 // the offset that markLen and mark are for; -1: none
	markLen int
	mark    [sha256.Size]byte // of the markLen bytes before markAt

	size, mtime int64 // last seen, in bytes and nanoseconds since the epoch
	born        int64 // birth of the file, or when the truncation was found that made this generation
	nlink       uint32
	seen        time.Time // when size was last looked at
	quiet       time.Time // since when it has not grown
	caught      time.Time // when a read last came to the end
	earlier     time.Time // and what that was before the last read

	done      bool      // finished: everything returned, or declared lost
	final     bool      // nobody writes it any more: what is left of it may leave
	half      int64     // bytes after the last newline, at the last look
	over      *overlong // the line being skipped over
	lost      *Lost     // to be returned
	cut       bool      // the poll found it truncated
	truncated bool      // we saw it lose its bytes
	ended     bool      // and looked a moment before: its end is known
	skipTo    int64     // bytes to be passed over (StartAt End) once it can be opened
	missing   time.Time // since when it is looked for in vain
	failing   time.Time // since when its archive can't be read
	err       error     // why it can't be read now; polls try again
}

// GenerationID returns the id of the generation that begins with head: 60 bits of the SHA-256 of its first line with the newline,
// or of the first KiB of a longer one, in base32. It is therefore the same wherever it is computed, also from a compressed copy.
// Where two generations known at the same time begin alike, the Tailer salts the later one's id.
func GenerationID(head []byte) string {
	return shortID(sha256.Sum256(head[:headLen(head)]))
}

func shortID(sum [sha256.Size]byte) string {
	return base32.StdEncoding.EncodeToString(sum[:8])[:idLen]
}

// headLen says how much of b, the beginning of a file, is its head.
func headLen(b []byte) int {
	b = b[:min(len(b), headMax)]
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// newID returns the id for a head with that hash, salted if another known generation has it.
func (t *Tailer) newID(sum [sha256.Size]byte) string {
	id := shortID(sum)
	for n := 2; t.knowsID(id); n++ {
		id = shortID(sha256.Sum256(fmt.Appendf(sum[:len(sum):len(sum)], "#%d", n)))
	}
	return id
}

func (t *Tailer) knowsID(id string) bool {
	for _, s := range t.sources {
		for _, g := range s.gens {
			if g.file.ID == id {
				return true
			}
		}
	}
	for i := range t.parked {
		if t.parked[i].ID == id {
			return true
		}
	}
	return false
}

// readFrom returns the next chunk of g. The bytes before the offset are read again with every block: if they changed, the file
// was truncated since, even if it has grown past the offset again.
func (t *Tailer) readFrom(s *source, g *generation) (Chunk, outcome) {
	if g.lost != nil {
		c := Chunk{File: g.file, Offset: g.offset, Line: g.lines, Lost: g.lost}
		g.lost, g.size = nil, g.offset
		return c, gotChunk
	}
	if g.src == nil || g.err != nil {
		return Chunk{}, gotNothing
	}
	if g.over != nil {
		return t.readOverlong(s, g)
	}
	m := g.tailLen
	buf, ok, err := t.readMarked(g, m+t.cfg.BlockSize)
	if !ok {
		return t.setback(s, g, err)
	}
	data := buf[m:]
	if end := bytes.LastIndexByte(data, '\n') + 1; end > 0 {
		return t.emit(g, buf[:m+end]), gotChunk
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return t.setback(s, g, err)
	}
	if len(data) == t.cfg.BlockSize {
		return t.readLong(s, g)
	}
	return t.atEnd(g, buf, errors.Is(err, io.EOF))
}

// readMarked reads up to size bytes beginning with the mark. ok is false if it can't or if the mark is not there. An error with ok
// came after the bytes.
func (t *Tailer) readMarked(g *generation, size int) (buf []byte, ok bool, err error) {
	m := g.tailLen
	n, err := g.src.readAt(t.buf[:size], g.offset-int64(m))
	if err != nil && !errors.Is(err, io.EOF) && n <= m {
		return nil, false, err
	}
	if n < m || !bytes.Equal(t.buf[:m], g.tail[:m]) || g.offset == 0 && !g.begins(t.buf[:n]) {
		return nil, false, nil
	}
	if err == nil {
		g.failing = time.Time{}
	}
	if g.earlier = g.caught; n < size {
		g.caught = t.tick
	}
	return t.buf[:n], true, err
}

// setback deals with a generation whose next block did not come.
func (t *Tailer) setback(s *source, g *generation, err error) (Chunk, outcome) {
	if err == nil {
		t.truncate(s, g)
		return Chunk{}, gotOn
	}
	if errors.Is(err, unix.ESTALE) || g.gz {
		g.shut() // an open descriptor is good for nothing here: find the file again
	}
	if g.failing.IsZero() {
		g.failing = t.tick
	}
	if g.gz && !refusedByKernel(err) && t.tick.Sub(g.failing) >= t.cfg.RotateGrace {
		t.lose(g, fmt.Sprintf("the archive %s is damaged: %v", g.file.Path, err))
		return Chunk{}, gotOn
	}
	s.fail(t, g, fmt.Errorf("read %s at %d: %w; trying again", g.file.Path, g.offset, err))
	return Chunk{}, gotNothing
}

// emit returns the whole lines at the end of buf, which begins with the mark.
func (t *Tailer) emit(g *generation, buf []byte) Chunk {
	data := buf[g.tailLen:len(buf):len(buf)]
	t.learn(g, data)
	c := Chunk{File: g.file, Offset: g.offset, Line: g.lines, Data: data}
	t.last = emitted{g, g.offset, g.lines, g.tailLen, len(buf)}
	g.lines += int64(bytes.Count(data, newline))
	g.tailLen = copy(g.tail[:], buf[max(0, len(buf)-markMax):])
	t.advance(g, int64(len(data)))
	return c
}

var newline = []byte{'\n'}

// advance moves the offset over n bytes that are about to be returned. The tail is already that of the new offset.
func (t *Tailer) advance(g *generation, n int64) {
	g.offset += n
	g.size = max(g.size, g.offset)
	g.quiet, g.failing = t.tick, time.Time{}
	g.half, g.final = 0, false
}

// learn takes the head from the first data of a generation; from then on it has an id.
func (t *Tailer) learn(g *generation, data []byte) {
	if g.headLen > 0 {
		return
	}
	g.headLen = headLen(data)
	g.headHash = sha256.Sum256(data[:g.headLen])
	g.file = &File{ID: t.newID(g.headHash), Path: g.file.Path, Base: g.file.Base}
}

// readLong returns one line that is longer than a block, or starts to skip over it.
func (t *Tailer) readLong(s *source, g *generation) (Chunk, outcome) {
	m := g.tailLen
	size := m + t.cfg.MaxLine + 1
	if len(t.buf) < size {
		t.buf = make([]byte, markMax+t.cfg.MaxLine+1)
	}
	buf, ok, err := t.readMarked(g, size)
	if !ok {
		return t.setback(s, g, err)
	}
	data := buf[m:]
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return t.emit(g, buf[:m+i+1]), gotChunk
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return t.setback(s, g, err)
	}
	if len(data) <= t.cfg.MaxLine {
		return t.atEnd(g, buf, errors.Is(err, io.EOF))
	}
	t.learn(g, data)
	g.over = newOverlong(data)
	return Chunk{}, gotOn
}

// atEnd notes that g has no more complete line. buf is the mark and the half line. If nobody writes g any more the half line
// leaves now, and g is finished after it.
func (t *Tailer) atEnd(g *generation, buf []byte, eof bool) (Chunk, outcome) {
	half := int64(len(buf) - g.tailLen)
	if half > g.half {
		g.quiet, g.final = t.tick, false
	} else if half < g.half {
		t.log.Warn("the beginning of a line vanished: the file was cut", "path", g.file.Path, "offset", g.offset, "bytes", g.half-half)
	}
	g.half = half
	if !g.final && !eof {
		return Chunk{}, gotNothing
	}
	if half == 0 && g.size > g.offset {
		t.lose(g, "the file had more bytes once: what was written after it was copied or compressed is not in the copy")
		return Chunk{}, gotOn
	}
	if half == 0 {
		t.finish(g)
		return Chunk{}, gotOn
	}
	c := t.emit(g, buf)
	g.lines++
	c.NoNewline, g.final = true, true
	return c, gotChunk
}

// finish closes a generation that was read to its end.
func (t *Tailer) finish(g *generation) {
	g.shut()
	g.done, g.final = true, false
	g.size = g.offset
	failpoint.Hit(failpoint.FileFinished)
	t.log.Info("finished a log file", "path", g.file.Path, "id", g.file.ID, "bytes", g.offset, "lines", g.lines)
}

// lose gives up what is left of g and declares it, unless nothing was.
func (t *Tailer) lose(g *generation, reason string) {
	g.shut()
	g.done = true
	n := g.size - g.offset
	if n <= 0 {
		if g.ended || g.offset == 0 && !g.gz {
			return // it was looked at a moment before, or nothing was ever seen in it
		}
		n = UnknownBytes
	}
	g.lost = &Lost{Bytes: n, Reason: reason}
	t.log.Error("log data are lost: they were gone before they could be read", "path", g.file.Path, "id", g.file.ID,
		"offset", g.offset, "bytes", n, "reason", reason)
}

// shut closes the file but forgets nothing else.
func (g *generation) shut() error {
	src := g.src
	g.src, g.over, g.half = nil, nil, 0
	if src == nil {
		return nil
	}
	return src.close()
}

// rename gives g another name for people; its id stays.
func (g *generation) rename(path string) {
	if g.file.Path != path {
		g.file = &File{ID: g.file.ID, Path: path, Base: g.file.Base}
	}
}

// markNow returns length and hash of the bytes before the offset.
func (g *generation) markNow() (int, [sha256.Size]byte) {
	if g.markAt != g.offset {
		g.markAt, g.markLen, g.mark = g.offset, g.tailLen, sha256.Sum256(g.tail[:g.tailLen])
	}
	return g.markLen, g.mark
}
