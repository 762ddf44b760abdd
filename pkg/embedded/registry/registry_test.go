package registry

// Shows the HTTP API answer by answer, with the codes that clients look at, and that the answers survive restarts and torn files.

import (
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	v1       = `{"type":"record","name":"E","fields":[{"name":"a","type":"int"}]}`
	v1spaced = `{ "name":"E", "type":"record", "fields":[ {"type":"int","name":"a"} ] }`
	v2       = `{"type":"record","name":"E","fields":[{"name":"a","type":"int"},{"name":"b","type":["null","string"],"default":null}]}`
	noDef    = `{"type":"record","name":"E","fields":[{"name":"a","type":"int"},{"name":"c","type":"string"}]}`
	long     = `{"type":"record","name":"E","fields":[{"name":"a","type":"long"}]}`
)

func body(schema string) string { return fmt.Sprintf(`{"schema":%q}`, schema) }

func open(t *testing.T, path string) *Registry {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// ask sends a request and returns the answer as "status body".
func ask(t *testing.T, r *Registry, method, path, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if got := w.Header().Get("Content-Type"); got != contentType {
		t.Errorf("%s %s: content type %s", method, path, got)
	}
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", w.Code, b)
}

func TestAPI(t *testing.T) {
	r := open(t, filepath.Join(t.TempDir(), "f"))
	// One conversation: each step stands on those before it. A want that ends in … is a prefix.
	for _, s := range []struct{ request, body, want string }{
		{"GET /", "", `200 {}`},
		{"GET /subjects", "", `200 []`},
		{"GET /schemas/types", "", `200 ["AVRO"]`},
		{"GET /mode", "", `200 {"mode":"READWRITE"}`},
		{"GET /nowhere", "", `404 {"error_code":404,…`},
		{"GET /subjects/s/versions", "", `404 {"error_code":40401,…`},
		{"GET /subjects/s/versions/1", "", `404 {"error_code":40401,…`},
		{"POST /subjects/s", body(v1), `404 {"error_code":40401,…`},
		{"GET /schemas/ids/1", "", `404 {"error_code":40403,…`},
		{"POST /compatibility/subjects/s/versions/latest", body(v1), `404 {"error_code":40401,…`},
		{"POST /compatibility/subjects/s/versions", body(v1), `200 {"is_compatible":true}`},

		{"POST /subjects/s/versions", body(v1), `200 {"id":1}`},
		{"POST /subjects/s/versions", body(v1spaced), `200 {"id":1}`},
		{"POST /subjects/other%2Fname/versions", body(v1), `200 {"id":1}`},
		{"GET /subjects", "", `200 ["other/name","s"]`},
		{"GET /schemas/ids/1", "", `200 {"schema":"{\"type\":\"record\"…`},
		{"GET /schemas/ids/1/schema", "", `200 ` + v1},
		{"GET /schemas/ids/1/versions", "", `200 [{"subject":"other/name","version":1},{"subject":"s","version":1}]`},
		{"GET /subjects/s/versions", "", `200 [1]`},
		{"GET /subjects/s/versions/1", "", `200 {"subject":"s","version":1,"id":1,"schema":"…`},
		{"GET /subjects/s/versions/latest/schema", "", `200 ` + v1},
		{"GET /subjects/s/versions/2", "", `404 {"error_code":40402,…`},
		{"GET /subjects/s/versions/0", "", `422 {"error_code":42202,…`},
		{"GET /subjects/s/versions/x", "", `422 {"error_code":42202,…`},
		{"POST /subjects/s", body(v1spaced), `200 {"subject":"s","version":1,"id":1,"schema":"…`},
		{"POST /subjects/s", body(v2), `404 {"error_code":40403,…`},

		{"POST /subjects/s/versions", body(noDef), `409 {"error_code":409,…`},
		{"POST /compatibility/subjects/s/versions/1", body(noDef), `200 {"is_compatible":false}`},
		{"POST /compatibility/subjects/s/versions/1?verbose=true", body(noDef), `200 {"is_compatible":false,"messages":["data of version 1 cannot be read…`},
		{"POST /compatibility/subjects/s/versions/1", body(v2), `200 {"is_compatible":true}`},
		{"POST /subjects/s/versions", body(v2), `200 {"id":2}`},
		{"GET /subjects/s/versions/latest", "", `200 {"subject":"s","version":2,"id":2,…`},

		{"POST /subjects/s/versions", body(`{"type":"nonsense"}`), `422 {"error_code":42201,…`},
		{"POST /subjects/s/versions", body(`{`), `422 {"error_code":42201,…`},
		{"POST /subjects/s/versions", body(""), `422 {"error_code":42201,…`},
		{"POST /subjects/s/versions", `{"schema":"{}","schemaType":"JSON"}`, `422 {"error_code":42201,…`},
		{"POST /subjects/s/versions", `{"schema":"\"int\"","references":[{"name":"x"}]}`, `422 {"error_code":42201,…`},
		{"POST /subjects/s/versions", `not JSON`, `400 {"error_code":400,…`},
		{"POST /subjects/s/versions", `{"schema":"` + strings.Repeat("x", maxBody) + `"}`, `413 {"error_code":413,…`},

		{"GET /config", "", `200 {"compatibilityLevel":"BACKWARD"}`},
		{"GET /config/s", "", `404 {"error_code":40408,…`},
		{"GET /config/s?defaultToGlobal=true", "", `200 {"compatibilityLevel":"BACKWARD"}`},
		{"PUT /config", `{"compatibility":"SIDEWAYS"}`, `422 {"error_code":42203,…`},
		{"PUT /config/s", `{"compatibility":"none"}`, `200 {"compatibility":"NONE"}`},
		{"GET /config/s", "", `200 {"compatibilityLevel":"NONE"}`},
		{"POST /subjects/s/versions", body(noDef), `200 {"id":3}`},
		{"DELETE /config/s", "", `200 {"compatibilityLevel":"NONE"}`},
		{"DELETE /config/s", "", `404 {"error_code":40401,…`},
		{"PUT /config", `{"compatibility":"FULL_TRANSITIVE"}`, `200 {"compatibility":"FULL_TRANSITIVE"}`},
		{"POST /subjects/s/versions", body(long), `409 {"error_code":409,…`},
	} {
		method, path, _ := strings.Cut(s.request, " ")
		got := ask(t, r, method, path, s.body)
		prefix, open := strings.CutSuffix(s.want, "…")
		if open && !strings.HasPrefix(got, prefix) || !open && got != s.want {
			t.Errorf("%s %.80s\n got %s\nwant %s", s.request, s.body, got, s.want)
		}
	}
}

func TestLevels(t *testing.T) {
	// v1 -> long: new reads old (int promotes to long), old can't read new. Dropping b: new reads old, old reads new by the default.
	for _, tt := range []struct {
		level Level
		first string
		next  string
		want  bool
	}{
		{None, v1, `"string"`, true},
		{Backward, v1, long, true}, {Forward, v1, long, false}, {Full, v1, long, false},
		{Backward, long, v1, false}, {Forward, long, v1, true}, {Full, long, v1, false},
		{Full, v1, v2, true}, {Full, v2, v1, true},
		{Backward, v1, noDef, false}, {Forward, v1, noDef, true},
		{Backward, v1, `"string"`, false},
	} {
		for _, level := range []Level{tt.level, tt.level + "_TRANSITIVE"} {
			if !level.valid() {
				continue // NONE has no transitive form
			}
			r := open(t, filepath.Join(t.TempDir(), "f"))
			ask(t, r, "PUT", "/config/s", fmt.Sprintf(`{"compatibility":%q}`, level))
			ask(t, r, "POST", "/subjects/s/versions", body(tt.first))
			got := ask(t, r, "POST", "/subjects/s/versions", body(tt.next))
			if ok := strings.HasPrefix(got, "200"); ok != tt.want {
				t.Errorf("%s: %s after %s: %s", level, tt.next, tt.first, got)
			}
		}
	}
}

func TestTransitiveLooksAtAllVersions(t *testing.T) {
	a := `{"type":"record","name":"E","fields":[{"name":"b","type":"string"}]}`
	none := `{"type":"record","name":"E","fields":[]}`
	number := `{"type":"record","name":"E","fields":[{"name":"b","type":"int","default":0}]}`
	for level, want := range map[Level]string{Backward: "200", BackwardTransitive: "409"} {
		r := open(t, filepath.Join(t.TempDir(), "f"))
		ask(t, r, "PUT", "/config", fmt.Sprintf(`{"compatibility":%q}`, level))
		for _, s := range []string{a, none} {
			if got := ask(t, r, "POST", "/subjects/s/versions", body(s)); !strings.HasPrefix(got, "200") {
				t.Fatal(got)
			}
		}
		if got := ask(t, r, "POST", "/subjects/s/versions", body(number)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", level, got)
		}
	}
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	r := open(t, path)
	requests := []string{"/subjects", "/subjects/s/versions/latest", "/subjects/t/versions", "/config", "/config/s", "/config/t", "/schemas/ids/2"}
	ask(t, r, "POST", "/subjects/s/versions", body(v1))
	ask(t, r, "POST", "/subjects/s/versions", body(v2))
	ask(t, r, "POST", "/subjects/t/versions", body(v2))
	ask(t, r, "PUT", "/config", `{"compatibility":"FULL"}`)
	ask(t, r, "PUT", "/config/s", `{"compatibility":"NONE"}`)
	ask(t, r, "PUT", "/config/t", `{"compatibility":"NONE"}`)
	ask(t, r, "DELETE", "/config/t", "")
	before := map[string]string{}
	for _, q := range requests {
		before[q] = ask(t, r, "GET", q, "")
	}
	r.Close()
	if got := ask(t, r, "POST", "/subjects/u/versions", body(v1)); !strings.HasPrefix(got, `500 {"error_code":50001`) {
		t.Errorf("after Close: %s", got)
	}
	r = open(t, path)
	for _, q := range requests {
		if got := ask(t, r, "GET", q, ""); got != before[q] {
			t.Errorf("%s: %s, before %s", q, got, before[q])
		}
	}
	if got := ask(t, r, "POST", "/subjects/u/versions", body(long)); got != `200 {"id":3}` {
		t.Errorf("the next id: %s", got)
	}
}

func TestTornFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	r := open(t, path)
	ask(t, r, "POST", "/subjects/s/versions", body(v1))
	one, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, r, "POST", "/subjects/s/versions", body(v2))
	two, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	for n := len(one); n < len(two); n++ {
		if err := os.WriteFile(path, two[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		r := open(t, path)
		if got := ask(t, r, "GET", "/subjects/s/versions", ""); got != "200 [1]" {
			t.Fatalf("cut at %d of %d: versions %s", n, len(two), got)
		}
		if got := ask(t, r, "POST", "/subjects/s/versions", body(v2)); got != `200 {"id":2}` {
			t.Fatalf("cut at %d of %d: %s", n, len(two), got)
		}
		r.Close()
	}
	for _, bad := range []string{"{}\n", "no JSON\n" + string(one), string(one) + string(one), `{"subject":"s","version":2,"id":1,"schema":"\"int\""}` + "\n", `{"subject":"s","compatibility":"SIDEWAYS"}` + "\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := Open(path); err == nil {
			r.Close()
			t.Errorf("a file was taken that nobody wrote: %q", bad)
		}
		if got, _ := os.ReadFile(path); string(got) != bad {
			t.Errorf("the damaged file was changed: %q", got)
		}
	}
}

