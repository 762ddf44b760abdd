package pipeline

import (
	"cmp"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// driftConfig says which changes of a site's data are worth telling. A zero value means its default.
type driftConfig struct {
	Window      time.Duration // shares are taken over at least this time; default: one minute
	MinLines    int           // and over at least so many lines, so that a quiet site has longer windows; default: 1000
	RejectShare float64       // of the lines that went to quarantine, for any reason; default: 0.01
	MisfitShare float64       // of the lines that did for the value of one column; default: a tenth of RejectShare
	HeaderShare float64       // of the sampled events that have a header; default: 0.01
	SampleEvery int           // one event in so many shows its header names; more where there are few events; default: 64
}

func (c driftConfig) withDefaults() driftConfig {
	c.Window = cmp.Or(c.Window, time.Minute)
	c.MinLines = cmp.Or(c.MinLines, 1000)
	c.RejectShare = cmp.Or(c.RejectShare, 0.01)
	c.MisfitShare = cmp.Or(c.MisfitShare, c.RejectShare/10)
	c.HeaderShare = cmp.Or(c.HeaderShare, 0.01)
	c.SampleEvery = cmp.Or(c.SampleEvery, 64)
	return c
}

// drift notices changes of a site's data that no configuration announces: more lines in quarantine than before, a column whose values stop
// fitting its type, headers that come and go. It counts in windows, and tells each change once.
//
// It belongs to one session: it is made of what the last commit saved, and is forgotten with the session, so that a change is told in
// the transaction that remembers it. What the window in hand has counted is not saved: a restart begins a new window. It reads no clock,
// and the hot path allocates nothing. Whatever the lines hold, its memory is bounded (see the constants), and so is what it tells. It is
// for one goroutine.
type drift struct {
	cfg driftConfig

	// The following belong to the window in hand.
	start    time.Time // zero before the first due
	events   int64
	refused  int64 // lines in quarantine
	byReason [len(reasons)]int64
	example  place // of a line in quarantine

	next     int    // so many events until the next that is sampled
	interval int    // events between two samples, on average
	picked   int    // samples of this window
	random   uint64 // state of a xorshift generator: samples at equal distances would fall in step with regular traffic

	rejects [2]signal // more than RejectShare; nearly all
	misfits []misfitColumn
	headers headerWatch
	census  *census // where rare names are looked up; nil: nowhere
	rare    rareWatch

	saved []byte // what save returns
}

// place is a line: the generation id of its file, and its offset there. An empty file means none.
type place struct {
	file   string
	offset int64
}

// misfitColumn is a column with values that do not fit its type.
type misfitColumn struct {
	signal
	variable string
	count    int64 // in this window
	example  place
}

// Bounds and rules of drift.
const (
	maxMisfits    = 16      // columns that are watched at a time
	maxMisfitRoom = 200     // bytes that their names take in what is saved
	maxName       = 64      // the longest name of a column or a header that is told, in bytes
	nearlyAll     = 0.9     // the share of lines in quarantine from which on a site is as good as blind
	atLeast       = 5       // fewer lines than this are never a change
	fineSamples   = 1024    // the samples that a window aims at, where SampleEvery would give fewer
	maxDiffs      = 16      // differences in one event
	firstRandom   = 1 << 40 // any number but 0
)

// newDrift goes on from what save returned at the last commit. Without it, or if it can't be read, it learns afresh.
func newDrift(cfg driftConfig, saved []byte) *drift {
	d := freshDrift(cfg)
	if len(saved) > 0 && !d.restore(saved) {
		d = freshDrift(cfg)
	}
	d.saved = d.encode(nil)
	return d
}

func freshDrift(cfg driftConfig) *drift {
	d := &drift{cfg: cfg.withDefaults(), interval: 1, next: 1, random: firstRandom, misfits: make([]misfitColumn, 0, maxMisfits)}
	for i := range d.headers.sides {
		d.headers.sides[i].known = map[string]*knownHeader{}
	}
	return d
}

// save appends what newDrift needs to go on: less than 2 KiB, and the same bytes until a window has ended.
func (d *drift) save(dst []byte) []byte { return append(dst, d.saved...) }

// event counts a line that became an event. If it reports true, the caller says sampled and then header for each of the event's names.
func (d *drift) event() (sample bool) {
	d.events++
	d.next--
	return d.next <= 0 && d.pick()
}

// pick takes this event for a sample and chooses the next. A window begins with the interval that its predecessor called for; if there are
// many more events after all, the interval grows.
func (d *drift) pick() bool {
	d.picked++
	if d.picked%(2*fineSamples) == 0 {
		d.interval = min(2*d.interval, d.cfg.SampleEvery)
	}
	d.random ^= d.random << 13
	d.random ^= d.random >> 7
	d.random ^= d.random << 17
	d.next = 1 + int(d.random%uint64(2*d.interval-1))
	return true
}

// sampled begins a sampled event, whose header names follow. It is the event of the line at offset of the generation file.
func (d *drift) sampled(file string, offset int64) { d.headers.begin(place{file, offset}) }

// header counts a name of the sampled event. It keeps no memory of name.
func (d *drift) header(side logformat.Family, name []byte) { d.headers.count(side, name) }

// rejected counts a line that went to quarantine. reason is one of the Reason constants, variable that of the column that was in the way,
// or empty.
func (d *drift) rejected(reason, variable, file string, offset int64) {
	d.refused++
	d.example = place{file, offset}
	for i, r := range reasons {
		if r == reason {
			d.byReason[i]++
		}
	}
	if reason != ReasonMisfit || variable == "" || len(variable) > maxName {
		return
	}
	room := maxMisfitRoom - savedCost(variable)
	for i := range d.misfits {
		m := &d.misfits[i]
		if m.variable == variable {
			m.count++
			m.example = d.example
			return
		}
		room -= savedCost(m.variable)
	}
	if len(d.misfits) < maxMisfits && room >= 0 {
		d.misfits = append(d.misfits, misfitColumn{variable: variable, count: 1, example: d.example})
	}
}

// due is called between two blocks. When a window is over it returns what has changed since what was last told: at most two events, one on
// lines in quarantine, one on headers. Site, Host, ID and Format are for the caller to fill.
func (d *drift) due(now time.Time) []schema.ChangeEvent {
	if d.start.IsZero() || now.Before(d.start) {
		d.start = now
		return nil
	}
	if now.Sub(d.start) < d.cfg.Window {
		return nil
	}
	// Few lines say nothing, unless so many of them were refused that the others could not make it a small share.
	enough := d.events+d.refused >= int64(d.cfg.MinLines)
	if !enough && (d.refused < atLeast || float64(d.refused) <= d.cfg.RejectShare*float64(d.cfg.MinLines)) {
		return nil
	}
	var out []schema.ChangeEvent
	if e := d.endRejects(now, enough); e != nil {
		out = append(out, *e)
	}
	if e := d.endRare(now, d.headers.end(now, d.cfg.HeaderShare)); e != nil {
		out = append(out, *e)
	}
	d.interval = int(min(max(1, d.events/fineSamples), int64(d.cfg.SampleEvery)))
	d.start, d.events, d.refused, d.byReason, d.example, d.picked = now, 0, 0, [len(reasons)]int64{}, place{}, 0
	d.saved = d.encode(d.saved[:0])
	return out
}

// endRejects judges the window's lines in quarantine and starts counting anew. enough says that the lines suffice for "no longer".
func (d *drift) endRejects(now time.Time, enough bool) *schema.ChangeEvent {
	w := window{lines: d.events + d.refused, took: now.Sub(d.start).Round(time.Second)}
	all := max(nearlyAll, d.cfg.RejectShare)
	d.rejects[0].judge(d.refused, w.lines, d.cfg.RejectShare, enough, rejectPatience)
	d.rejects[1].judge(d.refused, w.lines, all, enough, rejectPatience)
	diffs := d.rejectDiffs(nil, &w)
	example := place{}
	if len(diffs) > 0 && d.rejects[0].on {
		example = d.example
	}
	keep := d.misfits[:0]
	for i := range d.misfits {
		m := &d.misfits[i]
		m.judge(m.count, w.lines, d.cfg.MisfitShare, enough, rejectPatience)
		if m.on != m.told {
			m.told = m.on
			diffs = append(diffs, misfitDiff(m, &w))
			if m.on && example.file == "" {
				example = m.example
			}
		}
		if m.known() {
			m.count, m.example = 0, place{}
			keep = append(keep, *m)
		}
	}
	clear(d.misfits[len(keep):])
	d.misfits = keep
	e := changeEvent(now, diffs, "")
	if e != nil {
		e.File, e.Offset = example.orNone()
	}
	return e
}
