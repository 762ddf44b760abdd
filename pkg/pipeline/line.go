package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/tail"
)

// line is one session's straight line. Everything in it is owned by the goroutine that runs it, but for free.
type line struct {
	site *Site
	out  sink.Sink
	in   *tail.Tailer
	st   *state

	batch *sink.Batch
	free  freeList
	spans []logformat.Span

	formats      []*candidate // what lines may look like: those of the configuration, and those it had before
	order        []*candidate // the same, in the order in which they are tried here
	until        int64        // the offset in the file up to which that order holds
	held         *candidate   // whose line the site stops at; nil: it goes on
	looked       time.Time    // when the configuration was looked at
	lookPause    time.Duration
	lookedAnew   bool  // it was looked at after the present block was read
	number       int64 // of the session
	seal         *avro.Sealer
	quarKnown    bool   // the quarantine's schema is in this session's records
	changesKnown bool   // likewise that of changes
	drift        *drift // nil: changes of the data are not looked for
	countHeader  func(logformat.Family, []byte)
	census       *census // nil: header names are not counted
	origin       avro.Origin
	fileID       string
	count        *Count // of fileID, since the last commit
	tally        tally
	counts       map[string]*Count // by generation id, since the last commit
	oldest       time.Time         // when the oldest uncommitted block was read; zero if there is none
	commits      int
}

// freeList keeps batches for reuse; a sink may give one back from another goroutine.
type freeList struct {
	mu   sync.Mutex
	list []*sink.Batch // guarded by mu
}

func (f *freeList) get() *sink.Batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.list); n > 0 {
		b := f.list[n-1]
		f.list = f.list[:n-1]
		return b
	}
	return sink.NewBatch(batchBytes+batchBytes/8, f.put)
}

func (f *freeList) put(b *sink.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, b)
}

func newLine(s *Site, out sink.Sink, in *tail.Tailer, st *state) (*line, error) {
	l := &line{site: s, out: out, in: in, st: st, number: s.stats.Sessions.Load(), counts: map[string]*Count{}, census: s.stats.census}
	if l.census != nil {
		l.census.rollback() // what the session before did not commit
		l.census.silent = s.cfg.Drift == nil || s.cfg.Drift.NoRare
	}
	l.batch = l.free.get()
	if k := s.cfg.Seal; k != nil {
		var err error
		if l.seal, err = k.Sealer(); err != nil {
			return nil, err
		}
	}
	if c := s.cfg.Drift; c != nil {
		l.drift = newDrift(driftConfig{RejectShare: c.RejectedShare, HeaderShare: c.HeaderShare, Window: c.window, MinLines: c.minLines}, st.Drift)
		if !c.NoRare {
			l.drift.census = l.census
		}
		l.countHeader = l.drift.header
	}
	return l, nil
}

