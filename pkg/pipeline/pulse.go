package pipeline

import (
	"sync/atomic"
	"time"
)

// Pulse shows from outside whether the goroutine of a site is alive. It beats with each turn of the straight line, and within each wait
// that is none of the site's own fault whenever something comes of it: a connection that is made, refused, answered or timed out,
// a file that is opened, a pause that is over. A site that waits for a broker for days, is held by policy or has nothing to read has a
// pulse; one that is stuck in a lock or in a system call has none. The zero value is ready for use; safe for concurrent use.
type Pulse struct {
	beats atomic.Uint64
	doing atomic.Pointer[activity] // nil: Run was not called yet
	ended atomic.Bool
}

// activity is what a site does between two beats.
type activity struct {
	what     string
	patience time.Duration // how long it may take; 0: as long as any other
}

// The activities of a site.
var (
	doLook    = &activity{what: "looking at the log files"}
	doIDs     = &activity{what: "getting schema ids"}
	doOpen    = &activity{what: "opening the sink"}
	doRecover = &activity{what: "recovering the position"}
	// Several requests to each address of a registry, each with its own time-out, and no beat between them.
	doAsk    = &activity{what: "asking the registry what it has for the site", patience: 15 * time.Minute}
	doConf   = &activity{what: "reading the configuration of the log"}
	doRead   = &activity{what: "reading the log files"}
	doEncode = &activity{what: "turning lines into events"}
	doWrite  = &activity{what: "writing to the sink"}
	doCommit = &activity{what: "committing"}
	doClose  = &activity{what: "closing the session"}
	doPause  = &activity{what: "waiting before it tries again"}
)

// Beat says that something has come of what the site waits for. A nil Pulse takes no note of it.
func (p *Pulse) Beat() {
	if p != nil {
		p.beats.Add(1)
	}
}

// at beats and notes what the site does now.
func (p *Pulse) at(a *activity) {
	p.doing.Store(a)
	p.beats.Add(1)
}

// Hang is a site whose pulse has stopped.
type Hang struct {
	Site string
	What string        // what it has been doing since
	For  time.Duration // for how long, at least
	New  bool          // the last look did not see it yet
}

// Vigil watches the pulses of sites. It belongs to one goroutine.
type Vigil struct {
	patience time.Duration
	watched  []watched
}

type watched struct {
	site  *Site
	beats uint64
	still time.Duration // no beat was seen for so long
	hangs bool
}

// NewVigil returns a watch over sites. One that does not beat for patience hangs: patience must be longer than the longest request to a
// broker may take.
func NewVigil(patience time.Duration, sites []*Site) *Vigil {
	v := &Vigil{patience: patience}
	for _, s := range sites {
		v.watched = append(v.watched, watched{site: s})
	}
	return v
}

// Look returns the sites that hang, and those that did at the last look and beat again. step is how much time counts since the last
// look, whatever the clock says: a process that was stopped, a machine that slept, or one that has no processor time to give looks late,
// and has not been hanging meanwhile.
func (v *Vigil) Look(step time.Duration) (hanging []Hang, back []string) {
	for i := range v.watched {
		w := &v.watched[i]
		p := w.site.cfg.Pulse
		a, n := p.doing.Load(), p.beats.Load()
		if n != w.beats || a == nil || p.ended.Load() {
			if w.hangs {
				back = append(back, w.site.Name())
			}
			w.beats, w.still, w.hangs = n, 0, false
			continue
		}
		if w.still += step; w.still < max(v.patience, a.patience) {
			continue
		}
		hanging = append(hanging, Hang{Site: w.site.Name(), What: a.what, For: w.still, New: !w.hangs})
		w.hangs = true
	}
	return hanging, back
}
