package pipeline

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink"
)

// ReplayConfig says what Replay needs. Formats, Frames, Frame, Read and Logger must be set, and Open, but for a dry run.
type ReplayConfig struct {
	Site        string
	Instance    string    // this host, as the origin of lines names it
	OwnKey      bool      // secrets are hashed with a key of this host: lines that another host read can't be replayed here
	Formats     []*Format // candidates, tried in this order on every line
	Frames      []*Frame  // of their events, in the same order
	Frame       *Frame    // of schema.QuarantineReplayed
	Secrets     *avro.Secrets
	Headers     avro.HeaderRules
	PartitionBy string // as of the site
	DryRun      bool   // send nothing
	Unrecorded  bool   // replay also lines of which no record says any more whether they were
	Limit       int64  // the most lines to replay; 0: all
	RetryAfter  time.Duration
	Logger      *slog.Logger

	// Open returns a new sink, for each session its own. All replays of a site, wherever they run, must share one identity there,
	// which no daemon has: then a newer one ends an older.
	Open func() (sink.Sink, error)
	// Read calls f with the committed records of the site's quarantine topic, in order within each partition, up to what was its end
	// at the start; with wait that is the last record written, however long its transaction is open, else the first that is not
	// decided. An error of f ends it and is returned. Whatever comes before the call must be seen with wait.
	Read func(ctx context.Context, wait bool, f func(*QuarantineRecord) error) error
	// Progress is called now and then; nil: not at all.
	Progress func(ReplayProgress)

	most int64 // lines in a transaction; 0: replayLines
}

// QuarantineRecord is one record of a quarantine topic. Neither Line nor Done is set for one that is of no kind known. It belongs to the
// reader, up to its next record.
type QuarantineRecord struct {
	Partition int32
	Offset    int64
	Line      *avro.Quarantined // with Whole
	Raw       []byte            // of Line, decrypted; nil where Sealed is set
	Sealed    string            // why Raw can't be decrypted, for people; empty if it is there
	Done      *avro.Replayed
}

// ReplayProgress says how far a replay is.
type ReplayProgress struct {
	Looking bool  // still finding out what was replayed before; Total is not known then
	Read    int64 // records read, or with !Looking: lines of the site that were looked at
	Total   int64 // lines of the site
	Sent    int64 // replayed in this run, and committed
}

// ReplayResult is what became of the lines.
type ReplayResult struct {
	Sent    int64 // replayed by this run; in a dry run: that would be
	Already int64 // replayed before this run
	Misfits Table // still fit no format, by reason
	Cannot  Table // can't be replayed, by reason
	Foreign int64 // records of no kind known
	Limited bool  // there is more: the limit was reached
}

// Limits of one transaction of a replay. It ends well before a broker would abort it.
const (
	replayLines = 10_000
	replayBytes = 8 << 20
	replayTime  = time.Second
	replayTries = 5 // sessions that fail one after the other without a commit between them
)

// errReplayLimit ends reading when the limit of lines is reached.
var errReplayLimit = errors.New("the limit is reached")

// Replay sends the lines of a site's quarantine that fit a format now to the site's events, each once, however often it is run,
// interrupted or run on several hosts at a time.
//
// The lines that were sent are named in a record which is written to the same quarantine topic in the same transaction. A session
// fences every older one by Recover, after which all that they wrote is decided; then it reads those records, and then goes through the
// lines. Whatever fails ends the session; the next one, of this run or of another, does the same again. A newer replay elsewhere ends
// this one with sink.ErrNotOwner. When ctx ends, what is under way is committed first and the error says so.
func Replay(ctx context.Context, cfg ReplayConfig) (ReplayResult, error) {
	r := &replay{cfg: cfg, run: rand.Text(), before: -1}
	for i := range r.limit {
		r.limit[i] = recordLimit
	}
	for i, f := range cfg.Formats {
		c, err := newReplayFormat(f, cfg.Frames[i], &cfg)
		if err != nil {
			return ReplayResult{}, fmt.Errorf("site %s: %w", cfg.Site, err)
		}
		r.formats = append(r.formats, c)
	}
	if cfg.Progress == nil {
		r.cfg.Progress = func(ReplayProgress) {}
	}
	wait := newBackoff(cfg.RetryAfter)
	for try := 1; ; try++ {
		sent := r.total
		res, err := r.session(ctx)
		if r.total > sent {
			try, wait = 1, newBackoff(cfg.RetryAfter)
		}
		res.Sent += r.replayed()
		switch {
		case err == nil:
			return res, nil
		case ctx.Err() != nil, final(err), errors.Is(err, sink.ErrConfig), try >= replayTries:
			return res, err
		}
		var large *sink.TooLargeError
		if errors.As(err, &large) && large.Stream < sink.NumStreams {
			r.limit[large.Stream] = min(r.limit[large.Stream], large.Limit)
		}
		d := wait.next()
		cfg.Logger.Warn("session ended; going on from the last commit", "error", err, "retry_in", d.String())
		if !sleep(ctx, d) {
			return res, context.Cause(ctx)
		}
	}
}

