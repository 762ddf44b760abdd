package avro

// Helpers of the other test files.

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// rig is a format with everything that follows from it.
type rig struct {
	format  *logformat.Format
	event   *schema.Event
	encoder *Encoder
	spans   []logformat.Span
}

var testOrigin = Origin{Site: "shop", Host: "web-01", File: "g7", Offset: 1234, ReadTime: 1_700_000_000_000_000}

// newRig compiles a format.
func newRig(t testing.TB, escape logformat.Escape, text string, o Options, promote ...string) *rig {
	t.Helper()
	f, err := logformat.Compile(logformat.Inline(text, escape), logformat.Options{TrustUnescaped: true})
	if err != nil {
		t.Fatalf("compile %s: %v", text, err)
	}
	ev, err := schema.Derive(f, schema.Options{Site: "shop", Promote: promote})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncoder(f, ev, o)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{format: f, event: ev, encoder: e}
}

// encode returns the event of a line, which must fit.
func (r *rig) encode(t testing.TB, line string) []byte {
	t.Helper()
	out, err := r.try(line)
	if err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	return out
}

// try returns the event of a line, or why it does not fit.
func (r *rig) try(line string) ([]byte, error) {
	var err error
	if r.spans, err = r.format.Split(r.spans, []byte(line)); err != nil {
		return nil, err
	}
	out, _, err := r.encoder.AppendEvent(nil, []byte(line), r.spans, &testOrigin)
	return out, err
}

// json returns the event of a line as JSON.
func (r *rig) json(t testing.TB, line string) string {
	t.Helper()
	var d Decoder
	out, err := d.AppendJSON(nil, r.event.JSON(), r.encode(t, line))
	if err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	if !json.Valid(out) {
		t.Fatalf("%s\nis no JSON: %s", line, out)
	}
	return string(out)
}

// event returns the event of a line as Go values of encoding/json.
func (r *rig) fields(t testing.TB, line string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.json(t, line)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// compact returns v as JSON for comparisons and messages.
func compact(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(b.String())
}

// wantFields compares some fields of the event of a line with JSON.
func (r *rig) wantFields(t *testing.T, line string, want map[string]string) {
	t.Helper()
	got := r.fields(t, line)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := got[name]
		if !ok || compact(value) != want[name] {
			t.Errorf("%s\nfield %s is %s, want %s", line, name, compact(value), want[name])
		}
	}
}

// escapeAs writes v as Nginx would (ngx_http_log_escape, ngx_escape_json): the inverse of logformat.AppendUnescaped.
func escapeAs(v []byte, e logformat.Escape) []byte {
	const digits = "0123456789ABCDEF"
	var out []byte
	for _, c := range v {
		switch {
		case e == logformat.EscapeNone:
			out = append(out, c)
		case e == logformat.EscapeDefault && (c == '"' || c == '\\' || c < 0x20 || c >= 0x7F):
			out = append(out, '\\', 'x', digits[c>>4], digits[c&15])
		case e == logformat.EscapeJSON && (c == '"' || c == '\\'):
			out = append(out, '\\', c)
		case e == logformat.EscapeJSON && c < 0x20:
			if i := strings.IndexByte("\b\f\n\r\t", c); i >= 0 {
				out = append(out, '\\', "bfnrt"[i])
			} else {
				out = append(out, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
		default:
			out = append(out, c)
		}
	}
	return out
}

// corpus returns the format and the lines of testdata/bench.
func corpus(t testing.TB, o Options) (*rig, [][]byte) {
	t.Helper()
	dir := filepath.Join("..", "..", "testdata", "bench")
	conf, err := logformat.ReadConf(filepath.Join(dir, "nginx.conf"), logformat.ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	def, err := conf.Format("bench")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, def.Escape, def.Text, o), bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}
