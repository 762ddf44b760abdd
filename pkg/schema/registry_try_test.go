package schema

// Shows that Try tells what Register would do, and registers nothing.

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTryTellsWhatRegisterWouldDo(t *testing.T) {
	const notFound, noSubject = `{"error_code":40403,"message":"schema not found"}`, `{"error_code":40401,"message":"subject not found"}`
	for _, c := range []struct {
		name            string
		lookup          int
		lookupBody      string
		compatible      int
		compatibleBody  string
		known, refused  bool
		wantUnavailable bool
	}{
		{"known", 200, `{"subject":"s","id":7,"version":1,"schema":"\"int\""}`, 500, "", true, false, false},
		{"new and compatible", 404, notFound, 200, `{"is_compatible":true}`, false, false, false},
		{"new subject", 404, noSubject, 404, noSubject, false, false, false},
		{"incompatible", 404, notFound, 200, `{"is_compatible":false,"messages":["reader field lacks a default"]}`, false, true, false},
		{"invalid", 404, notFound, 422, `{"error_code":42201,"message":"invalid schema"}`, false, true, false},
		{"away", 503, `{}`, 503, `{}`, false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
				switch {
				case strings.HasPrefix(r.URL.Path, "/compatibility/"):
					w.WriteHeader(c.compatible)
					io.WriteString(w, c.compatibleBody)
				case strings.HasSuffix(r.URL.Path, "/versions"):
					t.Errorf("%s %s: it registers", r.Method, r.URL.Path)
				default:
					w.WriteHeader(c.lookup)
					io.WriteString(w, c.lookupBody)
				}
			}))
			defer srv.Close()
			r, err := NewRegistry(RegistryConfig{URLs: []string{srv.URL}, Attempts: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			known, err := r.Try(t.Context(), "s", `"int"`)
			if known != c.known || errors.Is(err, ErrRefused) != c.refused || errors.Is(err, ErrUnavailable) != c.wantUnavailable {
				t.Errorf("got %v, %v", known, err)
			}
			if !c.refused && !c.wantUnavailable && err != nil {
				t.Errorf("err = %v", err)
			}
			if c.name == "incompatible" && !strings.Contains(err.Error(), "lacks a default") {
				t.Errorf("the registry's reason is missing: %v", err)
			}
		})
	}
}

// TestKnown: a schema is looked for, and never registered.
func TestKnown(t *testing.T) {
	reg := fake(t)
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}, Attempts: 1})
	for range 2 {
		if id, found, err := r.Known(t.Context(), "t-value", schemaA); found || err != nil {
			t.Fatalf("before it is registered: %v, %v, %v", id, found, err)
		}
	}
	want := mustRegister(t, r, "t-value", schemaA)
	if id, found, err := r.Known(t.Context(), "t-value", schemaA); !found || err != nil || id.Number != want {
		t.Errorf("%v, %v, %v, want %d", id, found, err, want)
	}
	if _, found, err := r.Known(t.Context(), "t-value", schemaB); found || err != nil {
		t.Errorf("another schema: %v, %v", found, err)
	}
	answer(reg, 503, "")
	if _, found, err := r.Known(t.Context(), "t-value", schemaA); found || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a registry that is away: %v, %v", found, err)
	}
}
