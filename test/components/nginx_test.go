package components

// Shows: Nginx starts, logs, rotates and reloads as a test expects, and is gone after Stop.

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

const plainConf = `{{.Main}}
events {}
http {
	{{.HTTP}}
	log_format small '$request_uri {{.Vars.word}}';
	access_log logs/access.log small;
	server {
		listen {{.Addr}};
		location / { return 200 ok; }
	}
}
`

// get asks Nginx for a path over a connection of its own.
func get(t *testing.T, n *Nginx, path string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + n.Addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok" {
		t.Fatalf("GET %s: %q, %v", path, body, err)
	}
}

// lines returns what a log holds.
func lines(t *testing.T, n *Nginx, log string) string {
	t.Helper()
	data, err := os.ReadFile(n.Log(log))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestNginxRotatesAndReloads(t *testing.T) {
	n := StartNginx(t, plainConf, map[string]string{"word": "old"})
	get(t, n, "/1")
	n.Rotate(t, "access.log", "access.log.1")
	get(t, n, "/2")
	n.Reload(t, strings.Replace(plainConf, "{{.Vars.word}}", "new", 1))
	get(t, n, "/3")
	n.Stop(t)
	if n.probe() == nil {
		t.Error("somebody still listens after Stop")
	}
	// The worker that took /2 or /3 may have been the old one: what counts is that nothing is lost or doubled.
	all := lines(t, n, "access.log.1") + lines(t, n, "access.log")
	for i := range 3 {
		if got := strings.Count(all, fmt.Sprintf("/%d ", i+1)); got != 1 {
			t.Errorf("request /%d was logged %d times in:\n%s", i+1, got, all)
		}
	}
	if !strings.HasPrefix(lines(t, n, "access.log.1"), "/1 old\n") {
		t.Errorf("the renamed file starts with %q", lines(t, n, "access.log.1"))
	}
}

func TestNginxTemplateNamesWhatIsMissing(t *testing.T) {
	Require(t, PartNginx)
	n := &Nginx{Dir: t.TempDir(), vars: map[string]string{}}
	if err := n.writeConf("{{.Vars.absent}}"); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a template with an unknown variable gave %v, want its name", err)
	}
}
