package schema

// Shows that requests to a registry are counted by how they end, and when it last was of use.

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRegistryStats(t *testing.T) {
	status, body := 200, `{"subject":"s","id":7,"version":1,"schema":"\"int\""}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	defer srv.Close()
	st := &RegistryStats{}
	r, err := NewRegistry(RegistryConfig{URLs: []string{srv.URL}, Attempts: 2, Backoff: time.Nanosecond, Stats: st})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if up, asked := st.Up(); up || asked || !st.LastAnswer().IsZero() || st.Last() != "" {
		t.Error("something is known before the first request")
	}
	want := map[RegistryOutcome]int64{}
	var last time.Time
	for _, tt := range []struct {
		status  int
		body    string
		outcome RegistryOutcome
		up      bool
	}{
		{200, body, OutcomeOK, true},
		{404, `{"error_code":40403,"message":"schema not found"}`, OutcomeNotFound, true},
		{409, `{}`, OutcomeRefused, true},
		{401, ``, OutcomeDenied, false},
		{403, ``, OutcomeDenied, false},
		{404, `<html>`, OutcomeError, false},
		{503, ``, OutcomeAway, false},
		{200, `nonsense`, OutcomeAway, false},
	} {
		status, body = tt.status, tt.body
		_, err := r.lookup(t.Context(), "s", `"int"`)
		want[tt.outcome]++
		up, asked := st.Up()
		if st.Last() != tt.outcome || up != tt.up || !asked {
			t.Errorf("HTTP %d %s (%v) is %q, up %v; want %q, %v", tt.status, tt.body, err, st.Last(), up, tt.outcome, tt.up)
		}
		if at := st.LastAnswer(); at.IsZero() || tt.up == at.Equal(last) {
			t.Errorf("HTTP %d %s: the last answer was at %v, before that %v", tt.status, tt.body, at, last)
		}
		last = st.LastAnswer()
		<-time.After(2 * time.Microsecond) // LastAnswer counts microseconds
	}
	got := st.Requests()
	for _, o := range RegistryOutcomes() {
		if got[o] != want[o] {
			t.Errorf("%s: %d requests, want %d", o, got[o], want[o])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.lookup(ctx, "s", `"int"`); err == nil || st.Requests()[OutcomeAway] != want[OutcomeAway] {
		t.Errorf("that nobody waits any more says nothing of the registry: %v, %v", err, st.Requests())
	}
}
