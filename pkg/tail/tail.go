// Package tail makes one path, or glob, one endless stream of blocks of whole lines.
//
// The promise: every complete line of every generation of a log leaves exactly once, with the generation's id and the byte
// offset at which it stands, however the file is renamed, deleted or truncated meanwhile and however often the reader is
// restarted from a Position. What can no longer be read is declared (Lost), never skipped silently.
//
// A generation is one file's life from its creation to its end, whatever names it bears; after a truncation the file is another
// generation. A generation is found by device and inode and believed only if its first bytes and the bytes before the offset
// are still the same; where the inode is gone it is found by those bytes, also in a copy (copytruncate) or inside a .gz.
//
// What nobody can know is not promised. A file that came and went between two looks was never seen. Lines written between the last
// look and a truncation, or between a copy and the truncation that follows, are counted only where they were seen. A line that a worker
// writes to a rotated file later than RotateGrace is read as long as the file keeps its name, but not if we were down and it was
// compressed meanwhile. Where the inode has gone, two files of which one begins with all that was read of the other are one, if
// that is at least 64 bytes (archives) or 1 KiB (copies). The order of rotated files is taken from their names, births and last writes:
// a system clock that is set back while we are down, and whose rotated files are compressed or copies, may hide one.
//
// There is no goroutine: everything happens inside Read. Polling is the truth and inotify only a hint that shortens a wait. The
// package is for Linux: it uses inotify, statx and open flags as they are there.
package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// StartAt says where reading begins on the very first start, when there is no position.
type StartAt uint8

// The values of StartAt.
const (
	Beginning StartAt = iota // at the first byte of the file
	End                      // after the last complete line the file has at Open
)

// Defaults of Config. A block of 256 KiB is read as fast as larger ones and stays in the processor's cache.
const (
	DefaultMaxLine      = 1 << 20
	DefaultBlockSize    = 256 << 10
	DefaultPollInterval = time.Second
	DefaultRotateGrace  = 10 * time.Second
	DefaultHeldBytes    = 1 << 30
)

const (
	// blindPoll is the longest pause between two looks where nothing wakes us.
	blindPoll = 200 * time.Millisecond
	// deletedFactor times RotateGrace is how long a deleted file without a successor is kept open: a writer may still hold it.
	deletedFactor = 60
	// minBlock keeps the blocks larger than the mark that is read along with them.
	minBlock = 4 << 10
)

// Config says what to read. The zero value of every field but Paths means its default.
type Config struct {
	Paths          []string      // files or globs (filepath.Match); at least one
	StartAt        StartAt       // used only for paths that the position does not know
	MaxLine        int           // bytes without the newline; a longer line comes out as Oversize; at least 4 KiB
	BlockSize      int           // bytes read at once; at least 4 KiB, at most MaxLine
	PollInterval   time.Duration // the longest time until a change is noticed that inotify does not report
	RotateGrace    time.Duration // how long a renamed file must be quiet before it is finished and closed
	FollowSymlinks bool          // follow symbolic links below a path's folder if they lead to somewhere below it; refused otherwise
	RotatedDirs    []string      // where rotation moves files to, if not beside the log (logrotate's olddir); relative ones are to the log's folder
	SymlinkRoots   []string      // more folders that links may lead to
	AllowHardLinks bool          // read new files that have other names too; refused otherwise, for they may be somebody else's
	HeldBytes      int64         // of deleted files that are held open; when they are more, the oldest are given up and declared lost
	Logger         *slog.Logger  // nil for none
	Alive          func()        // is called whenever something has come of a look at the files; nil for none

	wake waker            // tests only: replaces inotify
	now  func() time.Time // tests only: replaces time.Now
	disk disk             // tests only: stands between us and the file system; nil otherwise
}

// File names the generation that a Chunk comes from. It never changes; a rename makes another File with the same ID.
type File struct {
	ID   string // generation id: see GenerationID
	Path string // last known name
	Base string // the path under which it was written, before any rename
}

