// Shows what `ngxtap check` says of an nginx.conf that makes the kit's variables empty, early or another's, and of formats that lose data; and
// that it says nothing of the kit as it is.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/pkg/config"
)

// kitFindings returns what check says of a configuration, whose site logs to DIR/a.log; DIR is replaced in both.
func kitFindings(t *testing.T, conf string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(conf, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"ngxtap.conf": "ngxtap.conf", "ngxtap-named.conf": "ngxtap-named.conf", "lua/ngxtap.conf": "lua.conf"} {
		data, err := os.ReadFile("../../nginx/" + from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := config.SiteDefaults("shop")
	s.AccessLog.NginxConf, s.AccessLog.Paths, s.AccessLog.TrustUnescaped = path, []string{dir + "/a.log"}, true
	formats, c, err := formatsOf(&s)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r := &report{}
	for _, f := range formats {
		warnFormat(r, s.Site, f)
	}
	checkKit(r, &s, c, formats)
	checkAccessLogs(r, &s, c)
	r.print(escaper{&out})
	return strings.ReplaceAll(out.String(), dir, "DIR")
}

func TestCheckOfTheKit(t *testing.T) {
	const load, include = "load_module modules/ngx_http_js_module.so;\n", "include ngxtap.conf;\n"
	const own = "js_import ngxtap from ngxtap.js;\nlog_format own '\"$ngxtap_response_headers\"';\naccess_log DIR/a.log own;\n"
	const log = "access_log DIR/a.log ngxtap;\n"
	inHTTP := func(s string) string { return load + "http {\n" + s + "}\n" }
	f := func(name, conf string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			out := kitFindings(t, conf)
			if strings.Count(out, "warning") != len(want) {
				t.Errorf("want %d warnings:\n%s", len(want), out)
			}
			for _, w := range want {
				if !strings.Contains(out, w) {
					t.Errorf("%s\nlacks %q", out, w)
				}
			}
		})
	}
	for _, format := range []string{"ngxtap", "ngxtap_json", "ngxtap_minimal", "ngxtap_minimal_json", "ngxtap_combined", "ngxtap_combined_json"} {
		f(format, inHTTP(include+"access_log DIR/a.log "+format+" buffer=32k flush=1s if=$ngxtap_request_headers;\n"))
		f("lua "+format, "http {\ninclude lua.conf;\naccess_log DIR/a.log "+format+";\n}\n")
	}
	f("named", "http {\ninclude ngxtap-named.conf;\naccess_log DIR/a.log ngxtap_named;\naccess_log DIR/a.log ngxtap_named_json;\n}\n")

	f("proxy_set_header", inHTTP(include+log+"server { location / { proxy_set_header X $ngxtap_request_headers; } }\n"),
		"DIR/nginx.conf:5: proxy_set_header (server, location /) uses $ngxtap_request_headers: the value that it has there is kept for the log; with Lua")
	f("if and return", inHTTP(include+log+"server { if ($ngxtap_response_headers) { return 403; } return 200 $ngxtap_response_headers; }\n"),
		"DIR/nginx.conf:5: if (server) uses $ngxtap_response_headers: the value that it has there is kept for the log, before the response headers are there",
		"DIR/nginx.conf:5: return (server) uses")
	f("map", inHTTP(include+log+"map $ngxtap_request_headers $x {\n default '';\n }\n"), "DIR/nginx.conf:5: map (http) uses")
	f("add_header, set, rewrite", inHTTP(include+log+"add_header X $ngxtap_response_headers;\nserver { set $x $ngxtap_response_headers; rewrite a $ngxtap_response_headers; }\n"),
		"nginx.conf:5: add_header", "nginx.conf:6: set", "nginx.conf:6: rewrite")
	f("nobody logs them", inHTTP(include+"access_log DIR/a.log combined;\nadd_header X $ngxtap_response_headers;\n"))
	f("nocache", inHTTP(own+"js_set $ngxtap_response_headers ngxtap.response_headers nocache;\nadd_header X $ngxtap_response_headers;\n"))

	f("nothing sets it", inHTTP(own), "nothing in DIR/nginx.conf sets $ngxtap_response_headers")
	f("no script", inHTTP(own+"js_set $ngxtap_response_headers kit.response_headers;\n"), "DIR/nginx.conf:6: js_set names the script kit, which no js_import imports")
	f("another function", inHTTP(own+"js_set $ngxtap_response_headers ngxtap.hdr;\n"), "DIR/nginx.conf:6: $ngxtap_response_headers is set by ngxtap.hdr, not by response_headers")
	f("an old js_set", inHTTP(own+"js_set $ngxtap_response_headers hdr;\n"), "DIR/nginx.conf:6: js_set $ngxtap_response_headers hdr is of an njs before 0.4")
	f("no module", "http {\n"+own+"js_set $ngxtap_response_headers ngxtap.response_headers;\n}\n", "DIR/nginx.conf:5: js_set needs the njs module")
	f("set", inHTTP(include+log+"server { set $ngxtap_response_headers none; }\n"), "DIR/nginx.conf:5: set gives $ngxtap_response_headers a value")

	unquoted := inHTTP(include + "log_format u '$status $ngxtap_request_headers $upstream_addr \"$request\"';\naccess_log DIR/a.log u;\n")
	f("text without quotes", unquoted, "DIR/nginx.conf:4: log_format \"u\": nothing shows for certain where $ngxtap_request_headers")
	f("escape=none", inHTTP(include+"log_format n escape=none '\"$request\"';\naccess_log DIR/a.log n;\n"), "escape=none: a client can forge lines and columns")
	f("all headers under another name", inHTTP("js_import h from h.js;\njs_set $headers_json h.json;\nlog_format h '$msec \"$headers_json\" \"$headers_count\"';\naccess_log DIR/a.log h;\n"),
		"DIR/nginx.conf:5: log_format h: $headers_json is named like all headers in one value")
	f("JSON without quotes", inHTTP("log_format j escape=json '{\"s\":$status,\"u\":$upstream_response_time,\"l\":$request_length}';\naccess_log DIR/a.log j;\n"),
		"DIR/nginx.conf:3: log_format j: $upstream_response_time stands without quotes")
	f("Set-Cookie", inHTTP("log_format c '$status \"$upstream_http_set_cookie\"';\naccess_log DIR/a.log c;\n"), "DIR/nginx.conf:3: log_format c: of several Set-Cookie headers")
	f("buffer", inHTTP(include+"access_log DIR/a.log ngxtap buffer=32k;\n"), "DIR/nginx.conf:4: access_log DIR/a.log has buffer= without flush=")
}

// TestCheckOfPromotedHeaders: a field that nothing fills is told of, with the name that was meant.
func TestCheckOfPromotedHeaders(t *testing.T) {
	s := config.SiteDefaults("shop")
	s.AccessLog.NginxConf, s.AccessLog.LogFormat, s.AccessLog.Paths = "", `$msec "$http_x_request_id"`, []string{"/a.log"}
	s.Headers.Promote = []string{"x-request-id", "x_request_id", "x-other"}
	formats, _, err := formatsOf(&s)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r := &report{}
	checkKit(r, &s, nil, formats)
	r.print(escaper{&out})
	for _, want := range []string{"no format has a variable for the header x_request_id, so the field header_x_request_id is always null; the header of $http_x_request_id is named x-request-id\n",
		"no format has a variable for the header x-other, so the field x_other is always null\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\nlacks %s", out.String(), want)
		}
	}
	if n := strings.Count(out.String(), "warning"); n != 2 {
		t.Errorf("%d warnings:\n%s", n, out.String())
	}
}
