package logformat

// Shows how lines of many formats are cut, and where and why others are refused.

import (
	"slices"
	"strings"
	"testing"
)

const ingress = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" ` +
	`$request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

const ingressHead = `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 5 "-" "curl/8" 80 0.001 `

// cut splits a line and returns its values.
func cut(f *Format, line string) ([]string, error) {
	spans, err := f.Split(nil, []byte(line))
	var values []string
	for _, s := range spans {
		values = append(values, string(s.Of([]byte(line))))
	}
	return values, err
}

func TestSplit(t *testing.T) {
	const stamp = "10/Oct/2000:13:55:36 -0700"
	for _, c := range []struct {
		name   string
		format string
		escape Escape
		line   string
		want   []string
	}{
		{"combined", combined, EscapeDefault, `192.0.2.1 - - [` + stamp + `] "GET / HTTP/1.1" 200 5 "-" "curl/8"`,
			[]string{"192.0.2.1", "-", stamp, "GET / HTTP/1.1", "200", "5", "-", "curl/8"}},
		{"user with spaces and brackets", combined, EscapeDefault, `2001:db8::1 - a [b] [` + stamp + `] c [` + stamp + `] "\x16\x03" 400 0 "" "a\x22b"`,
			[]string{"2001:db8::1", "a [b] [" + stamp + "] c", stamp, `\x16\x03`, "400", "0", "", `a\x22b`}},
		{"user that looks like the separator", combined, EscapeDefault, `unix: -  -  [` + stamp + `] "" 009 0 "-" "-"`,
			[]string{"unix:", " - ", stamp, "", "009", "0", "-", "-"}},
		{"json", `{"s":$status,"u":"$http_user_agent","t":"$upstream_response_time"}`, EscapeJSON, `{"s":,"u":"a\"b\\","t":"0.1, 0.2"}`,
			[]string{"", `a\"b\\`, "0.1, 0.2"}},
		{"json that looks like its literals", `{"a":"$http_a","b":"$http_b"}`, EscapeJSON, `{"a":"x\",\"b\":\"y","b":"` + "\xff\x7f" + `é"}`,
			[]string{`x\",\"b\":\"y`, "\xff\x7fé"}},
		{"json-looking, default mode", `{"a":"$http_a","n":$pid}`, EscapeDefault, `{"a":"x\x22","n":-}`, []string{`x\x22`, "-"}},
		{"tabs", "$http_referer\t$http_user_agent\t$status", EscapeDefault, "a b\tc d\t200", []string{"a b", "c d", "200"}},
		{"last column unquoted", `$status $http_user_agent`, EscapeDefault, `200 a b c`, []string{"200", "a b c"}},
		{"last literal a text can hold", `[$http_user_agent]`, EscapeDefault, `[a]b]`, []string{"a]b"}},
		{"numbers from the right", `$request $status $body_bytes_sent`, EscapeDefault, `GET / 1 2 HTTP/1.1 200 5`, []string{"GET / 1 2 HTTP/1.1", "200", "5"}},
		{"word from the right", `$http_user_agent $request_id`, EscapeDefault, `a b c 0f`, []string{"a b c", "0f"}},
		{"literal in UTF-8", `größe=$status $host`, EscapeDefault, `größe=200 h`, []string{"200", "h"}},
		{"pipes", `$http_referer|$http_user_agent|$status`, EscapeDefault, `a b|c d\xC3\xA9|200`, []string{"a b", `c d\xC3\xA9`, "200"}},
		{"key=value", `ref=$http_referer ua=$http_user_agent rt=$request_time`, EscapeDefault, `ref=- ua=a b rt=0.1`, []string{"-", "a b", "0.1"}},
		{"numbers choose", `$remote_user $status $host "$request"`, EscapeDefault, `a 200 b "x"`, []string{"a", "200", "b", "x"}},
		{"method and uri", `$request_method $request_uri $server_protocol`, EscapeDefault, `GET /a?b HTTP/1.1`, []string{"GET", "/a?b", "HTTP/1.1"}},
		{"empty texts", `[$http_a|$http_b]`, EscapeDefault, `[|]`, []string{"", ""}},
		{"trusted, unescaped", `"$http_a" "$http_b" $status`, EscapeNone, `"a"b" "\x" 200`, []string{`a"b`, `\x`, "200"}},
		{"ports may be empty", `$remote_port $remote_addr`, EscapeDefault, ` unix:`, []string{"", "unix:"}},
		{"same variable twice", `$status $status`, EscapeDefault, `200 200`, []string{"200", "200"}},
		{"times next to text", `$time_iso8601 $msec $http_a`, EscapeDefault, `2000-10-10T13:55:36-07:00 971211336.000 a`,
			[]string{"2000-10-10T13:55:36-07:00", "971211336.000", "a"}},
	} {
		got, err := cut(mustCompile(t, c.format, c.escape), c.line)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v\nwant %q", c.name, got, err, c.want)
		}
	}
}

