package metrics

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"

	"ngxtap/test/components"
)

// rulesFile is what Prometheus reads.
type rulesFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type rule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

// rulesTest is what promtool test rules reads.
type rulesTest struct {
	Tests []struct {
		Cases []struct {
			Alert  string `yaml:"alertname"`
			Alerts []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

// prometheusDir is where the rules are.
func prometheusDir(t *testing.T) string {
	return filepath.Join(components.Root(t), "configs", "prometheus")
}

func readYAML(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(prometheusDir(t), name))
	if err == nil {
		err = yaml.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var f rulesFile
	readYAML(t, "ngxtap.rules.yaml", &f)
	for _, g := range f.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestRulesPassPromtool(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "ngxtap.rules.yaml"}, {"test", "rules", "ngxtap.rules.test.yaml"}} {
		if out, err := components.Promtool(t, prometheusDir(t), nil, args...); err != nil || !strings.Contains(out, "SUCCESS") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestEveryAlertIsTestedBothWays: an alert that no test sees firing, or staying quiet, may do only one of the two.
func TestEveryAlertIsTestedBothWays(t *testing.T) {
	var tests rulesTest
	readYAML(t, "ngxtap.rules.test.yaml", &tests)
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, each := range tests.Tests {
		for _, c := range each.Cases {
			fires[c.Alert] = fires[c.Alert] || len(c.Alerts) > 0
			quiet[c.Alert] = quiet[c.Alert] || len(c.Alerts) == 0
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: a test sees it firing: %v, quiet: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
		}
	}
}

// heading is what GitHub and others make an anchor of.
var heading = regexp.MustCompile(`(?m)^#+ (.+)$`)

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	const page = "docs/alerts.md"
	b, err := os.ReadFile(filepath.Join(components.Root(t), page))
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(b), -1) {
		anchors[strings.ToLower(strings.ReplaceAll(m[1], " ", "-"))] = true
	}
	seen := map[string]bool{}
	for _, r := range rules(t) {
		if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Ngxtap") {
			t.Errorf("%q is there twice, or is no name of ours", r.Alert)
		}
		seen[r.Alert] = true
		if s := r.Labels["severity"]; s != "critical" && s != "warning" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s: no summary or no description", r.Alert)
		}
		anchor := strings.ToLower(r.Alert)
		if r.Annotations["runbook"] != page+"#"+anchor || !anchors[anchor] {
			t.Errorf("%s: runbook %q; the page has it: %v", r.Alert, r.Annotations["runbook"], anchors[anchor])
		}
		delete(anchors, anchor)
	}
	for a := range anchors {
		if strings.HasPrefix(a, "ngxtap") {
			t.Errorf("%s: no alert leads to %s", page, a)
		}
	}
}

var (
	quoted    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	selector  = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?`)
	matcher   = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!=|!~|=)`)
	grouping  = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
	histogram = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// targetLabels are what Prometheus itself adds.
var targetLabels = []string{"job", "instance"}

// checkExpr returns what is wrong with an expression: metrics that are not exported, and labels that they don't have.
func checkExpr(expr string, families map[string]*dto.MetricFamily) (problems []string) {
	expr = quoted.ReplaceAllString(expr, `""`)
	known := append([]string{"le"}, targetLabels...)
	metrics := 0
	for _, m := range selector.FindAllStringSubmatch(grouping.ReplaceAllString(expr, ""), -1) {
		name := m[1]
		if !strings.Contains(name, "_") && name != "up" || name == "histogram_quantile" || name == "label_values" {
			continue // a function, an operator, a number
		}
		metrics++
		labels := targetLabels
		if f := families[name]; f != nil && f.GetType() != dto.MetricType_HISTOGRAM {
			labels = append(labelsOf(f), labels...)
		} else if f := families[histogram.ReplaceAllString(name, "")]; f != nil && f.GetType() == dto.MetricType_HISTOGRAM && histogram.MatchString(name) {
			labels = append(labelsOf(f), labels...)
		} else if name != "up" && name != "ngxtap_memory_limit_bytes" { // Prometheus' own; not everywhere is there a limit
			problems = append(problems, "no metric "+name)
			continue
		}
		known = append(known, labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) {
				problems = append(problems, fmt.Sprintf("%s has no label %s", name, l[1]))
			}
		}
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(g[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(known, l) {
				problems = append(problems, "nothing in it has the label "+l)
			}
		}
	}
	if metrics == 0 {
		problems = append(problems, "it asks for no metric")
	}
	return problems
}

func TestCheckExprFindsFault(t *testing.T) {
	_, families := scrape(t)
	for expr, want := range map[string]string{
		`ngxtap_lag_seconds{site="no_metric{"} > 300`:                             "",
		`sum by (site, job) (rate(ngxtap_lines_total{outcome="event"}[5m]))`:      "",
		`histogram_quantile(.9, rate(ngxtap_commit_duration_seconds_bucket[5m]))`: "",
		`up{job="ngxtap"} == 0`:              "",
		`ngxtap_lag_second > 1`:              "no metric ngxtap_lag_second",
		`ngxtap_commit_duration_seconds > 1`: "no metric",
		`ngxtap_lag_seconds_sum > 1`:         "no metric",
		`ngxtap_lag_seconds{outcome="x"}`:    "no label outcome",
		`sum by (host) (ngxtap_lag_seconds)`: "the label host",
		`vector(1)`:                          "no metric",
		`ngxtap_build_info * on (job, site) group_left ngxtap_config_lastreload_x`: "nothing in it has the label site",
	} {
		got := strings.Join(checkExpr(expr, families), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

func TestRulesAskForWhatIsExported(t *testing.T) {
	_, families := scrape(t)
	all := rules(t)
	if len(all) < 20 {
		t.Errorf("only %d alerts", len(all))
	}
	for _, r := range all {
		for _, p := range checkExpr(r.Expr, families) {
			t.Errorf("%s: %s", r.Alert, p)
		}
	}
}
