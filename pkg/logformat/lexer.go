package logformat

import (
	"bytes"
	"fmt"
	"strings"
)

// lexWindow is Nginx's NGX_CONF_BUFFER: a word must begin and end within so many bytes.
const lexWindow = 4096

// lexStatement is what stands before a ";" or "{", a lone "}", or the end of the file.
type lexStatement struct {
	words []string // quotes and escapes resolved; empty for "}" and at the end of the file
	line  int      // of the first word, counted from 1; of the "}"
	end   byte     // ';', '{', '}', or 0 at the end of the file
}

// lexer cuts a configuration file into statements, by the rules of ngx_conf_read_token.
type lexer struct {
	file string
	data []byte
	pos  int // of the next byte
	line int // of the next byte, counted from 1
	mark int // where Nginx would keep its buffer from: see get

	warn func(line int, what string)
}

func newLexer(file string, data []byte, warn func(line int, what string)) *lexer {
	return &lexer{file: file, data: data, line: 1, warn: warn}
}

// errorf returns an error at the given line of the lexer's file.
func (l *lexer) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", l.file, line, fmt.Errorf(format, args...))
}

// next returns the next statement.
func (l *lexer) next() (lexStatement, error) {
	st := lexStatement{}
	l.mark = l.pos
	for {
		c, ok, err := l.skipBlank()
		if err != nil {
			return st, err
		}
		if !ok {
			if len(st.words) == 0 {
				return st, nil
			}
			return st, l.errUnended(st, st.words[0])
		}
		if len(st.words) == 0 {
			st.line = l.line
		}
		var end byte
		switch c {
		case ';', '{':
			if len(st.words) == 0 {
				return st, l.errorf(l.line, `unexpected %q; remove it, or write the directive before it`, string(c))
			}
			end = c
		case '}':
			if len(st.words) != 0 {
				return st, l.errorf(l.line, `unexpected "}"; end the directive %q of line %d with ";"`, st.words[0], st.line)
			}
			st.end = c
			return st, nil
		default:
			if end, err = l.word(c, &st); err != nil {
				return st, err
			}
		}
		if end == ';' || end == '{' {
			st.end = end
			return st, nil
		}
	}
}

// get returns the next byte, or false at the end of the file. Nginx reads through a buffer of lexWindow bytes that must hold
// everything from the start of the current word on; where that does not fit it gives up, and so does get.
func (l *lexer) get() (byte, bool, error) {
	if l.pos == len(l.data) {
		return 0, false, nil
	}
	if l.pos-l.mark >= lexWindow {
		return 0, false, l.errTooLong()
	}
	c := l.data[l.pos]
	l.pos++
	if c == '\n' {
		l.line++
	}
	return c, true, nil
}

// skipBlank goes past blanks and comments and consumes and returns the byte that begins the next word. No newline is
// consumed after the blanks, so l.line is the line of that byte.
func (l *lexer) skipBlank() (byte, bool, error) {
	for {
		c, ok, err := l.get()
		if !ok || err != nil {
			return 0, false, err
		}
		l.mark = l.pos - 1
		switch {
		case lexIsBlank(c):
		case c == '#':
			l.skipComment()
		default:
			return c, true, nil
		}
	}
}

// skipComment goes to the end of the line or of the file. Nginx holds comments in the same buffer as words and refuses a long
// one; nothing is lost by reading on.
func (l *lexer) skipComment() {
	n := bytes.IndexByte(l.data[l.pos:], '\n')
	if n < 0 {
		n = len(l.data) - l.pos
	}
	l.pos += n
	if l.pos-l.mark >= lexWindow && l.pos < len(l.data) {
		l.warn(l.line, fmt.Sprintf("a comment of %d bytes, Nginx refuses more than %d; cut the line", l.pos-l.mark, lexWindow-1))
	}
	l.mark = l.pos
}

// word reads a word that begins with c, which is consumed already, and appends it to st. It returns the ";" or "{" that ended
// the word and with it the statement, else 0.
func (l *lexer) word(c byte, st *lexStatement) (byte, error) {
	if c == '"' || c == '\'' {
		return l.quoted(c, st)
	}
	return l.bare(c, st)
}

// bare reads a word without quotes. Only a blank, ";" and "{" end it; "${" does not, and quotes, "#" and "}" inside are
// ordinary.
func (l *lexer) bare(c byte, st *lexStatement) (byte, error) {
	start := l.pos - 1
	escaped, dollar := c == '\\', c == '$'
	for {
		c, ok, err := l.get()
		if err != nil {
			return 0, err
		}
		if !ok {
			name := lexUnescape(l.data[start:])
			if len(st.words) > 0 {
				name = st.words[0]
			}
			return 0, l.errUnended(*st, name)
		}
		switch {
		case escaped:
			escaped = false
		case c == '{' && dollar: // "${" and, as Nginx has it, "${{"
		case c == '\\':
			escaped, dollar = true, false
		case lexIsBlank(c) || c == ';' || c == '{':
			st.words = append(st.words, lexUnescape(l.data[start:l.pos-1]))
			return c, nil
		default:
			dollar = c == '$'
		}
	}
}