// Chunk is a piece of one generation. Exactly one of Data, Oversize and Lost is set, or none if there was nothing to read.
type Chunk struct {
	File      *File
	Offset    int64     // of the first byte, from the beginning of the generation
	Line      int64     // lines of this generation that were returned before
	Data      []byte    // whole lines, each ending in '\n'; valid until the next Read
	Oversize  *Oversize // one line longer than MaxLine, in place of its bytes
	NoNewline bool      // Data or Oversize is the half line at the end of a generation that nobody writes any more
	Lost      *Lost     // bytes from Offset on that will never come
}

// Empty says that there was nothing to read.
func (c *Chunk) Empty() bool { return c.Data == nil && c.Oversize == nil && c.Lost == nil }

// Oversize describes a line longer than MaxLine. Its bytes were read but not kept.
type Oversize struct {
	Head   []byte   // the first KiB; owned by the receiver
	Length int64    // bytes without the newline
	SHA256 [32]byte // of those bytes
	CRC32C uint32   // of those bytes, Castagnoli
}

// UnknownBytes is the value of Lost.Bytes when nobody can say how many.
const UnknownBytes = -1

// Lost declares bytes of a generation that can't be read any more.
type Lost struct {
	Bytes  int64  // at least so many, or UnknownBytes
	Reason string // what happened to them, for people
}

// Tailer reads the generations of its paths. Read, Position, AtEnd and Close belong to one goroutine; Status may be called
// from any.
type Tailer struct {
	cfg  Config
	log  *slog.Logger
	wake waker

	mu      sync.Mutex // guards the following while Read does not wait
	sources []*source
	parked  []FileState // of paths that are not configured now; kept for the day they are again
	known   []string    // patterns that the position knew
	opening bool        // the first poll is under way
	tick    time.Time   // the time of the current Read
	next    time.Time   // of the next poll
	pollDue bool
	blind   bool // some directory can't be watched: poll often
	blindOn bool // blind was said once
	idle    int  // waits since there was something to read
	ended   bool
	closed  bool
	cursor  int    // the source whose turn it is
	buf     []byte // mark and block of the file being read
	last    emitted
	dirs    map[string]listing

	// What the last look refused.
	folders folders              // the trusted ones
	skips   map[string]*refusal  // by path
	said    map[remark]time.Time // when it was said
}

