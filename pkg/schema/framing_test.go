package schema

// Shows that every mark we write is read back, that Java's layout is kept byte by byte, and that anything else is refused.

import (
	"bytes"
	"errors"
	"testing"

	"github.com/linkedin/goavro/v2"
)

func TestFramingBytes(t *testing.T) {
	if got, want := AppendConfluent([]byte("x"), 0x01020304), []byte("x\x00\x01\x02\x03\x04"); !bytes.Equal(got, want) {
		t.Errorf("AppendConfluent = % X, want % X", got, want)
	}
	got := AppendSingleObject(nil, 0x1122334455667788)
	if want := []byte("\xC3\x01\x88\x77\x66\x55\x44\x33\x22\x11"); !bytes.Equal(got, want) {
		t.Errorf("AppendSingleObject = % X, want % X", got, want)
	}
	fp, rest, err := goavro.FingerprintFromSOE(append(got, 'b'))
	if err != nil || fp != 0x1122334455667788 || string(rest) != "b" {
		t.Errorf("goavro reads %x, %q, %v", fp, rest, err)
	}
}

func TestUnframe(t *testing.T) {
	for _, c := range []struct {
		name, value string
		kind        Framing
		id          int32
		fp          uint64
		body        string
		bad         bool
	}{
		{name: "confluent", value: "\x00\x00\x00\x00\x07body", kind: Confluent, id: 7, body: "body"},
		{name: "confluent without body", value: "\x00\x00\x00\x00\x07", kind: Confluent, id: 7},
		{name: "confluent cut", value: "\x00\x00\x00\x00", bad: true},
		{name: "single object", value: "\xC3\x01\x01\x00\x00\x00\x00\x00\x00\x00body", kind: SingleObject, fp: 1, body: "body"},
		{name: "single object cut", value: "\xC3\x01\x01\x00\x00\x00\x00\x00\x00", bad: true},
		{name: "single object, first byte only", value: "\xC3", bad: true},
		{name: "single object of another version", value: "\xC3\x02\x01\x00\x00\x00\x00\x00\x00\x00body", bad: true},
		{name: "no mark", value: "{}", bad: true},
		{name: "empty", value: "", bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			kind, id, fp, body, err := Unframe([]byte(c.value))
			if c.bad {
				if !errors.Is(err, ErrUnframed) {
					t.Fatalf("error %v, want ErrUnframed", err)
				}
				return
			}
			if err != nil || kind != c.kind || id != c.id || fp != c.fp || string(body) != c.body {
				t.Errorf("got %v, %d, %x, %q, %v", kind, id, fp, body, err)
			}
		})
	}
}

func TestFramingNames(t *testing.T) {
	for _, f := range []Framing{Confluent, SingleObject} {
		if got, err := ParseFraming(f.String()); err != nil || got != f {
			t.Errorf("ParseFraming(%q) = %v, %v", f.String(), got, err)
		}
	}
	if _, err := ParseFraming("unknown"); err == nil {
		t.Error("ParseFraming accepts a word it does not know")
	}
}

func FuzzUnframe(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x07body"))
	f.Add([]byte("\xC3\x01\x01\x00\x00\x00\x00\x00\x00\x00body"))
	f.Add([]byte(""))
	f.Add([]byte("\xC3"))
	f.Fuzz(func(t *testing.T, value []byte) {
		kind, id, fp, body, err := Unframe(value)
		var again []byte
		switch {
		case err != nil:
			if kind != 0 || body != nil {
				t.Fatalf("an error together with %v and %q", kind, body)
			}
			return
		case kind == Confluent:
			again = AppendConfluent(nil, id)
		case kind == SingleObject:
			again = AppendSingleObject(nil, fp)
		}
		if again = append(again, body...); !bytes.Equal(again, value) {
			t.Fatalf("% X was read as % X", value, again)
		}
	})
}
