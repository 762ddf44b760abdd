package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ngxtap/test/components"
)

// dashboard is what we look at in a dashboard of Grafana.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Panels        []panel
	Templating    struct{ List []variable }
	Annotations   struct{ List []annotation }
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  *source
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct {
		Datasource  *source
		RefID, Expr string
	}
}

type source struct{ Type, UID string }

type variable struct {
	Name, Type string
	Datasource *source
	Query      any
}

type annotation struct {
	Name, Expr string
	BuiltIn    int
	Datasource *source
}

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(components.Root(t), "configs", "grafana", "ngxtap.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := &dashboard{}
	if err := json.Unmarshal(b, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// plain puts something in the place of Grafana's variables.
var plain = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m", "$job", "ngxtap", "$instance", "web-01", "$site", "shop")

func TestDashboardAsksForWhatIsExported(t *testing.T) {
	_, families := scrape(t)
	d := readDashboard(t)
	exprs := map[string]string{}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			exprs[p.Title+" "+q.RefID] = q.Expr
		}
	}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			exprs["annotation "+a.Name] = a.Expr
		}
	}
	asked := ""
	type recording struct {
		Record, Expr string
	}
	var rules []recording
	for where, expr := range exprs {
		expr = plain.Replace(expr)
		asked += expr + "\n"
		if strings.Contains(expr, "$") {
			t.Errorf("%s: an unknown variable in %s", where, expr)
		}
		for _, p := range checkExpr(expr, families) {
			t.Errorf("%s: %s: %s", where, p, expr)
		}
		rules = append(rules, recording{fmt.Sprintf("dashboard:%d", len(rules)), expr})
	}
	// Every metric of ours is shown, but for those that others tell better.
	elsewhere := []string{"ngxtap_held", "ngxtap_read_bytes_total", "ngxtap_last_commit_duration_seconds", "ngxtap_held_deleted_files", "ngxtap_schema_class",
		"ngxtap_registry_up", "ngxtap_registry_last_answer_timestamp_seconds", "ngxtap_state_dir_writable", "ngxtap_embedded", "ngxtap_files_looked_at_timestamp_seconds",
		"ngxtap_config_last_reload_success_timestamp_seconds", "ngxtap_kafka_last_error_timestamp_seconds"}
	for name := range families {
		if strings.HasPrefix(name, "ngxtap_") && !strings.Contains(asked, name) && !slices.Contains(elsewhere, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
	b, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dashboard.yaml"), b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := components.Promtool(t, dir, nil, "check", "rules", "dashboard.yaml"); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func TestDashboardIsWellMade(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 36 {
		t.Errorf("%q %q %d", d.Title, d.UID, d.SchemaVersion)
	}
	ours := func(s *source) bool { return s != nil && s.Type == "prometheus" && s.UID == "${datasource}" }
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %q: its id %d is taken, or it has no title", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.W <= 0 || g.H <= 0 || g.X+g.W > 24 {
			t.Errorf("panel %q is off the grid: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || !ours(p.Datasource) {
			t.Errorf("panel %q lacks a unit, a query, or its datasource is not ${datasource}", p.Title)
		}
		for _, q := range p.Targets {
			if !ours(q.Datasource) || q.Expr == "" || !strings.Contains(q.Expr, "$instance") {
				t.Errorf("panel %q, %s: the datasource is not ${datasource}, or it does not heed the instance: %s", p.Title, q.RefID, q.Expr)
			}
		}
	}
	vars := map[string]bool{}
	for _, v := range d.Templating.List {
		vars[v.Name] = true
		if v.Type == "query" && !ours(v.Datasource) {
			t.Errorf("variable %s: its datasource is not ${datasource}", v.Name)
		}
	}
	for _, name := range []string{"datasource", "job", "instance", "site"} {
		if !vars[name] {
			t.Errorf("there is no variable %s", name)
		}
	}
	marks := 0
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			marks++
			if !ours(a.Datasource) {
				t.Errorf("annotation %s: its datasource is not ${datasource}", a.Name)
			}
		}
	}
	if marks < 2 {
		t.Errorf("%d annotations, want schema changes and losses", marks)
	}
}
