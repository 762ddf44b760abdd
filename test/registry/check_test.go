package registry

// Shows that `ngxtap schema check` fails a CI run on an edit of nginx.conf that a real registry refuses, passes one that it takes, and
// registers nothing.

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestSchemaCheckWithARegistry(t *testing.T) {
	c := newClient(t)
	r := open(t, c.url)
	ngxtap := build(t)
	dir := t.TempDir()
	conf := func(name, format string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("http {\n    log_format main '"+format+"';\n}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	check := func(file string, code int, want ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), ngxtap, "schema", "check", "--nginx-conf", file, "--format", "main", "--site", "ci", "--registry", c.url)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%s: exit code %d, %v, want %d\n%s", file, got, err, code, out)
		}
		for _, w := range want {
			if !regexp.MustCompile("(?m)" + w).Match(out) {
				t.Errorf("%s: no %q in\n%s", file, w, out)
			}
		}
	}
	const subject = "nginx.ci.access-value"
	old := conf("old.conf", `$msec $status "$host"`)
	check(old, 0, `^  registry, subject nginx\.ci\.access-value$`, "nothing is registered under this subject yet", "the registry would take this schema")

	// The daemon registers a schema without the line breaks that "show" makes, and this registry looks schemas up by their text.
	register := func(file string, args ...string) {
		t.Helper()
		args = append([]string{"schema", "show", "--nginx-conf", file, "--format", "main", "--site", "ci"}, args...)
		text, err := exec.CommandContext(t.Context(), ngxtap, args...).Output()
		if err != nil {
			t.Fatal(err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Register(t.Context(), subject, compact.String()); err != nil {
			t.Fatal(err)
		}
	}
	register(old)
	c.must(t, http.MethodPut, "/config/"+subject, map[string]string{"compatibility": "BACKWARD"})
	check(old, 0, `version 1, id \d+$`, "^    none: ", "the registry has this schema")
	check(conf("more.conf", `$msec $status "$host" $request_time`), 0, "^    full: ", "field request_time: the field is new", "the registry would take this schema")
	// The variable of the name becomes a number.
	number := conf("number.conf", `$msec $status $limit_rate`)
	register(number, "--type", "limit_rate=string")
	check(number, 1, "/number.conf:2: format main of site ci$", "version 2, id ", "^    breaking: ", "field limit_rate: the type changed from string to long",
		`^    the registry refuses this schema \(HTTP 409: `)

	_, version, _, _, err := r.Latest(t.Context(), subject)
	if err != nil || version != 2 {
		t.Errorf("version %d, %v: a check has registered something", version, err)
	}
	// A server that is no registry is no verdict.
	cmd := exec.CommandContext(t.Context(), ngxtap, "schema", "check", "--nginx-conf", old, "--format", "main", "--site", "ci", "--registry", strings.TrimRight(c.url, "/")+"/nothere")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "ask the registry") && !strings.Contains(string(out), "fetch the latest") {
		t.Errorf("exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
}
