// Package nginx_test shows that the kit logs every header of a request and of its response exactly as the bytes were on the wire: it
// speaks to a real Nginx over raw sockets on both sides.
package nginx_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ngxtap/test/components"
)

const conf = `{{.Main}}
events {}
http {
	{{.HTTP}}
	include ngxtap.conf;
	log_format request escape=none '$ngxtap_request_headers';
	log_format response escape=none '$ngxtap_response_headers';
	access_log logs/default.log ngxtap;
	access_log logs/json.log ngxtap_json;
	access_log logs/request.log request;
	access_log logs/response.log response;
	large_client_header_buffers 4 64k;
	proxy_buffer_size 64k;
	proxy_buffers 4 64k;
	server {
		listen {{.Addr}};
		ignore_invalid_headers off;
		location / { proxy_pass http://{{.Vars.backend}}; }
		location /file { root html; }
		location /moved { return 302 /elsewhere?a=1&b=2; }
		location /none { return 204; }
	}
}
`

// starter is components.StartNginx of some version of Nginx.
type starter func(conf string, vars map[string]string) *components.Nginx

// eachNginx runs f with the installed Nginx and njs, and with newer ones.
func eachNginx(t *testing.T, f func(t *testing.T, start starter)) {
	for _, suite := range append([]string{""}, components.NewerNginx()...) {
		name := suite
		if name == "" {
			name = "installed"
		}
		t.Run(name, func(t *testing.T) {
			f(t, func(conf string, vars map[string]string) *components.Nginx {
				if suite == "" {
					return components.StartNginx(t, conf, vars)
				}
				return components.StartNewerNginx(t, suite, conf, vars)
			})
		})
	}
}

// header is one header line; a byte may be anything that Nginx lets through.
type header struct{ name, value string }

// awkward are headers with every byte that Nginx lets through, and with what tends to break.
func awkward() []header {
	hs := []header{
		{"X-Plain", "abc"}, {"X-Space", "a  b"}, {"X-Utf8", "é € 😀 日本"}, {"X-Latin1", "caf\xe9"}, {"X-Invalid", "\xff\xfe \xc3( \xed\xa0\x80"},
		{"X-Tab", "a\tb"}, {"X-Marks", `% & = " \ %41 \x41 A`}, {"X-Empty", ""}, {"X-Dash", "-"}, {"x-lower", "1"}, {"X-Dup", "1"},
		{"X-Dup", "2"}, {"x-dup", "1"}, {"X-Odd!#$%&'*+^_.`|~\"\xc3\xa9", "name"}, {"X-Long", strings.Repeat("0123456789abcde\xff", 512)},
		{"Cookie", "a=1; b=2"}, {"Cookie", "c=3"}, {"User-Agent", "one"}, {"Referer", "\"x\""},
	}
	for b := 1; b < 256; b++ {
		if b == '\r' || b == '\n' {
			continue // they end a header
		}
		hs = append(hs, header{fmt.Sprintf("X-Byte-%02x", b), "<" + string([]byte{byte(b)}) + ">"})
	}
	return hs
}

// text returns hs as they are sent.
func text(hs []header) string {
	var out strings.Builder
	for _, h := range hs {
		out.WriteString(h.name + ": " + h.value + "\r\n")
	}
	return out.String()
}

