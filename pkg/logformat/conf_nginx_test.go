package logformat

// Shows that the lexer and the reader accept and refuse what a real nginx does, where one is installed.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nginxTest returns what "nginx -t" says about the configuration: its error, or "" if it is satisfied.
func nginxTest(t *testing.T, dir, conf string) string {
	t.Helper()
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-t", "-q", "-p", dir, "-c", path, "-e", "stderr", "-g", "pid "+dir+"/pid;")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if err == nil {
		return ""
	}
	// A message may have several lines, as the words of the file may.
	text := strings.TrimSuffix(string(out), "\nnginx: configuration file "+path+" test failed\n")
	for _, level := range []string{"[emerg] ", "[crit] "} {
		if _, what, ok := strings.Cut(text, level); ok {
			_, what, _ = strings.Cut(what, ": ") // behind PID#TID
			return what
		}
	}
	t.Fatalf("nginx -t: %v: %s", err, out)
	return ""
}

// nginxDir returns a directory for nginx, and skips the test where there is none; in CI that is a failure.
func nginxDir(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nginx is not installed: run test/components/setup.sh")
		}
		t.Skip("nginx is not installed")
	}
	if testing.Short() {
		t.Skip("runs nginx many times")
	}
	return t.TempDir()
}

// lexerVerdict puts the lexer's view of the first statement in the words of nginx.
func lexerVerdict(file, conf string) string {
	l := newLexer(file, []byte(conf), func(int, string) {})
	st, err := l.next()
	if err == nil && st.end == '}' {
		err = errors.New(`unexpected "}"`)
	}
	if err != nil {
		for _, class := range []string{"too long parameter", "unexpected end of file", "unexpected"} {
			if strings.Contains(err.Error(), class) {
				return class
			}
		}
		return err.Error()
	}
	if st.end == 0 {
		return `no "events" section in configuration`
	}
	return fmt.Sprintf("unknown directive \"%s\" in %s:%d", st.words[0], file, l.line)
}

