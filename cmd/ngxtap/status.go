package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/tail"
)

// started is when the process began.
var started = time.Now()

// past is what the daemon remembers of its sites for people who look at it. A site that goes on over a reload keeps its past.
type past struct {
	sites []*pipeline.Site
	since []time.Time // when each began to count
	rec   *admin.Recorder
}

// newPast begins, or goes on from before, which may be nil and is not running any more.
func newPast(sites []*pipeline.Site, before *past) *past {
	p := &past{sites: sites}
	commits := make([]int64, len(sites)) // seen by the recorder, which reads one site after the other
	over, cancel := context.WithCancel(context.Background())
	cancel()
	p.rec = admin.NewRecorder(len(sites), func(i int) admin.Reading {
		st := sites[i].Stats()
		view := st.View(over) // as of the second before: it waits for no file system
		r := admin.Reading{Lines: st.Events.Load(), Bytes: st.Bytes().Read, Rejects: st.Quarantined.Load(), Lag: view.LagBytes}
		r.Slowest, commits[i] = st.SlowestCommit(commits[i])
		return r
	})
	for i, s := range sites {
		_, commits[i] = s.Stats().SlowestCommit(math.MaxInt64)
		since := time.Now()
		if before != nil {
			if was := slices.IndexFunc(before.sites, func(b *pipeline.Site) bool { return b.Stats() == s.Stats() }); was >= 0 {
				since = before.since[was]
				p.rec.Continue(i, before.rec, was)
			}
		}
		p.since = append(p.since, since)
	}
	return p
}

// newStatus returns what the admin port asks for the status.
func newStatus(d *daemon, p *past) func(admin.Span) *admin.Status {
	configured := map[string]*config.Site{}
	for i := range d.cfg.Sites {
		configured[d.cfg.Sites[i].Site] = &d.cfg.Sites[i]
	}
	return func(span admin.Span) *admin.Status {
		now := time.Now()
		st := &admin.Status{
			Time: stamp(now), Version: versionLine(), Instance: d.cfg.Instance, Started: stamp(started), Uptime: now.Sub(started).Round(time.Millisecond).Seconds(),
			Brokers: d.cfg.Kafka.Brokers, Registry: d.cfg.Registry.URLs, Framing: d.cfg.Registry.Framing,
		}
		if why := d.manager.refusedBecause(); why != "" {
			st.Attention = append(st.Attention, refusedText+why)
		}
		if err := stateDirProblem(d.cfg.StateDir); err != nil {
			st.Attention = append(st.Attention, fmt.Sprintf("state_dir %s: %v; nothing is lost, for Kafka knows the positions, but make it writable before the next start",
				d.cfg.StateDir, err))
		}
		ctx, cancel := context.WithTimeout(context.Background(), pipeline.Patience) // for all of them
		defer cancel()
		for i, s := range p.sites {
			site := siteStatus(ctx, d, configured[s.Name()], s)
			site.Counting, site.Rates, site.History = stamp(p.since[i]), p.rec.Rates(i), p.rec.History(i, span)
			st.Sites = append(st.Sites, site)
		}
		return st
	}
}

// startAdmin starts the admin port, if there is to be one; nil if not. That the default port is taken, perhaps by another ngxtap on this host, keeps
// nobody from shipping; one that somebody asked for must be there.
func (d *daemon) startAdmin(sites []*pipeline.Site, once bool, status func(admin.Span) *admin.Status) (*admin.Server, error) {
	a := &d.cfg.Admin
	if a.Listen == config.AdminOff || d.cfg.AdminByDefault && once {
		return nil, nil
	}
	port, err := admin.Start(admin.Config{
		Listen: a.Listen, AllowRemote: a.AllowRemote, Metrics: newMetrics(d, sites), Status: status,
		Health: func() (bool, string) { return health(sites, d.cfg.StateDir, d.manager.refusedBecause()) },
		Checks: []admin.Check{
			{Path: "/readyz", Ask: func() (bool, string) { return readyz(sites) }},
			{Path: "/livez", Ask: func() (bool, string) { return livez(d.stuck()) }},
		},
		Complain: func(err error) { d.log.Error("the admin port can't answer a request", "error", err) },
	})
	switch {
	case err != nil && d.cfg.AdminByDefault:
		d.log.Warn("no status page, metrics and health: the default address can't be used; set admin.listen, to off if they are not wanted", "error", err)
		return nil, nil
	case err != nil:
		return nil, err
	}
	if path, ok := strings.CutPrefix(a.Listen, admin.UnixPrefix); ok {
		d.log.Info("admin port", "status", "ngxtap top", "socket", path)
	} else {
		url := "http://" + port.Addr()
		d.log.Info("admin port", "status", url+"/", "metrics", url+"/metrics", "health", url+"/healthz", "ready", url+"/readyz")
	}
	return port, nil
}

