package schema

import (
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// RegistryOutcome is how a request to a registry ended: a fixed word, fit to be a label of metrics.
type RegistryOutcome string

// The outcomes of requests.
const (
	OutcomeOK       RegistryOutcome = "ok"
	OutcomeNotFound RegistryOutcome = "not_found" // it has no such subject, version or schema: an ordinary answer
	OutcomeRefused  RegistryOutcome = "refused"   // it does not take the schema
	OutcomeDenied   RegistryOutcome = "denied"    // it does not take the login, or the login may not do this
	OutcomeError    RegistryOutcome = "error"     // another answer that is final, such as a wrong path
	OutcomeAway     RegistryOutcome = "away"      // no registry answered in all attempts
)

// RegistryOutcomes returns all values of RegistryOutcome.
func RegistryOutcomes() []RegistryOutcome {
	return []RegistryOutcome{OutcomeOK, OutcomeNotFound, OutcomeRefused, OutcomeDenied, OutcomeError, OutcomeAway}
}

// RegistryStats counts requests to a registry since the process started; several Registry may share it, one after the other. The zero
// value is ready for use; safe for concurrent use.
type RegistryStats struct {
	requests [6]atomic.Int64 // in the order of RegistryOutcomes
	answered atomic.Int64    // when a registry last gave an answer that is of use, in Unix microseconds; 0: never
	last     atomic.Pointer[RegistryOutcome]
}

// Requests returns how many requests ended in each way. One that was sent several times, since nobody answered, counts once.
func (s *RegistryStats) Requests() map[RegistryOutcome]int64 {
	n := make(map[RegistryOutcome]int64, len(s.requests))
	for i, o := range RegistryOutcomes() {
		n[o] = s.requests[i].Load()
	}
	return n
}

// Last returns how the last request ended, "" if there was none yet.
func (s *RegistryStats) Last() RegistryOutcome {
	if o := s.last.Load(); o != nil {
		return *o
	}
	return ""
}

// Up reports whether the last request got an answer that is of use, be it that there is no such schema, or a refusal. asked is false while
// there was no request.
func (s *RegistryStats) Up() (up, asked bool) {
	o := s.Last()
	return o.useful(), o != ""
}

// LastAnswer returns when a registry last gave an answer that is of use; the zero time if it never did.
func (s *RegistryStats) LastAnswer() time.Time {
	if us := s.answered.Load(); us != 0 {
		return time.UnixMicro(us)
	}
	return time.Time{}
}

func (o RegistryOutcome) useful() bool {
	return o == OutcomeOK || o == OutcomeNotFound || o == OutcomeRefused
}

// note counts a request by the error that it ended with.
func (s *RegistryStats) note(err error) {
	if s == nil {
		return
	}
	o := outcomeOf(err)
	for i, each := range RegistryOutcomes() {
		if each == o {
			s.requests[i].Add(1)
		}
	}
	if o.useful() {
		s.answered.Store(time.Now().UnixMicro())
	}
	s.last.Store(&o)
}

func outcomeOf(err error) RegistryOutcome {
	var answer *sr.ResponseError
	switch {
	case err == nil:
		return OutcomeOK
	case errors.Is(err, ErrUnavailable):
		return OutcomeAway
	case notFound(err):
		return OutcomeNotFound
	case refusal(err):
		return OutcomeRefused
	case errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden):
		return OutcomeDenied
	}
	return OutcomeError
}
