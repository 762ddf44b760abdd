// Shows what `ngxtap check` says of how Nginx writes the logs of a site.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
)

func TestCheckOfAccessLogs(t *testing.T) {
	f := func(name, conf, level string, change func(a *config.AccessLog), want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			dir := t.TempDir()
			path := filepath.Join(dir, "nginx.conf")
			if err := os.WriteFile(path, []byte("http {\nlog_format main '$status';\n"+strings.ReplaceAll(conf, "DIR", dir)+"\n}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := logformat.ReadConf(path, logformat.ConfOptions{})
			if err != nil {
				t.Fatal(err)
			}
			s := config.SiteDefaults("shop")
			s.AccessLog.Paths = []string{dir + "/a.log"}
			if change != nil {
				change(&s.AccessLog)
				for i, p := range s.AccessLog.Paths {
					s.AccessLog.Paths[i] = strings.ReplaceAll(p, "DIR", dir)
				}
			}
			r := &report{}
			checkAccessLogs(r, &s, c)
			var out strings.Builder
			r.print(&out)
			got := strings.ReplaceAll(out.String(), dir, "DIR")
			switch {
			case want == "" && got != "":
				t.Errorf("want nothing, got %s", got)
			case want != "" && (!strings.Contains(got, want) || !strings.Contains("\n"+got, "\n"+level+" ")):
				t.Errorf("want %s with %q, got %s", level, want, got)
			}
		})
	}
	glob := func(a *config.AccessLog) { a.Paths = []string{"DIR/*.log"} }
	f("plain", "access_log DIR/a.log main;", "", nil, "")
	f("another log", "access_log DIR/b.log main gzip;", "", nil, "")
	f("gzip", "access_log DIR/a.log main gzip buffer=32k flush=1s;", "error", nil, "DIR/nginx.conf:3: access_log DIR/a.log has gzip")
	f("gzip of a glob", "access_log DIR/b.log main gzip;", "error", glob, "DIR/nginx.conf:3: access_log DIR/b.log has gzip")
	f("buffer", "access_log DIR/a.log main buffer=32k;", "warning", nil, "DIR/nginx.conf:3: access_log DIR/a.log has buffer= without flush=: its lines come only when 32k are full")
	f("buffer with flush", "access_log DIR/a.log main buffer=32k flush=1s;", "", nil, "")
	f("variables", "access_log DIR/$host.log main;", "warning", nil, "DIR/nginx.conf:3: access_log DIR/$host.log has variables in its path")
	f("cache", "open_log_file_cache max=1000;\naccess_log DIR/$host.log main;", "warning", nil, "DIR/nginx.conf:3: open_log_file_cache looks only every 1m0s")
	f("cache that is short", "open_log_file_cache max=1000 valid=5s;\naccess_log DIR/a.log main;", "", nil, "")
	f("cache of no variables", "open_log_file_cache max=1000;\naccess_log DIR/a.log main;", "", nil, "")
	f("cache and grace", "open_log_file_cache max=1000;\naccess_log DIR/$host.log main;", "warning", func(a *config.AccessLog) { a.RotateGrace = 2 * time.Minute }, "has variables in its path")
	f("off", "access_log DIR/a.log main;\nserver { location /favicon.ico { access_log off; } }", "ok", nil, "not every request that Nginx serves is in the log: DIR/nginx.conf:4: access_log off (server, location /favicon.ico)")
	f("if", "access_log DIR/a.log main if=$loggable;", "ok", nil, "DIR/nginx.conf:3: logged if=$loggable (http)")
	f("syslog", "access_log DIR/a.log main;\naccess_log syslog:server=127.0.0.1 main;", "ok", nil, "DIR/nginx.conf:4: logged to syslog (http)")
}

func TestCheckReadsTheUnit(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ngxtap.service")
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if u := findUnit(file); u.file != "" {
		t.Errorf("got %+v", u)
	}
	put(file, "# a comment\n[Service]\nUser=ngxtap\nSupplementaryGroups=adm www-data\nStateDirectory=ngxtap\nLimitNOFILE=1024:65536\n")
	u := findUnit(file)
	if u.user != "ngxtap" || strings.Join(u.groups, ",") != "adm,www-data" || u.nofile != 65536 || !u.makes("/var/lib/ngxtap/") || u.makes("/var/lib/other") {
		t.Errorf("got %+v", u)
	}
	put(file+".d/20-more.conf", "[Service]\nSupplementaryGroups=\nSupplementaryGroups=logs\nUser = shipper\n")
	put(file+".d/10-first.conf", "[Service]\nUser=first\nLimitNOFILE=infinity\n")
	if u := findUnit(file); u.user != "shipper" || strings.Join(u.groups, ",") != "logs" || u.nofile != 0 {
		t.Errorf("with drop-ins: %+v", u)
	}
}

func TestFindingsAreMerged(t *testing.T) {
	r := &report{}
	for _, site := range []string{"a", "b", "c", "d", "e", "f", "g", "a"} {
		r.warn(finding{What: whatNginx, Text: "same"}.of(site))
		r.warn(finding{What: whatNginx, Text: "own " + site, File: "/f", Line: 3}.of(site))
	}
	r.ok(finding{What: whatUser, Text: "a name\nwith a newline"})
	var out strings.Builder
	r.print(&out)
	want := "warning  sites a, b, c, d, e and 2 more: same\n"
	for _, site := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		want += "warning  /f:3: own " + site + "\n"
	}
	if want += "ok       a name\n         with a newline\n"; out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
	if m := r.merged(); len(m[0].Sites) != 7 || len(r.found[0].Sites) != 1 {
		t.Errorf("merging changed what was found: %+v", r.found[0])
	}
}