// stamp is a time as the API has it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// microTime is a time that is kept in microseconds, as the API has it.
func microTime(us int64) time.Time { return stamp(time.UnixMicro(us)) }

// siteStatus tells of one site.
func siteStatus(ctx context.Context, d *daemon, cfg *config.Site, site *pipeline.Site) admin.Site {
	st := site.Stats()
	view := st.View(ctx)
	text, since := st.State()
	out := admin.Site{Name: site.Name(), Topic: cfg.Topic, Since: stamp(since), LagBytes: view.LagBytes, LagSeconds: view.Lag.Round(time.Millisecond).Seconds(),
		Commit: commitStatus(st)}
	out.State, out.Reason = stateWord(text)
	if out.State == admin.StateStarting && time.Since(since) > startPatience {
		out.Attention = append(out.Attention, "it has not come to work yet: is Kafka there? The log of the daemon says what it tries")
	}
	out.Attention = append(out.Attention, view.Unreadable()...)
	if why := st.ConfigProblem(); why != "" {
		out.Attention = append(out.Attention, "the configuration of the log as it is now can't be used, and changes nothing until it is mended: "+why)
	}
	b := st.Bytes()
	out.Counters = admin.Counters{
		Events: st.Events.Load(), Quarantined: st.Quarantined.Load(), Blank: st.Blank.Load(), Losses: st.Losses.Load(), Sessions: st.Sessions.Load(),
		ReadBytes: b.Read, EventBytes: b.Events, QuarBytes: b.Quarantined, BlankBytes: b.Blank, LostBytes: b.Lost,
	}
	for _, f := range st.Formats() {
		out.Formats = append(out.Formats, formatStatus(d, cfg, &f))
		if f.Use == pipeline.FormatToQuarantine && !f.Retired {
			out.Attention = append(out.Attention, fmt.Sprintf("lines of log_format %s go to quarantine: %s", f.Name, f.Why))
		}
	}
	out.Files, out.FilesOmitted = fileStatus(slices.Clone(view.Files))
	recent := st.Recent()
	for i := range recent.Changes {
		out.Changes = append(out.Changes, changeStatus(&recent.Changes[i]))
	}
	for _, r := range recent.Rejects {
		out.Rejects = append(out.Rejects, admin.Reject{Time: microTime(r.Time), Path: r.Path, Generation: r.File, Offset: r.Offset, Column: r.Column,
			Reason: r.Reason, Text: r.Text, Variable: r.Variable, Format: r.Format})
	}
	for _, l := range recent.Losses {
		loss := admin.Loss{Time: microTime(l.Time), Path: l.Path, Generation: l.File, Offset: l.Offset, Why: l.Why}
		if l.Bytes != tail.UnknownBytes {
			loss.Bytes = &l.Bytes
		}
		out.Losses = append(out.Losses, loss)
	}
	if len(out.Losses) > 0 && time.Since(out.Losses[0].Time) < lossAttention {
		out.Attention = append(out.Attention, fmt.Sprintf("log data was declared lost, last at %s; %d times since the start, %d bytes and whatever could not be counted",
			out.Losses[0].Time.Format(time.RFC3339), out.Counters.Losses, b.Lost))
	}
	return out
}

