package schema

// Shows what each kind of answer leads to: those that registries really give, and those of what stands before or in place of one.
// Whatever is answered, there is an id only where a registry gave one; only 409 and 422 are refusals; and an operator is told which
// URL answered what, and what to do.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reply is an answer to every request, with what follows from it.
type reply struct {
	name     string
	status   int
	header   string // "Name: value"
	body     string
	lookup   int // status of lookups, 0: as above
	refused  bool
	away     bool // wraps ErrUnavailable
	requests int32
	says     string // part of the error
}

const page = "<html>\n<head><title>Error</title></head>\n<body>" + "please log in " + "</body></html>"

var replies = []reply{
	// Registries: Confluent 7 and 8, Karapace and Redpanda answer with these codes, Apicurio 2.6 with 409, 42201 and 404xx.
	{name: "incompatible", status: 409, body: `{"error_code":409,"message":"Schema being registered is incompatible with an earlier schema"}`, refused: true, requests: 4, says: "HTTP 409: Schema being registered is inc"},
	{name: "invalid", status: 422, body: `{"error_code":42201,"message":"Invalid schema"}`, refused: true, requests: 4, says: "HTTP 422: Invalid schema"},
	{name: "read-only subject", status: 422, body: `{"error_code":42205,"message":"Subject t-value is in read-only mode"}`, refused: true, requests: 4, says: "read-only"},
	{name: "incompatible, and a lookup that is forbidden", lookup: 403, status: 409, body: `{"error_code":409,"message":"no"}`, refused: true, requests: 4, says: "HTTP 409"},
	{name: "refused by nobody knows whom", status: 409, body: page, refused: true, requests: 4},
	{name: "no login", status: 401, body: `{"error_code":401,"message":"Unauthorized"}`, requests: 2, says: "HTTP 401: Unauthorized; the login is not taken: check registry.username"},
	{name: "no login, with a page", status: 401, body: page, requests: 2, says: "check registry.username"},
	{name: "no right", status: 403, body: `{"error_code":40301,"message":"User is denied operation Write on Subject: t-value"}`, requests: 2, says: "denied operation Write on Subject: t-value; the login may not do this"},
	{name: "may look up, not register", lookup: 404, status: 403, requests: 2, says: "HTTP 403: no response; the login may not"},
	{name: "wrong path, as Confluent and Apicurio say it", status: 404, body: `{"error_code":404,"message":"HTTP 404 Not Found"}`, requests: 2, says: "no registry answers at this path: check the path in registry.url"},
	{name: "wrong path, with a page", status: 404, body: page, requests: 2, says: "check the path in registry.url"},
	{name: "not for POST", status: 405, body: page, requests: 2, says: "HTTP 405"},
	{name: "too large", status: 413, body: page, requests: 2, says: "raise the limit of the registry or of the proxy"},
	{name: "too large, not looked up", lookup: 404, status: 413, body: page, requests: 2, says: "HTTP 413"},
	{name: "too many requests", status: 429, body: `{"error_code":42901,"message":"slow down"}`, away: true, requests: 3, says: "HTTP 429: slow down"},
	{name: "store fails", status: 500, body: `{"error_code":50001,"message":"Error in the backend data store"}`, away: true, requests: 3, says: "backend data store"},
	{name: "no leader", status: 500, body: `{"error_code":50004,"message":"Leader not known"}`, away: true, requests: 3, says: "Leader not known"},
	// What stands before it.
	{name: "bad gateway", status: 502, body: page, away: true, requests: 3, says: "HTTP 502: <html> <head><title>Error</title></head>"},
	{name: "maintenance", status: 503, header: "Retry-After: 3", body: page, away: true, requests: 3, says: "HTTP 503"},
	{name: "a page of great length", status: 504, body: "<" + strings.Repeat("ä", 1<<20), away: true, requests: 3, says: "ä…"},
	{name: "a page in place of the answer", status: 200, body: page, away: true, requests: 3, says: "the answer is not a registry's, or was cut off: check registry.url"},
	{name: "a message of control characters", status: 400, body: "a\x1b[2J\nb", requests: 2, says: "HTTP 400: a\x1b[2J b"}, // cmd escapes what it prints
	{name: "moved", status: 301, header: "Location: https://u:secret@other/registry?token=secret", away: true, requests: 3, says: "redirects are not followed: set registry.url to where the registry is (the redirect names https://other/registry)"},
	{name: "login page", status: 302, header: "Location: /login", body: page, away: true, requests: 3, says: "the redirect names /login"},
	{name: "moved, keeping the method", status: 308, header: "Location: http://127.0.0.1:1/", away: true, requests: 3, says: "HTTP 308"},
	// Broken answers.
	{name: "nothing", status: 200, away: true, requests: 3, says: "unexpected end of JSON"},
	{name: "half an answer", status: 200, body: `{"id":`, away: true, requests: 3, says: "was cut off"},
	{name: "less than announced", status: 200, header: "Content-Length: 100", body: `{"id":7}`, away: true, requests: 3, says: "unexpected EOF"},
	{name: "a list", status: 200, body: `[7]`, away: true, requests: 3, says: "unable to decode"},
	{name: "no id", status: 200, body: `{}`, requests: 1, says: "id 0"},
	{name: "a negative id", status: 200, body: `{"id":-1}`, requests: 1, says: "id -1"},
	{name: "an id in words", status: 200, body: `{"id":"seven"}`, away: true, requests: 3, says: "cannot unmarshal string"},
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func (c *reply) serve(count *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		count.Add(1)
		io.Copy(io.Discard, r.Body)
		if c.lookup != 0 && !strings.HasSuffix(r.URL.Path, "/versions") {
			w.WriteHeader(c.lookup)
			fmt.Fprintf(w, `{"error_code":%d,"message":"lookup"}`, 100*c.lookup+3)
			return
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			w.Header().Set(name, value)
		}
		w.WriteHeader(c.status)
		io.WriteString(w, c.body)
	}
}

