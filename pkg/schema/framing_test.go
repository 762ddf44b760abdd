package schema

// Shows that every mark we write is read back, that Java's layout is kept byte by byte, and that anything else is refused.

import (
	"bytes"
	"errors"
	"strings"
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

// The bytes are those of Confluent's SchemaId: idToBytes and guidToBytes, whose UUID is two big-endian longs.
func TestHeaderBytes(t *testing.T) {
	guid, ok := parseGUID("00112233-4455-6677-8899-aabbccddeeff")
	if !ok {
		t.Fatal("the GUID is not read")
	}
	for _, c := range []struct {
		id         ID
		want, text string
	}{
		{ID{Number: 0x01020304}, "\x00\x01\x02\x03\x04", "16909060"},
		{ID{Number: 7, GUID: guid, HasGUID: true}, "\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xAA\xBB\xCC\xDD\xEE\xFF", "00112233-4455-6677-8899-aabbccddeeff"},
	} {
		value := AppendHeader(nil, c.id)
		if string(value) != c.want {
			t.Errorf("AppendHeader(%+v) = % X, want % X", c.id, value, c.want)
		}
		want := c.id
		if want.HasGUID {
			want.Number = 0 // the header has one of them
		}
		if got, err := ParseHeader(value); err != nil || got != want || got.String() != c.text {
			t.Errorf("ParseHeader(% X) = %+v (%v), %v", value, got, got, err)
		}
	}
	for _, bad := range []string{"", "\x00", "\x00\x00\x00\x00", "\x00\x00\x00\x00\x07\x00", "\x01", "\x01" + strings.Repeat("g", 15),
		"\x01" + strings.Repeat("g", 17), "\x02\x00\x00\x00\x07", "7"} {
		if id, err := ParseHeader([]byte(bad)); !errors.Is(err, ErrUnframed) || id != (ID{}) {
			t.Errorf("ParseHeader(%q) = %v, %v; want ErrUnframed", bad, id, err)
		}
	}
	for _, bad := range []string{"", "0011", "00112233-4455-6677-8899-aabbccddeefg", "00112233-4455-6677-8899-aabbccddeeff00"} {
		if _, ok := parseGUID(bad); ok {
			t.Errorf("%q is taken for a GUID", bad)
		}
	}
}

func TestFramingNames(t *testing.T) {
	for _, f := range []Framing{Confluent, SingleObject, Header} {
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
