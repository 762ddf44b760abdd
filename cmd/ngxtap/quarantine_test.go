// quarantine_test.go shows that the caret stands below the byte where a line stopped fitting, whatever the line holds and however long it
// is, and that nothing of a line reaches a terminal as it is that could harm it.
package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"ngxtap/pkg/schema"
)

func TestPointAt(t *testing.T) {
	f := func(name, raw string, column int, text, mark string) {
		t.Helper()
		gotText, gotMark := pointAt([]byte(raw), column, 40)
		if gotText != text || gotMark != mark {
			t.Errorf("%s:\ngot  %q\n     %q\nwant %q\n     %q", name, gotText, gotMark, text, mark)
		}
	}
	f("first byte", "abc", 0, "abc", "^")
	f("in the middle", "abc", 1, "abc", " ^")
	f("at the end", "abc", 3, "abc", "   ^")
	f("empty line", "", 0, "", "^")
	f("not known", "abc", -1, "abc", "")
	f("behind what was kept", "abc", 4, "abc", "")
	f("after an escape", "a\x1b[31mb", 6, `a\u001b[31mb`, "           ^")
	f("at an escape", "a\x1bb", 1, `a\u001bb`, " ^")
	f("tab and newline", "\t\nb", 2, `\t\nb`, "    ^")
	f("DEL and C1", "\x7f\u009bb", 3, `\u007f\u009bb`, "            ^")
	f("not UTF-8", "\xff\xfeb", 2, `\xff\xfeb`, "        ^")
	f("two bytes, one column", "äöb", 4, "äöb", "  ^")
	f("in the middle of a character", "äöb", 3, "äöb", " ^")
	f("wide", "日本b", 6, "日本b", "    ^")
	f("emoji", "😀b", 4, "😀b", "  ^")
	f("combining", "e\u0301b", 3, "e\u0301b", " ^")
	f("turned around", "\u202eb", 3, `\u202eb`, "      ^")
	f("long, far in", strings.Repeat("x", 100)+"!"+strings.Repeat("y", 100), 100,
		"…"+strings.Repeat("x", 25)+"!"+strings.Repeat("y", 12)+"…", strings.Repeat(" ", 26)+"^")
	f("long, near its start", "ab!"+strings.Repeat("y", 100), 2, "ab!"+strings.Repeat("y", 35)+"…", "  ^")
	f("long, at its end", strings.Repeat("x", 100), 100, "…"+strings.Repeat("x", 38), strings.Repeat(" ", 39)+"^")
	f("long and wide", strings.Repeat("日", 100), 150, "…"+strings.Repeat("日", 19)+"…", strings.Repeat(" ", 25)+"^")
	f("long, not known", strings.Repeat("x", 1_000_000), -1, strings.Repeat("x", 38)+"…", "")
}

// TestPointAtAnything: for any bytes the text is bounded and can be printed, and the caret stands below the character that has the byte.
func TestPointAtAnything(t *testing.T) {
	pieces := []string{"a", " ", "\x00", "\x1b]0;x\x07", "\xff", "é", "日", "😀", "\u0301", "\u202e", "\u009b", "\t", "\u200b", "\xe2\x82"}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var b strings.Builder
		for range rnd.IntN(200) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		raw := b.String() + "!" // what the caret is to point at
		column := len(raw) - 1
		for range rnd.IntN(100) {
			raw += pieces[rnd.IntN(len(pieces))]
		}
		text, mark := pointAt([]byte(raw), column, 60)
		if string(appendPrintable(nil, []byte(text), "")) != text || !utf8.ValidString(text) {
			t.Fatalf("%q holds what can't be printed", text)
		}
		width := 0
		rest := text
		for rest != "" && !strings.HasPrefix(rest, "!") {
			r, n := utf8.DecodeRuneInString(rest)
			width += runeWidth(r)
			rest = rest[n:]
		}
		if rest == "" || len(mark) != width+1 || width > 60 {
			t.Fatalf("line %q\n%s\n%s", raw, text, mark)
		}
	}
}

// TestKindOf: lines from before they were encrypted are still read; those of an ngxtap to come are refused and not left out.
func TestKindOf(t *testing.T) {
	newer := strings.Replace(schema.QuarantinedLine, `"raw_key"`, `"raw_key_2"`, 1)
	for text, want := range map[string]recordKind{schema.QuarantinedLine: lineRecord, schema.QuarantinedLine1: lineRecord, schema.QuarantineReplayed: doneRecord, `"int"`: foreignRecord} {
		if kind, err := kindOf(text); err != nil || kind != want {
			t.Errorf("%.60s…: kind %d, %v, want %d", text, kind, err, want)
		}
	}
	if kind, err := kindOf(newer); err == nil {
		t.Errorf("a record of an ngxtap to come is of kind %d", kind)
	}
	d, err := schema.Compare(schema.QuarantinedLine1, schema.QuarantinedLine)
	if err != nil || d.Class != schema.ClassFull {
		t.Errorf("the change of the record is %v, %v, want full", d.Class, err)
	}
}