func TestRegistryAnswers(t *testing.T) {
	for _, c := range replies {
		t.Run(c.name, func(t *testing.T) {
			var count atomic.Int32
			srv := httptest.NewServer(c.serve(&count))
			defer srv.Close()
			r, _ := open(t, RegistryConfig{URLs: []string{srv.URL + "/some/path"}, Timeout: time.Minute})
			r.sleep = noSleep
			id, err := r.Register(t.Context(), "t-value", schemaA)
			if err == nil || id != (ID{}) {
				t.Fatalf("id %v, %v", id, err)
			}
			if errors.Is(err, ErrRefused) != c.refused || errors.Is(err, ErrUnavailable) != c.away {
				t.Errorf("%v: refused %v, away %v", err, errors.Is(err, ErrRefused), errors.Is(err, ErrUnavailable))
			}
			if text := err.Error(); !strings.Contains(text, c.says) || len(text) > 4096 || strings.Contains(text, "secret") {
				t.Errorf("error %.4096q, want one with %q", text, c.says)
			}
			if !c.refused && c.requests > 1 && !strings.Contains(err.Error(), srv.URL+"/some/path/subjects/t-value") {
				t.Errorf("the error names no URL: %v", err)
			}
			if n := count.Load(); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			if c.lookup == 404 {
				return
			}
			if _, _, _, found, err := r.Latest(t.Context(), "t-value"); found || err == nil {
				t.Errorf("Latest: %v, %v", found, err)
			}
			if text, err := r.Schema(t.Context(), 7); text != "" || err == nil {
				t.Errorf("Schema: %.100q, %v", text, err)
			}
		})
	}
}

// Only a registry's own word on a schema counts against an id that it gave before.
func TestRegistryAnswersAndTheCache(t *testing.T) {
	for _, c := range replies {
		t.Run(c.name, func(t *testing.T) {
			reg := fake(t)
			cfg := RegistryConfig{URLs: []string{reg.URL()}, CacheFile: t.TempDir() + "/ids", Timeout: time.Minute}
			first, _ := open(t, cfg)
			want, err := first.Register(t.Context(), "t-value", schemaA)
			if err != nil {
				t.Fatal(err)
			}
			var count atomic.Int32
			h := c.serve(&count)
			reg.Intercept(func(w http.ResponseWriter, r *http.Request) bool { h(w, r); return true })
			second, _ := open(t, cfg)
			second.sleep = noSleep
			id, err := second.Register(t.Context(), "t-value", schemaA)
			if c.refused || c.lookup == 404 {
				if err == nil || id != (ID{}) || errors.Is(err, ErrRefused) != c.refused {
					t.Errorf("id %v, %v; want no id", id, err)
				}
			} else if err != nil || id != want || second.Unverified() != 1 {
				t.Errorf("id %v, %v, %d unverified; want %v from the cache", id, err, second.Unverified(), want)
			}
		})
	}
}

// An answer without end is not kept in memory.
func TestRegistryAnswersWithoutEnd(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"id":7,"schema":"`)
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 1<<20))
		}
	}))
	defer srv.Close()
	r, _ := open(t, RegistryConfig{URLs: []string{srv.URL}, Timeout: time.Minute, Attempts: 1})
	id, err := r.Register(t.Context(), "t-value", schemaA)
	if id != (ID{}) || !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "longer than 16777216 bytes") {
		t.Errorf("id %v, %v", id, err)
	}
}

// An answer that comes a byte at a time ends with the time for one request.
func TestRegistryTrickles(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for r.Context().Err() == nil {
			io.WriteString(w, " ")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}))
	defer srv.Close()
	r, _ := open(t, RegistryConfig{URLs: []string{srv.URL}, Timeout: 50 * time.Millisecond, Attempts: 2})
	if id, err := r.Register(t.Context(), "t-value", schemaA); !errors.Is(err, ErrUnavailable) || id != (ID{}) {
		t.Errorf("id %v, %v; want ErrUnavailable", id, err)
	}
}
