package schema

// Shows how a registry changes its mind: refusals that are lifted, two clients at once, GUIDs that come with an update, URLs that die.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const testGUID = "00112233-4455-6677-8899-aabbccddeeff"

// scripted is a server that gives the answers of a script in turn, each "STATUS BODY", and the last one from then on.
func scripted(t *testing.T, script ...string) (base string, asked *[]string) {
	asked = &[]string{} // one request at a time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i := min(len(*asked), len(script)-1)
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		var status int
		fmt.Sscan(script[i][:3], &status)
		w.WriteHeader(status)
		io.WriteString(w, script[i][4:])
	}))
	t.Cleanup(srv.Close)
	return srv.URL, asked
}

const (
	isUnknown = `404 {"error_code":40403,"message":"not found"}`
	isRefused = `409 {"error_code":409,"message":"incompatible"}`
)

// The operator changes the compatibility level: the next call asks, and from then on the id is known.
func TestRefusalIsLifted(t *testing.T) {
	url, asked := scripted(t, isUnknown, isRefused, isUnknown, isRefused, isUnknown, isRefused, isUnknown, isRefused, isUnknown, `200 {"id":7}`)
	r, _ := open(t, RegistryConfig{URLs: []string{url}, CacheFile: filepath.Join(t.TempDir(), "ids")})
	for range 2 {
		if id, err := r.Register(t.Context(), "s", schemaA); !errors.Is(err, ErrRefused) || id != (ID{}) {
			t.Fatalf("id %v, %v; want a refusal", id, err)
		}
	}
	for range 2 {
		if id, err := r.Register(t.Context(), "s", schemaA); err != nil || id.Number != 7 {
			t.Fatalf("id %v, %v; want 7", id, err)
		}
	}
	if len(*asked) != 10 {
		t.Errorf("asked %d times, want 10", len(*asked))
	}
}

// An id that was confirmed before does not stand against a refusal: the schema was deleted, and the registry wants it no more.
func TestRefusalBeatsTheCache(t *testing.T) {
	url, _ := scripted(t, `200 {"id":7}`, isUnknown, isRefused)
	cfg := RegistryConfig{URLs: []string{url}, CacheFile: filepath.Join(t.TempDir(), "ids")}
	first, _ := open(t, cfg)
	mustRegister(t, first, "s", schemaA)
	second, _ := open(t, cfg)
	if id, err := second.Register(t.Context(), "s", schemaA); !errors.Is(err, ErrRefused) || id != (ID{}) {
		t.Errorf("id %v, %v; want a refusal", id, err)
	}
}

// Apicurio 2.6 tells one of two clients that come at once with the same new schema that it exists already, with 409.
func TestTwoClientsAtOnce(t *testing.T) {
	exists := `409 {"error_code":409,"message":"An artifact with ID 's' in group 'null' already exists."}`
	for name, script := range map[string][]string{
		"found after":              {isUnknown, exists, `200 {"id":7}`},
		"found after another time": {isUnknown, exists, isUnknown, `200 {"id":7}`},
	} {
		url, _ := scripted(t, script...)
		r, _ := open(t, RegistryConfig{URLs: []string{url}})
		if id, err := r.Register(t.Context(), "s", schemaA); err != nil || id.Number != 7 {
			t.Errorf("%s: id %v, %v; want 7", name, id, err)
		}
	}
}

func TestGUIDs(t *testing.T) {
	for _, c := range []struct {
		name, script string
		lookup, has  bool
	}{
		{"found", `200 {"id":7,"guid":"` + testGUID + `"}`, true, true},
		{"registered", `200 {"id":7,"guid":"` + testGUID + `"}`, false, true},
		{"upper case", `200 {"id":7,"guid":"` + strings.ToUpper(testGUID) + `"}`, false, true},
		{"none", `200 {"id":7}`, false, false},
		{"null", `200 {"id":7,"guid":null}`, false, false},
		{"none that is one", `200 {"id":7,"guid":"7"}`, false, false},
	} {
		script := []string{isUnknown, c.script}
		if c.lookup {
			script = script[1:]
		}
		url, asked := scripted(t, script...)
		cfg := RegistryConfig{URLs: []string{url}, CacheFile: filepath.Join(t.TempDir(), "ids")}
		r, _ := open(t, cfg)
		id, err := r.Register(t.Context(), "s", schemaA)
		if err != nil || id.Number != 7 || id.HasGUID != c.has || (c.has && id.guid() != testGUID) {
			t.Errorf("%s: %+v, %v", c.name, id, err)
		}
		if want := []string{"POST /subjects/s", "POST /subjects/s/versions"}; !slices.Equal(*asked, want[:len(script)]) {
			t.Errorf("%s: asked %q", c.name, *asked)
		}
		cfg.CacheFile, cfg.URLs = copyCache(t, cfg.CacheFile, url, "http://127.0.0.1:1"), []string{"http://127.0.0.1:1"}
		away, _ := open(t, cfg)
		if got, err := away.Register(t.Context(), "s", schemaA); err != nil || got != id {
			t.Errorf("%s: from the cache: %+v, %v; want %+v", c.name, got, err, id)
		}
	}
}

