package admin

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// Status is what GET /api/v1/status answers. docs/status.md describes it and says what may change. Sites stand with those first that need
// somebody, then by name. Times are RFC 3339 in UTC. Nothing in it is a secret or a byte of a log line that was refused; names of files and of
// headers may be anything.
type Status struct {
	API       int       `json:"api"` // 1
	Time      time.Time `json:"time"`
	Version   string    `json:"version"`
	Instance  string    `json:"instance"`
	Started   time.Time `json:"started"` // the process
	Uptime    float64   `json:"uptime_seconds"`
	Brokers   []string  `json:"brokers"`
	Registry  []string  `json:"registry"` // empty: there is none
	Framing   string    `json:"framing"`
	Attention []string  `json:"attention"` // what somebody should look at and is not about one site
	Totals    Totals    `json:"totals"`
	Sites     []Site    `json:"sites"`
	Omitted   int       `json:"sites_omitted"` // sites that are not in Sites because there are too many
}

// Totals are sums over all sites.
type Totals struct {
	Sites    int      `json:"sites"`
	Running  int      `json:"running"`
	Trouble  int      `json:"trouble"` // sites that are not running, starting ones apart
	Rates    Rates    `json:"rates"`
	LagBytes int64    `json:"lag_bytes"`
	Counters Counters `json:"counters"`
	History  *History `json:"history,omitempty"`
}

// Site is one site.
type Site struct {
	Name      string    `json:"name"`
	Topic     string    `json:"topic"`
	State     string    `json:"state"`            // one of the State constants
	Reason    string    `json:"reason,omitempty"` // why it is in that state
	Since     time.Time `json:"since"`            // of the state
	Attention []string  `json:"attention"`        // what somebody should look at though it goes on
	Rates     Rates     `json:"rates"`
	LagBytes  int64     `json:"lag_bytes"` // in the files and not committed
	// LagSeconds is the age that the oldest line which is not committed has at the most; 0: all is committed.
	LagSeconds float64   `json:"lag_seconds"`
	Commit     Commit    `json:"commit"`
	Counters   Counters  `json:"counters"`
	Counting   time.Time `json:"counting_since"` // of the counters: the start, or the last reload that changed the site
	// The rest is left out, and said so in Omitted, of sites for which there was no room.
	Omitted      bool     `json:"details_omitted,omitempty"`
	History      *History `json:"history,omitempty"`
	Formats      []Format `json:"formats,omitempty"`
	Files        []File   `json:"files,omitempty"` // at most MaxFiles, those with the most to do first
	FilesOmitted int      `json:"files_omitted,omitempty"`
	Changes      []Change `json:"changes,omitempty"` // newest first, like the next two
	Rejects      []Reject `json:"rejects,omitempty"`
	Losses       []Loss   `json:"losses,omitempty"`
}

// States of a site.
const (
	StateStarting   = "starting"
	StateRunning    = "running"
	StateRecovering = "recovering" // it waits for something and tries again by itself
	StateHeld       = "held"       // it may not go past a line until somebody decides
	StateFailed     = "failed"     // it ended; only a restart with another configuration helps
	StateStopped    = "stopped"
)

// MaxFiles is how many files of a site are listed.
const MaxFiles = 50

// Rates are means over the last seconds, RatesOver at the most.
type Rates struct {
	Lines   float64 `json:"lines_per_second"`   // events
	Bytes   float64 `json:"bytes_per_second"`   // of the files
	Rejects float64 `json:"rejects_per_second"` // lines sent to quarantine
}

// Commit is how commits go.
type Commit struct {
	Last  *time.Time `json:"last_at"` // null: none yet
	Took  float64    `json:"last_seconds"`
	P50   float64    `json:"p50_seconds"` // of the last commits, Over of them
	P99   float64    `json:"p99_seconds"`
	Over  int        `json:"over_commits"`
	Count int64      `json:"commits"`
}

// Counters count what was committed.
type Counters struct {
	Events      int64 `json:"events"`
	Quarantined int64 `json:"quarantined"`
	Blank       int64 `json:"blank"`
	Losses      int64 `json:"losses"` // how often data was declared lost
	Sessions    int64 `json:"sessions"`
	ReadBytes   int64 `json:"read_bytes"` // the sum of the next four
	EventBytes  int64 `json:"event_bytes"`
	QuarBytes   int64 `json:"quarantined_bytes"`
	BlankBytes  int64 `json:"blank_bytes"`
	LostBytes   int64 `json:"lost_bytes"`
}

// Format is one log_format of a site.
type Format struct {
	Name        string `json:"name"`
	Where       string `json:"defined_at,omitempty"` // file:line
	Fingerprint string `json:"fingerprint"`          // CRC-64-AVRO of the schema, 16 hexadecimal digits
	Subject     string `json:"subject,omitempty"`    // in the registry
	ID          string `json:"schema_id,omitempty"`  // number or GUID; empty: not known yet, or there is no registry
	Use         string `json:"use"`                  // events, quarantine or hold
	Why         string `json:"why,omitempty"`        // where use is not events
	Retired     bool   `json:"retired,omitempty"`    // no longer in nginx.conf
}

