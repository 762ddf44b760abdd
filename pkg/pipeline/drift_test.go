package pipeline

// Shows what is told of simulated days of traffic, and what is not: shares that cross their thresholds, headers that come and go, and the
// noise that clients can make. Times are passed in, nothing waits.

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// traffic is a site whose time passes minute by minute.
type traffic struct {
	d      *drift
	now    time.Time
	line   int64
	told   []schema.ChangeEvent
	random uint64
}

func newTraffic(cfg driftConfig) *traffic {
	s := &traffic{d: newDrift(cfg, nil), now: time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC), random: 1}
	s.d.due(s.now)
	return s
}

// minute is what the lines of a minute hold.
type minute struct {
	lines    int
	rejects  float64            // share of lines in quarantine
	variable string             // of the column that is in the way
	headers  map[string]float64 // share of events that have a request header
	response map[string]float64 // likewise of the response
	invent   func(i int64) string
}

// pass lets n minutes pass.
func (s *traffic) pass(n int, m minute) {
	for range n {
		for range m.lines {
			s.one(&m)
		}
		s.now = s.now.Add(time.Minute)
		s.told = append(s.told, s.d.due(s.now)...)
	}
}

func (s *traffic) one(m *minute) {
	s.line++
	if s.chance() < m.rejects {
		s.d.rejected(ReasonMisfit, m.variable, "g1", s.line)
		return
	}
	if !s.d.event() {
		return
	}
	s.d.sampled("g1", s.line)
	for _, side := range []struct {
		family logformat.Family
		names  map[string]float64
	}{{logformat.RequestHeader, m.headers}, {logformat.ResponseHeader, m.response}} {
		for name, share := range side.names {
			if s.chance() < share {
				s.d.header(side.family, []byte(name))
			}
		}
	}
	if m.invent != nil {
		if name := m.invent(s.line); name != "" {
			s.d.header(logformat.RequestHeader, []byte(name))
		}
	}
}

// chance returns an even number from 0 to 1, the same in each run.
func (s *traffic) chance() float64 {
	s.random = s.random*6364136223846793005 + 1442695040888963407
	return float64(s.random>>11) / (1 << 53)
}

// take returns what was told since the last take, as "path kind" and what is on for true.
func (s *traffic) take() (out []string) {
	for _, e := range s.told {
		for _, d := range e.Diffs {
			out = append(out, brief(d))
		}
	}
	s.told = nil
	return out
}

func brief(d schema.Diff) string {
	s := d.Path + " " + string(d.Kind)
	if strings.HasPrefix(d.Text, "back to normal") {
		s += " over"
	}
	if strings.HasPrefix(d.Text, "nearly all") {
		s += " all"
	}
	return s
}

// expect checks what was told since the last time.
func (s *traffic) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", when, got, want)
	}
}

var usual = map[string]float64{"host": 1, "user-agent": 0.99, "accept": 0.9, "cookie": 0.5, "range": 0.04}

func TestDriftTellsOfRejectsOnce(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(60, minute{lines: 5000})
	s.pass(60, minute{lines: 5000, rejects: 0.006})
	s.expect(t, "below the threshold")
	s.pass(1, minute{lines: 5000, rejects: 0.05})
	e := slices.Clone(s.told)
	s.expect(t, "above", ". rejects")
	if len(e) != 1 || e[0].File != "g1" || e[0].Offset < 600_000 || e[0].Source != schema.FromData || e[0].Action != schema.Notice ||
		!strings.Contains(e[0].Text, "of 5000 lines in 1m0s went to quarantine (misfit 2") || e[0].Time != s.now.UnixMicro() {
		t.Errorf("told %+v", e)
	}
	s.pass(60, minute{lines: 5000, rejects: 0.05})
	s.pass(60, minute{lines: 5000, rejects: 0.007})
	s.pass(60, minute{lines: 5000, rejects: 0.02})
	s.expect(t, "still, or near it")
	s.pass(4, minute{lines: 5000, rejects: 0.001})
	s.expect(t, "below half of it, but only just")
	s.pass(60, minute{lines: 5000, rejects: 0.001})
	s.expect(t, "below half of it", ". rejects over")
}

