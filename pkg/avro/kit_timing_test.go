package avro

// Shows what all headers in one value cost beside the same headers in columns of their own: `go test ./pkg/avro -run NONE -bench Headers30`.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/logformat"
)

// browserHeaders are the headers of a request and of its response, 30 in all, as browsers and applications send them.
var browserHeaders = [2][][2]string{{
	{"Host", "shop.example"}, {"Connection", "keep-alive"}, {"Cache-Control", "max-age=0"},
	{"Sec-Ch-Ua", `"Chromium";v="140", "Not=A?Brand";v="24"`}, {"Sec-Ch-Ua-Mobile", "?0"}, {"Sec-Ch-Ua-Platform", `"Linux"`},
	{"Upgrade-Insecure-Requests", "1"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
	{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"}, {"Sec-Fetch-Site", "same-origin"},
	{"Sec-Fetch-Mode", "navigate"}, {"Sec-Fetch-User", "?1"}, {"Sec-Fetch-Dest", "document"}, {"Referer", "https://shop.example/catalogue?page=2&sort=price"},
	{"Accept-Encoding", "gzip, deflate, br, zstd"}, {"Accept-Language", "en-GB,en;q=0.9,de;q=0.8"}, {"Cookie", "session=4f1c9d2ab7; theme=dark; ab=17"},
	{"X-Forwarded-For", "203.0.113.9, 198.51.100.7"}, {"X-Request-Id", "0f9a7d0e-5d0b-4b37-9a53-8d5f5c3e2b11"}, {"If-None-Match", `W/"5f3-18c2d"`},
}, {
	{"Cache-Control", "private, max-age=0"}, {"Vary", "Accept-Encoding, Cookie"}, {"ETag", `W/"5f3-18c2d"`}, {"X-Frame-Options", "DENY"},
	{"X-Content-Type-Options", "nosniff"}, {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
	{"Content-Security-Policy", "default-src 'self'; img-src 'self' data:"}, {"Set-Cookie", "session=4f1c9d2ab7; Path=/; HttpOnly; Secure; SameSite=Lax"},
	{"Content-Type", "text/html; charset=utf-8"}, {"Content-Length", "12873"},
}}

// headerForms are formats that hold those headers, by the way they are written, each with its line.
func headerForms(escape logformat.Escape) map[string][2]string {
	kit := func(hs [][2]string) string {
		var parts []string
		for _, h := range hs {
			value := strings.NewReplacer("%", "%25", "&", "%26", "=", "%3D", `"`, "%22", `\`, "%5C").Replace(h[1])
			parts = append(parts, h[0]+"="+value)
		}
		return strings.Join(parts, "&")
	}
	asJSON := func(hs [][2]string) string {
		var parts [][2]string
		parts = append(parts, hs...)
		return string(escapeAs([]byte(compact(parts)), escape))
	}
	two := func(f func([][2]string) string) string {
		return fmt.Sprintf(`200 "%s" "%s"`, f(browserHeaders[0]), f(browserHeaders[1]))
	}
	const variables = `$status "$ngxtap_request_headers" "$ngxtap_response_headers"`
	format, line := `$status`, `200`
	for i, hs := range browserHeaders {
		for _, h := range hs {
			format += fmt.Sprintf(` "$%s_%s"`, [2]string{"http", "sent_http"}[i], strings.ReplaceAll(strings.ToLower(h[0]), "-", "_"))
			line += ` "` + string(escapeAs([]byte(h[1]), escape)) + `"`
		}
	}
	return map[string][2]string{"named": {format, line}, "kit": {variables, two(kit)}, "JSON": {variables, two(asJSON)}}
}

// headerForm returns the rig of a form and its line, after it was shown that the event holds every header.
func headerForm(t testing.TB, form string, escape logformat.Escape, o Options) (*rig, []byte) {
	t.Helper()
	f := headerForms(escape)[form]
	r := newRig(t, escape, f[0], o)
	event := r.fields(t, f[1])
	for i, field := range []string{"request_headers", "response_headers"} {
		got := event[field].(map[string]any)
		if len(got) != len(browserHeaders[i]) {
			t.Fatalf("%s: %d names in %s, want %d", form, len(got), field, len(browserHeaders[i]))
		}
		for _, h := range browserHeaders[i] {
			if want := compact([]string{h[1]}); o.Secrets == nil && compact(got[strings.ToLower(h[0])]) != want {
				t.Fatalf("%s: %s is %s, want %s", form, h[0], compact(got[strings.ToLower(h[0])]), want)
			}
		}
	}
	return r, []byte(f[1])
}

// headerForms30 calls f for every form and mode.
func headerForms30(f func(name, form string, escape logformat.Escape, secrets bool)) {
	for _, mode := range []logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON} {
		for _, secrets := range []bool{false, true} {
			for _, form := range []string{"named", "kit", "JSON"} {
				f(fmt.Sprintf("%v/secrets=%v/%s", mode, secrets, form), form, mode, secrets)
			}
		}
	}
}

func BenchmarkHeaders30(b *testing.B) {
	headerForms30(func(name, form string, escape logformat.Escape, secrets bool) {
		b.Run(name, func(b *testing.B) {
			r, line := headerForm(b, form, escape, secretOptions(b, secrets))
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			buf := make([]byte, 0, 64<<10)
			for b.Loop() {
				buf = r.once(b, buf, line)
			}
		})
	})
}

// BenchmarkHeaders30Ratio prints, for each mode, what a form costs in units of the named variables: the least of many short turns, which the
// forms take one after the other, so that what else the machine does meets all of them.
func BenchmarkHeaders30Ratio(b *testing.B) {
	const turns, lines = 40, 200
	type contender struct {
		rig       *rig
		line, buf []byte
		least     time.Duration
	}
	all := map[string]*contender{}
	headerForms30(func(name, form string, escape logformat.Escape, secrets bool) {
		r, line := headerForm(b, form, escape, secretOptions(b, secrets))
		all[name] = &contender{rig: r, line: line, buf: make([]byte, 0, 64<<10), least: time.Hour}
	})
	for range turns {
		headerForms30(func(name, _ string, _ logformat.Escape, _ bool) {
			c := all[name]
			start := time.Now()
			for range lines {
				c.buf = c.rig.once(b, c.buf, c.line)
			}
			c.least = min(c.least, time.Since(start)/lines)
		})
	}
	headerForms30(func(name, form string, _ logformat.Escape, _ bool) {
		if form != "named" {
			b.ReportMetric(float64(all[name].least)/float64(all[strings.TrimSuffix(name, form)+"named"].least), name)
		}
	})
	b.ReportMetric(0, "ns/op")
}

func secretOptions(t testing.TB, on bool) Options {
	if !on {
		return Options{}
	}
	return Options{Secrets: testSecrets(t, SecretHash)}
}

// once splits and encodes a line.
func (r *rig) once(t testing.TB, buf, line []byte) []byte {
	var err error
	if r.spans, err = r.format.Split(r.spans, line); err != nil {
		t.Fatal(err)
	}
	if buf, _, err = r.encoder.AppendEvent(buf[:0], line, r.spans, &testOrigin); err != nil {
		t.Fatal(err)
	}
	return buf
}

func TestHeaders30AllocateNothing(t *testing.T) {
	headerForms30(func(name, form string, escape logformat.Escape, secrets bool) {
		r, line := headerForm(t, form, escape, secretOptions(t, secrets))
		buf := r.once(t, make([]byte, 0, 64<<10), line)
		if n := testing.AllocsPerRun(100, func() { buf = r.once(t, buf, line) }); n != 0 {
			t.Errorf("%s: %v allocations per line", name, n)
		}
	})
}
