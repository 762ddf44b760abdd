package nginx_test

// Shows that an event holds what the client sent and the upstream answered, byte for byte where Nginx kept the byte: a raw client, a real Nginx
// with each way to log headers and each escape mode, a raw upstream, and the daemon's own way from the line to the event, decoded by goavro.

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/test/components"
)

// stringify is what people write themselves with njs.
const stringify = `
const request_pairs = (r) => JSON.stringify(r.rawHeadersIn);
const response_pairs = (r) => JSON.stringify(r.rawHeadersOut);
const request_object = (r) => JSON.stringify(r.headersIn);
const response_object = (r) => JSON.stringify(r.headersOut);
export default { request_pairs, response_pairs, request_object, response_object };
`

const awkwardConf = `{{.Main}}
events {}
http {
	{{.HTTP}}
	{{.Vars.kit}}
	include ngxtap-named.conf;
	log_format kit_none escape=none '$msec $status "$ngxtap_request_headers" "$ngxtap_response_headers"';
	log_format own_default escape=default '$msec "$remote_user" "$request" $status "$http_x_awk" "$http_cookie" "$sent_http_x_awk" "$upstream_http_x_awk"';
	log_format own_json escape=json '{"u":"$remote_user","r":"$request","a":"$http_x_awk","c":"$http_cookie","s":"$sent_http_x_awk","p":"$upstream_http_x_awk"}';
	log_format mixed escape=default '$msec "$http_x_awk" "$ngxtap_request_headers" "$http_cookie" "$ngxtap_response_headers"';
	large_client_header_buffers 8 64k;
	proxy_buffer_size 128k;
	proxy_buffers 4 128k;
	proxy_busy_buffers_size 128k;
	server {
		listen {{.Addr}};
		ignore_invalid_headers off;
		{{.Vars.logs}}
		location / { proxy_pass http://{{.Vars.backend}}; }
	}
}
`

// kitFormats are the formats of the kit that hold all headers.
var kitFormats = []string{"ngxtap", "ngxtap_json", "ngxtap_minimal", "ngxtap_minimal_json", "ngxtap_combined", "ngxtap_combined_json", "kit_none", "mixed"}

// namedFormats hold some headers by name.
var namedFormats = []string{"ngxtap_named", "ngxtap_named_json", "own_default", "own_json"}

func TestAwkwardBytes(t *testing.T) {
	components.Require(t, components.PartNginx, components.PartNewer, components.PartLua)
	js := "include ngxtap.conf;"
	eachNginx(t, func(t *testing.T, start starter) { awkwardBytes(t, start, js, false) })
	eachNginx(t, func(t *testing.T, start starter) {
		t.Run("pairs", func(t *testing.T) { awkwardBytes(t, start, stringified(t, "pairs"), false) })
		t.Run("object", func(t *testing.T) { awkwardBytes(t, start, stringified(t, "object"), true) })
	})
	t.Run("QuickJS", func(t *testing.T) {
		newer := components.NewerNginx()
		awkwardBytes(t, func(conf string, vars map[string]string) *components.Nginx {
			return components.StartNewerNginx(t, newer[len(newer)-1], conf, vars)
		}, "js_engine qjs;\n"+js, false)
	})
	t.Run("Lua", func(t *testing.T) {
		components.Require(t, components.PartLua)
		kit, err := os.ReadFile("lua/ngxtap.conf")
		if err != nil {
			t.Fatal(err)
		}
		folder, err := filepath.Abs("lua")
		if err != nil {
			t.Fatal(err)
		}
		awkwardBytes(t, func(conf string, vars map[string]string) *components.Nginx {
			return components.StartNginx(t, strings.Replace(conf, "{{.Main}}", "{{.Main}}{{.Lua}}", 1), vars)
		}, strings.ReplaceAll(string(kit), "/etc/nginx/lua", folder), false)
	})
}

// stringified returns the kit's configuration with the variables filled by JSON.stringify in one of two forms.
func stringified(t *testing.T, form string) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "stringify.js")
	if err := os.WriteFile(script, []byte(stringify), 0o644); err != nil {
		t.Fatal(err)
	}
	kit, err := os.ReadFile("ngxtap.conf")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("from ngxtap.js", "from "+script, "ngxtap.request_headers", "ngxtap.request_"+form,
		"ngxtap.response_headers", "ngxtap.response_"+form).Replace(string(kit))
}

