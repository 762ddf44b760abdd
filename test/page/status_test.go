package page

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ngxtap/pkg/admin"
)

// hostile is what a client may have put into a header name, or somebody into the name of a log.
const hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\x1b[31m\x00"

// world is a daemon that never was: its status is what the test wants.
type world struct {
	mu     sync.Mutex
	status admin.Status // guarded by mu
	stop   func()       // what serve started
}

// change changes the status.
func (w *world) change(f func(*admin.Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status)
}

// serve starts an admin port and returns its URL.
func (w *world) serve(t testing.TB) string {
	t.Helper()
	s, err := admin.Start(admin.Config{
		Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Health: func() (bool, string) { return true, "fine" },
		Status: func(span admin.Span) *admin.Status {
			w.mu.Lock()
			defer w.mu.Unlock()
			st := w.status
			st.Sites = slices.Clone(st.Sites)
			return &st
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.stop = sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	return "http://" + s.Addr()
}

var now = time.Date(2026, 11, 28, 21, 30, 12, 0, time.UTC)

// newWorld makes a daemon of n sites: some in trouble, most not.
func newWorld(n int) *world {
	names := []string{"shop", "api", "blog", "static", "login", "images"}
	w := &world{status: admin.Status{
		Time: now, Version: "ngxtap v1.4.0 (commit 5e2f527, linux/amd64)", Instance: "web-01", Started: now.Add(-76 * time.Hour),
		Brokers: []string{"kafka-1:9092", "kafka-2:9092"}, Registry: []string{"https://registry.internal:8081"}, Framing: "confluent",
	}}
	for i := range n {
		name := fmt.Sprintf("site-%02d", i)
		if i < len(names) {
			name = names[i]
		}
		w.status.Sites = append(w.status.Sites, newSite(i, name))
	}
	return w
}

// newSite makes a site with a past.
func newSite(i int, name string) admin.Site {
	scale := 1000 / float64(1+i*i%37)
	h := &admin.History{End: now, Step: 2}
	for k := range 150 {
		x := float64(k)
		wave := scale * (1.2 + math.Sin(x/17+float64(i)) + 0.25*math.Sin(x*1.7) + 0.15*math.Cos(x*5.3+float64(i)))
		if i == 2 && k < 60 {
			wave = math.NaN()
		}
		h.Lines, h.Bytes = append(h.Lines, float32(wave)), append(h.Bytes, float32(wave*412))
		h.Rejects = append(h.Rejects, float32(max(0, math.Sin(x/9)-0.9)*scale/10))
		lag := math.Abs(math.Sin(x/5)) * scale * 40
		if i == 1 {
			lag = x * x * 9000
		}
		h.Lag, h.Commit = append(h.Lag, float32(lag)), append(h.Commit, float32(0.004+0.02*math.Pow(math.Sin(x/11+float64(i)), 8)))
	}
	last := now.Add(-120 * time.Millisecond)
	events := int64(1_204_331 / (i + 1))
	s := admin.Site{
		Name: name, Topic: "nginx." + name + ".access", State: admin.StateRunning, Counting: now.Add(-76 * time.Hour), Since: now.Add(-3*time.Hour - 20*time.Minute),
		Rates:    admin.Rates{Lines: math.Round(scale * 1.2), Bytes: math.Round(scale * 494), Rejects: 0},
		LagBytes: int64(h.Lag[149]), Commit: admin.Commit{Last: &last, Took: 0.0052, P50: 0.0049, P99: 0.0231, Over: 512, Count: 52_113},
		Counters: admin.Counters{Events: events, Blank: 3, Sessions: 1, ReadBytes: events*412 + 3, EventBytes: events * 412, BlankBytes: 3},
		History:  h,
		Formats: []admin.Format{{Name: "main", Where: "/etc/nginx/nginx.conf:31", Fingerprint: "8f3c11ab90de4471", Subject: "nginx." + name + ".access-value",
			ID: fmt.Sprint(100 + i), Use: "events"}},
		Files: []admin.File{
			{Path: "/var/log/nginx/" + name + ".access.log", Generation: "4a7f0c2e91b3", State: "reading", Size: 88_123_411, Offset: 88_121_007, LagBytes: 2404},
			{Path: "/var/log/nginx/" + name + ".access.log.1", Generation: "19bb02aa7710", State: "finished", Size: 512_000_331, Offset: 512_000_331},
		},
	}
	switch i {
	case 0:
		s.Changes = changes()
		s.Rejects = rejects(name)
		s.Counters.Quarantined, s.Counters.QuarBytes = 37, 12_044
		s.Counters.ReadBytes += 12_044
		s.Rates.Rejects = 0.4
		s.Formats = append(s.Formats, admin.Format{Name: "main", Where: "/etc/nginx/nginx.conf:29", Fingerprint: "0b1c77aa90de4471", Use: "events", Retired: true})
	case 1:
		s.State, s.Since = admin.StateHeld, now.Add(-14*time.Minute)
		s.Reason = "the change to log_format main is breaking, and on_change.breaking is hold; `ngxtap schema accept --site api 8f3c11ab90de4471` lets it through"
		s.Formats[0].Use, s.Formats[0].Why = "hold", s.Reason
		s.Rates = admin.Rates{}
	case 2:
		s.Attention = []string{"/var/log/nginx/" + hostile + ".log: permission denied; let this user read it"}
		s.Files = append(s.Files, admin.File{Path: "/var/log/nginx/" + hostile + ".log", State: "failing", Error: "permission denied " + hostile})
		bytes := int64(4096)
		s.Losses = []admin.Loss{{Time: now.Add(-time.Hour), Path: "/var/log/nginx/" + hostile, Generation: "77aa", Offset: 12, Bytes: &bytes, Why: "deleted before it was read"},
			{Time: now.Add(-2 * time.Hour), Path: "/var/log/nginx/blog.log", Generation: "77ab", Offset: 0, Why: "rotated away"}}
		s.Counters.Losses = 2
	case 3:
		s.State, s.Since = admin.StateRecovering, now.Add(-41*time.Second)
		s.Reason = "commit: kafka-1:9092: dial tcp 10.0.0.7:9092: connect: connection refused"
	}
	return s
}

// changes are a timeline with something of each kind.
func changes() []admin.Change {
	return []admin.Change{
		{Time: now.Add(-4 * time.Minute), ID: "c1", Source: "data", Class: "none", Action: "notice", Text: "the request header " + hostile + " is new: 2.1% of 41312 events have it", Diffs: nil},
		{Time: now.Add(-19 * time.Minute), ID: "c2", Source: "configuration", Class: "breaking", Action: "quarantine", Format: "main", Where: "/etc/nginx/nginx.conf:31",
			Text: "log_format main: status was int and is string",
			Old:  &admin.Writer{LogFormat: `$remote_addr [$time_local] "$request" $status $body_bytes_sent`, Escape: "default", Fingerprint: "0b1c77aa90de4471"},
			New:  &admin.Writer{LogFormat: `$remote_addr [$time_local] "$request" "$app_status" $body_bytes_sent $request_time`, Escape: "default", Fingerprint: "8f3c11ab90de4471"},
			Diffs: []admin.Diff{
				{Path: "status", Kind: "type", Old: "int", New: "string", Class: "breaking", Text: "Readers that expect a number can't read a string."},
				{Path: "request_time", Kind: "added", New: "double", Class: "full", Text: "A new field with a default; old readers pass it over."},
				{Path: "upstream_response_time[]" + hostile, Kind: "removed", Old: "double", Class: "full", Text: "Readers get the default."},
			}, LeftOut: 3},
		{Time: now.Add(-26 * time.Hour), ID: "c3", Source: "configuration", Class: "full", Action: "evolve", Format: "main", Text: "log_format main has one more field: request_id",
			Diffs: []admin.Diff{{Path: "request_id", Kind: "added", New: "string", Class: "full", Text: "A new field with a default."}}},
		{Time: now.Add(-49 * time.Hour), ID: "c4", Source: "registry", Class: "backward", Action: "evolve", Format: "main", Text: "the registry takes the schema now"},
	}
}

func rejects(site string) []admin.Reject {
	var all []admin.Reject
	for i := range 8 {
		r := admin.Reject{Time: now.Add(-time.Duration(i*37) * time.Second), Path: "/var/log/nginx/" + site + ".access.log", Generation: "4a7f0c2e91b3", Offset: int64(88_100_012 - i*7001),
			Column: 41 + i, Reason: "misfit", Text: "column 42: $status: not a number", Variable: "status", Format: "main"}
		if i == 3 {
			r.Reason, r.Column, r.Text = "oversize", -1, "the line is longer than max_line"
		}
		if i == 4 {
			r.Path = "/var/log/nginx/" + hostile
		}
		all = append(all, r)
	}
	return all
}
