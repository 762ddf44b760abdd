package evolution

// Shows: what a site does about a change is what on_change says. hold stops it before the first line of the new format, tells so, loses
// nothing and goes on when it is accepted, when the configuration changes or when the registry has another opinion; quarantine lets
// the other formats go on. Nothing is sent under a schema that the registry refuses.

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// change is a way to get a change of a class.
type change struct {
	class     string   // of the change, as on_change names it
	announced string   // the class that is announced
	before    string   // types in the site's file; empty: none
	after     []string // access_log lines of the site's file; none: nginx.conf alone changes
}

// All of them also edit nginx.conf, so that the line tells its format.
var (
	fullChange     = change{"full", "full", "", nil}
	backwardChange = change{"backward", "backward", "types: [{name: app_ms, type: int}]", []string{"types: [{name: app_ms, type: long}]"}}
	forwardChange  = change{"forward", "forward", "types: [{name: app_ms, type: long}]", []string{"types: [{name: app_ms, type: int}]"}}
	breakingChange = change{"breaking", "breaking", "types: [{name: app_ms, type: int}]", []string{"types: [{name: app_ms, type: string}]"}}
)

// policySite starts a site whose on_change has one policy, ships a few lines, and makes the change.
func policySite(t *testing.T, c change, policy string) *site {
	t.Helper()
	components.Require(t, components.PartKafka, components.PartRegistry)
	var log []string
	if c.before != "" {
		log = []string{c.before}
	}
	s := newSite(t, shared.Registry(t).URL, nginxConf(plain), policy, log...)
	s.start(t, plain)
	return s
}

// lenient lets the registry take everything until the test ends, for it is the policy of ngxtap that is asked. NONE for a subject means
// to Apicurio that the global level holds.
func lenient(t *testing.T) {
	t.Helper()
	level := func(l string) {
		if err := shared.Registry(t).SetCompatibility(l); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { level("BACKWARD") })
	level("NONE")
}

// change makes the change and waits until it is announced.
func (s *site) change(t *testing.T, c change, policy string) {
	t.Helper()
	if c.after == nil {
		s.write(t, "nginx.conf", nginxConf(longer))
	} else {
		// The daemon must not see the edit without the new types: it reads both at its next SIGHUP only if they are there before it.
		s.settings.AccessLog = append(s.settings.AccessLog, c.after...)
		s.host.WriteSite(t, s.settings)
		s.write(t, "nginx.conf", nginxConf(longer))
		s.reconfigure(t, policy)
	}
	components.Eventually(t, long, func() error {
		all := s.changes(t)
		if len(all) == 0 || all[len(all)-1].Class != c.announced {
			return fmt.Errorf("want a change of class %s; announced so far:\n%s", c.announced, told(all))
		}
		return s.daemon.Alive()
	})
}

// held waits until the site stands still at its first line of another format, and proves by the committed position that it is there.
func (s *site) held(t *testing.T, at int64) {
	t.Helper()
	components.Eventually(t, long, func() error {
		status, text, err := health(t, s.host.Admin)
		if err != nil || status != 503 || !strings.Contains(text, "site "+s.name+": held: ") {
			return fmt.Errorf("/healthz says %d, %v: %s; want 503, for the site is held", status, err, text)
		}
		return s.daemon.Alive()
	})
	components.Eventually(t, long, func() error {
		if p := s.position(t); p != at {
			return fmt.Errorf("the site stands at %d, and the first line that it may not send is at %d", p, at)
		}
		return nil
	})
	for _, r := range s.shipment(t).Records {
		if r.At >= at {
			t.Fatalf("the line at %d has arrived (quarantine: %v), but the site is held before %d", r.At, r.Quarantine, at)
		}
	}
	s.wantHeld(t, 1)
}

// wantHeld checks the metric.
func (s *site) wantHeld(t *testing.T, want float64) {
	t.Helper()
	n, err := oracle.Metric(within(t), s.host.Admin, "ngxtap_held", `site="`+s.name+`"`)
	if err != nil || n != want {
		t.Errorf("the metric ngxtap_held is %v, %v; want %v", n, err, want)
	}
}

// free waits until the site no longer is held.
func (s *site) free(t *testing.T) {
	t.Helper()
	s.arrived(t)
	components.Eventually(t, long, func() error {
		status, text, err := health(t, s.host.Admin)
		if err != nil || status != 200 {
			return fmt.Errorf("/healthz says %d, %v: %s; want 200", status, err, text)
		}
		return nil
	})
	s.wantHeld(t, 0)
}

// accept runs ngxtap schema accept.
func (s *site) accept(t *testing.T) {
	t.Helper()
	out, err := exec.CommandContext(within(t), harness.Binary(t, false), "schema", "accept", "-c", s.host.Config, "--site", s.name).CombinedOutput()
	if err != nil {
		t.Fatalf("ngxtap schema accept: %v\n%s", err, out)
	}
}

