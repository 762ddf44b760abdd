package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/sink/kafka"
)

// show starts what lets people and programs watch the daemon at work; the function it returns ends that.
// With once, the first events are shown when the sites are done, otherwise as they come.
func (a *app) show(ctx context.Context, d *daemon, sites []*pipeline.Site, once bool) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	a.past = newPast(sites, a.past)
	port, err := d.startAdmin(sites, once, newStatus(d, a.past))
	if err != nil {
		cancel()
		return nil, configError(err)
	}
	if port != nil {
		wg.Go(func() { a.past.rec.Run(ctx) })
	}
	if d.servers != nil {
		a.introduce(d, sites, port)
		for i := range sites {
			if !once {
				wg.Go(func() { a.firstEvents(ctx, d, i, true) })
			}
		}
	}
	every := progressDaemon
	if d.servers != nil {
		every = progressEmbedded
	}
	wg.Go(func() { d.progress(ctx, sites, every) })
	reading, read := context.WithCancel(ctx)
	var meters sync.WaitGroup
	if once {
		meters.Go(func() { newProgressLine(a.err, "").showReading(reading, sites) })
	}
	return func() {
		read()
		meters.Wait() // or the line that changes would stand among the events
		for i := range sites {
			if d.servers != nil && once {
				a.firstEvents(ctx, d, i, false)
			}
		}
		cancel()
		wg.Wait()
		if port != nil {
			if err := port.Close(); err != nil {
				d.log.Warn("close the admin port", "error", err)
			}
		}
	}, nil
}

// introduce tells a newcomer what runs here and where to look next.
func (a *app) introduce(d *daemon, sites []*pipeline.Site, port *admin.Server) {
	how := "started in this process"
	if d.servers.Joined() {
		how = "joined: they run in another process"
	}
	fmt.Fprintf(a.err, `
%s
  broker    %s (%s)
  registry  %s
  data      %s
`, versionLine(), d.servers.Brokers()[0], how, d.servers.RegistryURL(), d.cfg.StateDir)
	if port != nil && !strings.HasPrefix(d.cfg.Admin.Listen, admin.UnixPrefix) {
		fmt.Fprintf(a.err, "  status    http://%s/\n", port.Addr())
	}
	for i, site := range sites {
		s := &d.cfg.Sites[i]
		fmt.Fprintf(a.err, "  site %-10s %s\n", s.Site, s.AccessLog.Paths[0])
		for _, f := range site.Formats() {
			fmt.Fprintf(a.err, "  %-15s format %s (%s): %d variables -> Avro record of %d fields\n", "",
				f.Name(), place(f.LogFormat().Definition()), len(f.LogFormat().Columns()), len(f.Event().Fields()))
		}
		fmt.Fprintf(a.err, "  %-15s topic %s\n", "", s.Topic)
	}
	first := &d.cfg.Sites[0]
	fmt.Fprintf(a.err, `
Each line below is one event, read back from the broker (read_committed) and decoded. Then, in another terminal:
  bin/ngxtap cat %s -f --embedded -c %s
  head -n 3 %s >> %s
  curl -s %s/subjects
Ctrl-C stops; start it again and nothing is sent twice.

`, first.Topic, a.configFile, first.AccessLog.Paths[0], first.AccessLog.Paths[0], d.servers.RegistryURL())
}

// shownEvents is how many events of each site a newcomer is shown.
const shownEvents = 2

// firstEvents prints the first events that arrive in a site's topic, as any consumer would see them.
func (a *app) firstEvents(ctx context.Context, d *daemon, site int, follow bool) {
	err := func() error {
		s := &d.cfg.Sites[site]
		kc, err := d.kafkaConfig(s)
		if err != nil {
			return err
		}
		r, err := openWhenThere(ctx, kc, s.Topic, follow)
		if err != nil {
			return err
		}
		defer r.Close()
		dec := newMessageDecoder(d, kc)
		var out []byte
		for range shownEvents {
			m, err := r.Next(ctx)
			if err != nil {
				return err
			}
			if out, err = dec.appendJSON(ctx, out[:0], m); err != nil {
				return err
			}
			a.printLine(out)
		}
		return nil
	}()
	if err != nil && err != io.EOF && ctx.Err() == nil {
		d.log.Warn("can't show the first events", "error", err)
	}
}

// openWhenThere waits until the site has created its topic.
func openWhenThere(ctx context.Context, kc kafka.Config, topic string, follow bool) (*kafka.Reader, error) {
	for {
		r, err := kafka.NewReader(ctx, kc, topic, kafka.ReaderOptions{From: kafka.Beginning(), Follow: follow})
		if err == nil || ctx.Err() != nil || !follow {
			return r, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// printLine writes one line of JSON to standard output; events of several sites do not mix within a line.
func (a *app) printLine(json []byte) {
	a.outMu.Lock()
	defer a.outMu.Unlock()
	_, _ = a.out.Write(append(json, '\n')) // a reader that went away is no reason to stop shipping
}

// Progress is reported often while a newcomer watches, and now and then in a daemon's log.
const (
	progressEmbedded = 2 * time.Second
	progressDaemon   = time.Minute
)

// progress logs what each site has done, whenever there is something new. It leaves the servers alone: a reload hands them on.
func (d *daemon) progress(ctx context.Context, sites []*pipeline.Site, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := make([]int64, len(sites))
	for i, s := range sites { // counters go on over a reload
		last[i] = s.Stats().Events.Load() + s.Stats().Quarantined.Load()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, s := range sites {
			st := s.Stats()
			events, quarantined := st.Events.Load(), st.Quarantined.Load()
			if events+quarantined == last[i] {
				continue
			}
			d.log.Info("shipped", "site", s.Name(), "events", events, "quarantined", quarantined,
				"per_second", (events+quarantined-last[i])*int64(time.Second)/int64(every), "lag_bytes", st.Lag())
			last[i] = events + quarantined
		}
	}
}