func TestDriftTellsThatNearlyAllIsRejected(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(10, minute{lines: 5000, rejects: 0.03})
	s.expect(t, "a little", ". rejects")
	s.pass(10, minute{lines: 5000, rejects: 1})
	text := s.told[0].Text
	s.expect(t, "all", ". rejects all")
	if !strings.Contains(text, "100 % of 5000") {
		t.Error(text)
	}
	s.pass(10, minute{lines: 5000, rejects: 0.03})
	s.expect(t, "a little again", ". rejects")
	s.pass(20, minute{lines: 5000})
	s.expect(t, "none", ". rejects over")

	// A site with ten lines a minute need not wait for a thousand.
	s = newTraffic(driftConfig{})
	s.pass(90, minute{lines: 10})
	s.expect(t, "few lines")
	s.pass(3, minute{lines: 10, rejects: 1})
	s.pass(20, minute{lines: 10, rejects: 1})
	if got := s.take(); len(got) == 0 || !strings.HasPrefix(got[0], ". rejects") {
		t.Errorf("few lines, all rejected: told %q", got)
	}
}

func TestDriftMisfitsByColumn(t *testing.T) {
	for variable, path := range map[string]string{"http_x_a": "request_headers.x-a", "sent_http_etag": "response_headers.etag",
		"upstream_http_b": "upstream_headers.b", "msec": "event_time", "ngxtap_response_headers": "response_headers", "request": "request"} {
		s := newTraffic(driftConfig{})
		s.pass(30, minute{lines: 10_000})
		s.pass(30, minute{lines: 10_000, rejects: 0.003, variable: "status"})
		s.expect(t, "one column", "status misfit")
		s.pass(1, minute{lines: 10_000, rejects: 0.003, variable: variable})
		if len(s.told) != 1 || s.told[0].File != "g1" || s.told[0].Offset <= s.line-10_000 {
			t.Errorf("%s: told %+v", variable, s.told)
		}
		s.expect(t, "another column", path+" misfit")
		s.pass(29, minute{lines: 10_000, rejects: 0.003, variable: variable})
		s.expect(t, "the first column fits", "status misfit over")
		s.pass(10, minute{lines: 10_000})
		s.expect(t, "the other fits", path+" misfit over")
		s.pass(10, minute{lines: 10_000, rejects: 0.005})
		s.expect(t, "a misfit of no column")
	}
}

// A share that jumps up and down is told a few times, until its rhythm is known; a new occurrence after hours is told again.
func TestDriftFlapping(t *testing.T) {
	for _, period := range []int{1, 2, 6, 10, 20, 40} {
		s := newTraffic(driftConfig{})
		for range 1440 / (2 * period) {
			s.pass(period, minute{lines: 1000, rejects: 0.05})
			s.pass(period, minute{lines: 1000})
		}
		if got := s.take(); len(got) == 0 || len(got) > 6 {
			t.Errorf("up and down every %d minutes for a day: told %d times", period, len(got))
		}
	}
	s := newTraffic(driftConfig{})
	for range 8 {
		s.pass(5, minute{lines: 1000, rejects: 0.05})
		s.expect(t, "three hours later", ". rejects")
		s.pass(10, minute{lines: 1000})
		s.expect(t, "ten minutes later", ". rejects over")
		s.pass(170, minute{lines: 1000})
	}
}

func TestDriftHeadersComeAndGo(t *testing.T) {
	for _, lines := range []int{20, 300, 3000, 50_000} {
		t.Run(fmt.Sprintf("%d lines a minute", lines), func(t *testing.T) {
			t.Parallel()
			hours := max(1, 3000/lines) // a quiet site takes longer
			s := newTraffic(driftConfig{})
			s.pass(60*hours, minute{lines: lines, headers: usual, response: map[string]float64{"etag": 0.7}})
			s.expect(t, "the first headers")
			with := map[string]float64{"x-new": 0.2}
			for name, share := range usual {
				with[name] = share
			}
			s.pass(30*hours, minute{lines: lines, headers: with})
			text := fmt.Sprint(s.told)
			s.expect(t, "one new, one gone", "request_headers.x-new added", "response_headers.etag removed")
			if !strings.Contains(text, "request_headers.x-new is new in ") || !strings.Contains(text, "response_headers.etag is gone") {
				t.Error(text)
			}
			s.pass(30*hours, minute{lines: lines, headers: with})
			s.expect(t, "as before")
			s.pass(30*hours, minute{lines: lines, headers: usual, response: map[string]float64{"etag": 0.7}})
			s.expect(t, "back again", "response_headers.etag added", "request_headers.x-new removed")
		})
	}
}