// TestSplitIngress takes the format of ingress-nginx, where lists stand unquoted beside each other.
func TestSplitIngress(t *testing.T) {
	f := mustCompile(t, ingress, EscapeDefault)
	for _, c := range []struct {
		tail string
		want []string
	}{
		{"[default-svc-80] [] 10.0.0.1:80 12 0.002 200 abc", []string{"default-svc-80", "", "10.0.0.1:80", "12", "0.002", "200", "abc"}},
		{"[] [] - - - - abc", []string{"", "", "-", "-", "-", "-", "abc"}},
		{"[a] [] 10.0.0.1:80, 10.0.0.2:80 0, 12 0.001, 0.002 502, 200 abc",
			[]string{"a", "", "10.0.0.1:80, 10.0.0.2:80", "0, 12", "0.001, 0.002", "502, 200", "abc"}},
		{"[a] [b] [2001:db8::1]:80 : unix:/s 0 : 12 0.001 : - 502 abc",
			[]string{"a", "b", "[2001:db8::1]:80 : unix:/s", "0 : 12", "0.001 : -", "502", "abc"}},
	} {
		got, err := cut(f, ingressHead+c.tail)
		if err != nil || !slices.Equal(got[len(got)-7:], c.want) {
			t.Errorf("%s: %q, %v", c.tail, got, err)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	const stamp = "10/Oct/2000:13:55:36 -0700"
	head := `192.0.2.1 - - [` + stamp + `] `
	for _, c := range []struct {
		name     string
		format   string
		escape   Escape
		line     string
		offset   int
		variable string
		reason   string
	}{
		{"empty", combined, EscapeDefault, ``, 0, "remote_addr", "one word"},
		{"start", `[$status]`, EscapeDefault, `(200]`, 0, "", `start with "["`},
		{"no number", combined, EscapeDefault, head + `"x" 2x0 5 "-" "-"`, 48, "status", "whole number"},
		{"number too large", `$status $pid`, EscapeDefault, `99999999999 1`, 0, "status", "whole number"},
		{"no date", combined, EscapeDefault, `192.0.2.1 - - [31/Feb/2000:13:55:36 -0700] "x" 200 5 "-" "-"`, 41, "time_local", "a time"},
		{"more columns", combined, EscapeDefault, head + `"x" 200 5 "-" "-" "-"`, 60, "", "goes on"},
		{"fewer columns", combined, EscapeDefault, head + `"x" 200 5 "-"`, 55, "http_referer", "text"},
		{"cut off", combined, EscapeDefault, head + `"x" 200 5 "-" "cu`, 60, "http_user_agent", "text"},
		{"raw high byte", combined, EscapeDefault, head + "\"x\xff\" 200 5 \"-\" \"-\"", 45, "request", "0xFF"},
		{"raw tab", combined, EscapeDefault, head + "\"x\t\" 200 5 \"-\" \"-\"", 45, "request", "0x09"},
		{"no escape of Nginx", combined, EscapeDefault, head + `"x\x2z" 200 5 "-" "-"`, 45, "request", "backslash"},
		{"no escape of Nginx, after good ones", combined, EscapeDefault, head + `"\x22" 200 5 "\x22" "\x5C\x41"`, 68, "http_user_agent", "backslash"},
		{"raw delete", combined, EscapeDefault, head + "\"xxxxxxxxxx\x7f\" 200 5 \"-\" \"-\"", 54, "request", "0x7F"},
		{"line feed", combined, EscapeDefault, head + "\"x\n\" 200 5 \"-\" \"-\"", 45, "request", "0x0A"},
		{"json: raw quote", `{"a":"$http_a"}`, EscapeJSON, `{"a":"b"c"}`, 7, "http_a", `"\"}"`},
		{"json: no escape of Nginx, after good ones", `{"a":"$http_a","b":"$http_b"}`, EscapeJSON, `{"a":"\"","b":"\n\/"}`, 17, "http_b", "backslash"},
		{"json: raw control", `{"a":"$http_a"}`, EscapeJSON, "{\"a\":\"b\x01\"}", 7, "http_a", "0x01"},
		{"quote in the last column", `$status $http_a`, EscapeDefault, `200 a"b`, 4, "http_a", "text"},
		{"two ways", `$http_referer|$http_user_agent|$status`, EscapeDefault, `a|b|c|200`, 0, "http_referer", "more than one way"},
		{"two ways for a number", `$remote_user $status $host "$request"`, EscapeDefault, `a 200 b 404 c "x"`, 0, "remote_user", "more than one way"},
		{"two ways, trusted", `"$http_a" "$http_b"`, EscapeNone, `"a" "b" "c"`, 1, "http_a", "more than one way"},
		{"two ways at the end", `$host|$status|$http_a|$http_b`, EscapeDefault, `h|200|x|y|z`, 6, "http_a", "more than one way"},
		{"no way", `$http_referer|$http_user_agent|$status`, EscapeDefault, `a|200`, 0, "http_referer", "text"},
		{"list that never fits", ingress, EscapeDefault, ingressHead + "[a] [] 10.0.0.1:80 12 0.002 x abc", 116, "upstream_status", "list"},
		// the text in the last column may start with ": 200"
		{"list that may go on", ingress, EscapeDefault, ingressHead + "[a] [] a:1 12 0.002 502 : 200 abc", 108, "upstream_status", "more than one way"},
		{"unescaped line feed", `"$http_a"`, EscapeNone, "\"a\nb\"", 1, "http_a", "text"},
		{"trailing space", `$status`, EscapeDefault, `200 `, 0, "status", "end"},
	} {
		_, err := cut(mustCompile(t, c.format, c.escape), c.line)
		m, ok := err.(*Misfit)
		if !ok {
			t.Errorf("%s: not refused (%v)", c.name, err)
			continue
		}
		if m.Variable != c.variable || m.Offset != c.offset || !strings.Contains(m.Reason, c.reason) {
			t.Errorf("%s: offset %d, $%s: %s", c.name, m.Offset, m.Variable, m.Reason)
		}
	}
}

// TestSplitRealLogs cuts what a real Nginx wrote, garbage requests included.
func TestSplitRealLogs(t *testing.T) {
	for log, format := range map[string]string{"shop": "main", "api": "ngxtap_json", "static": "combined", "blog": "ngxtap_plain"} {
		f, lines := corpus(t, "quickstart", log+".access.log", format)
		var spans []Span
		for i, line := range lines {
			var err error
			if spans, err = f.Split(spans, line); err != nil {
				t.Fatalf("%s, line %d: %v\n%s", log, i+1, err, line)
			}
			if joined := join(f, spans, line); joined != string(line) {
				t.Fatalf("%s, line %d: joined again it is\n%s\nbut was\n%s", log, i+1, joined, line)
			}
		}
	}
}

// join puts literals and spans together.
func join(f *Format, spans []Span, line []byte) string {
	var b strings.Builder
	for i, s := range spans {
		b.WriteString(f.Literal(i))
		b.Write(s.Of(line))
	}
	b.WriteString(f.Literal(len(spans)))
	return b.String()
}

func TestSplitDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		format string
		escape Escape
		line   string
	}{
		{combined, EscapeDefault, ingressHead[:len(ingressHead)-len(` 80 0.001 `)]},
		{ingress, EscapeDefault, ingressHead + "[a] [] 10.0.0.1:80, 10.0.0.2:80 0, 12 0.001, 0.002 502, 200 abc"},
		{`{"s":$status,"u":"$http_user_agent"}`, EscapeJSON, `{"s":200,"u":"a\"b"}`},
		{`$http_referer|$http_user_agent|$status`, EscapeDefault, `a b|c d\xC3\xA9|200`},
	} {
		f := mustCompile(t, c.format, c.escape)
		line := []byte(c.line)
		spans := make([]Span, len(f.Columns()))
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := f.Split(spans, line); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.format, n)
		}
	}
}

// TestSplitReusesTheSpans shows who owns the spans, also after a refusal.
func TestSplitReusesTheSpans(t *testing.T) {
	f := mustCompile(t, `$status $pid`, EscapeDefault)
	dst := make([]Span, 5, 8)
	got, err := f.Split(dst, []byte("200 1"))
	if err != nil || len(got) != 2 || &got[0] != &dst[0] {
		t.Errorf("%v, %v", got, err)
	}
	got, err = f.Split(got, []byte("x"))
	if err == nil || len(got) != 0 || cap(got) != 8 {
		t.Errorf("after a refusal: %d of %d, %v", len(got), cap(got), err)
	}
}
