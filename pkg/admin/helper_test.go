package admin

import (
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write golden files anew")

var then = time.Date(2026, 11, 28, 21, 30, 12, 345e6, time.UTC)

// sample is a status in which everything there is has a value.
func sample() *Status {
	last, lost := then, int64(4096)
	return &Status{
		Time: then, Version: "ngxtap v1", Instance: "web-01", Started: then.Add(-time.Hour), Uptime: 3600,
		Brokers: []string{"kafka-1:9092"}, Registry: []string{"http://registry:8081"}, Framing: "confluent", Attention: []string{"state_dir /x: the file system is full"},
		Sites: []Site{
			{Name: "api", Topic: "nginx.api.access", State: StateRunning, Since: then, Counting: then},
			{
				Name: "shop", Topic: "nginx.shop.access", State: StateHeld, Reason: "breaking", Since: then, Counting: then.Add(-time.Minute), Attention: []string{"look"},
				Rates: Rates{Lines: 12.5, Bytes: 4000, Rejects: 0.1}, LagBytes: 77, LagSeconds: 1.5, Commit: Commit{Last: &last, Took: 0.004, P50: 0.003, P99: 0.02, Over: 512, Count: 9000},
				Counters: Counters{Events: 1, Quarantined: 2, Blank: 3, Losses: 4, Sessions: 5, ReadBytes: 34, EventBytes: 7, QuarBytes: 8, BlankBytes: 9, LostBytes: 10},
				History:  &History{End: then, Step: 2, Lines: Series{nan, 1.23456, 0}, Bytes: Series{nan, 1e6, 0}, Rejects: Series{nan, 0.00012345, 0}, Lag: Series{nan, 123456789, 0}, Commit: Series{nan, 0.0041, 0}},
				Formats:  []Format{{Name: "main", Where: "/etc/nginx/nginx.conf:31", Fingerprint: "8f3c11ab90de4471", Subject: "nginx.shop.access-value", ID: "7", Use: "hold", Why: "breaking", Retired: true}},
				Files:    []File{{Path: "/var/log/nginx/a.log", Generation: "ABC", State: "failing", Size: 100, Offset: 23, LagBytes: 77, Error: "permission denied"}}, FilesOmitted: 2,
				Changes: []Change{{Time: then, ID: "c1", Source: "configuration", Class: "breaking", Action: "hold", Format: "main", Where: "nginx.conf:31", Text: "status was int and is string",
					Old: &Writer{LogFormat: "$status", Escape: "default", Fingerprint: "01"}, New: &Writer{LogFormat: `"$x"`, Escape: "json", Fingerprint: "02"},
					Diffs: []Diff{{Path: "status", Kind: "type", Old: "int", New: "string", Class: "breaking", Text: "A string is no number."}}, LeftOut: 3}},
				Rejects: []Reject{{Time: then, Path: "/var/log/nginx/a.log", Generation: "ABC", Offset: 5, Column: 0, Reason: "misfit", Text: "not a number", Variable: "status", Format: "main"}},
				Losses:  []Loss{{Time: then, Path: "/var/log/nginx/a.log.1", Generation: "ABB", Offset: 6, Bytes: &lost, Why: "deleted"}, {Time: then, Path: "b", Generation: "G", Why: "gone"}},
			},
		},
	}
}

// start serves st, or sample if there is none.
func start(t testing.TB, st func() *Status) *Server {
	t.Helper()
	if st == nil {
		st = sample
	}
	s, err := Start(Config{Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Health: func() (bool, string) { return true, "fine" },
		Status: func(Span) *Status { return st() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get asks for a path with a client that keeps nothing open.
func get(t testing.TB, s *Server, path string) (*http.Response, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// golden compares with a file of testdata.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is now\n%s\n-update writes it anew; say in docs/status.md what has changed", path, got)
	}
}
