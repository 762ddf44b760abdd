package avro

// Shows that bytes which are not UTF-8 become U+FFFD exactly as the Unicode Standard says, and that the scan for plain bytes sees
// each position.

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

func TestAppendRepaired(t *testing.T) {
	// The first rows are tables 3-8 to 3-11 of the Unicode Standard, section 3.9.
	for in, want := range map[string]string{
		"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41": "��������A",
		"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41": "��������A",
		"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42": "�����A��B",
		"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41": "����A",
		"":                                     "",
		"plain":                                "plain",
		"\xC3\xA9\xC3":                         "é�",
		"\xEF\xBF\xBD":                         "�",
		"\xF0\x9F\x98\x80\xF0\x9F\x98":         "😀�",
	} {
		if got := string(appendRepaired(nil, []byte(in))); got != want {
			t.Errorf("% X: got %q, want %q", in, got, want)
		}
	}
}

func FuzzAppendRepaired(f *testing.F) {
	f.Add([]byte("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"))
	f.Add([]byte("\xF0\x80\x80\x80\xC3\xA9"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got := appendRepaired(nil, in)
		want, err := unicode.UTF8.NewDecoder().Bytes(in)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) || !utf8.Valid(got) {
			t.Fatalf("% X: got %q, want %q", in, got, want)
		}
	})
}

func TestPlainLen(t *testing.T) {
	for size := range 100 {
		plain := []byte(strings.Repeat("a", size))
		if got := plainLen(plain); got != size {
			t.Fatalf("%d plain bytes: %d", size, got)
		}
		for at := range size {
			for _, c := range []byte{'\\', 0x80, 0xFF} {
				b := []byte(string(plain))
				b[at] = c
				if got := plainLen(b); got != at || isPlain(b) {
					t.Fatalf("%q: plain up to %d, want %d", b, got, at)
				}
			}
		}
	}
}
