package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

// TestMetricsAccountForEveryByte ships a file with one line of each fate and reads the metrics that operators see.
func TestMetricsAccountForEveryByte(t *testing.T) {
	log := t.TempDir() + "/a.log"
	if err := os.WriteFile(log, []byte("200\n\nnonsense\n404\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", log+".1"); err != nil { // looks like a rotated log
		t.Fatal(err)
	}
	s := config.SiteDefaults("shop")
	s.AccessLog.LogFormat = "$status"
	formats, _, err := formatsOf(&s)
	if err != nil {
		t.Fatal(err)
	}
	far := sinktest.NewMemory()
	site, err := pipeline.New(pipeline.Config{
		Site: "shop", Instance: "web-01", Formats: formats, Once: true, Logger: slog.New(slog.DiscardHandler), Tail: tail.Config{Paths: []string{log}},
		Frame: func(context.Context, sink.Stream, string, string) (*pipeline.Frame, error) {
			return &pipeline.Frame{}, nil
		},
		Open: func() (sink.Sink, error) { return far.Open(sinktest.Process{Run: "r", Host: "h"}), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	sites := []*pipeline.Site{site}
	d := &daemon{cfg: &config.Config{Daemon: config.Daemon{StateDir: t.TempDir()}}, seen: newObserved()}
	if ok, text := health(sites, t.TempDir(), ""); ok || !strings.HasPrefix(text, "site shop: starting since ") {
		t.Errorf("health before the start: %v %q", ok, text)
	}
	if err := site.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `# HELP ngxtap_bytes_total Bytes of log files that the committed position moved past, by what became of them.
# TYPE ngxtap_bytes_total counter
ngxtap_bytes_total{outcome="blank",site="shop"} 1
ngxtap_bytes_total{outcome="event",site="shop"} 8
ngxtap_bytes_total{outcome="lost",site="shop"} 0
ngxtap_bytes_total{outcome="quarantined",site="shop"} 9
# HELP ngxtap_lines_total Lines committed since the start, by what became of them.
# TYPE ngxtap_lines_total counter
ngxtap_lines_total{outcome="blank",site="shop"} 1
ngxtap_lines_total{outcome="event",site="shop"} 2
ngxtap_lines_total{outcome="quarantined",site="shop"} 1
# HELP ngxtap_read_bytes_total Bytes of log files that the committed position moved past; the sum over all outcomes of ngxtap_bytes_total.
# TYPE ngxtap_read_bytes_total counter
ngxtap_read_bytes_total{site="shop"} 18
# HELP ngxtap_held_deleted_bytes Bytes that these files take on the disk, bounded by access_log.held_bytes.
# TYPE ngxtap_held_deleted_bytes gauge
ngxtap_held_deleted_bytes{site="shop"} 0
# HELP ngxtap_held_deleted_files Deleted log files that are held open because they may have unread lines.
# TYPE ngxtap_held_deleted_files gauge
ngxtap_held_deleted_files{site="shop"} 0
# HELP ngxtap_skipped_files Files in the log folders that have the name of a log but are not read, by reason.
# TYPE ngxtap_skipped_files gauge
ngxtap_skipped_files{reason="device",site="shop"} 0
ngxtap_skipped_files{reason="directory",site="shop"} 0
ngxtap_skipped_files{reason="fifo",site="shop"} 0
ngxtap_skipped_files{reason="hard_link",site="shop"} 0
ngxtap_skipped_files{reason="outside",site="shop"} 0
ngxtap_skipped_files{reason="socket",site="shop"} 0
ngxtap_skipped_files{reason="symlink",site="shop"} 1
`
	if err := testutil.GatherAndCompare(newMetrics(d, sites), strings.NewReader(want), "ngxtap_bytes_total", "ngxtap_lines_total", "ngxtap_read_bytes_total",
		"ngxtap_skipped_files", "ngxtap_held_deleted_files", "ngxtap_held_deleted_bytes"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(newMetrics(d, sites)); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}