// File is one log file.
type File struct {
	Path       string `json:"path"`
	Generation string `json:"generation,omitempty"` // as origin.file of events
	State      string `json:"state"`                // reading, draining, searching, finished, waiting or failing
	Size       int64  `json:"size"`
	Offset     int64  `json:"offset"`
	LagBytes   int64  `json:"lag_bytes"`
	Error      string `json:"error,omitempty"`
}

// Change is a change of the schema or of the data.
type Change struct {
	Time    time.Time `json:"time"`
	ID      string    `json:"id"`
	Source  string    `json:"source"` // configuration, registry or data
	Class   string    `json:"class"`  // none, full, backward, forward or breaking
	Action  string    `json:"action"` // evolve, quarantine, hold or notice
	Format  string    `json:"format,omitempty"`
	Where   string    `json:"defined_at,omitempty"`
	Text    string    `json:"text"`
	Old     *Writer   `json:"old,omitempty"`
	New     *Writer   `json:"new,omitempty"`
	Diffs   []Diff    `json:"diffs"`
	LeftOut int       `json:"diffs_omitted,omitempty"`
}

// Writer is a log_format on one side of a change.
type Writer struct {
	LogFormat   string `json:"log_format"`
	Escape      string `json:"escape"`
	Fingerprint string `json:"fingerprint"`
}

// Diff is one difference between two schemas.
type Diff struct {
	Path  string `json:"path"`
	Kind  string `json:"kind"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
	Class string `json:"class"`
	Text  string `json:"text"`
}

// Reject is a line that went to quarantine.
type Reject struct {
	Time       time.Time `json:"time"`
	Path       string    `json:"path"` // the file's name when it was read
	Generation string    `json:"generation"`
	Offset     int64     `json:"offset"`
	Column     int       `json:"column"` // bytes from the start of the line; -1 where that says nothing
	Reason     string    `json:"reason"` // a word, as in ngxtap_quarantined_lines_total
	Text       string    `json:"text"`
	Variable   string    `json:"variable,omitempty"`
	Format     string    `json:"format"`
}

// Loss is a stretch of a file that was declared lost.
type Loss struct {
	Time       time.Time `json:"time"`
	Path       string    `json:"path"`
	Generation string    `json:"generation"`
	Offset     int64     `json:"offset"`
	Bytes      *int64    `json:"bytes"` // null: nobody can say how many
	Why        string    `json:"why"`
}

// Series are the points of a plot. NaN, null in JSON, stands where nothing is known.
type Series []float32

// MarshalJSON writes four significant digits, which is more than a plot shows.
func (s Series) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+6*len(s))
	b = append(b, '[')
	for i, v := range s {
		if i > 0 {
			b = append(b, ',')
		}
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			b = append(b, "null"...)
		} else {
			b = strconv.AppendFloat(b, roundTo4(f), 'f', -1, 64)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads null as NaN.
func (s *Series) UnmarshalJSON(b []byte) error {
	var points []*float32
	if err := json.Unmarshal(b, &points); err != nil {
		return err
	}
	*s = make(Series, len(points))
	for i, p := range points {
		(*s)[i] = float32(math.NaN())
		if p != nil {
			(*s)[i] = *p
		}
	}
	return nil
}

// roundTo4 rounds to four significant digits.
func roundTo4(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 3, 64), 64)
	if err != nil {
		return v // can't be: it was written a moment ago
	}
	return r
}

// trouble is how much a site needs somebody: 2 it stands still, 1 it goes on but look, 0 all is well.
func (s *Site) trouble() int {
	switch {
	case s.State != StateRunning && s.State != StateStarting && s.State != StateStopped:
		return 2
	case len(s.Attention) > 0:
		return 1
	}
	return 0
}

// Bounds of an answer.
const (
	maxSites     = 2000
	detailBudget = 2 << 20 // bytes of JSON; sites beyond it come without details
)

// bounded returns st with as many sites and details as an answer may hold. st is not changed.
func (st *Status) bounded() *Status {
	out := *st
	n := min(len(st.Sites), maxSites)
	out.Omitted = st.Omitted + len(st.Sites) - n
	out.Sites = make([]Site, n)
	used := 0
	for i := range n {
		out.Sites[i] = st.Sites[i]
		s := &out.Sites[i]
		if used < detailBudget {
			b, err := json.Marshal(s)
			if used += len(b); err == nil && used <= detailBudget {
				continue
			}
		}
		s.strip()
	}
	return &out
}

// strip leaves out the details.
func (s *Site) strip() {
	s.Omitted, s.History, s.Formats, s.Files, s.FilesOmitted, s.Changes, s.Rejects, s.Losses = true, nil, nil, nil, 0, nil, nil, nil
	s.Reason = cut(s.Reason, 200)
	if n := len(s.Attention); n > 1 {
		s.Attention = []string{cut(s.Attention[0], 200), "and " + strconv.Itoa(n-1) + " more"}
	}
}

// cut returns s, or its first n bytes with an ellipsis.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 { // not within a character
		n--
	}
	return s[:n] + "…"
}
