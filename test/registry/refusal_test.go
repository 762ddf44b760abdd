package registry

// Shows what Register and Latest make of a real registry's answers: a refusal and its end, an unknown subject, a wrong path, and many
// clients that come with the same schema at once.

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/schema"
)

// open returns a client for what ngxtap itself asks of a registry.
func open(t *testing.T, url string) *schema.Registry {
	t.Helper()
	r, err := schema.NewRegistry(schema.RegistryConfig{URLs: []string{url}, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func record(fields string) string {
	return `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}` + fields + `]}`
}

func TestRefusalAndItsEnd(t *testing.T) {
	c := newClient(t)
	r := open(t, c.url)
	const subject = "refusal-value"
	if _, _, _, found, err := r.Latest(t.Context(), subject); found || err != nil {
		t.Fatalf("before the first version: %v, %v", found, err)
	}
	if known, err := r.Try(t.Context(), subject, record("")); known || err != nil {
		t.Fatalf("try the first version: %v, %v", known, err)
	}
	first, err := r.Register(t.Context(), subject, record(""))
	if err != nil || first.HasGUID {
		t.Fatalf("id %+v, %v", first, err)
	}
	c.must(t, http.MethodPut, "/config", map[string]string{"compatibility": "NONE"})
	c.must(t, http.MethodPut, "/config/"+subject, map[string]string{"compatibility": "BACKWARD"})
	breaking := record(`,{"name":"b","type":"int"}`)
	for range 2 {
		var refused *schema.RefusedError
		id, err := r.Register(t.Context(), subject, breaking)
		if !errors.As(err, &refused) || id != (schema.ID{}) || refused.Status != http.StatusConflict || !strings.Contains(refused.Message, "ncompatible") {
			t.Fatalf("id %v, %v; want a refusal with 409", id, err)
		}
		if known, err := r.Try(t.Context(), subject, breaking); known || !errors.Is(err, schema.ErrRefused) {
			t.Fatalf("try it: %v, %v", known, err)
		}
	}
	if id, version, text, found, err := r.Latest(t.Context(), subject); err != nil || !found || id != first || version != 1 || text != record("") {
		t.Errorf("latest while it is refused: %v, version %d, %s, %v", id, version, text, err)
	}
	c.must(t, http.MethodPut, "/config/"+subject, map[string]string{"compatibility": "NONE"}) // to Apicurio: the global level, which is NONE
	second, err := r.Register(t.Context(), subject, breaking)
	if err != nil || second == first {
		t.Fatalf("when the level is NONE: id %v, %v", second, err)
	}
	if id, version, text, found, err := r.Latest(t.Context(), subject); err != nil || !found || id != second || version != 2 || text != breaking {
		t.Errorf("latest after it: %v, version %d, %s, %v", id, version, text, err)
	}
}

func TestInvalidSchemaIsRefused(t *testing.T) {
	r := open(t, shared.Registry(t).URL)
	for _, bad := range []string{`{"type":"record","name":"R","fields":[{"name":"a","type":"nosuch"}]}`, `{"type":`} {
		var refused *schema.RefusedError
		if id, err := r.Register(t.Context(), "invalid-value", bad); !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity || id != (schema.ID{}) {
			t.Errorf("%s: id %v, %v; want a refusal with 422", bad, id, err)
		}
	}
}

func TestWrongPath(t *testing.T) {
	url := shared.Registry(t).URL
	for _, path := range []string{strings.TrimSuffix(url, "/apis/ccompat/v7"), url + "/more"} {
		r := open(t, path)
		_, err := r.Register(t.Context(), "path-value", record(""))
		_, _, _, found, latest := r.Latest(t.Context(), "path-value")
		for _, err := range []error{err, latest} {
			if err == nil || found || errors.Is(err, schema.ErrRefused) || !strings.Contains(err.Error(), "check the path in registry.url") || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// Apicurio answers some of those that come at once with 409, "already exists". None of them may take it for a refusal.
func TestManyClientsAtOnce(t *testing.T) {
	url := shared.Registry(t).URL
	for round := range 20 {
		subject := fmt.Sprintf("at-once-%d", round)
		var wg sync.WaitGroup
		ids := make([]schema.ID, 8)
		start := make(chan struct{})
		for i := range ids {
			r := open(t, url)
			wg.Go(func() {
				<-start
				var err error
				if ids[i], err = r.Register(t.Context(), subject, record(fmt.Sprintf(`,{"name":"f%d","type":"int"}`, round))); err != nil {
					t.Errorf("%s: %v", subject, err)
				}
			})
		}
		close(start)
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("%s: ids %v", subject, ids)
				break
			}
		}
	}
}
