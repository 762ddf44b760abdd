package avro

// Shows the whole events of typical lines, as JSON in testdata/*.golden. go test -update writes the files anew.

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"ngxtap/pkg/logformat"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGoldenEvents(t *testing.T) {
	const jsonFormat = `{"time":"$time_iso8601","addr":"$remote_addr","request":"$request","status":"$status","bytes":"$body_bytes_sent",` +
		`"time_taken":"$request_time","upstream":"$upstream_addr","upstream_status":"$upstream_status","agent":"$http_user_agent","tenant":"$tenant","method":"$method"}`
	for _, c := range []struct {
		name, format string
		escape       logformat.Escape
		secrets      *Secrets
		promote      []string
		lines        []string
	}{
		{name: "combined", format: combined, lines: []string{
			`192.0.2.1 - - [01/Sep/2026:08:00:00 +0000] "GET /search?q=bike%20lock HTTP/1.1" 200 61786 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"`,
			`2001:db8::1 - us\x22er [01/Sep/2026:08:00:00 -0700] "POST /\xC3\xA9/\xFF HTTP/2.0" 499 0 "-" ""`,
			`192.0.2.1 - - [01/Sep/2026:08:00:01 +0000] "\x16\x03\x01\x02\x00\x01" 400 157 "-" "-"`,
			`192.0.2.1 - - [01/Sep/2026:08:00:01 +0000] "" 408 0 "-" "-"`,
		}},
		{name: "json", format: jsonFormat, escape: logformat.EscapeJSON, promote: []string{"user-agent", "x-request-id"}, lines: []string{
			`{"time":"2026-09-01T08:00:00+02:00","addr":"192.0.2.1","request":"GET / HTTP/1.1","status":"200","bytes":"5","time_taken":"0.005","upstream":"10.0.0.1:80, 10.0.0.2:80 : unix:/run/app.sock","upstream_status":"502, 200 : 200","agent":"a\"b\\c\u001F é","tenant":"t1","method":"custom"}`,
			"{\"time\":\"2026-09-01T08:00:00+02:00\",\"addr\":\"192.0.2.1\",\"request\":\"GET /\xE2\x82 HTTP/1.1\",\"status\":\"200\",\"bytes\":\"5\",\"time_taken\":\"0.005\",\"upstream\":\"\",\"upstream_status\":\"\",\"agent\":\"\",\"tenant\":\"\xC3\",\"method\":\"\"}",
		}},
		{name: "kit", format: kitFormat, promote: []string{"host"}, lines: []string{
			kitLine,
			`1788249600.124 192.0.2.7 "-" "" 400 0 0.000 "-" "-" "-" "" 1 "" "{}"`,
		}},
		{name: "secrets", format: kitFormat, secrets: testSecrets(t, SecretHash), lines: []string{
			`1788249600.123 192.0.2.7 "-" "GET /a?b=c&token=t0p HTTP/1.1" 302 0 0.460 "10.0.0.1:8080" "302" "0.460" "shop.example" 45 "Cookie=a%3D1&Authorization=Bearer x&Accept=*/*" "Location=/cb?code%3D77&Set-Cookie=s%3D1"`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, c.escape, c.format, Options{Secrets: c.secrets}, c.promote...)
			var got bytes.Buffer
			for _, line := range c.lines {
				got.WriteString(r.json(t, line) + "\n")
			}
			path := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("events differ from %s\ngot\n%s\nwant\n%s", path, got.Bytes(), want)
			}
		})
	}
}
