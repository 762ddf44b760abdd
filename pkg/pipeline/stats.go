package pipeline

import (
	"cmp"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/tail"
)

// Count is what became of the bytes of one file. In every committed state
//
//	Read == Events + Quarantined + Blank + Lost
//
// holds exactly: Read counts every byte the site has moved past, newlines included, and each is in just one of the others.
type Count struct {
	Read        int64 `json:"read"`        // bytes moved past
	Events      int64 `json:"events"`      // bytes of lines that became events
	Quarantined int64 `json:"quarantined"` // bytes of lines that went to quarantine
	Blank       int64 `json:"blank"`       // bytes of empty lines
	Lost        int64 `json:"lost"`        // bytes declared lost
	// Uncounted is how often bytes were declared lost of which nobody can say how many; they are in none of the others.
	Uncounted int64 `json:"uncounted,omitempty"`
}

func (c *Count) add(o Count) {
	c.Read += o.Read
	c.Events += o.Events
	c.Quarantined += o.Quarantined
	c.Blank += o.Blank
	c.Lost += o.Lost
	c.Uncounted += o.Uncounted
}

// Balanced reports whether every byte read is accounted for.
func (c Count) Balanced() bool { return c.Read == c.Events+c.Quarantined+c.Blank+c.Lost }

// Reasons why a line goes to quarantine, as metric labels. They never come from log data.
const (
	ReasonMisfit    = "misfit"         // fits no candidate format
	ReasonOversize  = "oversize"       // longer than max_line
	ReasonTooLarge  = "too_large"      // its event would exceed what Kafka takes
	ReasonNoNewline = "no_newline"     // last line of a file that ended without newline
	ReasonRefused   = "schema_refused" // the registry refused the schema of its format
	ReasonAway      = "schema_unknown" // no registry gave an id for the schema of its format, and on_change.registry_away is quarantine
	ReasonChange    = "schema_change"  // on_change is quarantine for the change that brought its format
)

var reasons = [...]string{ReasonMisfit, ReasonOversize, ReasonTooLarge, ReasonNoNewline, ReasonRefused, ReasonAway, ReasonChange}

// StateRunning is the state of a site that does its work. Any other is explained in words.
const StateRunning = "running"

// stateHeld begins the state of a site that is held; why follows.
const stateHeld = "held: "

// Stats is what a site has done since the process started, for metrics and for people. It only ever counts what was committed,
// so its totals agree with what a read_committed reader sees. Safe for concurrent use.
type Stats struct {
	Events      atomic.Int64 // lines that became events
	Quarantined atomic.Int64 // lines in quarantine
	Blank       atomic.Int64 // empty lines
	Cuts        atomic.Int64 // header values that were cut or left out
	Losses      atomic.Int64 // how often bytes were declared lost, also where nobody can say how many
	Commits     atomic.Int64
	Sessions    atomic.Int64 // sessions begun; every one after the first is a recovery
	LastCommit  atomic.Int64 // when, in Unix microseconds
	CommitTime  atomic.Int64 // how long the last commit took, in microseconds

	files  atomic.Pointer[tail.Tailer] // of the last session; nil before the first
	census *census                     // nil: none is kept; never changes

	mu       sync.Mutex
	bytes    Count                // guarded by mu
	byReason map[string]int64     // guarded by mu
	state    string               // guarded by mu
	since    time.Time            // guarded by mu
	pending  int64                // guarded by mu: bytes in the files not yet committed
	problem  string               // guarded by mu: why the configuration can't be used as it is now
	changes  map[ChangeKind]int64 // guarded by mu
	last     *schema.ChangeEvent  // guarded by mu: the last change; never modified
}

// ChangeKind is what changes are counted by.
type ChangeKind struct {
	Source schema.ChangeSource
	Class  schema.Class
}

// Changes returns how many schema changes were committed since the start, and the last of them, nil if there was none.
func (s *Stats) Changes() (n map[ChangeKind]int64, last *schema.ChangeEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.changes), s.last
}

// ConfigProblem returns why the configuration of the log can't be used as it is now, empty if it can. The site goes on with the one
// before.
func (s *Stats) ConfigProblem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *Stats) setProblem(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = text
}

// HeldBack reports whether the site is stopped before a line that on_change, or the registry, does not let through.
func (s *Stats) HeldBack() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.HasPrefix(s.state, stateHeld)
}

func (s *Stats) setLag(pending int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = pending
}

// Bytes returns what became of the bytes of all files.
func (s *Stats) Bytes() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// ByReason returns the number of quarantined lines for each reason.
func (s *Stats) ByReason() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int64, len(reasons))
	for _, r := range reasons {
		out[r] = s.byReason[r]
	}
	return out
}

// Skipped returns how many files in the log folders have the name of a log but are not read, for every reason there is.
func (s *Stats) Skipped() map[tail.Skip]int {
	n := make(map[tail.Skip]int)
	for _, why := range tail.Skips() {
		n[why] = 0
	}
	if in := s.files.Load(); in != nil {
		for _, f := range in.Skipped() {
			n[f.Why]++
		}
	}
	return n
}

// Unreadable says of each log file that can't be read at the moment why, and what to do.
func (s *Stats) Unreadable() (why []string) {
	in := s.files.Load()
	if in == nil {
		return nil
	}
	for _, f := range in.Status() {
		if f.State == tail.Failing {
			why = append(why, cmp.Or(f.Err, f.Path))
		}
	}
	return why
}

// Held returns how many deleted files are held open because they may have unread lines, and how many bytes they take on the disk.
func (s *Stats) Held() (files int, bytes int64) {
	if in := s.files.Load(); in != nil {
		return in.Held()
	}
	return 0, 0
}

// State returns what the site is doing, in words, and since when.
func (s *Stats) State() (string, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.since
}

// Lag returns how many bytes of the files seen are not committed yet.
func (s *Stats) Lag() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending
}

func (s *Stats) setState(state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != state {
		s.state, s.since = state, time.Now()
	}
}

// tally is what happened since the last commit. It becomes part of Stats when the commit succeeds, and is forgotten otherwise.
type tally struct {
	events, blank int64
	losses, cuts  int64
	quarantined   [len(reasons)]int64
	bytes         Count
	changes       []schema.ChangeEvent
}

func (t *tally) reject(reason string) {
	for i, r := range reasons {
		if r == reason {
			t.quarantined[i]++
		}
	}
}

func (s *Stats) commit(t *tally, took time.Duration, pending int64) {
	s.Events.Add(t.events)
	s.Blank.Add(t.blank)
	s.Losses.Add(t.losses)
	s.Cuts.Add(t.cuts)
	s.Commits.Add(1)
	s.LastCommit.Store(time.Now().UnixMicro())
	s.CommitTime.Store(took.Microseconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes.add(t.bytes)
	s.pending = pending
	if s.byReason == nil {
		s.byReason = map[string]int64{}
	}
	for i, n := range t.quarantined {
		s.Quarantined.Add(n)
		s.byReason[reasons[i]] += n
	}
	for i := range t.changes {
		e := &t.changes[i]
		if s.changes == nil {
			s.changes = map[ChangeKind]int64{}
		}
		s.changes[ChangeKind{e.Source, e.Class}]++
		s.last = e
	}
	*t = tally{}
}