// replay is one run.
type replay struct {
	cfg     ReplayConfig
	formats []*replayFormat
	limit   [sink.NumStreams]int // the longest record; what the far side refuses lowers it
	run     string               // distinguishes this run from all others
	before  int64                // lines replayed before this run, as the first position said; -1: not known yet
	total   int64                // lines replayed up to now, of all runs
	seq     int64                // of the last record
}

// replayed is how many lines this run has replayed.
func (r *replay) replayed() int64 {
	if r.before < 0 {
		return 0
	}
	return r.total - r.before
}

// replaySession is one session of a run. All of it belongs to the goroutine that runs it.
type replaySession struct {
	*replay
	out       sink.Sink // nil in a dry run
	pos       *replayPosition
	ledger    *Ledger
	batch     *sink.Batch
	free      freeList
	spans     []logformat.Span
	announced map[uint64]bool
	res       ReplayResult
	progress  ReplayProgress

	// Of the transaction under way.
	sent  []avro.ReplayedPartition
	lines int64
	bytes int64
	size  int // of the record that names them, at most
	began time.Time
}

func (r *replay) session(ctx context.Context) (res ReplayResult, err error) {
	s := &replaySession{replay: r, ledger: NewLedger(), announced: map[uint64]bool{}, pos: &replayPosition{V: replayVersion}}
	s.batch = s.free.get()
	if !r.cfg.DryRun {
		if s.out, err = r.cfg.Open(); err != nil {
			return res, fmt.Errorf("open the sink: %w", err)
		}
		defer func() { err = errors.Join(err, s.out.Close()) }()
		if err := s.recover(ctx); err != nil {
			return res, err
		}
	}
	before := r.replayed()
	if err := s.look(ctx); err != nil {
		return res, err
	}
	work, cancel := outlive(ctx, stopGrace)
	defer cancel()
	err = r.cfg.Read(ctx, false, func(q *QuarantineRecord) error { return s.take(ctx, work, q) })
	if errors.Is(err, errReplayLimit) {
		s.res.Limited, err = true, nil
	}
	if err == nil || ctx.Err() != nil {
		err = errors.Join(err, s.commit(work))
	}
	s.res.Already = max(0, s.res.Already-before)
	return s.res, err
}

// recover makes this run the only one that replays this site.
func (s *replaySession) recover(ctx context.Context) error {
	pos, err := s.out.Recover(ctx)
	if err != nil {
		return fmt.Errorf("recover the position: %w", err)
	}
	if s.pos, err = decodeReplay(pos); err != nil {
		return err
	}
	switch {
	case s.before < 0:
		s.before = s.pos.Sent
	case s.pos.Run != s.run && s.pos.Seq != s.seq:
		return fmt.Errorf("another replay of this site took over: %w", sink.ErrNotOwner)
	}
	s.total, s.seq = s.pos.Sent, s.pos.Seq
	return nil
}

