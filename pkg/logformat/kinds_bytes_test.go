package logformat

// Shows which bytes a text and a word may hold in each mode.

import "testing"

func TestFitsText(t *testing.T) {
	for _, c := range []struct {
		escape Escape
		in     string
		ok     bool
	}{
		{EscapeDefault, `a b \x22 \xFF`, true},
		{EscapeDefault, `a"b`, false},
		{EscapeDefault, `a"b\x22`, false},
		{EscapeDefault, `\x22a"b`, false},
		{EscapeDefault, `\x2`, false},
		{EscapeDefault, `\n`, false},
		{EscapeDefault, "é", false},
		{EscapeJSON, `a b \" \\ \u001F é`, true},
		{EscapeJSON, `a"b\\`, false},
		{EscapeJSON, `\\a"b`, false},
		{EscapeJSON, `\`, false},
		{EscapeJSON, `\x22`, false},
		{EscapeJSON, "\t", false},
		{EscapeNone, "a\"b\\\t\xff", true},
		{EscapeNone, "a\nb", false},
	} {
		if got := fits(Text, []byte(c.in), c.escape); got != c.ok {
			t.Errorf("escape=%s: %q: %v", c.escape, c.in, got)
		}
	}
	for in, want := range map[string]bool{"192.0.2.1": true, "": true, "-": true, "a b": false, `a"b`: false, `a\b`: false, "a\x7f": false, "é": false} {
		if got := fits(Token, []byte(in), EscapeNone); got != want {
			t.Errorf("word %q: %v", in, got)
		}
	}
}
