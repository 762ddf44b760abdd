package pipeline

import (
	"strings"

	"ngxtap/pkg/schema"
)

// Phase is what a site does, in one of a few fixed words, fit to be a label of metrics; State says the same in words for people.
type Phase string

// The phases of a site.
const (
	PhaseStarting   Phase = "starting"   // it gets what it needs to begin
	PhaseRecovering Phase = "recovering" // it looks up the last commit, or waits for brokers to answer; goes on by itself
	PhaseBlocked    Phase = "blocked"    // likewise, but the far side refuses it: somebody has to mend a login, a right, a topic
	PhaseRunning    Phase = "running"    // it ships, or waits for lines
	PhaseHeld       Phase = "held"       // it is stopped before a line; see HeldReasons
	PhaseStopped    Phase = "stopped"    // it was asked to stop
	PhaseFailed     Phase = "failed"     // it can't go on; the other sites do
)

// Phases returns all values of Phase.
func Phases() []Phase {
	return []Phase{PhaseStarting, PhaseRecovering, PhaseBlocked, PhaseRunning, PhaseHeld, PhaseStopped, PhaseFailed}
}

// phaseOf returns the phase of a state in words.
func phaseOf(state string) Phase {
	for _, p := range []struct {
		begins string
		phase  Phase
	}{
		{StateRunning, PhaseRunning}, {stateHeld, PhaseHeld}, {"recovering", PhaseRecovering}, {"failed", PhaseFailed}, {"stopped", PhaseStopped},
	} {
		if strings.HasPrefix(state, p.begins) {
			return p.phase
		}
	}
	return PhaseStarting
}

// HeldOther is why a site is held where none of ReasonChange, ReasonRefused and ReasonAway says it: the registry has not answered yet, or
// the state in words names it.
const HeldOther = "other"

// HeldReasons returns every word that Held may give for a site that is stopped before a line.
func HeldReasons() []string { return []string{ReasonChange, ReasonRefused, ReasonAway, HeldOther} }

// standing is where a site stands, beside the words of Stats.state.
type standing struct {
	blocked bool         // the last session ended by what only somebody can mend
	held    string       // one of HeldReasons
	class   schema.Class // the gravest change among the formats of the configuration
}

// Phase returns what the site does.
func (s *Stats) Phase() Phase {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := phaseOf(s.state)
	if p == PhaseRecovering && s.standing.blocked {
		return PhaseBlocked
	}
	return p
}

// HeldReason returns why the site is held, one of HeldReasons; empty if it is not.
func (s *Stats) HeldReason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if phaseOf(s.state) != PhaseHeld {
		return ""
	}
	return s.standing.held
}

// SchemaClass returns the gravest class of the changes that brought the formats which the configuration has now, as the committed position
// remembers them: ClassNone if all were there from the beginning. It outlives restarts.
func (s *Stats) SchemaClass() schema.Class {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.standing.class
}

// setBlocked notes whether the session ended by what only somebody can mend.
func (s *Stats) setBlocked(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing.blocked = is
}

// setHeld notes why the site is held, as the candidate's reason has it.
func (s *Stats) setHeld(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.standing.held = reason; reason == "" {
		s.standing.held = HeldOther
	}
}

// setClass notes the gravest change among the formats of the configuration.
func (s *Stats) setClass(formats []knownFormat) {
	worst := schema.ClassNone
	for i := range formats {
		if formats[i].Retired != 0 {
			continue
		}
		if c, err := schema.ParseClass(formats[i].Class); err == nil {
			worst = max(worst, c)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing.class = worst
}
