package main

import (
	"context"
	"errors"
	"log/slog"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// fleet is the sites that run. It belongs to the goroutine that serves them; only Run of each site is elsewhere.
type fleet struct {
	ctx   context.Context // of the daemon; every site's ends with it
	log   *slog.Logger
	tasks []*task    // in the order of the configuration; those that ended too
	ended chan *task // a site whose Run has returned; unbuffered, so it is received before the fleet is left
	left  int        // how many have not been received from ended yet
}

// task is one site that runs.
type task struct {
	site *pipeline.Site
	conf *config.Site
	stop context.CancelFunc
	done bool
	err  error // of Run; nil unless done
}

// newFleet starts the sites that d has built.
func newFleet(ctx context.Context, d *daemon, sites []*pipeline.Site) *fleet {
	f := &fleet{ctx: ctx, log: d.log, ended: make(chan *task)}
	for i, s := range sites {
		f.tasks = append(f.tasks, f.start(s, &d.cfg.Sites[i]))
	}
	return f
}

func (f *fleet) start(s *pipeline.Site, conf *config.Site) *task {
	ctx, stop := context.WithCancel(f.ctx)
	t := &task{site: s, conf: conf, stop: stop}
	f.left++
	go func() {
		err := s.Run(ctx)
		if err != nil {
			f.log.Error("a site can't go on; the others do", "site", s.Name(), "error", err)
		}
		stop()
		t.err = err
		f.ended <- t
	}()
	return t
}

// note takes over that a site has ended.
func (f *fleet) note(t *task) {
	t.done = true
	f.left--
}

// sites returns the sites in the order of the configuration.
func (f *fleet) sites() []*pipeline.Site {
	var all []*pipeline.Site
	for _, t := range f.tasks {
		all = append(all, t.site)
	}
	return all
}

// err returns why sites can't go on, joined.
func (f *fleet) err() error {
	var errs []error
	for _, t := range f.tasks {
		if t.done {
			errs = append(errs, t.err)
		}
	}
	return errors.Join(errs...)
}

// end stops what still runs and waits for it.
func (f *fleet) end() {
	for _, t := range f.tasks {
		t.stop()
	}
	for f.left > 0 {
		f.note(<-f.ended)
	}
}

// transition is what a reload does to the sites.
type transition struct {
	added, changed, removed, restarted []string // by name; restarted: they had failed, or what all sites share has changed
	kept                               int
	next                               []*task // nil where a new site is to be started
	leaving                            []*task
}

// plan compares the sites of the new configuration with those that run. Unless all of them must start anew, a site that is configured as
// before, and runs, goes on as it is.
func (f *fleet) plan(next *config.Config, all bool) transition {
	tr := transition{added: []string{}, changed: []string{}, removed: []string{}, restarted: []string{}} // logged as lists, not as null
	old := map[string]*task{}
	for _, t := range f.tasks {
		old[t.conf.Site] = t
	}
	for i := range next.Sites {
		s := &next.Sites[i]
		t := old[s.Site]
		delete(old, s.Site)
		switch {
		case t == nil:
			tr.added = append(tr.added, s.Site)
		case !t.conf.Same(s):
			tr.changed = append(tr.changed, s.Site)
		case all || t.done:
			tr.restarted = append(tr.restarted, s.Site)
		default:
			tr.kept++
			tr.next = append(tr.next, t)
			continue
		}
		tr.next = append(tr.next, nil)
		if t != nil {
			tr.leaving = append(tr.leaving, t)
		}
	}
	for _, t := range f.tasks {
		if old[t.conf.Site] != nil {
			tr.removed = append(tr.removed, t.conf.Site)
			tr.leaving = append(tr.leaving, t)
		}
	}
	return tr
}

// leave stops the sites that do not go on as they are and waits until they have committed what they read. The others work meanwhile.
func (f *fleet) leave(tr *transition) []*pipeline.Site {
	var gone []*pipeline.Site
	for _, t := range tr.leaving {
		t.stop()
		gone = append(gone, t.site)
	}
	for _, t := range tr.leaving {
		for !t.done {
			f.note(<-f.ended)
		}
	}
	return gone
}

// enter starts the new sites beside those that were kept. sites are all of the new configuration, in its order.
func (f *fleet) enter(tr *transition, d *daemon, sites []*pipeline.Site) {
	f.tasks = tr.next
	for i, s := range sites {
		if f.tasks[i] == nil {
			f.tasks[i] = f.start(s, &d.cfg.Sites[i])
		}
	}
}