// Open starts reading at from, or as StartAt says where from (nil on the very first start) does not know a path. A file that is
// missing or can't be read is no error: it is waited for, said once through Logger, and seen in Status. On the first start with
// StartAt End commit Position before the first Read has returned something, or a crash moves the start.
func Open(cfg Config, from *Position) (*Tailer, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("open tail: %w", err)
	}
	t := &Tailer{cfg: cfg, log: cfg.Logger, wake: cfg.wake, dirs: make(map[string]listing)}
	t.skips, t.said = make(map[string]*refusal), make(map[remark]time.Time)
	t.buf = make([]byte, markMax+cfg.BlockSize)
	if t.wake == nil {
		t.wake = newWaker(t.concerns, t.log)
	}
	if err := t.restore(from); err != nil {
		t.wake.close()
		return nil, fmt.Errorf("open tail: %w", err)
	}
	t.tick = cfg.now()
	t.opening = true
	t.poll()
	t.opening = false
	return t, nil
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	if len(c.Paths) == 0 {
		return errors.New("no paths are configured: name at least one log file")
	}
	c.Paths = slices.Clone(c.Paths)
	for i, p := range c.Paths {
		c.Paths[i] = filepath.Clean(p)
		if _, err := filepath.Match(p, "x"); err != nil {
			return fmt.Errorf("the glob %q is not well formed: %w", p, err)
		}
	}
	c.MaxLine = max(orDefault(c.MaxLine, DefaultMaxLine), minBlock)
	c.BlockSize = min(max(orDefault(c.BlockSize, DefaultBlockSize), minBlock), c.MaxLine)
	c.PollInterval = orDefault(c.PollInterval, DefaultPollInterval)
	c.RotateGrace = orDefault(c.RotateGrace, DefaultRotateGrace)
	c.HeldBytes = orDefault(c.HeldBytes, DefaultHeldBytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Alive == nil {
		c.Alive = func() {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	return nil
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Read returns the next chunk. It waits up to wait for one and returns an empty Chunk if none came; with wait 0 it looks once.
// When ctx is done it returns the error of ctx. Files take turns, block by block; of one path the older generation comes first.
// What Read returned is covered by Position from then on.
func (t *Tailer) Read(ctx context.Context, wait time.Duration) (Chunk, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = emitted{}
	t.tick = t.cfg.now()
	end := t.tick.Add(wait)
	for {
		if t.closed {
			return Chunk{}, errors.New("read: the tailer is closed")
		}
		if err := ctx.Err(); err != nil {
			return Chunk{}, err
		}
		if t.pollDue || !t.tick.Before(t.next) {
			t.poll()
		}
		c, got := t.pass()
		switch got {
		case gotChunk:
			t.idle, t.ended = 0, false
			return c, nil
		case gotOn:
			t.cfg.Alive()
			t.mu.Unlock() // a line may go on for gigabytes: let Status in
			t.mu.Lock()
			t.tick = t.cfg.now()
			continue
		}
		t.ended = t.settled()
		rest := end.Sub(t.tick)
		if rest <= 0 {
			return Chunk{}, nil
		}
		t.sleep(ctx, rest)
	}
}

// outcome of an attempt to read.
type outcome uint8

const (
	gotNothing outcome = iota // at the end
	gotOn                     // something moved, but there is nothing to return yet
	gotChunk
)

// pass asks every source once, beginning with the one whose turn it is.
func (t *Tailer) pass() (Chunk, outcome) {
	n, sum := len(t.sources), gotNothing
	for i := range n {
		s := t.sources[(t.cursor+i)%n]
		for _, g := range s.gens {
			c, got := t.readFrom(s, g)
			if got == gotChunk {
				t.cursor = (t.cursor + i + 1) % n
				return c, gotChunk
			}
			if got == gotOn { // s.gens may have changed: leave it to the next pass
				sum = gotOn
				break
			}
		}
	}
	return Chunk{}, sum
}

// sleep waits until something may have changed, at most for rest. The lock is not held meanwhile.
func (t *Tailer) sleep(ctx context.Context, rest time.Duration) {
	d := min(rest, t.next.Sub(t.tick))
	if t.blind {
		// 10, 20, 40 … ms: a busy log is followed closely, a quiet one costs little.
		d = min(d, 10*time.Millisecond<<min(t.idle, 5), blindPoll)
	}
	t.idle++
	t.mu.Unlock()
	names := t.wake.wait(ctx, d)
	t.mu.Lock()
	t.tick = t.cfg.now()
	t.pollDue = t.pollDue || names
}

// AtEnd says whether the last Read found everything read that exists and can be read. Half lines at the end of files that are
// still written stay there. Files that can't be read don't count; Status names them.
func (t *Tailer) AtEnd() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// settled says whether nothing is left to return but what will be written from now on.
func (t *Tailer) settled() bool {
	for _, s := range t.sources {
		for i, g := range s.gens {
			superseded := i < len(s.gens)-1
			switch {
			case g.lost != nil:
				return false
			case g.done || g.err != nil:
			case g.src == nil: // still looked for
				return false
			case g.half > 0 && superseded || g.final: // comes out as NoNewline after the grace
				return false
			}
		}
	}
	return !t.pollDue
}

// Close closes all files. The Position before it stays valid.
func (t *Tailer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	var errs []error
	for _, s := range t.sources {
		for _, g := range s.gens {
			errs = append(errs, g.shut())
		}
	}
	return errors.Join(append(errs, t.wake.close())...)
}
