package pipeline

import "strings"

// Phase is what a site is at, for whoever has to decide whether somebody must look at it.
type Phase uint8

// The phases of a site.
const (
	Starting       Phase = iota
	WaitingForIDs        // for the registry to know ngxtap's own schemas
	WaitingForSink       // for the sink to say where to go on
	Running
	Held     // stopped before a line that on_change, or the registry, does not let through
	Retrying // something failed: it goes back to its last commit
	Failed   // a restart can't cure it
	Stopped
)

// Phase returns what the site is at, and why where that is not all there is to say.
func (s *Stats) Phase() (p Phase, why string) {
	state, _ := s.State()
	switch state {
	case StateRunning:
		return Running, ""
	case stateIDs:
		return WaitingForIDs, ""
	case stateRecovering:
		return WaitingForSink, ""
	case stateStopped:
		return Stopped, ""
	}
	for prefix, p := range map[string]Phase{stateHeld: Held, stateRetry: Retrying, stateFailed: Failed} {
		if why, ok := strings.CutPrefix(state, prefix); ok {
			return p, why
		}
	}
	return Starting, ""
}