// mixed writes lines of both formats and returns where the first of the new one begins.
func (s *site) mixed(t *testing.T) (first int64) {
	t.Helper()
	s.lines(t, plain, 7)
	first = s.bytes()
	s.lines(t, longer, 3)
	s.lines(t, plain, 4)
	s.lines(t, longer, 5)
	return first
}

// Hold, and a person accepts. A kill in between forgets neither.
func TestHoldAndAccept(t *testing.T) {
	const policy = "on_change: {full: hold}"
	s := policySite(t, fullChange, policy)
	s.change(t, fullChange, policy)
	s.held(t, s.mixed(t))
	at := s.position(t)
	s.daemon.Kill()
	s.daemon = s.host.Start(t)
	s.held(t, at)
	s.accept(t)
	s.free(t)
	s.lines(t, longer, 5)
	s.arrived(t)
	s.daemon.Kill() // what was accepted stays accepted
	s.daemon = s.host.Start(t)
	s.lines(t, longer, 5)
	if n := len(s.changes(t)); n != 1 {
		t.Errorf("%d changes are announced, want 1:\n%s", n, told(s.changes(t)))
	}
	s.finish(t)
}

// Hold for each class, and another policy in the site's file with SIGHUP.
func TestHoldUntilConfigured(t *testing.T) {
	lenient(t)
	for _, c := range []change{fullChange, backwardChange, forwardChange, breakingChange} {
		t.Run(c.class, func(t *testing.T) {
			policy := "on_change: {" + c.class + ": hold}"
			s := policySite(t, c, policy)
			s.change(t, c, policy)
			s.held(t, s.mixed(t))
			s.reconfigure(t, "on_change: {"+c.class+": evolve}")
			s.free(t)
			s.finish(t)
		})
	}
}

// Hold, and the edit is taken back before Nginx was reloaded: nothing was ever written in that format.
func TestHoldTakenBack(t *testing.T) {
	const policy = "on_change: {full: hold}"
	s := policySite(t, fullChange, policy)
	s.change(t, fullChange, policy)
	s.lines(t, plain, 20)
	s.arrived(t) // nothing to hold yet
	if status, text, err := health(t, s.host.Admin); err != nil || status != 200 {
		t.Errorf("/healthz says %d, %v: %s; no line of the new format is there", status, err, text)
	}
	s.write(t, "nginx.conf", nginxConf(plain))
	s.lines(t, plain, 20)
	s.finish(t)
}

// Quarantine for each class: lines of the new format are kept there, the old ones go on.
func TestQuarantineByClass(t *testing.T) {
	lenient(t)
	for _, c := range []change{fullChange, backwardChange, forwardChange, breakingChange} {
		t.Run(c.class, func(t *testing.T) {
			policy := "on_change: {" + c.class + ": quarantine}"
			s := policySite(t, c, policy)
			s.change(t, c, policy)
			s.mixed(t)
			s.arrived(t)
			s.wantEvents(t, 8)
			if status, text, err := health(t, s.host.Admin); err != nil || status != 200 {
				t.Errorf("/healthz says %d, %v: %s; quarantine does not stop a site", status, err, text)
			}
			s.finish(t, "p2")
		})
	}
}

// wantEvents checks how many lines of the second format are in quarantine; all others must be events.
func (s *site) wantEvents(t *testing.T, quarantined int) {
	t.Helper()
	got := 0
	for _, r := range s.shipment(t).Records {
		if r.Quarantine {
			got++
		}
	}
	if got != quarantined {
		t.Errorf("%d lines are in quarantine, want %d", got, quarantined)
	}
}

// The registry refuses the schema, and the policy is hold: the site goes on by itself when the subject's level lets it.
func TestRefusedIsHeld(t *testing.T) {
	const policy = "on_change: {refused: hold}"
	s := policySite(t, fullChange, policy)
	s.clash(t, "request_length", "double")
	s.write(t, "nginx.conf", nginxConf(longer))
	s.held(t, s.mixed(t))
	setLevel(t, shared.Registry(t).URL, s.subject(), "FORWARD") // readers of doubles can read longs
	s.free(t)
	s.finish(t)
}

// The registry refuses the schema, and the policy is the default: lines of that format go to quarantine, the others go on.
func TestRefusedIsQuarantined(t *testing.T) {
	s := policySite(t, fullChange, "")
	s.clash(t, "request_length", "double")
	s.write(t, "nginx.conf", nginxConf(longer))
	s.announced(t, 1)
	s.mixed(t)
	s.arrived(t)
	s.wantEvents(t, 8)
	s.noEvents(t, "request_length")
	// The registry is asked again, and agrees: from then on they are events.
	setLevel(t, shared.Registry(t).URL, s.subject(), "FORWARD") // readers of doubles can read longs
	components.Eventually(t, long, func() error {
		s.lines(t, longer, 1)
		s.arrived(t)
		records := s.shipment(t).Records
		var last oracle.Record
		for _, r := range records {
			if r.At > last.At {
				last = r
			}
		}
		if last.Quarantine {
			return fmt.Errorf("the line at %d still goes to quarantine", last.At)
		}
		return s.daemon.Alive()
	})
	s.finish(t, "p2")
}
