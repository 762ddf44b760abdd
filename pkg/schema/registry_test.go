package schema

// Shows what the registry client does with a registry that works, that refuses, that is away, that lost its memory, and what it
// keeps on disk.

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	schemaA = `{"type":"record","name":"A","fields":[{"name":"f","type":"long"}]}`
	schemaB = `{"type":"record","name":"A","fields":[{"name":"f","type":"string"}]}`
)

// open returns a registry client that gives up quickly, and the log it writes.
func open(t *testing.T, cfg RegistryConfig) (*Registry, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	cfg.Backoff = time.Millisecond
	r, err := NewRegistry(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, &log
}

func fake(t *testing.T) *srfake.Registry {
	t.Helper()
	reg := srfake.New()
	t.Cleanup(reg.Close)
	return reg
}

// answer makes the fake registry answer every request with a status, as long as on is true.
func answer(reg *srfake.Registry, status int, body string) (on *atomic.Bool, count *atomic.Int32) {
	on, count = new(atomic.Bool), new(atomic.Int32)
	on.Store(true)
	reg.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if !on.Load() {
			return false
		}
		count.Add(1)
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	})
	return on, count
}

func mustRegister(t *testing.T, r *Registry, subject, schema string) int32 {
	t.Helper()
	id, err := r.Register(t.Context(), subject, schema)
	if err != nil {
		t.Fatal(err)
	}
	return id.Number
}

func TestRegistryRegistersOnce(t *testing.T) {
	reg := fake(t)
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
	a, b := mustRegister(t, r, "t-value", schemaA), mustRegister(t, r, "t-value", schemaB)
	if a == b {
		t.Fatalf("two schemas have the id %d", a)
	}
	_, asked := answer(reg, 500, "")
	if again := mustRegister(t, r, "t-value", schemaA); again != a || asked.Load() != 0 {
		t.Errorf("second call: id %d after %d requests, want %d after none", again, asked.Load(), a)
	}
	if n := r.Unverified(); n != 0 {
		t.Errorf("%d unverified ids, want none", n)
	}
}

func TestRegistryServesReadersByLookup(t *testing.T) {
	reg := fake(t)
	reg.SeedSchema("t-value", 1, 42, sr.Schema{Schema: schemaA})
	reg.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/versions") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
	if id := mustRegister(t, r, "t-value", schemaA); id != 42 {
		t.Errorf("id %d, want 42", id)
	}
	if _, err := r.Register(t.Context(), "t-value", schemaB); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("registering with a reader's rights: %v, want the registry's refusal", err)
	}
}

func TestRegistryRefusal(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{409, `{"error_code":409,"message":"field f changed its type"}`, "field f changed its type"},
		{422, `{"error_code":42201,"message":"Invalid schema"}`, "Invalid schema"},
		{409, `not JSON`, "not JSON"},
	} {
		reg := fake(t)
		_, count := answer(reg, c.status, c.body)
		r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
		_, err := r.Register(t.Context(), "t-value", schemaA)
		var refused *RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, ErrRefused) {
			t.Fatalf("%d: error %v, want a RefusedError", c.status, err)
		}
		if refused.Subject != "t-value" || refused.Status != c.status || refused.Message != c.want {
			t.Errorf("%d: got %+v", c.status, refused)
		}
		if n := count.Load(); n != 4 {
			t.Errorf("%d: asked %d times, want two lookups and two registrations", c.status, n)
		}
	}
}

func TestRegistryRetriesUntilItAnswers(t *testing.T) {
	for _, status := range []int{500, 503, 429, 408} {
		reg := fake(t)
		var left atomic.Int32
		left.Store(2)
		reg.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			if left.Add(-1) < 0 {
				return false
			}
			w.WriteHeader(status)
			return true
		})
		r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
		mustRegister(t, r, "t-value", schemaA)
	}
}

func TestRegistryGivesUp(t *testing.T) {
	reg := fake(t)
	_, count := answer(reg, 503, "")
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}, Attempts: 4})
	if _, err := r.Register(t.Context(), "t-value", schemaA); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v, want ErrUnavailable", err)
	}
	if n := count.Load(); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stopped by the test")
	cancel(why)
	if _, err := r.Register(ctx, "t-value", schemaA); !errors.Is(err, why) {
		t.Errorf("error %v, want the cause of the cancelled context", err)
	}
}

func TestRegistryTakesTheNextURL(t *testing.T) {
	reg := fake(t)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }))
	defer broken.Close()
	r, _ := open(t, RegistryConfig{URLs: []string{broken.URL, "http://127.0.0.1:1", reg.URL()}})
	mustRegister(t, r, "t-value", schemaA)
}

