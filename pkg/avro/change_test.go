// change_test.go shows that goavro reads back what is written of a change, for a full one and for the emptiest.
package avro

import (
	"reflect"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/schema"
)

func TestSchemaChange(t *testing.T) {
	codec, err := goavro.NewCodec(schema.SchemaChange)
	if err != nil {
		t.Fatal(err)
	}
	full := &schema.ChangeEvent{
		Time: 1_700_000_000_000_001, Site: "shop", Host: "web-01", ID: "a1", Source: schema.FromConfiguration, Class: schema.ClassForward,
		Action: schema.Hold, Format: "main", Where: "nginx.conf:7", Text: "caf\xe9", File: "GEN", Offset: 12,
		Old:   &schema.Writer{LogFormat: "$status", Escape: "default", Schema: "{}", Fingerprint: 0xAB},
		Diffs: []schema.Diff{{Path: "a.b", Kind: schema.KindType, Class: schema.ClassForward, Old: "int", New: "string", Meaning: true, Text: "s"}},
	}
	want := map[string]any{
		"event_time": time.UnixMicro(full.Time).UTC(), "site": "shop", "host": "web-01", "id": "a1", "source": "configuration", "class": "forward",
		"action": "hold", "format": "main", "defined_at": goavro.Union("string", "nginx.conf:7"), "text": "caf\uFFFD",
		"old": goavro.Union("ngxtap.Writer", map[string]any{"log_format": "$status", "escape": "default", "schema": "{}", "fingerprint": "00000000000000ab"}),
		"new": nil,
		"diffs": []any{map[string]any{"path": "a.b", "kind": "type", "class": "forward", "old": "int", "new": "string",
			"meaning_changes": true, "text": "s"}},
		"file": goavro.Union("string", "GEN"), "offset": goavro.Union("long", int64(12)),
	}
	bare := &schema.ChangeEvent{Class: schema.ClassNone, Offset: -1, New: &schema.Writer{}}
	wantBare := map[string]any{
		"event_time": time.UnixMicro(0).UTC(), "site": "", "host": "", "id": "", "source": "", "class": "none", "action": "", "format": "",
		"defined_at": nil, "text": "", "old": nil,
		"new":   goavro.Union("ngxtap.Writer", map[string]any{"log_format": "", "escape": "", "schema": "", "fingerprint": "0000000000000000"}),
		"diffs": []any{}, "file": nil, "offset": nil,
	}
	for _, c := range []struct {
		event *schema.ChangeEvent
		want  map[string]any
	}{{full, want}, {bare, wantBare}} {
		got, rest, err := codec.NativeFromBinary(AppendSchemaChange(nil, c.event))
		if err != nil || len(rest) > 0 {
			t.Fatalf("%v, %d bytes left", err, len(rest))
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("got  %#v\nwant %#v", got, c.want)
		}
	}
}
