package schema

// Shows that Latest returns the newest version of a subject, says "not found" only where a registry says so, and what it refuses.

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

func TestRegistryLatest(t *testing.T) {
	reg := fake(t)
	reg.SeedSchema("t-value", 1, 7, sr.Schema{Schema: schemaA})
	reg.SeedSchema("t-value", 2, 9, sr.Schema{Schema: schemaB})
	reg.SeedSchema("p-value", 1, 8, sr.Schema{Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf})
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
	id, version, text, found, err := r.Latest(t.Context(), "t-value")
	if err != nil || !found || id.Number != 9 || !id.HasGUID || version != 2 || text != schemaB {
		t.Errorf("got %v, version %d, %q, %v, %v", id, version, text, found, err)
	}
	if id, _, text, found, err := r.Latest(t.Context(), "other-value"); err != nil || found || id != (ID{}) || text != "" {
		t.Errorf("an unknown subject: %v, %q, %v, %v; want not found and no error", id, text, found, err)
	}
	if _, _, _, found, err := r.Latest(t.Context(), "p-value"); err == nil || found || !strings.Contains(err.Error(), "want Avro") {
		t.Errorf("a schema of Protobuf: %v, %v", found, err)
	}
	answer(reg, 503, "")
	if _, _, _, found, err := r.Latest(t.Context(), "t-value"); found || !errors.Is(err, ErrUnavailable) {
		t.Errorf("a registry that is away: %v, %v", found, err)
	}
}

func TestRegistryLatestNotFoundIsARegistrysWord(t *testing.T) {
	for _, c := range []struct {
		name, body string
		notFound   bool
	}{
		{"subject", `{"error_code":40401,"message":"Subject 't-value' not found."}`, true},
		{"version", `{"error_code":40402,"message":"Version -1 not found."}`, true},
		{"path, as Confluent says it", `{"error_code":404,"message":"HTTP 404 Not Found"}`, false},
		{"path, as a proxy says it", `<html><body>404</body></html>`, false},
		{"path, no body", ``, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, c.body)
		}))
		r, _ := open(t, RegistryConfig{URLs: []string{srv.URL}})
		if _, _, _, found, err := r.Latest(t.Context(), "t-value"); found || (err == nil) != c.notFound {
			t.Errorf("%s: %v, %v", c.name, found, err)
		}
		srv.Close()
	}
}