// look reads what was replayed before.
func (s *replaySession) look(ctx context.Context) error {
	s.progress.Looking = true
	err := s.cfg.Read(ctx, true, func(q *QuarantineRecord) error {
		switch {
		case q.Done != nil && q.Done.Site == s.cfg.Site:
			s.ledger.Add(q.Done)
		case q.Line != nil && q.Line.Origin.Site == s.cfg.Site:
			s.progress.Total++
		}
		s.progress.Read++
		s.say()
		return ctx.Err()
	})
	s.ledger.settle(s.pos)
	if s.cfg.Unrecorded {
		s.ledger.forget()
	}
	s.progress.Looking, s.progress.Read = false, 0
	return err
}

// say reports progress.
func (s *replaySession) say() {
	s.progress.Sent = s.replayed()
	s.cfg.Progress(s.progress)
}

// take looks at one record of the quarantine.
func (s *replaySession) take(ctx, work context.Context, q *QuarantineRecord) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case q.Line == nil && q.Done == nil:
		s.res.Foreign++
	case q.Line != nil && q.Line.Origin.Site == s.cfg.Site:
		if err := s.line(q); err != nil {
			return err
		}
		s.progress.Read++
		s.say()
	}
	if len(s.batch.Buf) >= batchBytes {
		if err := s.flush(work); err != nil {
			return err
		}
	}
	if s.full() {
		return s.commit(work)
	}
	return nil
}

// line sends one line, or says why not.
func (s *replaySession) line(q *QuarantineRecord) error {
	if s.ledger.Done(q.Partition, q.Offset) {
		s.res.Already++
		return nil
	}
	if s.cfg.Limit > 0 && s.replayed()+s.res.Sent+s.lines >= s.cfg.Limit {
		return errReplayLimit
	}
	why := q.Sealed
	if why == "" {
		why = unfit(q.Line, q.Raw)
	}
	switch {
	case s.ledger.Unrecorded(q.Partition, q.Offset):
		why = replayUnrecorded
	case why == "" && s.cfg.OwnKey && q.Line.Origin.Host != s.cfg.Instance:
		why = replayForeignKey
	}
	if why != "" {
		s.res.Cannot.AddName(why)
		return nil
	}
	before := len(s.batch.Buf)
	if why := s.try(q.Line, q.Raw); why != "" {
		s.res.Misfits.Add(why)
		return nil
	}
	s.bytes += int64(len(s.batch.Buf) - before)
	if s.lines == 0 {
		s.began = time.Now()
	}
	s.note(q.Partition, q.Offset)
	return nil
}

// full reports whether the transaction under way should end.
func (s *replaySession) full() bool {
	return s.lines > 0 && (s.lines >= cmp.Or(s.cfg.most, replayLines) || s.bytes >= replayBytes || time.Since(s.began) >= replayTime ||
		s.recordBytes() > s.limit[sink.Quarantine])
}

// flush hands the batch to the sink.
func (s *replaySession) flush(ctx context.Context) error {
	b := s.batch
	s.batch = s.free.get()
	if s.cfg.DryRun {
		b.Release()
		return nil
	}
	if err := s.out.Write(ctx, b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// commit makes what was sent since the last one durable, together with the record that says so.
func (s *replaySession) commit(ctx context.Context) error {
	if s.lines == 0 {
		return nil
	}
	if err := s.record(); err != nil {
		return err
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if s.cfg.DryRun {
		s.res.Sent += s.lines
	} else {
		for _, p := range s.sent {
			last := p.Ranges[len(p.Ranges)-1]
			s.ledger.reach[p.Partition] = max(at(s.ledger.reach, p.Partition), last.First+last.Count-1)
		}
		pos := &replayPosition{V: replayVersion, Run: s.run, Seq: max(s.pos.Seq, s.ledger.seq) + 1, Sent: s.pos.Sent + s.lines, Reach: s.ledger.reach}
		text, err := pos.encode()
		if err != nil {
			return err
		}
		if err := s.out.Commit(ctx, text); err != nil {
			return fmt.Errorf("commit: %w", err)
		}
		s.pos, s.total, s.seq = pos, pos.Sent, pos.Seq
	}
	s.sent, s.lines, s.bytes, s.size = s.sent[:0], 0, 0, 0
	s.say()
	return nil
}
