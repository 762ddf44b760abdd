package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// How often the configuration is looked at while lines come: so that it takes a five-hundredth of the time at the most.
const (
	lookShare = 500
	lookLeast = 20 * time.Millisecond
	lookMost  = 10 * time.Second
)

// look finds out, now and then or at once, whether the configuration was edited, and what has become of schemas that are not registered
// yet. It is called before a block is turned into events, so an edit is known before the first line of the new format comes, unless
// that was read in the same moment.
func (l *line) look(atOnce bool) (edited bool) {
	now := time.Now()
	if !atOnce && now.Sub(l.looked) < l.lookPause {
		return false
	}
	edited = l.reread()
	l.looked = time.Now()
	// A look that was interrupted takes long; it may not blind us for seconds.
	l.lookPause = min(max(lookShare*l.looked.Sub(now), lookLeast), 2*max(l.lookPause, lookLeast), lookMost)
	if !edited {
		l.judge()
	}
	return edited
}

// edited reports whether the configuration was edited since the line at off, which fits no format, was written. That is looked up once
// for each block.
func (l *line) edited(off int64) bool {
	if l.lookedAnew {
		return false
	}
	l.lookedAnew = true
	if !l.look(true) {
		return false
	}
	l.order, l.until = order(l.order[:0], l.st.Formats, l.formats, l.fileID, off)
	return true
}

// reread takes over an edited configuration. One that can't be used changes nothing.
func (l *line) reread() bool {
	s := l.site
	if s.cfg.Edited == nil {
		return false
	}
	formats, err := s.cfg.Edited()
	if err == nil && formats != nil {
		err = s.use(formats)
	}
	switch {
	case err != nil:
		if s.problem != err.Error() {
			s.problem = err.Error()
			s.stats.setProblem(s.problem)
			s.log.Error("the configuration of the log as it is now can't be used; the formats stay as they were", "error", err)
		}
		return false
	case formats == nil:
		return false
	}
	if s.problem != "" {
		s.problem = ""
		s.stats.setProblem("")
		s.log.Info("the configuration of the log can be used again")
	}
	l.adopt("")
	l.judge()
	return true
}

// registered returns what a registry has for a site whose position knows no formats: another host may ship the same log, or this one
// did before its position was lost.
func (l *line) registered(ctx context.Context) string {
	s := l.site
	if len(l.st.Formats) > 0 || s.cfg.Registered == nil || len(s.current) == 0 {
		return ""
	}
	text, err := s.cfg.Registered(ctx, s.current[0].event.FullName())
	if err != nil {
		s.log.Warn("the registry does not say what it has for this site, so nothing tells whether the first schema is a change", "error", err)
	}
	return text
}

// adopt compares the formats of the configuration with those that the committed position knows, and notes the changes: they become
// durable together, with the next commit. Where the position knows none, registered, if not empty, takes their place.
func (l *line) adopt(registered string) {
	s := l.site
	r := reconcile(l.st.Formats, s.current, reconciliation{policy: &s.cfg.OnChange, build: s.build, registered: registered, ends: l.in.Ends(), now: time.Now()})
	l.st.Formats = r.known
	for i := range r.events {
		l.change(&r.events[i])
	}
	l.formats = s.candidates(l.st.Formats)
	l.until = 0
}

// judge finds out what becomes of the lines of each format from here on.
func (l *line) judge() {
	s, told := l.site, len(l.tally.changes) == 0
	for _, c := range l.formats {
		at := slices.IndexFunc(l.st.Formats, func(k knownFormat) bool { return c.id.is(&k) })
		k := &l.st.Formats[at]
		if k.action(&s.cfg.OnChange) != schema.Evolve && s.cfg.Accepted != nil && s.cfg.Accepted(c.Fingerprint()) {
			k.Accepted = true
			l.mustCommit()
			s.log.Info("the changed format was accepted", "format", k.Name, "class", k.Class, "schema", k.Fingerprint)
		}
		s.judge(c, k, told)
		if c.verdict == toEvents && k.Class != "" {
			k.Accepted = true // durable with its first event: from then on readers have it, and a stricter policy is about later changes
		}
		if c.reg == nil {
			continue
		}
		switch frame, refused, err := c.reg.state(); {
		case refused && !k.Refused && k.Retired == 0:
			k.Refused = true
			l.change(&schema.ChangeEvent{
				Source: schema.FromRegistry, Class: schema.ClassBreaking, Action: s.cfg.OnChange.refused(),
				Format: k.Name, Where: k.Where, New: writer(c.Format), Offset: -1, Text: err.Error(),
			})
		case frame != nil && k.Refused:
			k.Refused = false
			l.mustCommit()
			s.log.Info("the registry takes the schema now", "format", k.Name, "schema", k.Fingerprint)
		}
	}
}

// sample shows the header names of the event that was added last.
func (l *line) sample(c *candidate) {
	b := l.batch
	l.drift.sampled(l.fileID, l.origin.Offset)
	if err := c.names.Each(b.ValueOf(&b.Records[len(b.Records)-1]), l.countHeader); err != nil {
		l.site.log.Error("an event can't be read back; this is a bug in ngxtap", "format", c.Name(), "error", err)
		l.drift = nil
	}
}

