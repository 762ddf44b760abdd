// Package pipeline runs sites. A site is one straight line from its log files to its sink, run by one goroutine:
//
//	read a block of whole lines -> split -> append Avro -> batch -> sink.Write … -> sink.Commit(position)
//
// The promise: every complete line of the files is in the sink's events or in its quarantine exactly once, in file order, or its
// bytes are declared lost and counted. Whatever fails ends the session; the next one starts at the last commit. Start, recovery
// and takeover are this one path.
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/tail"
)

// Config says what a site needs. Open, Frame, Formats and Logger must be set.
type Config struct {
	Site           string
	Instance       string        // origin.host of every event
	Tail           tail.Config   // which files, and how to read them
	Formats        []*Format     // candidates of the configuration as it is now, tried in this order on every line
	OnChange       Policy        // what to do when they change
	Drift          *Drift        // which changes of the data are told; nil: none
	NoCensus       bool          // do not keep the list of all header names
	CensusFile     string        // where that list is kept over restarts; empty: nowhere
	Secrets        *avro.Secrets // rules for secret headers and parameters; nil: none
	Headers        avro.HeaderRules
	Seal           *avro.SealKey // encrypts the lines in quarantine; nil: they go out as they are
	PartitionBy    string        // none, host, or the name of an event field whose value becomes the key
	CommitInterval time.Duration // the longest time that events wait for their commit
	Once           bool          // read every file to its end, commit, return
	RetryAfter     time.Duration // wait after a failed session, doubled up to 30 s; default: 1 s
	Logger         *slog.Logger

	// Frame gets a schema registered for the records of a stream and returns their framing. record is the schema's full name. It may be
	// called from any goroutine, and is called again after an error: one that wraps schema.ErrRefused says that the registry does
	// not take the schema, any other that it could not be asked.
	Frame func(ctx context.Context, stream sink.Stream, record, schema string) (*Frame, error)
	// Edited returns the candidates of the configuration if it was edited since it was last read, nil if not, and an error if the edit
	// can't be used. It is called often. May be nil: the configuration stays as it is.
	Edited func() ([]*Format, error)
	// Compile makes a format that the site had in an earlier life; recipe is what Format.Recipe was then. May be nil: then old formats
	// are known only while the process runs.
	Compile func(d *logformat.Definition, recipe string) (*Format, error)
	// Registered returns the newest schema that a registry has for the events of the site, empty if it has none, for a site that has no
	// formats to compare with in its committed position. May be nil: there is no registry.
	Registered func(ctx context.Context, record string) (schema string, err error)
	// Accepted reports whether an operator lets a schema through that OnChange does not. May be nil: never.
	Accepted func(fingerprint uint64) bool
	// Open returns a new sink; each session has its own.
	Open func() (sink.Sink, error)
}

// Drift says which changes of the data are worth telling. Zero means the default of each.
type Drift struct {
	RejectedShare float64 // of the lines of a minute that go to quarantine; a column is told at a tenth of it
	HeaderShare   float64 // of the events that have a header
	NoRare        bool    // do not tell of rare headers

	window   time.Duration // tests only
	minLines int           // tests only
}

// Site is one site of a daemon.
type Site struct {
	cfg   Config
	frame [sink.NumStreams]*Frame // of ngxtap's own records; set before the first session
	limit [sink.NumStreams]int    // the longest record, key and value; only what the far side refused lowers it. Owned by Run
	// The formats of the configuration as it was last read, and what was compiled so far. Owned by Run.
	current  []*Format
	compiled []*candidate
	problem  string // why the configuration as it is now can't be used; said once
	// Where the files of a site that never committed stood when Run was called; nil: not known yet. Owned by Run.
	first *tail.Position
	stats Stats
	log   *slog.Logger

	base       context.Context // of Run; what goes on in the background ends with it
	background sync.WaitGroup
}

// Limits of the straight line.
const (
	batchBytes  = 128 << 10        // a batch is handed over when it holds this much: little enough to stay in the processor's cache
	recordLimit = 1_000_000        // the longest record, key and value, that may be sent to any far side
	stopGrace   = 10 * time.Second // how long the last commit may take after a stop was asked for
)