func TestRegistryAwayAtStart(t *testing.T) {
	reg := fake(t)
	file := filepath.Join(t.TempDir(), "ids.json")
	cfg := RegistryConfig{URLs: []string{reg.URL()}, CacheFile: file}
	first, _ := open(t, cfg)
	id := mustRegister(t, first, "t-value", schemaA)

	away, _ := answer(reg, 503, "")
	second, log := open(t, cfg)
	if got := mustRegister(t, second, "t-value", schemaA); got != id {
		t.Errorf("id %d from the cache, want %d", got, id)
	}
	if second.Unverified() != 1 || !strings.Contains(log.String(), "can't be reached") {
		t.Errorf("%d unverified; log: %s", second.Unverified(), log)
	}
	if _, err := second.Register(t.Context(), "t-value", schemaB); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a schema that is not cached: %v, want ErrUnavailable", err)
	}
	if _, err := second.Register(t.Context(), "other-value", schemaA); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a subject that is not cached: %v, want ErrUnavailable", err)
	}
	away.Store(false)
	if got := mustRegister(t, second, "t-value", schemaA); got != id || second.Unverified() != 0 {
		t.Errorf("after the registry came back: id %d, %d unverified", got, second.Unverified())
	}
}

// A registry that takes requests and never answers must not keep a site from its cached id for longer than the caller allows.
func TestRegistryHangs(t *testing.T) {
	reg := fake(t)
	cfg := RegistryConfig{URLs: []string{reg.URL()}, CacheFile: filepath.Join(t.TempDir(), "ids.json")}
	first, _ := open(t, cfg)
	id := mustRegister(t, first, "t-value", schemaA)

	reg.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client is gone
		<-r.Context().Done()
		return true
	})
	second, _ := open(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if got, err := second.Register(ctx, "t-value", schemaA); err != nil || got.Number != id {
		t.Errorf("after the deadline: id %v, %v; want %d from the cache", got, err, id)
	}
	if _, err := second.Register(ctx, "t-value", schemaB); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a schema that is not cached: %v", err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	if _, err := second.Register(gone, "t-value", schemaA); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v, want no id", err)
	}
}

// A registry that keeps its ids in memory gives the cached id to another schema after its restart.
func TestRegistryDoesNotTrustTheCache(t *testing.T) {
	reg := fake(t)
	file := filepath.Join(t.TempDir(), "ids.json")
	cfg := RegistryConfig{URLs: []string{reg.URL()}, CacheFile: file}
	first, _ := open(t, cfg)
	old := mustRegister(t, first, "t-value", schemaA)

	reg.Reset()
	reg.SeedSchema("other-value", 1, int(old), sr.Schema{Schema: schemaB})
	second, log := open(t, cfg)
	id := mustRegister(t, second, "t-value", schemaA)
	if id == old {
		t.Fatalf("id %d names another schema now", id)
	}
	if text, err := second.Schema(t.Context(), id); err != nil || text != schemaA {
		t.Errorf("schema %d is %q, %v", id, text, err)
	}
	if !strings.Contains(log.String(), "another id") {
		t.Errorf("the log does not tell: %s", log)
	}
	answer(reg, 503, "")
	third, _ := open(t, cfg)
	if got := mustRegister(t, third, "t-value", schemaA); got != id {
		t.Errorf("the cache still has id %d, want %d", got, id)
	}
}

func TestRegistryCacheFile(t *testing.T) {
	dir := t.TempDir()
	reg := fake(t)
	file := filepath.Join(dir, "ids.json")
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}, CacheFile: file})
	mustRegister(t, r, "b-value", schemaA)
	mustRegister(t, r, "a-value", schemaA)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f cacheFile
	if err := json.Unmarshal(data, &f); err != nil || len(f.IDs) != 2 || f.IDs[0].Subject != "a-value" {
		t.Errorf("the file holds %s (%v)", data, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files are left, want only the cache", len(entries))
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}

	t.Run("one address more", func(t *testing.T) {
		const gone, added = "http://127.0.0.1:1", "http://127.0.0.1:2"
		for _, urls := range [][]string{{gone, added}, {added, gone}} {
			r, _ := open(t, RegistryConfig{URLs: urls, CacheFile: copyCache(t, file, reg.URL(), gone)})
			mustRegister(t, r, "a-value", schemaA)
		}
	})
	t.Run("of another registry", func(t *testing.T) {
		other, _ := open(t, RegistryConfig{URLs: []string{"http://127.0.0.1:1/"}, CacheFile: file})
		if _, err := other.Register(t.Context(), "a-value", schemaA); !errors.Is(err, ErrUnavailable) {
			t.Errorf("an id of another registry was used: %v", err)
		}
	})
	t.Run("broken", func(t *testing.T) {
		for _, content := range []string{"", "{", `{"version":99}`} {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			r, log := open(t, RegistryConfig{URLs: []string{reg.URL()}, CacheFile: file})
			if !strings.Contains(log.String(), "afresh") {
				t.Errorf("%q: the log does not tell: %s", content, log)
			}
			mustRegister(t, r, "a-value", schemaA)
		}
	})
	t.Run("not writable", func(t *testing.T) {
		r, log := open(t, RegistryConfig{URLs: []string{reg.URL()}, CacheFile: filepath.Join(dir, "missing", "ids.json")})
		mustRegister(t, r, "a-value", schemaA)
		if !strings.Contains(log.String(), "can't be cached") {
			t.Errorf("the log does not tell: %s", log)
		}
	})
}

