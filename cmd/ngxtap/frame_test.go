package main

// Shows that what frameOf makes of each framing is what unframe finds in a record again, and which of several marks counts.

import (
	"errors"
	"testing"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

func TestFramesAreReadBack(t *testing.T) {
	number, guid := schema.ID{Number: 7}, schema.ID{Number: 7, GUID: [16]byte{1, 2, 15: 16}, HasGUID: true}
	for _, c := range []struct {
		name     string
		framing  schema.Framing
		id, want schema.ID
		fp       uint64
	}{
		{"confluent", schema.Confluent, guid, number, 0},
		{"header with a number", schema.Header, number, number, 0},
		{"header with a GUID", schema.Header, guid, schema.ID{GUID: guid.GUID, HasGUID: true}, 0},
		{"single object", schema.SingleObject, schema.ID{}, schema.ID{}, 9},
	} {
		f := frameOf(c.framing, c.id, c.fp)
		if (f.Header != nil) != (c.framing == schema.Header) || (len(f.Prefix) > 0) == (c.framing == schema.Header) {
			t.Errorf("%s: prefix % X, header %v", c.name, f.Prefix, f.Header)
		}
		m := kafka.Message{Value: append(f.Prefix, "datum"...)}
		if f.Header != nil {
			m.Headers = []kafka.Header{{Key: "other", Value: []byte("x")}, {Key: f.Header.Name, Value: f.Header.Value}}
		}
		kind, id, fp, body, err := unframe(&m)
		if err != nil || kind != c.framing || id != c.want || fp != c.fp || string(body) != "datum" {
			t.Errorf("%s: got %v, %v, %x, %q, %v", c.name, kind, id, fp, body, err)
		}
	}
}

// As in Confluent's DualSchemaIdDeserializer: the last header of the name counts, one that is null does not.
func TestHeaderOverValue(t *testing.T) {
	value := schema.AppendConfluent(nil, 8)
	h := func(value []byte) kafka.Header { return kafka.Header{Key: schema.HeaderName, Value: value} }
	five, six := h(schema.AppendHeader(nil, schema.ID{Number: 5})), h(schema.AppendHeader(nil, schema.ID{Number: 6}))
	for _, c := range []struct {
		name    string
		headers []kafka.Header
		id      int32
		bad     bool
	}{
		{"no header", nil, 8, false},
		{"the last of two", []kafka.Header{five, six}, 6, false},
		{"null", []kafka.Header{five, h(nil)}, 8, false},
		{"nothing in it", []kafka.Header{h([]byte{})}, 0, true},
		{"no id in it", []kafka.Header{h([]byte("schema 7"))}, 0, true},
	} {
		_, id, _, _, err := unframe(&kafka.Message{Value: value, Headers: c.headers})
		if id.Number != c.id || errors.Is(err, schema.ErrUnframed) != c.bad || (err != nil) != c.bad {
			t.Errorf("%s: id %v, %v", c.name, id, err)
		}
	}
}
