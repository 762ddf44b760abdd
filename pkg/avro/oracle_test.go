package avro

// Shows, for generated formats and values, that goavro and twmb/avro read back what we write, and that every value is what it was
// before Nginx escaped it.

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"
	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// wanted is a value that was put into a line: what the event must hold, under a field or a header of a map.
type wanted struct {
	field, header string
	value         any // of goavro, without the tag of the union
}

// sample draws a value for a variable: its bytes before escaping, and what the event must hold.
func sample(t *rapid.T, name string) (raw []byte, value any) {
	switch name {
	case "status":
		n := rapid.Int32Range(0, 1<<31-1).Draw(t, name)
		return fmt.Appendf(nil, "%03d", n), n
	case "body_bytes_sent":
		n := rapid.Int64Range(0, 1<<63-1).Draw(t, name)
		return fmt.Appendf(nil, "%d", n), n
	case "request_time":
		ms := rapid.IntRange(0, 1<<30).Draw(t, name)
		return fmt.Appendf(nil, "%d.%03d", ms/1000, ms%1000), float64(ms) / 1000
	case "upstream_status":
		items := rapid.SliceOfN(rapid.Int32Range(100, 599), 1, 150).Draw(t, name)
		var want []any
		for i, n := range items {
			if i > 0 {
				raw = append(raw, rapid.SampledFrom([]string{", ", " : "}).Draw(t, "separator")...)
			}
			raw = fmt.Appendf(raw, "%d", n)
			want = append(want, goavro.Union("int", n))
		}
		return raw, want
	}
	raw = rapid.SliceOf(rapid.OneOf(rapid.ByteRange(0x20, 0x7E), rapid.Byte(), rapid.SampledFrom([]byte("\"\\\xC3\xA9\xE2\x82\xAC&=?")))).Draw(t, name)
	return raw, string(appendRepaired(nil, raw))
}

// drawLine draws a format and a line of it.
func drawLine(t *rapid.T, escape logformat.Escape) (format string, line []byte, wants []wanted, broken int) {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"status", "body_bytes_sent", "request_time", "upstream_status", "remote_user", "custom", "host",
		"http_a", "http_user_agent", "sent_http_b", "sent_http_etag", "upstream_http_c", "ngxtap_request_headers",
	}), 1, 13, rapid.ID[string]).Draw(t, "variables")
	kit := map[string]bool{}
	for i, name := range names {
		if name == "ngxtap_request_headers" { // first, since its headers hide named ones
			names[0], names[i] = names[i], names[0]
		}
	}
	var parts []string
	for _, name := range names {
		parts = append(parts, `"$`+name+`"`)
		if name == "ngxtap_request_headers" {
			value, headers := drawKit(t)
			line = append(append(append(line, '"'), escapeAs(value, escape)...), `" `...)
			for _, h := range headers {
				kit[h.header] = true
				wants = append(wants, h)
				for _, v := range h.value.([]any) {
					if strings.Contains(v.(string), replacement) {
						broken++
						break
					}
				}
			}
			continue
		}
		raw, value := sample(t, name)
		line = append(append(append(line, '"'), escapeAs(raw, escape)...), `" `...)
		w := wanted{field: name, value: value}
		missing := escape == logformat.EscapeDefault && string(raw) == "-" || escape != logformat.EscapeDefault && len(raw) == 0
		if family, header, ok := logformat.LookupVariable(name).Header(); ok {
			if kit[header] && family == logformat.RequestHeader {
				continue
			}
			w = wanted{field: [...]string{"", "request_headers", "response_headers", "upstream_headers"}[family], header: header, value: []any{value}}
		}
		if missing {
			w.value = nil
		} else if !utf8.Valid(raw) {
			broken++
		}
		wants = append(wants, w)
	}
	return strings.Join(parts, " "), line[:len(line)-1], wants, broken
}

