package logformat

import "bytes"

// AppendUnescaped appends the bytes that the value v of a line stood for before Nginx escaped them, and returns the longer slice.
// It is the exact inverse of ngx_http_log_escape (EscapeDefault) and ngx_escape_json (EscapeJSON); with EscapeNone it copies.
//
// Only what Nginx writes is an escape; all else stays as it is. In the default mode that is \xHH with upper-case digits, for a
// byte that Nginx escapes: \x22 and \x5C, but neither \x5c nor \x41. In JSON mode it is \" \\ \b \f \n \r \t and \u00HH with
// upper-case digits for the other bytes below 0x20. So any bytes come back as they were, and a client can't smuggle in an escape
// of its own: its backslash was itself escaped. A missing value ("-", see Format.Missing) must be told apart before.
func AppendUnescaped(dst, v []byte, e Escape) []byte {
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 || e == EscapeNone {
			return append(dst, v...)
		}
		dst = append(dst, v[:i]...)
		b, n := unescapeOne(v[i:], e)
		if n == 0 {
			b, n = '\\', 1
		}
		dst = append(dst, b)
		v = v[i+n:]
	}
}

// unescapeOne reads the escape at the start of v, which starts with a backslash. n is its length, 0 if Nginx writes no such escape.
func unescapeOne(v []byte, e Escape) (b byte, n int) {
	if e == EscapeJSON {
		return unescapeJSON(v)
	}
	if len(v) < 4 || v[1] != 'x' {
		return 0, 0
	}
	b, ok := upperHex(v[2], v[3])
	if !ok || (b >= 0x20 && b < 0x7f && b != '"' && b != '\\') {
		return 0, 0
	}
	return b, 4
}

// unescapeJSON is unescapeOne for EscapeJSON.
func unescapeJSON(v []byte) (b byte, n int) {
	if len(v) < 2 {
		return 0, 0
	}
	switch v[1] {
	case '"', '\\':
		return v[1], 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		if len(v) < 6 || v[2] != '0' || v[3] != '0' {
			return 0, 0
		}
		b, ok := upperHex(v[4], v[5])
		if !ok || b >= 0x20 || b == '\b' || b == '\f' || b == '\n' || b == '\r' || b == '\t' {
			return 0, 0
		}
		return b, 6
	}
	return 0, 0
}

// upperHex reads two digits of "0123456789ABCDEF".
func upperHex(hi, lo byte) (b byte, ok bool) {
	h, okHi := upperHexDigit(hi)
	l, okLo := upperHexDigit(lo)
	return h<<4 | l, okHi && okLo
}

// upperHexDigit reads one digit of "0123456789ABCDEF".
func upperHexDigit(c byte) (d byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
