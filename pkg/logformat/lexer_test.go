package logformat

// Shows how text is cut into words and where a block of Lua ends. What nginx 1.22.1 and lua-nginx-module 0.10.23 make of the
// same text was compared with each entry.

import (
	"slices"
	"testing"
)

func TestLexerWords(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		end  byte
		line int // of the byte after the statement
	}{
		{"", nil, 0, 1},
		{" \t\r\n# c", nil, 0, 2},
		{"}", nil, '}', 1},
		{"a;", []string{"a"}, ';', 1},
		{"a{", []string{"a"}, '{', 1},
		{"a b\n\tc ;", []string{"a", "b", "c"}, ';', 2},
		{"a#b # c;\n;", []string{"a#b"}, ';', 2},
		{`a"b' c;`, []string{`a"b'`, "c"}, ';', 1},
		{`"a b" 'c;{' "";`, []string{"a b", "c;{", ""}, ';', 1},
		{"'a\nb';", []string{"a\nb"}, ';', 2},
		{`"a"{`, []string{"a"}, '{', 1},
		{`if ($x = "a") {`, []string{"if", "($x", "=", "a", ")"}, '{', 1},
		{`a ${b}c $d{`, []string{"a", "${b}c", "$d"}, '{', 1},
		{`${a};`, []string{"${a}"}, ';', 1},
		{`$${{ ;`, []string{"$${{"}, ';', 1},
		{`a}b;`, []string{"a}b"}, ';', 1},
		{`a\;b\ c;`, []string{`a\;b\ c`}, ';', 1},
		{`\{;`, []string{`\{`}, ';', 1},
		{`~^/x\.(?<n>\d+)$ ;`, []string{`~^/x\.(?<n>\d+)$`}, ';', 1},
		{`"\"\'\\\t\r\n\x\$";`, []string{"\"'\\\t\r\n\\x\\$"}, ';', 1},
		{"\xC3\xA9\xFF;", []string{"\xC3\xA9\xFF"}, ';', 1},
		{"a\x00b;", []string{"a\x00b"}, ';', 1},
	} {
		l := newLexer("f", []byte(c.text), nil)
		st, err := l.next()
		if err != nil || !slices.Equal(st.words, c.want) || st.end != c.end || l.line != c.line {
			t.Errorf("%q: got %q %q line %d, %v", c.text, st.words, st.end, l.line, err)
		}
	}
}

func TestLexerSkipsLua(t *testing.T) {
	for _, lua := range []string{
		"",
		" local t = { a = { } } ",
		" -- it's } { \"\n x = 1 ",
		` s = "}" .. '{' .. "\"}" .. '\'{' .. "\\" `,
		" s = [[ } { ' ]] .. [==[ ]] ]=] } ]==] ",
		" --[[ } \n { ' ]] x = 1 --[=[ } ]] ]=] ",
		" a = t[1] + t[b[1]] + t[ [[}]] ] ",
		" x = 1 --\n",
		" --[ }\n --[= }\n ---[[ }\n",
		" a = b - { 1 } ",
		" s = \"not closed\n ",
		" s = 'not closed \\\n ",
		" [= ",
		" - ",
	} {
		l := newLexer("f", []byte("x_by_lua_block {"+lua+"} next;"), nil)
		if st, err := l.next(); err != nil || !lexIsLuaBlock(st.words[0]) {
			t.Fatalf("%q: %v", lua, err)
		}
		if err := l.skipLua(); err != nil {
			t.Errorf("%q: %v", lua, err)
			continue
		}
		if st, err := l.next(); err != nil || len(st.words) != 1 || st.words[0] != "next" {
			t.Errorf("%q: ends before %q, %v", lua, st.words, err)
		}
	}
	for _, lua := range []string{"{", "[[ }", "--[==[ ]] }", "-- }", "\"\n", "--", "[==", "-", "'\\"} {
		l := newLexer("f", []byte(lua), nil)
		if err := l.skipLua(); err == nil {
			t.Errorf("%q: taken as closed at byte %d", lua, l.pos)
		}
	}
}