// run reads, writes and commits until ctx ends or something fails. When ctx ends it commits what it has and returns nil. work is
// the context of what must not be torn apart by a stop: it outlives ctx by stopGrace.
func (l *line) run(ctx, work context.Context) error {
	for {
		if err := l.hold(ctx, work); err != nil {
			return err
		}
		chunk, err := l.in.Read(ctx, l.untilCommit())
		if ctx.Err() != nil {
			failpoint.Hit(failpoint.ShuttingDown)
			return l.commit(work)
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		l.look(false)
		if err := l.take(work, &chunk); err != nil {
			return err
		}
		l.watchData(time.Now())
		if err := l.commitIfDue(work); err != nil {
			return err
		}
		if l.site.cfg.Once && l.held == nil && l.in.AtEnd() {
			return errors.Join(l.commit(work), l.unreadable())
		}
	}
}

// unreadable names the files that could not be read, or are not there and never were, so that a run which has an end does not
// pass them over in silence.
func (l *line) unreadable() error {
	status := l.in.Status()
	if len(status) == 0 {
		return fmt.Errorf("%w: no file matches %s", errUnreadable, strings.Join(l.site.cfg.Tail.Paths, ", "))
	}
	known := map[string]bool{}
	for _, f := range status {
		known[f.Base] = known[f.Base] || f.State != tail.Waiting
	}
	var errs []error
	for _, f := range status {
		switch {
		case f.State == tail.Failing:
			errs = append(errs, fmt.Errorf("%w: %s", errUnreadable, f.Err))
		case !known[f.Base]:
			errs = append(errs, fmt.Errorf("%w: %s does not exist", errUnreadable, f.Base))
		}
	}
	return errors.Join(errs...)
}

// errUnreadable ends a run with Config.Once: trying again is up to whoever started it.
var errUnreadable = errors.New("a log file can't be read")

// untilCommit is how long Read may wait for new lines.
func (l *line) untilCommit() time.Duration {
	if l.site.cfg.Once {
		return 10 * time.Millisecond
	}
	if l.oldest.IsZero() {
		return cmp.Or(l.site.cfg.Tail.PollInterval, tail.DefaultPollInterval) // then the configuration is looked at again
	}
	return max(0, l.site.cfg.CommitInterval-time.Since(l.oldest))
}

// take turns one block into records.
func (l *line) take(ctx context.Context, c *tail.Chunk) error {
	if c.Empty() {
		return nil
	}
	failpoint.Hit(failpoint.BlockRead)
	if l.oldest.IsZero() {
		l.oldest = time.Now()
	}
	l.enter(c.File.ID)
	switch {
	case c.Lost != nil:
		l.lose(c)
		return nil
	case c.Oversize != nil:
		return l.oversize(ctx, c)
	case c.NoNewline: // Data is one line without its newline
		l.reject(c.Data, c.Offset, rejection{reason: ReasonNoNewline, text: "the file ended without a newline after this"})
		l.count.Read += int64(len(c.Data))
		l.count.Quarantined += int64(len(c.Data))
		return l.flush(ctx, false)
	}
	l.origin.ReadTime = time.Now().UnixMicro()
	l.lookedAnew = false
	data, off := c.Data, c.Offset
	l.until = 0
	for len(data) > 0 {
		if off >= l.until {
			l.order, l.until = order(l.order[:0], l.st.Formats, l.formats, c.File.ID, off)
		}
		n := bytes.IndexByte(data, '\n')
		if n < 0 {
			return errors.New("the reader gave a block that does not end with a newline; this is a bug in ngxtap")
		}
		if !l.line(data[:n], off) {
			return l.in.Unread(off)
		}
		off += int64(n) + 1
		data = data[n+1:]
		if len(l.batch.Buf) >= batchBytes {
			if err := l.flush(ctx, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter makes id the file whose bytes are being counted.
func (l *line) enter(id string) {
	if l.fileID == id && l.count != nil {
		return
	}
	l.fileID = id
	l.origin = l.site.origin(id)
	l.count = l.counts[id]
	if l.count == nil {
		l.count = &Count{}
		l.counts[id] = l.count
	}
}

// line turns one line into an event, or into a quarantined line if no format takes it. raw is without its newline. It returns false if
// the site may not go past this line: then the line is as if it had not been read.
func (l *line) line(raw []byte, off int64) bool {
	size := int64(len(raw)) + 1
	if len(raw) == 0 || len(raw) == 1 && raw[0] == '\r' {
		l.count.Read += size
		l.count.Blank += size
		l.tally.blank++
		return true
	}
	l.origin.Offset = off
	rej := l.event(raw)
	if rej.reason == ReasonMisfit && l.edited(off) {
		rej = l.event(raw)
	}
	switch {
	case rej.hold != nil:
		l.held = rej.hold
		return false
	case rej.reason != "":
		l.reject(raw, off, rej)
		l.count.Quarantined += size
	default:
		l.count.Events += size
		l.tally.events++
	}
	l.count.Read += size
	return true
}

// event appends raw as an event of the first format that takes it; otherwise it says why not.
func (l *line) event(raw []byte) (rej rejection) {
	text := raw
	if text[len(text)-1] == '\r' {
		text = text[:len(text)-1]
	}
	for _, c := range l.order {
		spans, err := c.split.Split(l.spans[:0], text)
		l.spans = spans
		if err != nil {
			rej = worse(rej, misfit(c.Format, err))
			continue
		}
		switch c.verdict {
		case toHold:
			return rejection{hold: c}
		case toQuarantine:
			return rejection{reason: c.reason, text: c.text, format: c.Format, column: -1}
		}
		if c.session != l.number {
			l.announce(c)
		}
		b := l.batch
		before := len(b.Buf)
		if c.key != nil {
			b.Buf = c.key.append(b.Buf, text, l.spans)
			b.EndKey()
		}
		buf, eventTime, err := c.enc.AppendEvent(b.Buf, raw, l.spans, &l.origin)
		b.Buf = buf
		if err != nil {
			b.Undo()
			rej = worse(rej, misfit(c.Format, err))
			continue
		}
		if limit := l.site.limit[sink.Events]; len(b.Buf)-before > limit {
			b.Undo()
			return rejection{reason: ReasonTooLarge, text: fmt.Sprintf("its event would be longer than %d bytes", limit), format: c.Format, column: -1}
		}
		l.tally.cuts += int64(c.enc.Cuts())
		b.Header = c.frame.Header
		b.Add(sink.Events, eventTime)
		if l.census != nil {
			l.census.event(c.enc, raw, l.spans, &l.origin, eventTime)
		}
		if l.drift != nil && l.drift.event() {
			l.sample(c)
		}
		return rejection{}
	}
	return rej
}

// announce puts the writer schema of a format into the batch, before its first event, where no registry keeps it.
func (l *line) announce(c *candidate) {
	c.session = l.number
	l.schema(c.frame.Announce, c.Fingerprint(), c.Schema())
}

func (l *line) schema(wanted bool, fp uint64, json string) {
	if !wanted {
		return
	}
	b := l.batch
	b.Buf = appendFingerprint(b.Buf, fp)
	b.EndKey()
	b.Buf = append(b.Buf, json...)
	b.Header = nil
	b.Add(sink.Schemas, time.Now().UnixMicro())
}

// flush hands the batch to the sink if it is full, or if all of it must go.
func (l *line) flush(ctx context.Context, all bool) error {
	if len(l.batch.Records) == 0 || !all && len(l.batch.Buf) < batchBytes {
		return nil
	}
	b := l.batch
	l.batch = l.free.get()
	if err := l.out.Write(ctx, b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// commitIfDue commits when the oldest of what is not committed yet has waited long enough.
func (l *line) commitIfDue(ctx context.Context) error {
	if l.oldest.IsZero() || time.Since(l.oldest) < l.site.cfg.CommitInterval {
		return nil
	}
	return l.commit(ctx)
}

// commit makes everything read so far durable, with the position after it.
func (l *line) commit(ctx context.Context) error {
	if l.oldest.IsZero() {
		return nil // nothing was read since the last one
	}
	began := time.Now()
	if err := l.flush(ctx, true); err != nil {
		return err
	}
	l.st.Tail = l.in.Position()
	for id, c := range l.counts {
		sum := l.st.Counts[id]
		sum.add(*c)
		l.st.Counts[id] = sum
		l.tally.bytes.add(*c)
	}
	clear(l.counts)
	l.count = nil
	l.st.prune()
	if l.drift != nil {
		l.st.Drift = l.drift.save(l.st.Drift[:0])
	}
	pos, err := l.st.encode()
	if err != nil {
		return err
	}
	if err := l.out.Commit(ctx, pos); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	l.commits++
	l.oldest = time.Time{}
	told := len(l.tally.changes) > 0
	l.tell()
	l.site.stats.commit(&l.tally, time.Since(began), l.lag())
	if l.census != nil {
		l.census.commit()
	}
	if told {
		l.judge() // now their schemas may be registered
	}
	return nil
}

// lag is how many bytes of the files have not been read yet.
func (l *line) lag() int64 {
	var n int64
	for _, f := range l.in.Status() {
		n += max(0, f.Size-f.Offset)
	}
	return n
}