func TestRegistryRequests(t *testing.T) {
	var mu sync.Mutex
	var paths, auths []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths, auths = append(paths, r.URL.EscapedPath()), append(auths, r.Header.Get("Authorization"))
		if strings.HasSuffix(r.URL.Path, "/versions") {
			w.Header().Set("Content-Type", "text/plain")
			io.WriteString(w, `{"id":5}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"error_code":40499,"message":"a code of its own"}`)
	}))
	defer s.Close()
	trust := &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	for _, c := range []struct {
		cfg  RegistryConfig
		auth string
	}{
		{RegistryConfig{URLs: []string{s.URL + "/apis/ccompat/v7/"}, Username: "u", Password: "p"}, "Basic dTpw"},
		{RegistryConfig{URLs: []string{s.URL + "/apis/ccompat/v7"}, Bearer: "token"}, "Bearer token"},
		{RegistryConfig{URLs: []string{strings.Replace(s.URL, "://", "://u:p@", 1) + "/apis/ccompat/v7"}}, "Basic dTpw"},
	} {
		c.cfg.TLS = trust
		paths, auths = nil, nil
		r, _ := open(t, c.cfg)
		if id := mustRegister(t, r, "a/b value", schemaA); id != 5 {
			t.Errorf("id %d, want 5", id)
		}
		want := "/apis/ccompat/v7/subjects/a%2Fb%20value"
		if len(paths) != 2 || paths[0] != want || paths[1] != want+"/versions" {
			t.Errorf("paths %q", paths)
		}
		if auths[0] != c.auth {
			t.Errorf("authorization %q, want %q", auths[0], c.auth)
		}
	}
}

func TestRegistryErrorsHideCredentials(t *testing.T) {
	r, log := open(t, RegistryConfig{URLs: []string{"http://user:hunter2@127.0.0.1:1/p"}})
	_, err := r.Register(t.Context(), "t-value", schemaA)
	if err == nil || strings.Contains(err.Error()+log.String(), "hunter2") {
		t.Errorf("error %v, log %s", err, log)
	}
}

func TestRegistryConfigErrors(t *testing.T) {
	for name, cfg := range map[string]RegistryConfig{
		"no URL":           {},
		"two ways to auth": {URLs: []string{"http://h"}, Username: "u", Bearer: "b"},
		"no scheme":        {URLs: []string{"host:8081"}},
		"no host":          {URLs: []string{"http:///path"}},
		"not HTTP":         {URLs: []string{"ftp://h"}},
		"query":            {URLs: []string{"http://h/?a=b"}},
		"not a URL":        {URLs: []string{"http://user:hunter2@[::1"}},
	} {
		if _, err := NewRegistry(cfg); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestRegistrySchema(t *testing.T) {
	reg := fake(t)
	reg.SeedSchema("t-value", 1, 7, sr.Schema{Schema: schemaA})
	reg.SeedSchema("p-value", 1, 8, sr.Schema{Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf})
	r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
	for id, want := range map[int32]string{7: "", 8: "want Avro", 10: "fetch schema 10"} {
		text, err := r.Schema(t.Context(), id)
		switch {
		case want == "" && (err != nil || text != schemaA):
			t.Errorf("schema %d: %q, %v", id, text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("schema %d: error %v, want one with %q", id, err, want)
		}
	}
	answer(reg, 500, "")
	if text, err := r.Schema(t.Context(), 7); err != nil || text != schemaA {
		t.Errorf("second call: %q, %v; want it from memory", text, err)
	}
}

func TestRegistryBadAnswers(t *testing.T) {
	for name, body := range map[string]string{"no id": `{}`, "id 0": `{"id":0}`, "id too large": `{"id":2147483648}`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }))
		r, _ := open(t, RegistryConfig{URLs: []string{s.URL}})
		if id, err := r.Register(t.Context(), "t-value", schemaA); err == nil {
			t.Errorf("%s: id %v, want an error", name, id)
		}
		s.Close()
	}
}

func TestSubjects(t *testing.T) {
	for word, want := range map[string]string{"": "t-value", "topic": "t-value", "record": "ngxtap.s.AccessEvent", "topic-record": "t-ngxtap.s.AccessEvent"} {
		s, err := ParseSubjectStrategy(word)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Subject("t", "ngxtap.s.AccessEvent"); got != want {
			t.Errorf("strategy %q: subject %q, want %q", word, got, want)
		}
		if word != "" && s.String() != word {
			t.Errorf("String() = %q, want %q", s.String(), word)
		}
	}
	if _, err := ParseSubjectStrategy("Topic"); err == nil {
		t.Error("an unknown strategy is accepted")
	}
}