// written returns hs in the form of the kit, by the words of its comment.
func written(hs []header) string {
	escape := func(s string) string {
		var out strings.Builder
		for _, b := range []byte(s) {
			if b < 0x20 || b >= 0x7f || strings.IndexByte(`%&="\`, b) >= 0 {
				fmt.Fprintf(&out, "%%%02X", b)
			} else {
				out.WriteByte(b)
			}
		}
		return out.String()
	}
	var parts []string
	for _, h := range hs {
		parts = append(parts, escape(h.name)+"="+escape(h.value))
	}
	return strings.Join(parts, "&")
}

// serve answers every connection with the given bytes, until the test is over, and returns its address.
func serve(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for r := bufio.NewReader(conn); ; {
				if line, err := r.ReadString('\n'); err != nil || line == "\r\n" {
					break
				}
			}
			io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// send sends raw bytes and waits until Nginx has answered and closed.
func send(t *testing.T, n *components.Nginx, raw string) {
	t.Helper()
	conn, err := net.Dial("tcp", n.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
}

// logged stops Nginx and returns the lines of a log.
func logged(t *testing.T, n *components.Nginx, log string) []string {
	t.Helper()
	n.Stop(t)
	data, err := os.ReadFile(n.Log(log))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func TestEveryByteOfEveryHeaderIsLogged(t *testing.T) { eachNginx(t, everyByte) }

func everyByte(t *testing.T, start starter) {
	sent := append([]header{{"Host", "shop.example"}, {"Connection", "close"}}, awkward()...)
	answered := slices.DeleteFunc(awkward(), func(h header) bool { return h.name == "Cookie" })
	answered = append(answered, header{"Set-Cookie", "a=1; Path=/"}, header{"Set-Cookie", "b=2"})
	n := start(conf, map[string]string{
		"backend": serve(t, "HTTP/1.0 200 OK\r\nContent-Type: text/x; q=\"\xff\"\r\nContent-Length: 2\r\n"+text(answered)+"\r\nok"),
	})
	send(t, n, "GET / HTTP/1.1\r\n"+text(sent)+"\r\n")

	wantRequest := written(sent)
	wantResponse := written(append(slices.Clone(answered), header{"Content-Type", "text/x; q=\"\xff\""}, header{"Content-Length", "2"}))
	compare(t, "request headers", logged(t, n, "request.log")[0], wantRequest)
	compare(t, "response headers", logged(t, n, "response.log")[0], wantResponse)

	// The text must stand in the other escape modes as it is: nothing in it is left to escape.
	if line := logged(t, n, "default.log")[0]; !strings.HasSuffix(line, ` "`+wantRequest+`" "`+wantResponse+`"`) {
		t.Errorf("the format ngxtap does not end with the two values:\n%.400s", line)
	}
	var event map[string]string
	if err := json.Unmarshal([]byte(logged(t, n, "json.log")[0]), &event); err != nil {
		t.Fatalf("the format ngxtap_json: %v", err)
	}
	compare(t, "request headers in JSON", event["request_headers"], wantRequest)
	compare(t, "response headers in JSON", event["response_headers"], wantResponse)
	if log, _ := os.ReadFile(n.Log("error.log")); bytes.Contains(log, []byte("js")) {
		t.Errorf("njs complained:\n%s", log)
	}
}

// compare reports the first header in which two values of the kit differ.
func compare(t *testing.T, what, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "&"), strings.Split(want, "&")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differ at header %d of %d (want %d):\n got %.120q\nwant %.120q", what, i, len(g), len(w), g[i:min(i+1, len(g))], w[i:min(i+1, len(w))])
		}
	}
}

func TestHeadersThatNginxKeepsElsewhere(t *testing.T) { eachNginx(t, keptElsewhere) }

func keptElsewhere(t *testing.T, start starter) {
	n := start(conf, map[string]string{"backend": serve(t,
		"HTTP/1.0 302 Found\r\nLocation: http://other.example/x?y=%20\r\nLast-Modified: Tue, 01 Sep 2026 08:00:00 GMT\r\n\r\n")})
	if err := os.WriteFile(n.Dir+"/html/file", []byte("four"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		request string
		want    []string // in any order; a value that ends in ? is not compared
	}{
		{"GET /moved HTTP/1.0\r\nHost: h\r\n\r\n", []string{"Content-Type=text/html", "Content-Length=?", "Location=http://h:?"}},
		{"GET /file HTTP/1.0\r\n\r\n", []string{"Content-Type=text/plain", "Content-Length=4", "Last-Modified=?", "ETag=?", "Accept-Ranges=bytes"}},
		{"GET /none HTTP/1.0\r\n\r\n", nil},
		{"GET /proxied HTTP/1.0\r\n\r\n", []string{"Location=http://other.example/x?y%3D%2520", "Last-Modified=Tue, 01 Sep 2026 08:00:00 GMT"}},
		{"garbage\r\n\r\n", []string{"Content-Type=text/html", "Content-Length=?"}},
	}
	for _, tt := range tests {
		send(t, n, tt.request)
	}
	got := logged(t, n, "response.log")
	if len(got) != len(tests) {
		t.Fatalf("%d lines, want %d", len(got), len(tests))
	}
	for i, tt := range tests {
		var headers []string
		if got[i] != "" {
			headers = strings.Split(got[i], "&")
		}
		if len(headers) != len(tt.want) {
			t.Errorf("%q: %q, want %q", tt.request, headers, tt.want)
		}
		for _, want := range tt.want {
			prefix, open := strings.CutSuffix(want, "?")
			if !slices.ContainsFunc(headers, func(h string) bool { return h == want || open && strings.HasPrefix(h, prefix) }) {
				t.Errorf("%q: %q lacks %q", tt.request, headers, want)
			}
		}
	}
}

// Lua's tables keep no order: the values of the kit for Lua are those of njs with names in lower case, sorted.
func TestLuaWritesTheSameForm(t *testing.T) {
	components.Require(t, components.PartLua)
	kit, err := os.ReadFile("lua/ngxtap.conf")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := filepath.Abs("lua")
	if err != nil {
		t.Fatal(err)
	}
	sent := append([]header{{"Host", "shop.example"}, {"Connection", "close"}}, awkward()...)
	answered := slices.DeleteFunc(awkward(), func(h header) bool { return h.name == "Cookie" })
	answered = append(answered, header{"Content-Type", "text/x"}, header{"Content-Length", "2"}, header{"Set-Cookie", "a=1"}, header{"Set-Cookie", "b"},
		header{"Last-Modified", "Tue, 01 Sep 2026 08:00:00 GMT"}, header{"Location", "http://x.example/"})
	n := components.StartNginx(t, strings.NewReplacer("{{.Main}}", "{{.Main}}{{.Lua}}",
		"include ngxtap.conf;", strings.ReplaceAll(string(kit), "/etc/nginx/lua", folder)).Replace(conf), map[string]string{
		"backend": serve(t, "HTTP/1.0 200 OK\r\n"+text(answered)+"\r\nok")})
	send(t, n, "GET / HTTP/1.1\r\n"+text(sent)+"\r\n")
	compare(t, "request headers", logged(t, n, "request.log")[0], written(sortedLower(sent)))
	compare(t, "response headers", logged(t, n, "response.log")[0], written(sortedLower(answered)))
}

// sortedLower returns hs with names in lower case, sorted, those of one name in their order.
func sortedLower(hs []header) []header {
	out := slices.Clone(hs)
	for i, h := range out {
		b := []byte(h.name)
		for j, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[j] = c + 'a' - 'A'
			}
		}
		out[i].name = string(b)
	}
	slices.SortStableFunc(out, func(a, b header) int { return strings.Compare(a.name, b.name) })
	return out
}

// What `ngxtap check` says of the variables' use besides log_format is so: njs keeps the first value, and Lua's comes last. if= of access_log
// and the path of a log belong to the log phase and do no harm.
func TestEarlyUse(t *testing.T) {
	const early = `{{.Main}}
events {}
http {
	{{.HTTP}}
	include ngxtap.conf;
	log_format response escape=none '$ngxtap_response_headers';
	server {
		listen {{.Addr}};
		add_header X-Mine 1;
		location /log { access_log logs/if.log response if=$ngxtap_response_headers; return 204; }
		location /if { access_log logs/early.log response; if ($ngxtap_response_headers ~ evil) { return 403; } return 204; }
	}
}
`
	eachNginx(t, func(t *testing.T, start starter) {
		n := start(early, nil)
		send(t, n, "GET /log HTTP/1.0\r\n\r\n")
		send(t, n, "GET /if HTTP/1.0\r\n\r\n")
		if got := logged(t, n, "if.log"); len(got) != 1 || got[0] != "X-Mine=1" {
			t.Errorf("with if=$ngxtap_response_headers: %q", got)
		}
		if got := logged(t, n, "early.log"); len(got) != 1 || got[0] != "" {
			t.Errorf("used in an if before, the variable holds %q: check need not warn of that any more", got)
		}
	})
}

// The formats are the same in each file, and no file of the kit is refused by ngxtap.
func TestFormatsAreTheSame(t *testing.T) {
	var texts []string
	for _, name := range []string{"ngxtap.conf", "lua/ngxtap.conf"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, formats, ok := strings.Cut(string(data), "# Recommended.")
		if !ok {
			t.Fatalf("%s has no formats", name)
		}
		texts = append(texts, formats)
	}
	if texts[0] != texts[1] {
		t.Error("the formats of ngxtap.conf and lua/ngxtap.conf differ")
	}
}

// The quickstart folder has a copy of the kit's configuration, so that its nginx.conf can be read as it is.
func TestQuickstartHasTheSameConfiguration(t *testing.T) {
	ours, err := os.ReadFile("ngxtap.conf")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("../testdata/quickstart/conf.d/ngxtap.conf")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ours, theirs) {
		t.Error("testdata/quickstart/conf.d/ngxtap.conf differs from nginx/ngxtap.conf; testdata/quickstart/make.sh copies it")
	}
}
