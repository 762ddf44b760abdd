package nginx_test

// Shows that the kit's logrotate file is accepted by the real logrotate and rotates the logs of a real Nginx without losing a line.

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/test/components"
)

func TestLogrotate(t *testing.T) {
	components.Require(t, components.PartNginx, components.PartLogrotate)
	n := components.StartNginx(t, `{{.Main}}
events {}
http {
	{{.HTTP}}
	log_format path '$uri';
	server { listen {{.Addr}}; access_log logs/a.access.log path; access_log logs/b.access.log path; return 204; }
}
`, nil)
	kit, err := os.ReadFile("logrotate.conf")
	if err != nil {
		t.Fatal(err)
	}
	// Only what names this machine is another: the logs, the process id and the user.
	text := strings.NewReplacer("/var/log/nginx/*.log", n.Log("*.access.log"), "/run/nginx.pid", n.Log("nginx.pid"), "www-data adm", "root root").Replace(string(kit))
	conf := filepath.Join(n.Dir, "logrotate.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// logrotate refuses folders that others may write to.
	if err := os.Chmod(filepath.Join(n.Dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	var want []string
	request := func() {
		uri := fmt.Sprintf("/%d", len(want))
		send(t, n, "GET "+uri+" HTTP/1.0\r\n\r\n")
		want = append(want, uri)
	}
	const rotations = 3
	for i := range rotations {
		request()
		out, err := exec.Command("logrotate", "-v", "-f", "-s", filepath.Join(n.Dir, "state"), conf).CombinedOutput()
		if err != nil || strings.Contains(string(out), "error:") {
			t.Fatalf("logrotate: %v\n%s", err, out)
		}
		components.Eventually(t, time.Minute, func() error {
			log, err := os.ReadFile(n.Log("error.log"))
			if got := strings.Count(string(log), "(SIGUSR1) received"); err != nil || got != i+1 {
				return fmt.Errorf("%d signals to reopen, want %d: one for both logs", got, i+1)
			}
			return nil
		})
		request()
	}
	n.Stop(t)
	for _, log := range []string{"a", "b"} {
		var got []string
		for _, name := range []string{".3.gz", ".2.gz", ".1", ""} {
			got = append(got, linesOf(t, n.Log(log+".access.log"+name))...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the logs of %s hold %q, want %q", log, got, want)
		}
	}
}

// linesOf returns the lines of a file, decompressed if it is gzip.
func linesOf(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}