// watchData tells what has changed in the data, and keeps the census.
func (l *line) watchData(now time.Time) {
	if l.census != nil {
		l.census.save(now, &l.site.background)
	}
	if l.drift == nil {
		return
	}
	events := l.drift.due(now)
	for i := range events {
		l.change(&events[i])
	}
}

// mustCommit sees to it that what has changed in the position is committed soon.
func (l *line) mustCommit() {
	if l.oldest.IsZero() {
		l.oldest = time.Now()
	}
}

var changeFingerprint = sync.OnceValue(func() uint64 {
	fp, err := schema.Fingerprint(schema.SchemaChange)
	if err != nil {
		panic("pipeline: the schema of changes does not parse: " + err.Error()) // a constant; a test covers it
	}
	return fp
})

// change puts a change into the batch. It is told when it is committed.
func (l *line) change(e *schema.ChangeEvent) {
	l.mustCommit()
	e.Time, e.Site, e.Host, e.ID = time.Now().UnixMicro(), l.site.cfg.Site, l.site.cfg.Instance, changeID()
	frame := l.site.frame[sink.Changes]
	if !l.changesKnown {
		l.changesKnown = true
		l.schema(frame.Announce, changeFingerprint(), schema.SchemaChange)
	}
	b := l.batch
	before := len(b.Buf)
	for cut := 0; ; cut++ {
		b.Buf = append(b.Buf[:before], frame.Prefix...)
		b.Buf = avro.AppendSchemaChange(b.Buf, e)
		if limit := l.site.limit[sink.Changes]; len(b.Buf)-before <= limit || !shorten(e, cut, limit) {
			break
		}
	}
	b.Header = frame.Header
	b.Add(sink.Changes, e.Time)
	l.tally.changes = append(l.tally.changes, *e)
}

// shorten leaves out of a change, step by step, what makes it too long for one record. It reports whether there is anything left to leave out.
func shorten(e *schema.ChangeEvent, step, limit int) bool {
	writers := []**schema.Writer{&e.Old, &e.New}
	switch step {
	case 0:
		e.Text = strings.ToValidUTF8(e.Text[:min(len(e.Text), limit/4)], "") + " (it is too long to be told whole)"
		e.Diffs = e.Diffs[:min(len(e.Diffs), limit/4096)]
	case 1:
		e.Diffs = nil
	case 2:
		for _, w := range writers {
			if *w != nil {
				*w = &schema.Writer{LogFormat: (*w).LogFormat, Escape: (*w).Escape, Fingerprint: (*w).Fingerprint}
			}
		}
	case 3:
		for _, w := range writers {
			if *w != nil {
				*w = &schema.Writer{Escape: (*w).Escape, Fingerprint: (*w).Fingerprint}
			}
		}
	default:
		return false
	}
	return true
}

// tell logs the changes that have just been committed.
func (l *line) tell() {
	for i := range l.tally.changes {
		e := &l.tally.changes[i]
		level := slog.LevelInfo
		if e.Action == schema.Hold || e.Action == schema.QuarantineThem || e.Class == schema.ClassBreaking {
			level = slog.LevelWarn
		}
		l.site.log.Log(context.Background(), level, "schema change", "source", e.Source, "class", e.Class.String(), "action", e.Action, "format", e.Format,
			"change", e.Text, "id", e.ID)
	}
}

// errHeld ends a run with Config.Once that may not go past a line.
var errHeld = errors.New("the site is held")

const (
	holdPause = 250 * time.Millisecond // between two looks whether the way is clear
	passPause = 5 * time.Millisecond   // the same while a registry is about to answer
	passMost  = 2 * time.Second        // how long that is no hold yet
)

// hold waits while the site may not go past a line, with everything before it committed. Files are followed meanwhile.
func (l *line) hold(ctx, work context.Context) error {
	if l.held == nil {
		return nil
	}
	s := l.site
	if err := l.commit(work); err != nil {
		return err
	}
	began, said := time.Now(), false
	for l.held.verdict == toHold && slices.Contains(l.formats, l.held) {
		pause := passPause
		if !l.held.passing || time.Since(began) > passMost {
			pause = holdPause
			if !said {
				said = true
				s.stats.setState(stateHeld + l.held.text)
				s.log.Warn("the site is held before a line; the log file is the queue, nothing is lost",
					"format", l.held.Name(), "file", l.fileID, "offset", l.origin.Offset, "why", l.held.text)
			}
			if s.cfg.Once && l.held.lasting {
				return fmt.Errorf("%w before a line of log_format %s: %s", errHeld, l.held.Name(), l.held.text)
			}
		}
		if err := l.in.Wait(ctx, pause); err != nil {
			if ctx.Err() != nil {
				return nil // run sees it too
			}
			return err
		}
		l.look(true)
		if err := l.commitIfDue(work); err != nil {
			return err
		}
		s.stats.setLag(l.lag())
	}
	l.held = nil
	if said {
		s.stats.setState(StateRunning)
		s.log.Info("the site goes on")
	}
	return nil
}
