package admin

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestServesMetricsAndHealth(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lines_total", Help: "Lines."})
	reg.MustRegister(c)
	c.Add(3)
	healthy := true
	s, err := Start("127.0.0.1:0", reg, func() (bool, string) { return healthy, "site shop: running" },
		Check{Path: "/livez", Ask: func() (bool, string) { return true, "alive" }})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(method, path string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	if code, body := get("GET", "/metrics"); code != 200 || !strings.Contains(body, "lines_total 3") {
		t.Errorf("metrics: %d %s", code, body)
	}
	if code, body := get("GET", "/healthz"); code != 200 || body != "site shop: running\n" {
		t.Errorf("health: %d %q", code, body)
	}
	healthy = false
	if code, _ := get("GET", "/healthz"); code != 503 {
		t.Errorf("unhealthy: %d", code)
	}
	if code, body := get("GET", "/livez"); code != 200 || body != "alive\n" {
		t.Errorf("alive: %d %q", code, body)
	}
	if code, _ := get("GET", "/readyz"); code != 404 {
		t.Errorf("what was not asked for: %d", code)
	}
	if code, _ := get("POST", "/healthz"); code != 405 {
		t.Errorf("POST: %d", code)
	}
	if code, _ := get("GET", "/debug/pprof/"); code != 404 {
		t.Errorf("pprof is served: %d", code)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSaysWhatToDoAboutATakenPort(t *testing.T) {
	s, err := Start("127.0.0.1:0", prometheus.NewRegistry(), func() (bool, string) { return true, "" })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = Start(s.Addr(), prometheus.NewRegistry(), nil)
	if err == nil || !strings.Contains(err.Error(), "choose another port") {
		t.Fatalf("err = %v", err)
	}
}
