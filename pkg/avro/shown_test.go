// shown_test.go shows that what people see of a line holds no secret, and is the line itself where there is none.
package avro

import (
	"bytes"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

// shown returns what is shown of the columns of a line, one a line.
func (r *rig) shown(t *testing.T, line string) string {
	t.Helper()
	spans, err := r.format.Split(nil, []byte(line))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for i := range spans {
		var hidden bool
		out, hidden = r.encoder.AppendShown(out, []byte(line), spans, i)
		if hidden {
			out = append(out, " *"...)
		}
		out = append(out, '\n')
	}
	return string(out)
}

func TestShown(t *testing.T) {
	const format = `$remote_addr "$request" "$http_cookie" "$http_x_debug" "$http_accept" $status $upstream_addr "$ngxtap_request_headers" "$arg_token" $args "$my_url" "$http_referer"`
	const line = `192.0.2.7 "GET /a;sid=v?token=w&x=1 HTTP/1.1" "lang=de; sid=v" "v" "\x22" 200 10.0.0.1:80 "Host=h&X-Debug=v" "v" a=1&token=w "https://u:v@h/" "/\xC3\xA9"`
	h := hashed
	r := newRig(t, logformat.EscapeDefault, format, Options{Secrets: rules(t, Rules{Addresses: EncryptAddresses}), Headers: HeaderRules{Deny: []string{"x-debug"}}})
	want := strings.Join([]string{testEncrypted("192.0.2.7") + " *", "GET /a;sid=" + h("v") + "?token=" + h("w") + "&x=1 HTTP/1.1 *", "lang=" + h("de") + "; sid=" + h("v") + " *", " *",
		`\x22`, "200", "10.0.0.1:80", " *", h("v") + " *", "a=1&token=" + h("w") + " *", "https://u:" + h("v") + "@h/ *", `/\xC3\xA9`}, "\n") + "\n"
	if got := r.shown(t, line); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	const clean = `192.0.2.7 "GET  /a HTTP/1.1" "-" "-" "\x22" - 10.0.0.1:80 "Host=h" "-" a=1 "-" "-"`
	r = newRig(t, logformat.EscapeDefault, format, Options{Secrets: rules(t, Rules{})})
	if got, want := r.shown(t, clean), "192.0.2.7\nGET  /a HTTP/1.1\n-\n-\n\\x22\n-\n10.0.0.1:80\nHost=h\n-\na=1\n-\n-\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r = newRig(t, logformat.EscapeDefault, `"$request" "$ngxtap_request_headers"`, Options{Secrets: rules(t, Rules{})})
	for line, want := range map[string]string{
		`"Authorization: v" "Cookie=v"`:                   "Authorization:" + h(" v") + " *\n *\n",
		`"\x16\x03" "{\x22cooki\x5Cu0065\x22:\x22v\x22}"`: "\\x16\\x03\n *\n",
		`"GET /" "broken"`:                                "GET /\n *\n",
	} {
		if got := r.shown(t, line); got != want {
			t.Errorf("%s\ngot\n%swant\n%s", line, got, want)
		}
	}
	r = newRig(t, logformat.EscapeDefault, format, Options{})
	if got := strings.ReplaceAll(r.shown(t, line), "\n", ""); got != strings.Join([]string{`192.0.2.7`, `GET /a;sid=v?token=w&x=1 HTTP/1.1`, `lang=de; sid=v`, `v`, `\x22`, `200`, `10.0.0.1:80`,
		`Host=h&X-Debug=v`, `v`, `a=1&token=w`, `https://u:v@h/`, `/\xC3\xA9`}, "") {
		t.Errorf("without rules something is hidden: %s", got)
	}
}

// TestFields: the fields of an event lie side by side, from its first byte to its last, and say what the event says.
func TestFields(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `$time_iso8601 $status "$request" "$http_cookie" $upstream_response_time`, Options{})
	event := r.encode(t, `2026-09-01T08:00:00+00:00 200 "GET /\xFF HTTP/1.1" "a=b" 0.1 : -`)
	var d Decoder
	fields, err := d.Fields(r.event.JSON(), event)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := d.AppendJSON(nil, r.event.JSON(), event)
	if err != nil {
		t.Fatal(err)
	}
	var joined bytes.Buffer
	at := 0
	for i, f := range fields {
		if f.Start != at || f.End < f.Start || f.Type == "" {
			t.Errorf("field %s lies at %d to %d, and should begin at %d", f.Name, f.Start, f.End, at)
		}
		at = f.End
		joined.WriteString(map[bool]string{true: "{", false: ","}[i == 0] + `"` + f.Name + `":` + f.JSON)
	}
	if at != len(event) || joined.String()+"}" != string(whole) {
		t.Errorf("fields end at %d of %d:\n%s}\n%s", at, len(event), joined.String(), whole)
	}
	for n := range event {
		if _, err := d.Fields(r.event.JSON(), event[:n]); err == nil {
			t.Errorf("the first %d bytes are a whole event", n)
		}
	}
	if _, err := d.Fields(r.event.JSON(), append(event, 0)); err == nil {
		t.Error("a byte after the event is taken for a part of it")
	}
	if _, err := d.Fields(`"string"`, []byte{0}); err == nil {
		t.Error("a string has fields")
	}
}
