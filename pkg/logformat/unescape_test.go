package logformat

// Shows that unescaping is the exact inverse of what Nginx does, for each byte and for any bytes, and leaves alone what Nginx
// does not write.

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// escapeDefault does what ngx_http_log_escape does, by its own table: one bit per byte, lowest bit first.
func escapeDefault(v []byte) []byte {
	table := [8]uint32{0xffffffff, 0x00000004, 0x10000000, 0x80000000, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}
	var out []byte
	for _, c := range v {
		if table[c>>5]&(1<<(c&0x1f)) != 0 {
			out = append(out, '\\', 'x', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		} else {
			out = append(out, c)
		}
	}
	return out
}

// escapeJSON does what ngx_escape_json does.
func escapeJSON(v []byte) []byte {
	var out []byte
	for _, c := range v {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c >= 0x20:
			out = append(out, c)
		case strings.IndexByte("\b\f\n\r\t", c) >= 0:
			out = append(out, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", c)])
		default:
			out = append(out, []byte(fmt.Sprintf(`\u00%02X`, c))...)
		}
	}
	return out
}

// escapeAs escapes v as Nginx does in mode e.
func escapeAs(v []byte, e Escape) []byte {
	switch e {
	case EscapeDefault:
		return escapeDefault(v)
	case EscapeJSON:
		return escapeJSON(v)
	}
	return v
}

// TestUnescapeGolden compares what Nginx writes for each of the 256 bytes in each mode with a table, and reads each back. The
// table agrees with what Nginx 1.22.1 was seen to write.
func TestUnescapeGolden(t *testing.T) {
	var table bytes.Buffer
	for c := range 256 {
		fmt.Fprintf(&table, "%02x", c)
		for _, e := range []Escape{EscapeDefault, EscapeJSON, EscapeNone} {
			escaped := escapeAs([]byte{byte(c)}, e)
			fmt.Fprintf(&table, " %q", escaped)
			if got := AppendUnescaped([]byte("before"), escaped, e); string(got) != "before"+string([]byte{byte(c)}) {
				t.Errorf("byte %02x, escape=%s: %q gave %q", c, e, escaped, got)
			}
			if ok := fitsText(escaped, e); ok != (e != EscapeNone || c != '\n') {
				t.Errorf("byte %02x, escape=%s: fitsText(%q) = %v", c, e, escaped, ok)
			}
		}
		table.WriteByte('\n')
	}
	compareGolden(t, filepath.Join("testdata", "escapes.golden"), table.Bytes())
}

// compareGolden compares got with a file, which -update writes.
func compareGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it with -update and git diff", name)
	}
}

func TestUnescapeLeavesTheRest(t *testing.T) {
	for _, c := range []struct {
		escape   Escape
		in, want string
	}{
		{EscapeDefault, `us\x22er \x0A\xFF`, "us\"er \n\xff"},
		{EscapeDefault, `\x5Cx22`, `\x22`},              // a client sent the text \x22
		{EscapeDefault, `\x5c\x41\x7e`, `\x5c\x41\x7e`}, // lower case, or bytes that need no escape
		{EscapeDefault, `\x2`, `\x2`},
		{EscapeDefault, `\`, `\`},
		{EscapeDefault, `\\x22`, `\"`},
		{EscapeDefault, `\n\"`, `\n\"`},
		{EscapeJSON, `a\"b\\c\n\t\r\b\f\u0000\u001F`, "a\"b\\c\n\t\r\b\f\x00\x1f"},
		{EscapeJSON, `\\u0041`, `\u0041`},
		{EscapeJSON, `\u0041\u000A\u001f\/`, `\u0041\u000A\u001f\/`},
		{EscapeJSON, `\u00`, `\u00`},
		{EscapeJSON, `\`, `\`},
		{EscapeNone, `\x22\n\"`, `\x22\n\"`},
		{EscapeDefault, ``, ``},
	} {
		if got := AppendUnescaped(nil, []byte(c.in), c.escape); string(got) != c.want {
			t.Errorf("escape=%s: %s gave %q, want %q", c.escape, c.in, got, c.want)
		}
	}
}

// FuzzUnescape escapes any bytes as Nginx does and reads them back; the plain bytes taken for escaped ones must not make it fail
// either.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"", "-", "GET / HTTP/1.1", `\x22`, "\x16\x03\x01\x00", "caf\xc3\xa9 \"q\" \\ \x7f\xff\n", `\u001F\"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		for _, e := range []Escape{EscapeDefault, EscapeJSON, EscapeNone} {
			escaped := escapeAs(v, e)
			if got := AppendUnescaped(nil, escaped, e); !bytes.Equal(got, v) {
				t.Errorf("escape=%s: %q became %q and then %q", e, v, escaped, got)
			}
			if e != EscapeNone && !fitsText(escaped, e) {
				t.Errorf("escape=%s: %q is refused", e, escaped)
			}
			// A text that fits is one that Nginx can have written: escaping it again gives the same.
			if back := escapeAs(AppendUnescaped(nil, v, e), e); fitsText(v, e) && !bytes.Equal(back, v) {
				t.Errorf("escape=%s: %q fits, but Nginx would have written %q", e, v, back)
			}
		}
	})
}