// New checks the configuration and returns a site that is ready to Run.
func New(cfg Config) (*Site, error) {
	s := &Site{cfg: cfg, log: cfg.Logger}
	for i := range s.limit {
		s.limit[i] = recordLimit
	}
	if err := s.use(cfg.Formats); err != nil {
		return nil, fmt.Errorf("site %s: %w", cfg.Site, err)
	}
	if !cfg.NoCensus {
		s.stats.census = newCensus(cfg.Site, cfg.CensusFile, cfg.Logger)
	}
	s.stats.setState("starting")
	return s, nil
}

// use makes formats those of the configuration, if they can be used.
func (s *Site) use(formats []*Format) error {
	for _, f := range formats {
		if _, err := newKeyer(f, s.cfg.PartitionBy, s.cfg.Instance, s.cfg.Secrets); err != nil {
			return err
		}
	}
	s.current = formats
	return nil
}

// Name returns the site's name.
func (s *Site) Name() string { return s.cfg.Site }

// Formats returns the candidate formats that the site began with, in the order in which they are tried.
func (s *Site) Formats() []*Format { return s.cfg.Formats }

// Stats returns the site's counters, which are safe to read while it runs.
func (s *Site) Stats() *Stats { return &s.stats }

// Run works until ctx ends, then commits what it has read and returns nil. With Config.Once it returns nil when every file has been
// read to its end and committed, and an error if a file could not be read. Otherwise it returns an error only if trying again
// can't help: sink.ErrNotOwner and sink.ErrPositionLost at any time, sink.ErrConfig before the site got to work. Once it works, a
// configuration that no longer fits (a login or a right taken away, a topic deleted) is waited for: the file is the queue.
func (s *Site) Run(ctx context.Context) error {
	base, cancel := context.WithCancel(ctx)
	s.base = base
	defer func() {
		cancel()
		s.background.Wait()
		if s.stats.census != nil {
			s.stats.census.close()
		}
	}()
	if s.stats.census != nil {
		s.stats.census.load()
	}
	s.stats.setState("getting schema ids")
	s.lookFirst()
	if err := s.frames(base); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		s.stats.setState("failed: " + err.Error())
		return fmt.Errorf("site %s: %w", s.cfg.Site, err)
	}
	wait := newBackoff(s.cfg.RetryAfter)
	works := false   // a session has worked in this run
	alarmed := false // it has been said since the last commit that only an operator can help
	for {
		commits := s.stats.Commits.Load()
		worked, err := s.session(ctx)
		works = works || s.stats.Commits.Load() > 0 || worked > 0 && (worked > time.Minute || !errors.Is(err, sink.ErrConfig))
		alarmed = alarmed && s.stats.Commits.Load() == commits
		switch {
		case err == nil:
			s.stats.setState("stopped")
			return nil
		case ctx.Err() != nil:
			s.stats.setState("stopped")
			if !errors.Is(err, ctx.Err()) {
				s.log.Warn("stopped without a last commit; the next start goes back to the one before", "error", err)
			}
			return nil
		case final(err), errors.Is(err, sink.ErrConfig) && !works:
			s.stats.setState("failed: " + err.Error())
			return fmt.Errorf("site %s: %w", s.cfg.Site, err)
		}
		var large *sink.TooLargeError
		if errors.As(err, &large) {
			s.keepOut(large)
		}
		if worked > time.Minute || s.stats.Commits.Load() > commits {
			wait = newBackoff(s.cfg.RetryAfter)
		}
		d := wait.next()
		s.stats.setState("recovering: " + err.Error())
		if errors.Is(err, sink.ErrConfig) && !alarmed {
			alarmed = true
			s.log.Error("the site waits for an operator; it goes on by itself, from its last commit, when this is cured", "error", err, "retry_in", d.String())
		} else {
			s.log.Warn("session ended; going back to the last commit", "error", err, "retry_in", d.String())
		}
		if !sleep(ctx, d) {
			s.stats.setState("stopped")
			return nil
		}
	}
}