// copyCache copies a cache as if it were of another URL, which nobody answers.
func copyCache(t *testing.T, file, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := file + "-copy"
	if err := os.WriteFile(copied, []byte(strings.ReplaceAll(string(data), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// A cache of a version that knew no GUIDs is read; a registry that was updated gives the GUID, which is no other id.
func TestCacheWithoutGUIDs(t *testing.T) {
	url, _ := scripted(t, `200 {"id":7,"guid":"`+testGUID+`"}`)
	file := filepath.Join(t.TempDir(), "ids")
	old := fmt.Sprintf(`{"version":1,"urls":[%q],"ids":[{"subject":"s","sha256":%q,"id":7}]}`, url, keyOf("s", schemaA).SHA256)
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	away, _ := open(t, RegistryConfig{URLs: []string{"http://127.0.0.1:1"}, CacheFile: copyCache(t, file, url, "http://127.0.0.1:1")})
	if id, err := away.Register(t.Context(), "s", schemaA); err != nil || id != (ID{Number: 7}) {
		t.Errorf("from the old cache: %+v, %v", id, err)
	}
	r, log := open(t, RegistryConfig{URLs: []string{url}, CacheFile: file})
	if id, err := r.Register(t.Context(), "s", schemaA); err != nil || id.guid() != testGUID {
		t.Errorf("from the registry: %+v, %v", id, err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
	if data, err := os.ReadFile(file); err != nil || !strings.Contains(string(data), testGUID) {
		t.Errorf("the file holds %s (%v)", data, err)
	}
}

// With more URLs than attempts, the last one is asked too, and is the first to be asked from then on.
func TestRegistryTakesTheLastOfManyURLs(t *testing.T) {
	var dead atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		dead.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer srv.Close()
	alive, _ := scripted(t, `200 {"id":7}`, `200 {"id":8}`)
	r, _ := open(t, RegistryConfig{URLs: []string{srv.URL + "/a", srv.URL + "/b", srv.URL + "/c", srv.URL + "/d", alive}})
	r.sleep = noSleep
	if id := mustRegister(t, r, "s", schemaA); id != 7 || dead.Load() != 4 {
		t.Errorf("id %d after %d dead ones", id, dead.Load())
	}
	if id := mustRegister(t, r, "s", schemaB); id != 8 || dead.Load() != 4 {
		t.Errorf("id %d after %d dead ones", id, dead.Load())
	}
}

func TestRegistryWaitsAsLongAsItIsAskedTo(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "-7": 0, "86400": maxRetryAfter, "99999999999999999999": 0, "soon": 0, "1.5": 0,
		now.Add(3 * time.Second).Format(http.TimeFormat): 3 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0,
		now.Add(time.Hour).Format(http.TimeFormat): maxRetryAfter,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("Retry-After: %q: %v, want %v", value, got, want)
		}
	}
	for value, want := range map[string][]time.Duration{
		"4": {4 * time.Second, 4 * time.Second, 4 * time.Second}, "": {time.Second, 2 * time.Second, 4 * time.Second},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", value)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		r, _ := open(t, RegistryConfig{URLs: []string{srv.URL}, Attempts: 4})
		r.backoff = time.Second
		var waits []time.Duration
		r.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
		if _, err := r.Register(t.Context(), "s", schemaA); !errors.Is(err, ErrUnavailable) || !slices.Equal(waits, want) {
			t.Errorf("Retry-After: %q: waited %v, %v; want %v", value, waits, err, want)
		}
		srv.Close()
	}
}
