package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"ngxtap/pkg/pipeline"
)

// superviseEvery is how often sites are looked at; more often where the service manager wants more pings.
const superviseEvery = 5 * time.Second

// hangAfter is how long a site may show no sign of life before it counts as hung. Between two of them lies at most one request to a broker, or
// one look at a file; a disk may be slow, so there is much to spare.
func hangAfter(requestTimeout time.Duration) time.Duration { return 2*time.Minute + 2*requestTimeout }

// supervise says that the daemon is ready, and from then on, until stop is called, keeps the status line true and pings the manager's
// watchdog for as long as every site is alive. Whether a site has a broker does not matter: that it waits for one is said.
func (d *daemon) supervise(sites []*pipeline.Site) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	step := superviseEvery
	if w := d.manager.watchdog; w > 0 {
		step = max(min(step, w/3), 10*time.Millisecond)
	}
	tick := time.NewTicker(step)
	d.manager.ready()
	go func() {
		defer close(done)
		newWatch(d, sites, step).run(ctx, tick.C)
	}()
	return func() {
		cancel()
		<-done
		tick.Stop()
	}
}

// watch looks at the sites of a daemon from time to time.
type watch struct {
	d      *daemon
	sites  []*pipeline.Site
	vigil  *pipeline.Vigil
	step   time.Duration // between two looks, and how much one counts
	status string        // as it was last sent
	shipped
}

// shipped is what was shipped up to a moment.
type shipped struct {
	lines int64
	at    time.Time
	rate  float64 // lines a second before it
}

func newWatch(d *daemon, sites []*pipeline.Site, step time.Duration) *watch {
	w := &watch{d: d, sites: sites, step: step, vigil: pipeline.NewVigil(hangAfter(d.cfg.Kafka.RequestTimeout), sites)}
	w.shipped = shipped{lines: w.lines(), at: time.Now()}
	return w
}

func (w *watch) lines() (n int64) {
	for _, s := range w.sites {
		st := s.Stats()
		n += st.Events.Load() + st.Quarantined.Load() + st.Blank.Load()
	}
	return n
}

// run looks at once and with each tick.
func (w *watch) run(ctx context.Context, ticks <-chan time.Time) {
	w.look(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			w.look(w.step)
		}
	}
}

// look sends one message: the status, if it has changed, and a ping, unless a site hangs.
func (w *watch) look(step time.Duration) {
	m := w.d.manager
	hanging, back := w.vigil.Look(step)
	var lines []string
	if m.watchdog > 0 && len(hanging) == 0 {
		lines = append(lines, "WATCHDOG=1")
	}
	var names []string
	for _, h := range hanging {
		names = append(names, h.Site)
		if h.New {
			w.d.log.Error("a site hangs: it is neither waiting for a broker nor idle, and shows no sign of life", "site", h.Site, "doing", h.What,
				"for", h.For.String(), "watchdog", m.watchdog > 0)
		}
	}
	w.d.hanging.Store(&names)
	for _, name := range back {
		w.d.log.Info("a site that hung goes on", "site", name)
	}
	if s := statusOf(w.text(hanging)); s != w.status && !m.isLeaving() {
		w.status = s
		lines = append(lines, s)
	}
	m.send(lines...)
}

// stuck returns the sites that hang. A restart may help them, and nobody else's doing will.
func (d *daemon) stuck() []string {
	if names := d.hanging.Load(); names != nil {
		return *names
	}
	return nil
}

// text says what matters, the worst first. It asks sites only for what they note down: a file that can't be read keeps its reader's lock, and
// with it whoever asks how that file is.
func (w *watch) text(hanging []pipeline.Hang) string {
	var parts []string
	for _, h := range hanging {
		parts = append(parts, fmt.Sprintf("site %s hangs: %s", h.Site, h.What))
	}
	if why := w.d.manager.refusedBecause(); why != "" {
		parts = append(parts, refusedText+why)
	}
	running, troubles := w.troubles(hanging)
	sites := count(len(w.sites), "site")
	if running < len(w.sites) {
		sites = fmt.Sprintf("%d of %s", running, sites)
	}
	parts = append(append(parts, sites+" running"), troubles...)
	if rate := w.speed(); rate >= 1 {
		parts = append(parts, grouped(int64(rate))+" lines/s")
	}
	var lag, last int64
	for _, s := range w.sites {
		lag += s.Stats().Lag()
		last = max(last, s.Stats().LastCommit.Load())
	}
	if lag > 0 {
		parts = append(parts, "lag "+binaryBytes(lag))
	}
	if last > 0 {
		// The time of day: what is shown is as old as the last change of this line.
		parts = append(parts, "last commit "+time.UnixMicro(last).UTC().Format("15:04:05Z"))
	}
	return strings.Join(parts, "; ")
}

// speed returns the lines a second that were committed of late.
func (w *watch) speed() float64 {
	now := shipped{lines: w.lines(), at: time.Now()}
	if d := now.at.Sub(w.at); d >= time.Second { // less would make much of a single commit
		now.rate = float64(now.lines-w.shipped.lines) / d.Seconds()
		w.shipped = now
	}
	return w.rate
}

// troubles counts the sites that run and says what keeps the others from it, those with the same trouble together. Those that hang have been named.
func (w *watch) troubles(hanging []pipeline.Hang) (running int, texts []string) {
	var whys []string
	names := map[string][]string{}
	for _, s := range w.sites {
		phase, why := s.Stats().Phase()
		if slices.ContainsFunc(hanging, func(h pipeline.Hang) bool { return h.Site == s.Name() }) {
			continue
		}
		switch phase {
		case pipeline.Running:
			running++
			continue
		case pipeline.Starting, pipeline.Stopped:
			continue
		case pipeline.WaitingForIDs:
			why = "waiting for the registry at " + hosts(w.d.cfg.Registry.URLs)
		case pipeline.WaitingForSink:
			why = "waiting for Kafka at " + hosts(w.d.cfg.Kafka.Brokers)
		case pipeline.Held:
			why = "held: " + why
		case pipeline.Retrying:
			why = "going back to the last commit: " + why
		case pipeline.Failed:
			why = "can't go on: " + why
		}
		if names[why] == nil {
			whys = append(whys, why)
		}
		names[why] = append(names[why], s.Name())
	}
	for _, why := range whys {
		who := names[why]
		if len(who) > 3 {
			who = append(slices.Clone(who[:2]), fmt.Sprintf("%d more", len(who)-2))
		}
		texts = append(texts, strings.Join(who, ", ")+" "+why)
	}
	return running, texts
}

// hosts names the first of addresses, which may be URLs, and how many there are besides.
func hosts(addrs []string) string {
	if len(addrs) == 0 {
		return "no address"
	}
	first := addrs[0]
	if u, err := url.Parse(first); err == nil && u.Host != "" {
		first = u.Host
	}
	if n := len(addrs) - 1; n > 0 {
		return fmt.Sprintf("%s and %d more", first, n)
	}
	return first
}

// binaryBytes writes a number of bytes as a person reads it.
func binaryBytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/(1<<10), 0
	for v >= 1<<10 && unit < 4 {
		v /= 1 << 10
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGTP"[unit])
}