func TestLexerAgreesWithNginxOnRandomText(t *testing.T) {
	dir := nginxDir(t)
	path := filepath.Join(dir, "nginx.conf")
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{`"`, `'`, `\`, `$`, `${`, `{`, `}`, `;`, `;`, `#`, "\n", " ", "\t", "\r\n", "a", "n", "zq", ")", "(", `\"`, `\\`, `\n`, "\xC3\xA9"}
	for range 400 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		conf := b.String()
		want, got := nginxTest(t, dir, conf), lexerVerdict(path, conf)
		if want != got && !(strings.HasPrefix(want, "unexpected") && strings.HasPrefix(want, got)) {
			t.Errorf("%q:\nnginx %s\nwe    %s", conf, want, got)
		}
	}
}

func TestLexerAgreesWithNginxOnLongWords(t *testing.T) {
	dir := nginxDir(t)
	path := filepath.Join(dir, "nginx.conf")
	for n := lexWindow - 4; n <= lexWindow+1; n++ {
		a := strings.Repeat("a", n)
		for _, conf := range []string{
			a + ";\n", a + " ;\n", a + " b;\n", `"` + a + "\";\n", `"` + a + "\" ;\n", `"` + a + "\" b;\n", `"` + a + "\"", a, a + " ",
			" \n\n" + a + " b;\n", "# x\n\"" + a + "\" b;\n", `"` + a + "\n", "zz " + a + " ;", "zz '" + a + "' {",
		} {
			want, got := nginxTest(t, dir, conf), lexerVerdict(path, conf)
			got = got[:min(len(got), 1000)] // nginx cuts its messages at 2048
			if !strings.HasPrefix(want, got) {
				t.Errorf("%d bytes, ends in %q: nginx %.60q, we %.60q", n, conf[len(conf)-4:], want, got)
			}
		}
	}
}

// TestReaderAgreesWithNginx gives both the same http blocks. Where we go on with a warning nginx must refuse.
func TestReaderAgreesWithNginx(t *testing.T) {
	dir := nginxDir(t)
	path := filepath.Join(dir, "nginx.conf")
	for name, body := range map[string]string{"w/a.conf": "", "w/.hidden.conf": "}", "w/b.txt": "}", "w/dir/x.conf": "}"} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, http := range nginxHTTP {
		conf := "events { }\nhttp {\n" + http + "\n}\n"
		refused := nginxTest(t, dir, conf)
		c, err := ReadConf(path, ConfOptions{Prefix: dir})
		warned := err == nil && len(c.Warnings) > 0
		switch {
		case refused == "" && err != nil:
			t.Errorf("%s: nginx takes it, we: %v", http, err)
		case refused != "" && err == nil && !warned:
			t.Errorf("%s: we take it, nginx: %s", http, refused)
		}
	}
}

// nginxHTTP are contents of an http block, taken and refused ones.
var nginxHTTP = []string{
	`log_format a '$status';`,
	`log_format a "$status" 'x' y;`,
	`log_format a;`,
	`log_format a escape=json;`,
	`log_format a escape= x;`,
	`log_format a escape=yes x;`,
	`log_format a x escape=json;`,
	`log_format a '$';`,
	`log_format a '$ x';`,
	`log_format a '${status';`,
	`log_format a '${status' '}';`,
	`log_format a '${}';`,
	`log_format a '${status}x' '$status' 'x';`,
	`log_format a x; log_format a y;`,
	`log_format a x; log_format A y;`,
	`log_format combined x;`,
	`log_format Combined x;`,
	`log_format a { }`,
	`log_format '' x;`,
	`log_format a ''; access_log a.log a;`,
	`access_log;`,
	`access_log off;`,
	`access_log off a;`,
	`access_log a.log;`,
	`access_log "";`,
	`access_log a.log COMBINED;`,
	`access_log a.log main;`,
	`access_log a.log main; log_format main x;`,
	`access_log a.log if=$status;`,
	`access_log a.log combined if=$status buffer=32k flush=5s;`,
	`access_log a.log combined buffer=0;`,
	`access_log a.log combined buffer=x;`,
	`access_log a.log combined buffer=1M gzip;`,
	`access_log a.log combined gzip=0;`,
	`access_log a.log combined flush=1s;`,
	`access_log a.log combined nosuch;`,
	`access_log a.log combined buffer=1k; access_log a.log combined buffer=2k;`,
	`access_log a.log combined buffer=1k; access_log a.log combined;`,
	`access_log a$status.log combined buffer=1k;`,
	`access_log a$status.log combined;`,
	`access_log syslog:server=127.0.0.1 combined;`,
	`access_log syslog:server=127.0.0.1 combined buffer=1k;`,
	`server { access_log a.log; location / { access_log off; if ($status) { access_log b.log; } limit_except GET { access_log off; } } }`,
	`server { if ($status) { access_log b.log; } }`,
	`server { log_format a x; }`,
	`server { location / { log_format a x; } }`,
	`upstream u { server 127.0.0.1; access_log x; }`,
	`map $status $x { access_log 1; log_format 2; }`,
	`map $status $x { include w/a.conf; \include 2; }`,
	`map $status $x { include w/none.conf; }`,
	`map $status $x { a { } }`,
	`map $status $x;`,
	`location / ;`,
	`server;`,
	`include w/*.conf;`,
	`include w/*;`,
	`include w/[!b]*.conf;`,
	`include w/[^b]*.conf;`,
	`include w/[b;`,
	`include w/*.none;`,
	`include none/*.conf;`,
	`include w/none.conf;`,
	`include w;`,
	`include;`,
	`include w/a.conf w/a.conf;`,
	`include w/a.conf { }`,
	`include /dev/null;`,
	"# " + strings.Repeat("x", 5000) + "\nlog_format a x;",
	"log_format a x;\r\nlog_format b\r\n  'x'\r\n  'y';\r\n",
	`log_format a "x"y;`,
	`log_format a 'it''s';`,
	`log_format a it's;`,
	`log_format a x`,
	`}`,
	`server {`,
	`server { if ($status = "x") { return 200; } if ( "$status" = "x" ) { return 200; } }`,
}