// drawKit draws the value of all headers, percent form.
func drawKit(t *rapid.T) (value []byte, headers []wanted) {
	index := map[string]int{}
	for i := range rapid.IntRange(0, 140).Draw(t, "headers") {
		name := rapid.StringMatching(`[A-Ca-c][a-c]?`).Draw(t, "name")
		raw := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "value")
		if strings.Contains(string(raw), replacement) {
			raw = nil // so that U+FFFD in an event always means a repair
		}
		if i > 0 {
			value = append(value, '&')
		}
		value = append(append(value, name...), '=')
		for _, c := range raw {
			if c < 0x20 || c >= 0x7F || strings.IndexByte(`%&="\`, c) >= 0 {
				value = fmt.Appendf(value, "%%%02X", c)
			} else {
				value = append(value, c)
			}
		}
		name = strings.ToLower(name)
		if _, ok := index[name]; !ok {
			index[name] = len(headers)
			headers = append(headers, wanted{field: "request_headers", header: name, value: []any{}})
		}
		h := &headers[index[name]]
		h.value = append(h.value.([]any), string(appendRepaired(nil, raw)))
	}
	return value, headers
}

func TestOracles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		escape := rapid.SampledFrom([]logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON}).Draw(t, "escape")
		format, line, wants, broken := drawLine(t, escape)
		f, err := logformat.Compile(logformat.Inline(format, escape), logformat.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ev, err := schema.Derive(f, schema.Options{Site: "s"})
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEncoder(f, ev, Options{})
		if err != nil {
			t.Fatal(err)
		}
		spans, err := f.Split(nil, line)
		if err != nil {
			t.Fatalf("split %s\n%q: %v", format, line, err)
		}
		body, eventTime, err := e.AppendEvent(nil, line, spans, &testOrigin)
		if err != nil {
			t.Fatalf("%s\n%q: %v", format, line, err)
		}
		if eventTime != testOrigin.ReadTime {
			t.Fatalf("time %d", eventTime)
		}
		checkOracles(t, ev.JSON(), body, line, wants, broken)
	})
}

func checkOracles(t *rapid.T, schemaJSON string, body, line []byte, wants []wanted, broken int) {
	codec, err := goavro.NewCodec(schemaJSON)
	if err != nil {
		t.Fatal(err)
	}
	native, rest, err := codec.NativeFromBinary(body)
	if err != nil || len(rest) > 0 {
		t.Fatalf("goavro: %d bytes left, %v", len(rest), err)
	}
	event := native.(map[string]any)
	for _, w := range wants {
		got := event[w.field]
		if w.header != "" {
			got = got.(map[string]any)[w.header]
		} else if union, ok := got.(map[string]any); ok {
			for _, v := range union {
				got = v
			}
		}
		if !reflect.DeepEqual(got, w.value) {
			t.Fatalf("%q\n%s %s is %#v, want %#v", line, w.field, w.header, got, w.value)
		}
	}
	if n := len(event["invalid_utf8"].([]any)); n != min(broken, maxInvalid) {
		t.Fatalf("%q: %v is said to be repaired, want %d names", line, event["invalid_utf8"], broken)
	}
	second, err := avro.Parse(schemaJSON)
	if err != nil {
		t.Fatal(err)
	}
	var other map[string]any
	if rest, err := second.Decode(body, &other); err != nil || len(rest) > 0 {
		t.Fatalf("twmb/avro: %d bytes left, %v", len(rest), err)
	}
	for _, name := range []string{"request_headers", "response_headers"} {
		if a, b := compact(event[name]), compact(other[name]); a != b {
			t.Fatalf("%s: goavro reads %s, twmb/avro %s", name, a, b)
		}
	}
}

func FuzzAppendEvent(f *testing.F) {
	f.Add(combined, uint8(0), []byte(`192.0.2.1 - - [01/Sep/2026:08:00:00 +0000] "GET /a?token=b HTTP/1.1" 200 61786 "https://x/?y=1" "\xC3"`))
	f.Add(kitFormat, uint8(0), []byte(kitLine))
	f.Add(`{"a":"$upstream_addr","r":"$request","t":"$msec","h":"$http_cookie","k":"$ngxtap_response_headers"}`, uint8(1),
		[]byte(`{"a":"a, b : c","r":"GET /\"\u001F HTTP/1.1","t":"1788249600.123","h":"\\","k":"[[\"A\",\"b\"]]"}`))
	f.Add(`$1 $site $status $status $method "$http_a" "$http_a"`, uint8(2), []byte("a b 200 200 d \"\xFF\" \"\""))
	f.Fuzz(func(t *testing.T, format string, mode uint8, line []byte) {
		escape := logformat.Escape(mode % 3)
		lf, err := logformat.Compile(logformat.Inline(format, escape), logformat.Options{TrustUnescaped: true})
		if err != nil {
			return
		}
		ev, err := schema.Derive(lf, schema.Options{Site: "s", Promote: []string{"a", "response:cookie"}})
		if err != nil {
			t.Fatalf("derive %q: %v", format, err)
		}
		secrets, err := NewSecrets(Rules{Mode: SecretMode(mode / 3 % 2), Key: []byte("0123456789abcdef")})
		if err != nil {
			t.Fatal(err)
		}
		e, err := NewEncoder(lf, ev, Options{Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		spans, err := lf.Split(nil, line)
		if err != nil {
			return
		}
		out, _, err := e.AppendEvent([]byte("dst"), line, spans, &testOrigin)
		if err != nil {
			if string(out) != "dst" {
				t.Fatalf("dst came back as %q", out)
			}
			return
		}
		var d Decoder
		if _, err := d.AppendJSON(nil, ev.JSON(), out[3:]); err != nil {
			t.Fatalf("format %q, line %q: %v", format, line, err)
		}
	})
}
