package main

// Shows: docs/metrics.md has every metric of ours, with its type, its labels and its help, and no other. `go test ./cmd/ngxtap -run MetricsAreDocumented`
// with UPDATE=1 writes the table anew.

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

const (
	metricsPage = "../../docs/metrics.md"
	tableBegins = "<!-- metrics: made from the program, see cmd/ngxtap/metrics_docs_test.go -->\n"
	tableEnds   = "<!-- end of metrics -->\n"
)

func TestMetricsAreDocumented(t *testing.T) {
	table := "| metric | type | labels | meaning |\n|---|---|---|---|\n"
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, f.kind, strings.Join(f.labels, ", "), f.help)
	}
	b, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), tableBegins)
	have, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", metricsPage)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(metricsPage, []byte(before+tableBegins+table+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have != table {
		t.Errorf("the table is not up to date; UPDATE=1 go test ./cmd/ngxtap -run MetricsAreDocumented writes it anew\n%s", table)
	}
}

// TestEveryFamilyIsExported: what the table promises is there, with just those labels.
func TestEveryFamilyIsExported(t *testing.T) {
	d := &daemon{cfg: &config.Config{Daemon: config.Daemon{StateDir: t.TempDir()}}, seen: newObserved(), registry: &schema.Registry{}}
	d.seen.reload(os.ErrNotExist)
	stats, _ := d.seen.site("shop")
	site, err := pipeline.New(pipeline.Config{Site: "shop", Stats: stats})
	if err != nil {
		t.Fatal(err)
	}
	reg := newMetrics(d, []*pipeline.Site{site})
	got, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, mf := range got {
		name := mf.GetName()
		if !strings.HasPrefix(name, "ngxtap_") {
			continue
		}
		exported[name] = true
		f := families[name]
		if f == nil {
			t.Errorf("%s is in no table", name)
			continue
		}
		if kind := strings.ToLower(mf.GetType().String()); kind != f.kind || mf.GetHelp() != f.help {
			t.Errorf("%s is a %s, %q; want %s, %q", name, kind, mf.GetHelp(), f.kind, f.help)
		}
		for _, m := range mf.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if want := slices.Sorted(slices.Values(f.labels)); !slices.Equal(labels, want) {
				t.Fatalf("%s has the labels %v, want %v", name, labels, want)
			}
		}
	}
	// No control group limits us; nothing was asked yet; the site does not run.
	mayLack := []string{"ngxtap_memory_limit_bytes", "ngxtap_registry_up", "ngxtap_census_names", "ngxtap_census_names_not_kept_total"}
	for name := range families {
		if !exported[name] && !slices.Contains(mayLack, name) {
			t.Errorf("%s is not exported", name)
		}
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
	want := "# HELP ngxtap_config_last_reload_successful " + famReloadOK.help + "\n# TYPE ngxtap_config_last_reload_successful gauge\nngxtap_config_last_reload_successful 0\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "ngxtap_config_last_reload_successful"); err != nil {
		t.Error(err)
	}
}