// The example of a new header is a line that has it.
func TestDriftHeaderExample(t *testing.T) {
	s := newTraffic(driftConfig{SampleEvery: 1})
	s.pass(10, minute{lines: 1000, headers: usual})
	first := s.line + 501
	s.pass(1, minute{lines: 1000, headers: usual, invent: func(i int64) string {
		if i >= first {
			return "x-new"
		}
		return ""
	}})
	if len(s.told) != 1 || s.told[0].File != "g1" || s.told[0].Offset != first {
		t.Errorf("told %+v, want line %d", s.told, first)
	}
	s.told = nil
	s.pass(30, minute{lines: 1000, headers: usual})
	if len(s.told) != 1 || s.told[0].File != "" || s.told[0].Offset != -1 {
		t.Errorf("gone: told %+v", s.told)
	}
}

// A night without traffic is no reason, and a header that is sent only by day is told to be gone once, not each night.
func TestDriftDays(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(120, minute{lines: 1000, headers: usual})
	s.pass(600, minute{})
	s.pass(60, minute{lines: 1000, headers: usual})
	s.pass(600, minute{lines: 1, headers: map[string]float64{"host": 1}})
	s.pass(60, minute{lines: 1000, headers: usual})
	s.expect(t, "nights without traffic")

	night := map[string]float64{"host": 1, "user-agent": 1, "accept": 1, "x-batch": 1}
	for day := range 7 {
		s.pass(960, minute{lines: 300, headers: usual})
		s.pass(480, minute{lines: 300, headers: night})
		got := s.take()
		switch {
		case day == 0 && len(got) != 3: // x-batch came, cookie and range went
			t.Errorf("the first night: told %q", got)
		case day == 1 && len(got) != 4: // x-batch went, cookie and range came back; and x-batch came back
			t.Errorf("the second day: told %q", got)
		case day > 1 && len(got) > 0:
			t.Errorf("day %d: told %q", day+1, got)
		}
	}
	s.pass(2*1440, minute{lines: 300, headers: map[string]float64{"host": 1, "user-agent": 1, "accept": 1, "range": 0.04, "x-batch": 1}})
	s.expect(t, "gone for two days", "request_headers.cookie removed")
}

// Names that no two requests share are never told, however many there are, and do not hide one that many share.
func TestDriftInventedNames(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(30, minute{lines: 5000, headers: usual})
	invent := func(i int64) string { return fmt.Sprintf("x-%x", uint64(i)*0x9E3779B97F4A7C15) }
	s.pass(120, minute{lines: 5000, headers: usual, invent: invent})
	s.expect(t, "a name for each request")
	s.pass(5, minute{lines: 5000, headers: map[string]float64{"host": 1, "user-agent": 1, "accept": 1, "cookie": 0.5, "range": 0.04, "x-new": 0.03}, invent: invent})
	s.expect(t, "one that many share", "request_headers.x-new added")
}

// Names that can't be told stand in no event.
func TestDriftNamesThatCannotBeTold(t *testing.T) {
	s := newTraffic(driftConfig{})
	s.pass(30, minute{lines: 2000, headers: usual})
	odd := []string{"a b", "x\n", "é", "\x1b[2J", strings.Repeat("n", maxName+1), "", "A", "a:b", "password=hunter2", "(x)"}
	s.pass(30, minute{lines: 2000, headers: usual, invent: func(i int64) string { return odd[i%int64(len(odd))] }})
	text := fmt.Sprint(s.told)
	s.expect(t, "odd names", "request_headers.(other) added")
	for _, name := range odd {
		if len(name) > 1 && strings.Contains(text, name) {
			t.Errorf("%q stands in %s", name, text)
		}
	}
	s.pass(30, minute{lines: 2000, headers: usual})
	s.expect(t, "no odd names", "request_headers.(other) removed")
}
