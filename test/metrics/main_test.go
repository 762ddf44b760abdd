// Package metrics shows that what Prometheus, its alerts and Grafana are given fits together: the metrics of a running daemon pass promtool and
// are those of docs/metrics.md; the alert rules pass their tests, each fires and each stays quiet; alerts and dashboard ask for nothing that
// is not exported; and what /metrics, /readyz and /livez say while brokers are away is true.
package metrics

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// long is how long anything may take on a machine that is slow and busy.
const long = 2 * time.Minute

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

// get asks a daemon for a page.
func get(t *testing.T, h *harness.Host, path string) (code int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Admin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// awaitPage waits until a page of a running daemon answers with that code and the text.
func awaitPage(t *testing.T, h *harness.Host, d *components.Program, path string, code int, text string) {
	t.Helper()
	components.Eventually(t, long, func() error {
		if err := d.Alive(); err != nil {
			return err
		}
		got, body, err := get(t, h, path)
		if err == nil && (got != code || !strings.Contains(body, text)) {
			err = fmt.Errorf("%s answers %d, want %d and %q: %s", path, got, code, text, body)
		}
		return err
	})
}

// exported is what one daemon with a registry has shown, for all tests of this package.
var exported struct {
	sync.Once
	text     []byte
	families map[string]*dto.MetricFamily
}

// scrape returns the metrics of a daemon that has shipped something.
func scrape(t *testing.T) (text []byte, families map[string]*dto.MetricFamily) {
	t.Helper()
	exported.Do(func() {
		log := filepath.Join(t.TempDir(), "access.log")
		if err := os.WriteFile(log, []byte("1700000000.000 200\njunk\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		h := harness.NewHost(t, harness.HostConfig{Brokers: []string{"127.0.0.1:1"}, Sites: []harness.Site{
			{Name: "shop", Paths: []string{log}, AccessLog: []string{"log_format: '$msec $status'"}}}})
		d := h.Start(t, "--embedded")
		awaitPage(t, h, d, "/metrics", 200, `ngxtap_lines_total{outcome="quarantined",site="shop"} 1`)
		_, body, err := get(t, h, "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		if exported.families, err = parser.TextToMetricFamilies(strings.NewReader(body)); err != nil {
			t.Fatal(err)
		}
		exported.text = []byte(body)
	})
	if exported.families == nil {
		t.Fatal("there is no scrape")
	}
	return exported.text, exported.families
}

// labelsOf returns the labels of a family.
func labelsOf(f *dto.MetricFamily) []string {
	var names []string
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestMetricsPassPromtool(t *testing.T) {
	text, _ := scrape(t)
	if out, err := components.Promtool(t, ".", bytes.NewReader(text), "check", "metrics"); err != nil || out != "" {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// TestEveryMetricIsInTheDocs: name, type, labels and help of what a daemon shows are those of the table, and nothing of ours is missing there.
func TestEveryMetricIsInTheDocs(t *testing.T) {
	_, families := scrape(t)
	b, err := os.ReadFile(filepath.Join(components.Root(t), "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	n := 0
	for name, f := range families {
		if !strings.HasPrefix(name, "ngxtap_") {
			if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				t.Errorf("%s is of no known kind", name)
			}
			continue
		}
		n++
		row := ""
		for line := range strings.Lines(page) {
			if strings.HasPrefix(line, "| `"+name+"` |") {
				row = strings.TrimSpace(line)
			}
		}
		labels := strings.Split(strings.Trim(row, "| "), " | ")
		if len(labels) != 4 || labels[1] != strings.ToLower(f.GetType().String()) || labels[3] != f.GetHelp() {
			t.Errorf("%s, a %s: %s\nis in the docs as %q", name, f.GetType(), f.GetHelp(), row)
			continue
		}
		want := slices.DeleteFunc(strings.Split(strings.ReplaceAll(labels[2], " ", ""), ","), func(s string) bool { return s == "" })
		slices.Sort(want)
		if got := labelsOf(f); !slices.Equal(got, want) {
			t.Errorf("%s has the labels %v, in the docs %v", name, got, want)
		}
	}
	if n < 40 {
		t.Errorf("only %d metrics are ours", n)
	}
}
