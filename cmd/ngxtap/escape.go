package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Log lines, and the names of files in folders that others can write, may hold control characters that move a terminal's cursor,
// set its title, or make lines of text that we never wrote. All that is printed for people passes through here; events are
// JSON, which escapes them by itself.

// escaper writes to w what can be printed and newlines, and escapes the rest as JSON does, so that JSON stays what it is.
type escaper struct{ w io.Writer }

// Write implements io.Writer.
func (e escaper) Write(b []byte) (int, error) {
	if _, err := e.w.Write(appendPrintable(nil, b, "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}

// oneLine returns s without control characters and newlines, for a name or a text in the middle of a line.
func oneLine(s string) string { return string(appendPrintable(nil, []byte(s), "")) }

// indented returns a text of perhaps several lines so that only its first begins at the left: a name in it can't make a line of its own.
func indented(s string) string { return strings.ReplaceAll(s, "\n", "\n  ") }

// appendPrintable appends b to dst and escapes what is neither printable nor in keep.
func appendPrintable(dst, b []byte, keep string) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, b[0])
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			dst = append(dst, b[:n]...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				dst = fmt.Appendf(dst, `\u%04x`, u)
			}
		}
		b = b[n:]
	}
	return dst
}