// awkwardBytes sends every exchange through one Nginx and compares the events of every format. joins tells that what fills the variables
// joins or drops duplicates, and loses those named as members that every object of JavaScript has, so that these are not compared.
func awkwardBytes(t *testing.T, start starter, kit string, joins bool) {
	formats := append(slices.Clone(kitFormats), namedFormats...)
	vars := map[string]string{"kit": kit}
	if strings.Contains(kit, "stringify") {
		formats = slices.DeleteFunc(formats, func(f string) bool { return f == "kit_none" }) // JSON has quotes
	}
	all := exchanges()
	vars["backend"] = serveAll(t, all)
	for _, f := range formats {
		vars["logs"] += fmt.Sprintf("access_log logs/%s.log %s;\n", f, f)
	}
	n := start(awkwardConf, vars)
	for _, x := range all {
		send(t, n, x.request)
	}
	n.Stop(t)
	for _, f := range formats {
		t.Run(f, func(t *testing.T) {
			data, err := os.ReadFile(n.Log(f + ".log"))
			if err != nil {
				t.Fatal(err)
			}
			lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
			if len(lines) != len(all) {
				t.Fatalf("%d lines of %d requests", len(lines), len(all))
			}
			e := newEventer(t, n.Conf(), f)
			for i, x := range all {
				if joins && x.name == "duplicates" {
					continue
				}
				if joins {
					builtIn := func(h header) bool { return h.name == "__proto__" || h.name == "constructor" }
					x.sent, x.answered = slices.DeleteFunc(slices.Clone(x.sent), builtIn), slices.DeleteFunc(slices.Clone(x.answered), builtIn)
				}
				c := comparison{format: f, json: e.format.LogFormat().Escape() == logformat.EscapeJSON, x: x, event: e.event(t, x, lines[i])}
				if c.event != nil {
					c.check(t)
				}
			}
		})
	}
}

