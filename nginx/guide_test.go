package nginx_test

// Shows that the steps of README.md lead to the event that it promises: the lines of nginx.conf and the probe are taken from it.

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ngxtap/test/components"
)

func TestGuide(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(data)
	_, steps, _ := strings.Cut(guide, "       http {\n")
	steps, _, ok := strings.Cut(steps, "\n   An `access_log`")
	steps = strings.ReplaceAll(steps, "/var/log/nginx/", "logs/")
	probe := regexp.MustCompile(`-H '([^']+)'`).FindStringSubmatch(guide)
	event := regexp.MustCompile("`request_headers` holds `([^`]+)`").FindStringSubmatch(guide)
	if !ok || probe == nil || event == nil {
		t.Fatal("README.md has no steps any more, or this test does not find them")
	}
	n := components.StartNginx(t, "{{.Main}}events {}\nhttp {\n{{.HTTP}}"+steps+"\nserver { listen {{.Addr}}; return 204; }\n}\n", nil)
	send(t, n, "GET / HTTP/1.0\r\n"+probe[1]+"\r\n\r\n")
	n.Stop(t)

	ngxtap := filepath.Join(t.TempDir(), "ngxtap")
	if out, err := exec.Command("go", "build", "-o", ngxtap, "../cmd/ngxtap").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	out, err := exec.Command(ngxtap, "parse", "--nginx-conf", n.Conf(), "--format", "ngxtap", n.Log("shop.access.log")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), event[1]) {
		t.Errorf("%v: want %s in\n%s", err, event[1], out)
	}
}
