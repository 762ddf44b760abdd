package avro

// Shows what becomes of lines: which values land in which fields, what is null, what is repaired and what is refused; and that
// nothing is allocated.

import (
	"errors"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

const (
	combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

	kitFormat = `$msec $remote_addr "$remote_user" "$request" $status $body_bytes_sent $request_time ` +
		`"$upstream_addr" "$upstream_status" "$upstream_response_time" "$host" $request_id ` +
		`"$ngxtap_request_headers" "$ngxtap_response_headers"`

	kitLine = `1788249600.123 192.0.2.7 "-" "GET /a?b=c HTTP/1.1" 200 61786 0.460 "10.0.0.1:8080" "200" "0.460" "shop.example" 4527611b32b5cd63 ` +
		`"Host=shop.example&User-Agent=Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0&Accept=text/html,*/*;q%3D0.8&` +
		`Accept-Encoding=gzip, deflate, br&X-Dup=one&Cookie=a%3Db; c%3D%22d%22&x-dup=two&X-Empty=&X-Latin=caf%E9" ` +
		`"Content-Type=text/html; charset%3Dutf-8&Set-Cookie=a%3D1&Set-Cookie=b%3D2"`
)

func testSecrets(t testing.TB, mode SecretMode, keep ...string) *Secrets {
	t.Helper()
	s, err := NewSecrets(Rules{Mode: mode, Key: []byte("0123456789abcdef"), Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAppendEventDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		name, format string
		escape       logformat.Escape
		line         string
	}{
		{"plain", combined, logformat.EscapeDefault, `192.0.2.1 - - [01/Sep/2026:08:00:00 +0000] "GET /a?b HTTP/1.1" 200 61786 "https://x/?y=1" "Mozilla/5.0"`},
		{"escaped", combined, logformat.EscapeDefault, `192.0.2.1 - a\x22b [01/Sep/2026:08:00:00 +0000] "GET /\xFF?b HTTP/1.1" 200 61786 "https://x/\xC3\xA9?token=\x22&y" "Moz\x5Cilla\xE9"`},
		{"json", `{"a":"$remote_addr","t":"$msec","r":"$request","h":"$http_user_agent"}`, logformat.EscapeJSON, "{\"a\":\"192.0.2.1\",\"t\":\"1788249600.123\",\"r\":\"GET /\\\"\xE2\x82 HTTP/1.1\",\"h\":\"\xC3\xA9\"}"},
		{"garbage", combined, logformat.EscapeDefault, `192.0.2.1 - - [01/Sep/2026:08:00:00 +0000] "\x16\x03\x01" 400 0 "-" "-"`},
		{"kit", kitFormat, logformat.EscapeDefault, kitLine},
		{"kit in JSON", `"$ngxtap_request_headers" $status`, logformat.EscapeDefault, `"{\x22Host\x22:\x22h\x22,\x22Cookie\x22:[\x22a\x22,\x22b\x22],\x22X\x22:\x22\x5Cu00e9\x22}" 200`},
		{"kit in pairs", `"$ngxtap_request_headers" $status`, logformat.EscapeJSON, `"[[\"Host\",\"h\"],[\"X\",\"\\u001f\"]]" 200`},
	} {
		for _, secrets := range []*Secrets{nil, testSecrets(t, SecretHash), testSecrets(t, SecretDrop)} {
			r := newRig(t, c.escape, c.format, Options{Prefix: []byte("12345"), Secrets: secrets}, "host", "x-dup")
			line := []byte(c.line)
			r.encode(t, c.line)
			buf := make([]byte, 0, 1<<16)
			n := testing.AllocsPerRun(100, func() {
				var err error
				if buf, _, err = r.encoder.AppendEvent(buf[:0], line, r.spans, &testOrigin); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s, secrets %v: %v allocations per line", c.name, secrets != nil, n)
			}
		}
	}
}

func TestEventTime(t *testing.T) {
	const escape = logformat.EscapeDefault
	for _, c := range []struct{ format, line, want string }{
		{`$time_local $msec $time_iso8601`, `01/Sep/2026:08:00:00 +0000 1788249600.123 2026-09-01T08:00:01+00:00`, "2026-09-01T08:00:00.123000Z"},
		{`$time_local $time_iso8601`, `01/Sep/2026:08:00:00 +0000 2026-09-01T10:00:01+02:00`, "2026-09-01T08:00:01.000000Z"},
		{`[$time_local]`, `[01/Sep/2026:08:00:00 -0130]`, "2026-09-01T09:30:00.000000Z"},
		{`$status`, `200`, "2023-11-14T22:13:20.000000Z"},
	} {
		r := newRig(t, escape, c.format, Options{})
		for range 2 { // the second time from memory
			r.wantFields(t, c.line, map[string]string{"event_time": compact(c.want)})
		}
	}
	r := newRig(t, escape, `$msec`, Options{})
	r.encode(t, "1788249600.123")
	if r.encoder.time != 1788249600123000 {
		t.Errorf("time %d", r.encoder.time)
	}
	r.wantFields(t, "1788249600.124", map[string]string{"event_time": `"2026-09-01T08:00:00.124000Z"`})
}

func TestRequestParts(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$request"`, Options{})
	for line, want := range map[string]string{
		`GET /a?b=c HTTP/1.1`:                `["GET","/a","b=c","HTTP/1.1",null]`,
		`GET /a? HTTP/1.1`:                   `["GET","/a","","HTTP/1.1",null]`,
		`GET / HTTP/1.1`:                     `["GET","/",null,"HTTP/1.1",null]`,
		`GET /ok`:                            `["GET","/ok",null,null,null]`,
		`PRI * HTTP/2.0`:                     `["PRI","*",null,"HTTP/2.0",null]`,
		`GET /%2F\x22\xC3\xA9?\x5C HTTP/1.1`: `["GET","/%2F\"é","\\","HTTP/1.1",null]`,
		`\x16\x03\x01\x02`:                   `[null,null,null,null,"\u0016\u0003\u0001\u0002"]`,
		``:                                   `[null,null,null,null,""]`,
		`-`:                                  `[null,null,null,null,null]`,
	} {
		got := r.fields(t, `"`+line+`"`)
		parts := []any{got["method"], got["path"], got["query"], got["protocol"], got["request"]}
		if compact(parts) != want {
			t.Errorf("%s: got %s, want %s", line, compact(parts), want)
		}
	}
}

func TestMissingAndEmpty(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `$remote_user|$http_a|$http_b|$request_time|$upstream_status|$upstream_addr`, Options{})
	r.wantFields(t, `-|-||-|-|-`, map[string]string{
		"remote_user": "null", "request_headers": `{"b":[""]}`, "request_time": "null", "upstream_status": "null", "upstream_addr": "null",
	})
	r = newRig(t, logformat.EscapeJSON, `"$remote_user|$http_a|$http_b|$request_time|$upstream_status|$upstream_addr"`, Options{})
	r.wantFields(t, `"|-||||"`, map[string]string{
		"remote_user": "null", "request_headers": `{"a":["-"]}`, "request_time": "null", "upstream_status": "null", "upstream_addr": "null",
	})
}

func TestLists(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$upstream_status" "$upstream_response_time" "$upstream_bytes_sent" "$upstream_addr"`, Options{})
	r.wantFields(t, `"502, 200 : 200" "0.001, - : 0.25" "12345678901, 1 : 2" "10.0.0.1:80, unix:/a\x22b : [::1]:80"`, map[string]string{
		"upstream_status":        `[502,200,200]`,
		"upstream_response_time": `[0.001,null,0.25]`,
		"upstream_bytes_sent":    `[12345678901,1,2]`,
		"upstream_addr":          `["10.0.0.1:80","unix:/a\"b","[::1]:80"]`,
	})
	// More than one block of the array.
	many := strings.TrimSuffix(strings.Repeat("200, ", 200), ", ")
	got := r.fields(t, `"`+many+`" "-" "-" "-"`)
	if n := len(got["upstream_status"].([]any)); n != 200 {
		t.Errorf("%d items, want 200", n)
	}
}

func TestInvalidUTF8(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$request" "$http_user_agent" "$sent_http_x_a" "$remote_user"`, Options{}, "user-agent")
	r.wantFields(t, `"GET /\xFF\xFE?\xE2\x82 HTTP/1.1" "a\xE2(b" "ok\xC3\xA9" "x"`, map[string]string{
		"path": `"/��"`, "query": `"�"`, "request_headers": `{"user-agent":["a�(b"]}`, "response_headers": `{"x-a":["oké"]}`,
		"user_agent":   `"a�(b"`,
		"invalid_utf8": `["path","query","request_headers.user-agent","user_agent"]`,
	})
	r.wantFields(t, `"GET / HTTP/1.1" "a" "b" "x"`, map[string]string{"invalid_utf8": `[]`})
}

func TestInvalidUTF8IsBounded(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{})
	var headers []string
	for i := range 500 {
		headers = append(headers, strings.Repeat("x", i+1)+"=%FF")
	}
	got := r.fields(t, `"`+strings.Join(headers, "&")+`"`)
	if n := len(got["invalid_utf8"].([]any)); n != maxInvalid {
		t.Errorf("%d names, want %d", n, maxInvalid)
	}
	if n := len(got["request_headers"].(map[string]any)); n != 500 {
		t.Errorf("%d headers, want 500", n)
	}
	r.wantFields(t, `"`+strings.Repeat("x", maxHeaderName+1)+`=%FF"`, map[string]string{"invalid_utf8": `["request_headers"]`})
}

func TestEscapeNone(t *testing.T) {
	r := newRig(t, logformat.EscapeNone, `"$http_a" "$status"`, Options{})
	r.wantFields(t, "\"a\\x22\xFFb\" \"200\"", map[string]string{
		"request_headers": `{"a":["a\\x22�b"]}`, "invalid_utf8": `["request_headers.a"]`,
	})
}

func TestMisfits(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `$status [$time_local] "$upstream_status" "$ngxtap_request_headers" $request_time`, Options{})
	good := []string{"200", "01/Sep/2026:08:00:00 +0000", "200", "A=b", "0.1"}
	for column, bad := range map[int]string{0: "2x0", 1: "01/Sep/2026:08:00:00 +000x", 2: "200, abc", 3: "A", 4: "1e3"} {
		// Split refuses most of these itself, so the spans are put together here.
		values := append([]string(nil), good...)
		values[column] = bad
		line, spans := joinSpans(values)
		dst := []byte("before")
		out, _, err := r.encoder.AppendEvent(dst, line, spans, &testOrigin)
		var m *logformat.Misfit
		if !errors.As(err, &m) {
			t.Fatalf("column %d: error %v, want a misfit", column, err)
		}
		if m.Variable != r.format.Columns()[column].Name || m.Offset != int(spans[column].Start) || strings.Contains(m.Reason, bad) {
			t.Errorf("column %d: misfit %+v", column, m)
		}
		if string(out) != "before" {
			t.Errorf("column %d: dst came back as %q", column, out)
		}
	}
	if _, _, err := r.encoder.AppendEvent(nil, nil, nil, &testOrigin); err == nil {
		t.Error("no error for a line without spans")
	}
}