// startPatience is after how long a site that starts is something to look at.
const startPatience = 30 * time.Second

// lossAttention is how long a loss is something to look at. Its record stays.
const lossAttention = 24 * time.Hour

// stateWord makes one word, and a reason, of what a site says of its state.
func stateWord(text string) (word, reason string) {
	word, reason, _ = strings.Cut(text, ": ")
	switch word {
	case admin.StateRunning, admin.StateRecovering, admin.StateHeld, admin.StateFailed, admin.StateStopped, admin.StateStarting:
		return word, reason
	}
	return admin.StateStarting, text // what it does on its way
}

// commitStatus tells how commits go.
func commitStatus(st *pipeline.Stats) admin.Commit {
	c := admin.Commit{Count: st.Commits.Load(), Took: float64(st.CommitTime.Load()) / 1e6}
	if at := st.LastCommit.Load(); at > 0 {
		t := microTime(at)
		c.Last = &t
	}
	times := st.CommitTimes()
	slices.Sort(times)
	if c.Over = len(times); c.Over > 0 {
		c.P50 = times[(c.Over-1)/2].Seconds()
		c.P99 = times[(c.Over-1)*99/100].Seconds()
	}
	return c
}

// formatStatus tells of a format.
func formatStatus(d *daemon, cfg *config.Site, f *pipeline.FormatStatus) admin.Format {
	out := admin.Format{Name: f.Name, Where: f.Where, Fingerprint: f.Fingerprint, Use: f.Use, Why: f.Why, Retired: f.Retired}
	if d.framing == schema.SingleObject {
		return out
	}
	if strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject); err == nil {
		out.Subject = strategy.Subject(topicOf(cfg, sink.Events), f.Record)
	}
	if f.Frame != nil {
		out.ID = schemaID(f.Frame)
	}
	return out
}

// schemaID reads the id that a registry gave a schema out of the frame of its values.
func schemaID(f *pipeline.Frame) string {
	b := f.Prefix
	if f.Header != nil {
		b = f.Header.Value
	}
	switch {
	case len(b) == 5 && b[0] == 0:
		return fmt.Sprint(binary.BigEndian.Uint32(b[1:]))
	case len(b) == 17 && b[0] == 1:
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[1:5], b[5:7], b[7:9], b[9:11], b[11:])
	}
	return ""
}

// fileStatus tells of the files that have most to do, and how many others there are.
func fileStatus(all []tail.FileStatus) (files []admin.File, omitted int) {
	slices.SortStableFunc(all, func(a, b tail.FileStatus) int {
		if af, bf := a.State == tail.Failing, b.State == tail.Failing; af != bf {
			if af {
				return -1
			}
			return 1
		}
		return int(min(max((b.Size-b.Offset)-(a.Size-a.Offset), -1), 1))
	})
	for i, f := range all {
		if i == admin.MaxFiles {
			return files, len(all) - i
		}
		files = append(files, admin.File{Path: f.Path, Generation: f.ID, State: string(f.State), Size: f.Size, Offset: f.Offset,
			LagBytes: max(0, f.Size-f.Offset), Error: f.Err})
	}
	return files, 0
}

// changeStatus tells of a change.
func changeStatus(c *pipeline.RecentChange) admin.Change {
	out := admin.Change{Time: microTime(c.Time), ID: c.ID, Source: string(c.Source), Class: c.Class.String(), Action: string(c.Action), Format: c.Format,
		Where: c.Where, Text: c.Text, Old: writerStatus(c.Old), New: writerStatus(c.New), LeftOut: c.LeftOut}
	for _, d := range c.Diffs {
		out.Diffs = append(out.Diffs, admin.Diff{Path: d.Path, Kind: string(d.Kind), Old: d.Old, New: d.New, Class: d.Class.String(), Text: d.Text})
	}
	return out
}

func writerStatus(w *schema.Writer) *admin.Writer {
	if w == nil {
		return nil
	}
	return &admin.Writer{LogFormat: w.LogFormat, Escape: w.Escape, Fingerprint: fmt.Sprintf("%016x", w.Fingerprint)}
}