// serveAll answers GET /N as exchange N says.
func serveAll(t *testing.T, all []exchange) string {
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
			var i int
			for n, r := 0, bufio.NewReader(conn); ; n++ {
				line, err := r.ReadString('\n')
				if err != nil || line == "\r\n" {
					break
				}
				if n == 0 {
					if _, err := fmt.Sscanf(line, "GET /%d ", &i); err != nil {
						i = -1
					}
				}
			}
			var answered []header
			if i >= 0 && i < len(all) {
				answered = all[i].answered
			}
			io.WriteString(conn, "HTTP/1.0 200 OK\r\n"+text(answered)+"Content-Length: 0\r\n\r\n")
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// eventer makes events of lines as the daemon does.
type eventer struct {
	format  *pipeline.Format
	encoder *avro.Encoder
	codec   *goavro.Codec
}

func newEventer(t *testing.T, conf, name string) *eventer {
	t.Helper()
	c, err := logformat.ReadConf(conf, logformat.ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Format(name)
	if err != nil {
		t.Fatal(err)
	}
	lf, err := logformat.Compile(d, logformat.Options{TrustUnescaped: d.Escape == logformat.EscapeNone})
	if err != nil {
		t.Fatal(err)
	}
	f, err := pipeline.NewFormat(lf, schema.Options{Site: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := avro.NewEncoder(lf, f.Event(), avro.Options{}) // no secrets: values are compared in clear text
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(f.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return &eventer{format: f, encoder: encoder, codec: codec}
}

// event returns the event of a line as Go values, unions as what they hold; nil after an error was reported.
func (e *eventer) event(t *testing.T, x exchange, line []byte) map[string]any {
	t.Helper()
	spans, err := e.format.LogFormat().Split(nil, line)
	if err != nil {
		t.Errorf("%s: %v\n%.300q", x.name, err, line)
		return nil
	}
	data, _, err := e.encoder.AppendEvent(nil, line, spans, &avro.Origin{Site: "shop", File: "f"})
	if err != nil {
		t.Errorf("%s: %v\n%.300q", x.name, err, line)
		return nil
	}
	native, rest, err := e.codec.NativeFromBinary(data)
	if err != nil || len(rest) > 0 {
		t.Fatalf("%s: goavro: %v, %d bytes left", x.name, err, len(rest))
	}
	out := native.(map[string]any)
	for name, v := range out {
		if union, ok := v.(map[string]any); ok && len(union) == 1 && union["string"] != nil {
			out[name] = union["string"]
		}
	}
	return out
}

// comparison compares one event with the exchange that it is about.
type comparison struct {
	format string
	json   bool // escape=json, in which missing and empty are the same
	x      exchange
	event  map[string]any
}

func (c *comparison) check(t *testing.T) {
	t.Helper()
	if named := slices.Contains(namedFormats, c.format); named {
		c.named(t)
	} else {
		c.headers(t, "request_headers", c.x.sent, nil)
		c.headers(t, "response_headers", c.x.answered, []string{"content-length", "content-type", "connection"})
	}
	if _, ok := c.event["remote_user"]; ok {
		user := any(repaired.Replace(c.x.user))
		if c.x.user == "" || c.x.user == "-" && !c.json {
			user = nil
		}
		c.field(t, "remote_user", user)
	}
	if _, ok := c.event["request"]; !ok {
		return
	}
	want := repaired.Replace(c.x.line)
	got, _ := c.event["request"].(string)
	if c.event["method"] != nil {
		got = fmt.Sprint(c.event["method"], " ", c.event["path"])
		if c.event["query"] != nil {
			got += "?" + fmt.Sprint(c.event["query"])
		}
		if c.event["protocol"] != nil {
			got += " " + fmt.Sprint(c.event["protocol"])
		}
	}
	if got != want {
		t.Errorf("%s: the request line is %q, want %q", c.x.name, got, want)
	}
}

func (c *comparison) field(t *testing.T, name string, want any) {
	t.Helper()
	if c.event[name] != want {
		t.Errorf("%s: %s is %q, want %q", c.x.name, name, c.event[name], want)
	}
}

// headers compares a whole map. Names in more may be there besides: Nginx adds them to answers.
func (c *comparison) headers(t *testing.T, field string, want []header, more []string) {
	t.Helper()
	wanted := map[string][]string{}
	for _, h := range want {
		name := strings.ToLower(repaired.Replace(h.name))
		wanted[name] = append(wanted[name], repaired.Replace(h.value))
	}
	got := texts(c.event[field])
	for name, values := range got {
		if !slices.Equal(values, wanted[name]) && (wanted[name] != nil || !slices.Contains(more, name)) {
			t.Errorf("%s: %s %q is %.300q, want %.300q", c.x.name, field, name, values, wanted[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if got[name] == nil {
			t.Errorf("%s: %s lacks %q", c.x.name, field, name)
		}
	}
}

// named compares the headers that the formats name: X-Awk in three places and Cookie. Of duplicates Nginx gives the first value or joins all.
func (c *comparison) named(t *testing.T) {
	t.Helper()
	if !strings.HasPrefix(c.format, "own") {
		return
	}
	for _, at := range []struct {
		field, name string
		all         []header
	}{
		{"request_headers", "x-awk", c.x.sent}, {"request_headers", "cookie", c.x.sent},
		{"response_headers", "x-awk", c.x.answered}, {"upstream_headers", "x-awk", c.x.answered},
	} {
		var values []string
		for _, h := range at.all {
			if strings.EqualFold(h.name, at.name) {
				values = append(values, repaired.Replace(h.value))
			}
		}
		var want []string
		switch separator := map[bool]string{true: "; ", false: ", "}[at.name == "cookie"]; {
		case len(values) == 1 && (c.json && values[0] == "" || !c.json && values[0] == "-"), len(values) == 0:
		case len(values) > 1:
			want = []string{values[0], strings.Join(values, separator)}
		default:
			want = values
		}
		got := texts(c.event[at.field])[at.name]
		if len(got) != min(len(want), 1) || len(got) == 1 && !slices.Contains(want, got[0]) {
			t.Errorf("%s: %s %q is %.300q, want one of %.300q", c.x.name, at.field, at.name, got, want)
		}
	}
}

// texts returns a map of headers of an event.
func texts(v any) map[string][]string {
	out := map[string][]string{}
	m, _ := v.(map[string]any)
	for name, values := range m {
		for _, value := range values.([]any) {
			if s := value.(string); utf8.ValidString(s) {
				out[name] = append(out[name], s)
			}
		}
	}
	return out
}