// TestClient talks to the registry with franz-go's client, over HTTP, from many sides at once.
func TestClient(t *testing.T) {
	srv := httptest.NewServer(open(t, filepath.Join(t.TempDir(), "f")).Handler())
	defer srv.Close()
	cl, err := sr.NewClient(sr.URLs(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			ss, err := cl.CreateSchema(t.Context(), fmt.Sprint("s", i%2), sr.Schema{Schema: v1})
			if err != nil {
				t.Error(err)
			}
			ids[i] = ss.ID
		})
	}
	wg.Wait()
	for i, id := range ids {
		if id != 1 {
			t.Errorf("request %d got id %d", i, id)
		}
	}
	_, err = cl.CreateSchema(t.Context(), "s0", sr.Schema{Schema: noDef})
	var re *sr.ResponseError
	if !errors.As(err, &re) || re.StatusCode != 409 {
		t.Errorf("an incompatible schema: %v", err)
	}
	if subjects, err := cl.Subjects(t.Context()); err != nil || len(subjects) != 2 {
		t.Errorf("subjects %v, %v", subjects, err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"subject":"s","version":1,"id":1,"schema":"\"int\""}` + "\n"))
	f.Add([]byte(`{"subject":"","compatibility":"NONE"}` + "\n" + `{"subject":"s"`))
	f.Add([]byte(`{"subject":"s","reset":true}` + "\n"))
	path := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			return
		}
		defer r.Close()
		if _, err := r.register("fuzz", v1); err != nil && !strings.Contains(err.Error(), "incompatible") {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatalf("opened once, not twice: %v", err)
		}
		again.Close()
	})
}
