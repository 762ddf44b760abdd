package quarantine

// Shows: where the registry is away or refuses the schema, replay says so, ends with 1 and sends nothing.

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"ngxtap/test/components"
)

func TestReplayWithoutASchemaSendsNothing(t *testing.T) {
	w := newWorld(t, 100, 50, true)
	w.quarantine(t, "web-01")
	refused := func(h string, p *components.Program, words ...string) {
		t.Helper()
		if code := p.Wait(t, long); code != 1 {
			t.Errorf("%s: exit code %d, want 1", h, code)
		}
		for _, word := range append(words, "nothing was sent") {
			if out := p.Output(t); !strings.Contains(out, word) {
				t.Errorf("%s: the output does not say %q:\n%s", h, word, out)
			}
		}
	}
	there := w.reg
	w.reg = "http://127.0.0.1:1"
	refused("away", w.replay(t, w.host(t, "web-01", right), ""), "schema of format", "127.0.0.1:1")
	w.reg = there
	// The registry wants new schemas to read what was written with the last one, and no event is read as a number.
	subject := fmt.Sprintf("%s/subjects/nginx.%s.access-value", there, w.site)
	request(t, http.MethodDelete, subject, "")
	request(t, http.MethodPost, subject+"/versions", `{"schema":"\"int\""}`)
	refused("refused", w.replay(t, w.host(t, "web-01", right), ""), "schema of format")
	if n := len(w.events(t)); n != 0 {
		t.Errorf("%d lines were sent", n)
	}
}

// request sends a request to the registry, which must not refuse it.
func request(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s: %s, %v", method, url, resp.Status, answer, err)
	}
}
