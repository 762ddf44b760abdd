// Shows what `ngxtap check` says of a registry: that takes the schema, refuses it, is read-only, wants another login, or is not there.
package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// answers are what a registry says to a request, by method and path; what is not there is an unknown subject.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	path := r.Method + " " + r.URL.Path
	for key, answer := range a {
		if !strings.HasPrefix(path, key) {
			continue
		}
		code, body, _ := strings.Cut(answer, " ")
		var status int
		if _, err := fmt.Sscan(code, &status); err != nil {
			panic(err)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprint(w, `{"error_code":40401,"message":"Subject not found."}`)
}

func TestCheckOfTheRegistry(t *testing.T) {
	f := func(name string, a answers, breaking, level string, word what, words string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			url := "http://127.0.0.1:1"
			if a != nil {
				srv := httptest.NewServer(a)
				defer srv.Close()
				url = srv.URL
			}
			yaml := "state_dir: state\nregistry: {url: '" + url + "'}\n"
			cfg, err := config.Load(siteIn(t, t.TempDir(), yaml))
			if err != nil {
				t.Fatal(err)
			}
			cfg.Sites[0].OnChange.Breaking = breaking
			second := cfg.Sites[0]
			second.Site, second.Topic = "second", "nginx.second"
			cfg.Sites = append(cfg.Sites, second)
			d := &daemon{cfg: cfg, log: slog.New(slog.DiscardHandler)}
			if err := d.connect(); err != nil {
				t.Fatal(err)
			}
			defer d.registry.Close()
			formats := map[string][]*pipeline.Format{}
			for i := range cfg.Sites {
				if formats[cfg.Sites[i].Site], _, err = formatsOf(&cfg.Sites[i]); err != nil {
					t.Fatal(err)
				}
			}
			r := &report{}
			d.checkRegistry(t.Context(), r, formats)
			n := 0
			for _, f := range r.found {
				t.Log(f)
				if f.Level == level && f.What == word && strings.Contains(f.Text+"; "+f.Fix, words) {
					n++
				}
				if level == levelOK && f.Level != levelOK {
					t.Errorf("want nothing worse than ok: %v", f)
				}
			}
			want := 2 // one for each site
			if word == whatRegistry && level == levelError {
				want = 1
			}
			if n != want {
				t.Errorf("want %d times %s %s with %q, got %d", want, level, word, words, n)
			}
		})
	}
	const knows, lookup, compat = `200 {"subject":"s","id":7,"version":1,"schema":"\"string\""}`, "POST /subjects/", "POST /compatibility/"
	f("a new subject", answers{}, "quarantine", levelOK, whatRegistry, "the registry will take the schema, subject nginx.")
	f("a known schema", answers{lookup: knows}, "quarantine", levelOK, whatRegistry, "the registry knows the schema")
	f("the global level", answers{"GET /config/": `404 {"error_code":40408,"message":"no"}`, "GET /config": `200 {"compatibilityLevel":"FULL"}`}, "quarantine", levelOK, whatRegLevel, "the registry's level is FULL")
	f("no level at all", answers{"GET /config": `200 {"compatibilityLevel":"NONE"}`}, "evolve", levelWarning, whatRegLevel, "neither the registry (level NONE) nor on_change.breaking")
	f("no level, but a policy", answers{"GET /config": `200 {"compatibilityLevel":"NONE"}`}, "hold", levelOK, whatRegLevel, "on_change alone decides")
	f("read-only", answers{"GET /mode": `200 {"mode":"READONLY"}`}, "quarantine", levelError, whatRegMode, "the registry is read-only for subject")
	f("read-only, and it knows the schema", answers{lookup: knows, "GET /mode": `200 {"mode":"READONLY"}`}, "quarantine", levelOK, whatRegistry, "the registry knows the schema")
	f("refused", answers{compat: `200 {"is_compatible":false,"messages":["field gone"]}`}, "quarantine", levelError, whatRegRefused, "field gone")
	f("another login", answers{lookup: `401 {"error_code":401,"message":"no"}`, compat: `401 {"error_code":401,"message":"no"}`}, "quarantine", levelError, whatRegistry, "check registry.username and password")
	f("not there", nil, "quarantine", levelError, whatRegistry, "127.0.0.1:1")
}
