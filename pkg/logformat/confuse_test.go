package logformat

// Shows that a configuration tells where the variables that hold all headers are used and set, as far as Nginx would compute them there.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfUses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "nginx.conf")
	text := `load_module modules/ngx_http_js_module.so;
http {
	js_import ngxtap from ngxtap.js;
	js_import lib/other.js;
	js_set $ngxtap_request_headers ngxtap.request_headers;
	js_set $ngxtap_response_headers other.all nocache;
	log_format f '"$ngxtap_request_headers"';
	access_log a.log f if=$ngxtap_request_headers;
	map $ngxtap_request_headers $attack {
		default "x${ngxtap_response_headers}";
		"~ngxtap_request_headers" 1;
	}
	map $host $ngxtap_request_headers { default ""; }
	add_header X "$ngxtap_request_headers_not $$ $";
	server {
		server_name shop.example;
		location / {
			if ($ngxtap_request_headers ~ evil) { return 403 "$ngxtap_response_headers"; }
			proxy_set_header X-All 'a $ngxtap_request_headers b';
			set $ngxtap_response_headers "";
			set $mine $ngxtap_response_headers;
		}
	}
}
stream { js_set $ngxtap_request_headers x.y; return $ngxtap_request_headers; }
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConf(path, ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Setters {
		got = append(got, fmt.Sprintf("%d %s %s=%s %v", s.Line, s.Directive, s.Variable, s.Value, s.NoCache))
	}
	for _, u := range c.Uses {
		got = append(got, fmt.Sprintf("%d %s %s in %s", u.Line, u.Directive, u.Variable, u.Context))
		if want := fmt.Sprintf("%s:%d", path, u.Line); u.Where() != want {
			t.Errorf("a use is at %s, want %s", u.Where(), want)
		}
	}
	got = append(got, strings.Join(c.Modules, " "), strings.Join(c.Scripts, " "))
	want := `5 js_set ngxtap_request_headers=ngxtap.request_headers false
6 js_set ngxtap_response_headers=other.all true
13 map ngxtap_request_headers= false
20 set ngxtap_response_headers= false
9 map ngxtap_request_headers in http
10 map ngxtap_response_headers in map $ngxtap_request_headers $attack
18 if ngxtap_request_headers in server shop.example, location /
18 return ngxtap_response_headers in server shop.example, location /, if ($ngxtap_request_headers ~ evil)
19 proxy_set_header ngxtap_request_headers in server shop.example, location /
21 set ngxtap_response_headers in server shop.example, location /
ngx_http_js_module.so
ngxtap other`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// A configuration may be as long as it likes: what is remembered of it is not.
func TestConfUsesAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nginx.conf")
	text := "http {\n" + strings.Repeat("add_header X $ngxtap_request_headers;\nset $ngxtap_request_headers a;\njs_import a.js;\n", 1000) + "}\n" +
		strings.Repeat("load_module a.so;\n", 1000)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConf(path, ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{len(c.Uses), len(c.Setters), len(c.Scripts), len(c.Modules)} {
		if n != confMaxUses {
			t.Errorf("%d remembered, want %d", n, confMaxUses)
		}
	}
}
