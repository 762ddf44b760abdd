package pipeline

import (
	"cmp"
	"context"
	"time"

	"ngxtap/pkg/tail"
)

// While a site waits for its sink, or for schema ids, it has no files open: the sink alone knows where to go on. Then a watcher looks at them, so
// that metrics and people see how much is waiting. It reads no line, and nothing depends on it.

// watchAfter is how long a site may have no files before they are watched: an ordinary start or recovery is over by then.
const watchAfter = time.Second

// watcher is the one of a site that has no files open.
type watcher struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when its files are
}

// watchFiles starts to look at the files, as from the last commit known, unless that goes on already. Only Run's goroutine may call it.
func (s *Site) watchFiles(ctx context.Context) {
	if s.watcher != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel, done: make(chan struct{})}
	s.watcher = w
	from := s.lastSeen()
	go func() {
		defer close(w.done)
		if sleep(ctx, s.watchAfter) {
			s.follow(ctx, from)
		}
	}()
}

// unwatch ends watchFiles and returns when the files are closed.
func (s *Site) unwatch() {
	if w := s.watcher; w != nil {
		s.watcher = nil
		w.cancel()
		<-w.done
	}
}

// lastSeen returns the last commit that is known here, nil where nothing is: the site's own, or what the host remembers of an earlier run.
func (s *Site) lastSeen() *tail.Position {
	if s.last == nil && s.cfg.Seen != nil {
		if pos := s.cfg.Seen(); pos != nil {
			if st, err := decodeState(pos); err == nil {
				return &st.Tail
			}
		}
	}
	if s.last != nil {
		return s.last
	}
	return s.first
}

// follow looks at the files until ctx ends.
func (s *Site) follow(ctx context.Context, from *tail.Position) {
	c := &s.cfg.Tail
	// Which files, and how; not what else a session is given: it says what there is to say, and its signs of life are its own. What was deleted is
	// of no use here, since the session can't read it any more.
	cfg := tail.Config{Paths: c.Paths, StartAt: c.StartAt, MaxLine: c.MaxLine, BlockSize: c.BlockSize, PollInterval: c.PollInterval, RotateGrace: c.RotateGrace,
		FollowSymlinks: c.FollowSymlinks, RotatedDirs: c.RotatedDirs, SymlinkRoots: c.SymlinkRoots, AllowHardLinks: c.AllowHardLinks, HeldBytes: 1}
	in, err := tail.Open(cfg, from)
	if err != nil {
		return // so does the session
	}
	defer in.Close()
	s.stats.progress.renew(in.Status(), nil, true)
	s.stats.files.Store(in)
	for {
		s.stats.look(in)
		if in.Wait(ctx, cmp.Or(cfg.PollInterval, tail.DefaultPollInterval)) != nil {
			return
		}
	}
}