// final reports whether err ends a site whenever it comes.
func final(err error) bool {
	return errors.Is(err, errUnreadable) || errors.Is(err, errHeld) || errors.Is(err, sink.ErrNotOwner) || errors.Is(err, sink.ErrPositionLost)
}

// keepOut makes the sessions after this one quarantine what the far side refuses for its size, or keep less of a refused line.
func (s *Site) keepOut(large *sink.TooLargeError) {
	if large.Stream >= sink.NumStreams || large.Limit >= s.limit[large.Stream] {
		return // nothing to learn: tried again like any other error
	}
	s.limit[large.Stream] = large.Limit
	s.log.Error("the far side refuses records of this size: until the next start longer events go to quarantine, of longer refused lines only the head is kept, "+
		"and longer changes are told in short; if that is not wanted, raise the topic's limit and restart", "stream", large.Stream.String(), "longest", large.Limit, "error", large)
}

// lookFirst notes where a site that never committed begins. Until the sink first answers, files may be rotated away, and would then be
// taken for older than the first start.
func (s *Site) lookFirst() {
	if s.first != nil {
		return
	}
	quiet := s.cfg.Tail
	quiet.Logger = nil // the site may have committed long ago; the session says what there is to say
	in, err := tail.Open(quiet, nil)
	if err != nil {
		return // so does the session
	}
	p := in.Position()
	if in.Close() == nil {
		s.first = &p
	}
}

// session opens a sink and the files at its last commit and works until something fails or ctx ends. worked is how long it did, from
// the recovered position on; 0 if it did not come so far.
func (s *Site) session(ctx context.Context) (worked time.Duration, err error) {
	s.stats.Sessions.Add(1)
	out, err := s.cfg.Open()
	if err != nil {
		return 0, fmt.Errorf("open the sink: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	s.stats.setState("recovering the position")
	s.lookFirst()
	pos, err := out.Recover(ctx)
	if err != nil {
		return 0, fmt.Errorf("recover the position: %w", err)
	}
	began := time.Now()
	st, err := decodeState(pos)
	if err != nil {
		return 0, err
	}
	from := s.first
	if pos != nil {
		from = &st.Tail
	}
	in, err := tail.Open(s.cfg.Tail, from)
	if err != nil {
		return 0, fmt.Errorf("open the log files: %w", err)
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	s.stats.files.Store(in)

	failpoint.Hit(failpoint.Opened)
	l, err := newLine(s, out, in, st)
	if err != nil {
		return 0, err
	}
	l.adopt(l.registered(ctx))
	if pos == nil {
		// From here on it is known where this site began: what is rotated away before its first line arrives is not taken for older
		// than the first start, and start_at: end is not looked up again.
		l.oldest = time.Now()
	}
	if err := l.commit(ctx); err != nil { // changes are told before their schemas are registered
		return time.Since(began), err
	}
	l.judge()
	if pos == nil {
		for _, f := range in.Status() {
			if f.State == tail.Reading {
				s.log.Info("reading a log file", "path", f.Path, "bytes", f.Size) // lookFirst saw it and said nothing
			}
		}
	}
	s.stats.setState(StateRunning)
	work, cancel := outlive(ctx, stopGrace)
	defer cancel()
	err = l.run(ctx, work)
	return time.Since(began), err
}

// outlive returns a context that ends grace after ctx does. If a last commit can't be done in that time nothing is lost: the next
// start reads the lines again, and the broker aborts what was not committed.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if sleep(work, grace) {
			cancel()
		}
	})
	return work, func() {
		stop()
		cancel()
	}
}

// maxBackoff is the longest wait before another attempt.
const maxBackoff = 30 * time.Second

// backoff doubles up to maxBackoff.
type backoff struct{ after time.Duration }

func newBackoff(first time.Duration) *backoff { return &backoff{cmp.Or(first, time.Second)} }

func (b *backoff) next() time.Duration {
	d := b.after
	b.after = min(2*d, maxBackoff)
	return d
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// origin makes the part of an event's origin that is the same for a whole block.
func (s *Site) origin(file string) avro.Origin {
	return avro.Origin{Site: s.cfg.Site, Host: s.cfg.Instance, File: file}
}
