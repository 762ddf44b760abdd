package pipeline

import (
	"strings"

	"ngxtap/pkg/schema"
)

// Standing is what a site does, in one of a few fixed words, fit to be a label of metrics; State says the same in words for people.
type Standing string

// The standings of a site.
const (
	StandingStarting   Standing = "starting"   // it gets what it needs to begin
	StandingRecovering Standing = "recovering" // it looks up the last commit, or waits for brokers to answer; goes on by itself
	StandingBlocked    Standing = "blocked"    // likewise, but the far side refuses it: somebody has to mend a login, a right, a topic
	StandingRunning    Standing = "running"    // it ships, or waits for lines
	StandingHeld       Standing = "held"       // it is stopped before a line; see HeldReasons
	StandingStopped    Standing = "stopped"    // it was asked to stop
	StandingFailed     Standing = "failed"     // it can't go on; the other sites do
)

// Standings returns all values of Standing.
func Standings() []Standing {
	return []Standing{StandingStarting, StandingRecovering, StandingBlocked, StandingRunning, StandingHeld, StandingStopped, StandingFailed}
}

// standingOf returns the standing of a state in words.
func standingOf(state string) Standing {
	for _, p := range []struct {
		begins string
		is     Standing
	}{
		{StateRunning, StandingRunning}, {stateHeld, StandingHeld}, {stateRecovering, StandingRecovering}, {stateRetry, StandingRecovering}, {stateFailed, StandingFailed}, {stateStopped, StandingStopped},
	} {
		if strings.HasPrefix(state, p.begins) {
			return p.is
		}
	}
	return StandingStarting
}

// HeldOther is why a site is held where none of ReasonChange, ReasonRefused and ReasonAway says it: the registry has not answered yet, or
// the state in words names it.
const HeldOther = "other"

// HeldReasons returns every word that Held may give for a site that is stopped before a line.
func HeldReasons() []string { return []string{ReasonChange, ReasonRefused, ReasonAway, HeldOther} }

// footing is where a site stands, beside the words of Stats.state.
type footing struct {
	blocked bool         // the last session ended by what only somebody can mend
	held    string       // one of HeldReasons
	class   schema.Class // the gravest change among the formats of the configuration
}

// Standing returns what the site does.
func (s *Stats) Standing() Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := standingOf(s.state)
	if p == StandingRecovering && s.footing.blocked {
		return StandingBlocked
	}
	return p
}

// HeldReason returns why the site is held, one of HeldReasons; empty if it is not.
func (s *Stats) HeldReason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if standingOf(s.state) != StandingHeld {
		return ""
	}
	return s.footing.held
}

// SchemaClass returns the gravest class of the changes that brought the formats which the configuration has now, as the committed position
// remembers them: ClassNone if all were there from the beginning. It outlives restarts.
func (s *Stats) SchemaClass() schema.Class {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.footing.class
}

// setBlocked notes whether the session ended by what only somebody can mend.
func (s *Stats) setBlocked(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.footing.blocked = is
}

// setHeld notes why the site is held, as the candidate's reason has it.
func (s *Stats) setHeld(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.footing.held = reason; reason == "" {
		s.footing.held = HeldOther
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
	s.footing.class = worst
}
