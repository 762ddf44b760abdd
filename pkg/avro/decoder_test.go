package avro

// Shows the JSON of every Avro type, and that a broken datum is an error, not a crash.

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/schema"
)

func TestDecoderTypes(t *testing.T) {
	at := time.Date(2026, 9, 1, 8, 0, 0, 123456000, time.UTC)
	for _, c := range []struct {
		schema string
		native any
		want   string
	}{
		{`"null"`, nil, `null`},
		{`"boolean"`, true, `true`},
		{`"int"`, int32(-7), `-7`},
		{`"long"`, int64(1 << 62), `4611686018427387904`},
		{`"float"`, float32(0.1), `0.1`},
		{`"double"`, 1e21, `1e+21`},
		{`"double"`, 0.005, `0.005`},
		{`"double"`, math.NaN(), `"NaN"`},
		{`"double"`, math.Inf(1), `"Infinity"`},
		{`"double"`, math.Inf(-1), `"-Infinity"`},
		{`"bytes"`, []byte{0xFF, 0}, `"/wA="`},
		{`"string"`, "a\"\\<é\n\x01\x7F", `"a\"\\<é\n\u0001\u007f"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, at, `"2026-09-01T08:00:00.123456Z"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, at, `"2026-09-01T08:00:00.123000Z"`},
		{`["null",{"type":"long","logicalType":"timestamp-micros"}]`, goavro.Union("long.timestamp-micros", at), `"2026-09-01T08:00:00.123456Z"`},
		{`{"type":"int","logicalType":"date"}`, at, `"2026-09-01"`},
		{`{"type":"long","logicalType":"time-micros"}`, 90*time.Minute + time.Microsecond, `"01:30:00.000001"`},
		{`{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`, big.NewRat(-5, 4), `"-1.25"`},
		{`{"type":"fixed","name":"F","size":2}`, []byte("ab"), `"YWI="`},
		{`{"type":"enum","name":"E","symbols":["X","Y"]}`, "Y", `"Y"`},
		{`{"type":"map","values":["null","int"]}`, map[string]any{"b": goavro.Union("int", 1), "a": nil}, `{"a":null,"b":1}`},
		{`{"type":"array","items":{"type":"array","items":"int"}}`, []any{[]any{1, 2}, []any{}}, `[[1,2],[]]`},
		{`{"type":"record","name":"R","namespace":"n","fields":[{"name":"z","type":"int"},{"name":"a","type":["null","R"]},{"name":"m","type":["null",{"type":"map","values":"string"}]}]}`,
			map[string]any{"z": 1, "a": goavro.Union("n.R", map[string]any{"z": 2, "a": nil, "m": nil}), "m": goavro.Union("map", map[string]any{"k": "v"})},
			`{"z":1,"a":{"z":2,"a":null,"m":null},"m":{"k":"v"}}`},
		{`{"type":"record","name":"R","fields":[{"name":"s","type":{"type":"record","name":"S","namespace":"x","fields":[{"name":"i","type":"int"}]}},{"name":"t","type":["null","x.S"]}]}`,
			map[string]any{"s": map[string]any{"i": 1}, "t": goavro.Union("x.S", map[string]any{"i": 2})}, `{"s":{"i":1},"t":{"i":2}}`},
	} {
		codec, err := goavro.NewCodec(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		body, err := codec.BinaryFromNative(nil, c.native)
		if err != nil {
			t.Fatalf("%s: %v", c.schema, err)
		}
		var d Decoder
		got, err := d.AppendJSON([]byte("x"), c.schema, body)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%s: got %s, %v; want x%s", c.schema, got, err, c.want)
		}
		if err == nil && !json.Valid(got[1:]) {
			t.Errorf("%s: %s is no JSON", c.schema, got)
		}
	}
}

func TestDecoderRefuses(t *testing.T) {
	const array = `{"type":"array","items":"null"}`
	const list = `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}`
	for _, c := range []struct{ name, schema, body, want string }{
		{"no schema", `{`, "", "read an Avro schema"},
		{"empty", `"string"`, "", "cut off"},
		{"cut", `"string"`, "\x08abc", "cut off"},
		{"more than one datum", `"int"`, "\x02\x02", "1 bytes follow"},
		{"huge block", array, "\xfe\xff\xff\xff\x0f", "a block of 2147483647 items"},
		{"smallest count", array, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "a block of"},
		{"unknown branch", `["null","int"]`, "\x04", "branch 2"},
		{"too deep", list, strings.Repeat("\x02", 2*maxDepth) + "\x00", "nested deeper"},
	} {
		var d Decoder
		out, err := d.AppendJSON([]byte("x"), c.schema, []byte(c.body))
		if err == nil || !strings.Contains(err.Error(), c.want) || string(out) != "x" {
			t.Errorf("%s: got %q, %v; want an error with %q", c.name, out, err, c.want)
		}
	}
}

func TestQuarantinedLine(t *testing.T) {
	fp, err := schema.Fingerprint(`"int"`)
	if err != nil {
		t.Fatal(err)
	}
	q := Quarantined{
		Time: 1_788_249_600_123_456, Origin: testOrigin, Reason: "a text should stand here", Column: 7, Variable: "request",
		Format: "main", Fingerprint: fp,
	}
	var d Decoder
	got, err := d.AppendJSON(nil, schema.QuarantinedLine, AppendQuarantined(nil, []byte("a\xFFb"), &q))
	want := `{"event_time":"2026-09-01T08:00:00.123456Z","site":"shop","origin":{"host":"web-01","file":"g7","offset":1234,"length":3,"crc32c":-1072001569},` +
		`"reason":"a text should stand here","column":7,"variable":"request","format":"main","schema_fingerprint":"7275d51a3f395c8f",` +
		`"raw":"Yf9i","line_length":3,"raw_sha256":null,"truncated":false,"raw_key":null}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	q.Variable, q.Column, q.MaxRaw, q.Reason = "", -1, 2, "\xFF"
	got, err = d.AppendJSON(nil, schema.QuarantinedLine, AppendQuarantined(nil, []byte("abc"), &q))
	for _, part := range []string{`"length":3`, `"column":-1,"variable":null`, `"raw":"YWI=","line_length":3,"raw_sha256":"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=","truncated":true`, `"reason":"�"`} {
		if err != nil || !bytes.Contains(got, []byte(part)) {
			t.Errorf("got %s, %v; want %s in it", got, err, part)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	schemas := []string{
		schema.QuarantinedLine,
		`{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]},{"name":"v","type":{"type":"map","values":{"type":"array","items":["null","double"]}}}]}`,
	}
	f.Add(0, AppendQuarantined(nil, []byte("line"), &Quarantined{Origin: testOrigin}))
	f.Add(1, []byte("\x02\x00\x00\x02\x02a\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		var d Decoder
		out, err := d.AppendJSON(nil, schemas[uint(which)%uint(len(schemas))], body)
		if err == nil && !json.Valid(out) {
			t.Fatalf("%q is no JSON", out)
		}
	})
}
