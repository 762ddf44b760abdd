package main

// Shows: with many sites and files a scrape gives back what it takes, its series are bounded, and it never waits for a site.

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

// manySites runs sites with so many files each until the test ends.
func manySites(t testing.TB, sites, files int) (*daemon, []*pipeline.Site) {
	t.Helper()
	d := &daemon{cfg: &config.Config{Daemon: config.Daemon{StateDir: t.TempDir()}}, seen: newObserved()}
	s := config.SiteDefaults("shop")
	s.AccessLog.LogFormat = "$msec $status"
	var all []*pipeline.Site
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	for i := range sites {
		dir := t.TempDir()
		for j := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.log", j)), fmt.Appendf(nil, "%d.000 200\n", 1700000000+j), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		formats, _, err := formatsOf(&s)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("site-%d", i)
		stats, _ := d.seen.site(name)
		far := sinktest.NewMemory()
		site, err := pipeline.New(pipeline.Config{
			Site: name, Instance: "web-01", Formats: formats, Logger: slog.New(slog.DiscardHandler), CommitInterval: time.Millisecond, Stats: stats,
			Tail: tail.Config{Paths: []string{filepath.Join(dir, "*.log")}},
			Frame: func(context.Context, sink.Stream, string, string) (*pipeline.Frame, error) {
				return &pipeline.Frame{}, nil
			},
			Open: func() (sink.Sink, error) { return far.Open(sinktest.Process{Run: "r", Host: "h"}), nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, site)
		wg.Go(func() {
			if err := site.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return d, all
}

func TestScrapeOfManySites(t *testing.T) {
	const sites, files = 20, 20
	d, all := manySites(t, sites, files)
	reg := newMetrics(d, all)
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
		done := 0
		for _, s := range all {
			if s.Stats().Events.Load() == files {
				done++
			}
		}
		if done == sites {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute %d of %d sites have shipped", done, sites)
		}
	}
	// Several at once, while the sites run.
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, err := reg.Gather(); err != nil {
					t.Error(err)
				}
				if ok, text := readyz(all); !ok {
					t.Error(text)
				}
				if ok, text := health(all, d.cfg.StateDir, ""); !ok {
					t.Error(text)
				}
			}
		})
	}
	wg.Wait()
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range got {
		if families[f.GetName()] == nil {
			continue
		}
		for _, m := range f.GetMetric() {
			series++
			if h := m.GetHistogram(); h != nil {
				series += len(h.GetBucket()) + 2
			}
		}
	}
	if each := series / sites; each > 150 {
		t.Errorf("%d series for each site; docs/metrics.md says fewer", each)
	} else {
		t.Logf("%d series for each site", each)
	}
}

func BenchmarkScrape(b *testing.B) {
	d, all := manySites(b, 50, 100)
	reg := newMetrics(d, all)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