// joinSpans puts values into one line with a space between them.
func joinSpans(values []string) (line []byte, spans []logformat.Span) {
	for _, v := range values {
		start := int32(len(line))
		line = append(line, v...)
		spans = append(spans, logformat.Span{Start: start, End: int32(len(line))})
		line = append(line, ' ')
	}
	return line, spans
}

func TestEncoderRefusesAForeignSchema(t *testing.T) {
	long := newRig(t, logformat.EscapeDefault, combined, Options{})
	short := newRig(t, logformat.EscapeDefault, `$status`, Options{})
	if _, err := NewEncoder(short.format, long.event, Options{}); err == nil {
		t.Error("an encoder for a schema of another format")
	}
	if _, err := NewEncoder(nil, nil, Options{}); err == nil {
		t.Error("an encoder for nothing")
	}
}

func TestPrefix(t *testing.T) {
	prefix := schema.AppendConfluent(nil, 7)
	r := newRig(t, logformat.EscapeDefault, `$status`, Options{Prefix: prefix})
	prefix[4] = 9 // the encoder has its own copy
	kind, id, _, body, err := schema.Unframe(r.encode(t, "200"))
	if err != nil || kind != schema.Confluent || id != 7 {
		t.Fatalf("framing %v, id %d, %v", kind, id, err)
	}
	var d Decoder
	if _, err := d.AppendJSON(nil, r.event.JSON(), body); err != nil {
		t.Error(err)
	}
}

// A huge line must not leave its memory behind.
func TestScratchMemoryIsGivenBack(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers" "$http_a" "$request"`, Options{}, "b")
	huge := strings.Repeat("x", maxText)
	r.encode(t, `"b=`+huge+`%FF" "\xFF`+huge+`" "\xFF`+huge+`"`)
	e := r.encoder
	if n := cap(e.text) + cap(e.redacted) + cap(e.repaired) + cap(e.joined) + cap(e.kits[logformat.RequestHeader].buf); n > maxText {
		t.Errorf("%d bytes of scratch memory are kept", n)
	}
	r.wantFields(t, `"b=c" "-" "-"`, map[string]string{"b": `"c"`})
}