// quoted reads the rest of a word in quotes q and looks at what follows it: a blank, ";", "{", or the ")" of an if.
func (l *lexer) quoted(q byte, st *lexStatement) (byte, error) {
	start, line := l.pos, l.line
	l.mark = start
	for escaped := false; ; {
		c, ok, err := l.get()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, l.errorf(line, "unexpected end of file: the quote (%c) opened here is never closed; close it", q)
		}
		if c == q && !escaped {
			break
		}
		escaped = c == '\\' && !escaped
	}
	st.words = append(st.words, lexUnescape(l.data[start:l.pos-1]))

	line = l.line
	c, ok, err := l.get()
	switch {
	case err != nil || !ok:
		return 0, err
	case lexIsBlank(c) || c == ';' || c == '{':
		return c, nil
	case c == ')':
		l.pos-- // it begins a word of its own
		return 0, nil
	}
	return 0, l.errorf(line, "unexpected %q after the closing quote (%c); put a space or \";\" between, or write \\%c for a quote inside the string",
		l.data[l.pos-1:l.pos], q, q)
}

func (l *lexer) errUnended(st lexStatement, name string) error {
	return l.errorf(l.line, `unexpected end of file, expecting ";" or "}"; end the directive %q of line %d with ";"`, lexShort(name), st.line)
}

// errTooLong is at the line where the word begins: a quote forgotten there is the usual cause.
func (l *lexer) errTooLong() error {
	line := l.line - bytes.Count(l.data[l.mark:l.pos], []byte{'\n'})
	return l.errorf(line, `too long parameter %q, Nginx takes %d bytes; close its quote, or split the string into several`,
		lexShort(string(l.data[l.mark:l.mark+64])), lexWindow-1)
}

// lexShort keeps error messages to a line.
func lexShort(s string) string {
	if len(s) <= 40 {
		return s
	}
	return s[:40] + "…"
}

func lexIsBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// lexUnescape resolves \" \' \\ \t \r \n. A backslash before anything else stays, as regular expressions need it.
func lexUnescape(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' && i+1 < len(raw) {
			switch next := raw[i+1]; next {
			case '"', '\'', '\\':
				c, i = next, i+1
			case 't':
				c, i = '\t', i+1
			case 'r':
				c, i = '\r', i+1
			case 'n':
				c, i = '\n', i+1
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

// lexIsLuaBlock tells whether the block of this directive holds Lua source, which the lexer of nginx.conf can't read: the
// *_by_lua_block directives of lua-nginx-module and stream-lua-nginx-module.
func lexIsLuaBlock(name string) bool { return strings.HasSuffix(name, "_by_lua_block") }

// skipLua goes past a block of Lua whose "{" is consumed, to behind its "}". As lua-nginx-module does, it counts braces
// outside of strings ("…", '…', [[…]], [=[…]=]) and comments (--…, --[[…]]).
func (l *lexer) skipLua() error {
	open := l.line
	for depth := 1; l.pos < len(l.data); {
		c := l.data[l.pos]
		l.pos++
		var err error
		switch c {
		case '\n':
			l.line++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return nil
			}
		case '"', '\'':
			l.skipLuaString(c)
		case '[':
			_, err = l.skipLuaLong()
		case '-':
			err = l.skipLuaComment()
		}
		if err != nil {
			return err
		}
	}
	return l.errorf(open, `unexpected end of file: the Lua block opened here is never closed; check its braces, quotes and long brackets`)
}

// skipLuaString goes past the closing quote q. Where that is not on the line there is no string, only a quote (the Lua is wrong
// then, but nginx -t does not notice).
func (l *lexer) skipLuaString(q byte) {
	for i := l.pos; i < len(l.data) && l.data[i] != '\n'; i++ {
		switch l.data[i] {
		case q:
			l.pos = i + 1
			return
		case '\\':
			if i++; i < len(l.data) && l.data[i] == '\n' {
				return
			}
		}
	}
}

// skipLuaLong goes past a long bracket if the "[" just consumed opens one, and tells whether it did.
func (l *lexer) skipLuaLong() (bool, error) {
	level := 0
	for l.pos+level < len(l.data) && l.data[l.pos+level] == '=' {
		level++
	}
	if l.pos+level == len(l.data) || l.data[l.pos+level] != '[' {
		return false, nil // an index: t[1]
	}
	closing := []byte("]" + strings.Repeat("=", level) + "]")
	body := l.data[l.pos+level+1:]
	n := bytes.Index(body, closing)
	if n < 0 {
		return false, l.errorf(l.line, "unexpected end of file: the Lua long bracket opened here is never closed; close it with %s", closing)
	}
	l.line += bytes.Count(body[:n], []byte{'\n'})
	l.pos += level + 1 + n + len(closing)
	return true, nil
}

// skipLuaComment goes past a comment if the "-" just consumed begins one. The newline after a "--" comment stays.
func (l *lexer) skipLuaComment() error {
	if l.pos == len(l.data) || l.data[l.pos] != '-' {
		return nil
	}
	l.pos++
	if l.pos < len(l.data) && l.data[l.pos] == '[' {
		l.pos++
		if long, err := l.skipLuaLong(); long || err != nil {
			return err
		}
	}
	if n := bytes.IndexByte(l.data[l.pos:], '\n'); n >= 0 {
		l.pos += n
	} else {
		l.pos = len(l.data)
	}
	return nil
}
