package avro

import (
	"bytes"

	"ngxtap/pkg/logformat"
)

// Cookies are treated one by one: their names stay, and so do the attributes of Set-Cookie. A text that is not made of cookies is one
// secret.

// maxCookieName is the longest name of a cookie, and longLonely the longest of one without a value, in bytes: what is longer is more likely
// a secret that stands in the wrong place.
const (
	maxCookieName = 64
	longLonely    = 32
)

// appendCookies appends the value of Cookie with the values of its cookies replaced.
func (r *redactor) appendCookies(dst, v []byte) []byte {
	for rest, more := v, true; more; {
		var piece []byte
		piece, rest, more = bytes.Cut(rest, []byte{';'})
		if piece = bytes.Trim(piece, " "); len(piece) > 0 && cookieName(piece) < 0 {
			return r.appendSecret(dst, v)
		}
	}
	for {
		end := bytes.IndexByte(v, ';')
		if end < 0 {
			return r.appendCookie(dst, v)
		}
		dst = append(r.appendCookie(dst, v[:end]), ';')
		v = v[end+1:]
	}
}

// appendCookie appends name=value with the value replaced. Blanks around it stay.
func (r *redactor) appendCookie(dst, piece []byte) []byte {
	text := bytes.TrimLeft(piece, " ")
	dst = append(dst, piece[:len(piece)-len(text)]...)
	n := bytes.IndexByte(text, '=')
	if n < 0 || r.keepsCookie(text[:n]) && !holdsAnother(text[n+1:]) {
		return append(dst, text...)
	}
	return r.appendSecret(append(dst, text[:n+1]...), bytes.TrimRight(text[n+1:], " "))
}

func (r *redactor) keepsCookie(name []byte) bool {
	if len(r.cookies) == 0 {
		return false
	}
	var buf [maxCookieName]byte
	low := buf[:0]
	for _, c := range name {
		low = append(low, lower(c))
	}
	return r.cookies[string(low)]
}

// holdsAnother tells whether the value of a cookie looks as if another cookie had come into it: proxies join headers with commas.
func holdsAnother(value []byte) bool {
	for at := 0; ; at++ {
		n := bytes.IndexByte(value[at:], '=')
		if n < 0 {
			return false
		}
		at += n
		if i := bytes.LastIndexAny(value[:at], ", \t\""); i >= 0 && logformat.IsToken(value[i+1:at]) {
			return true
		}
	}
}

// cookieName returns the length of the name in name=value, or -1 if that is no cookie. Text in Base64 is none: it ends in "=".
func cookieName(piece []byte) int {
	n := bytes.IndexByte(piece, '=')
	if n <= 0 || n > maxCookieName || !logformat.IsToken(piece[:n]) {
		return -1
	}
	value := piece[n+1:]
	switch {
	case len(value) == 0 && n > longLonely:
		return -1
	case len(value) > 0 && value[0] == '=':
		return -1
	case len(value) > 0 && value[0] == '"' && (len(value) == 1 || value[len(value)-1] != '"'): // the semicolon was within quotes
		return -1
	}
	return n
}

// nextSetCookie cuts the first of several Set-Cookie values that Nginx 1.23 and later join with ", ". A date has such a comma too, but no
// name and "=" behind it.
func nextSetCookie(v []byte) (item, rest []byte, more bool) {
	for at := 0; ; {
		n := bytes.Index(v[at:], []byte(", "))
		if n < 0 {
			return v, nil, false
		}
		at += n + 2
		if end := bytes.IndexAny(v[at:], "=;,"); end > 0 && v[at+end] == '=' && logformat.IsToken(v[at:at+end]) {
			return v[:at-2], v[at:], true
		}
	}
}

// appendSetCookies appends the value of Set-Cookie, or several joined, with the values of the cookies replaced.
func (r *redactor) appendSetCookies(dst, v []byte) []byte {
	for {
		item, rest, more := nextSetCookie(v)
		dst = r.appendSetCookie(dst, item)
		if !more {
			return dst
		}
		dst = append(dst, ", "...)
		v = rest
	}
}

func (r *redactor) appendSetCookie(dst, v []byte) []byte {
	first, attributes, _ := bytes.Cut(v, []byte{';'})
	if len(first) > 0 && cookieName(bytes.Trim(first, " ")) < 0 {
		return r.appendSecret(dst, v)
	}
	for rest, more := attributes, true; more; {
		var piece []byte
		piece, rest, more = bytes.Cut(rest, []byte{';'})
		if piece = bytes.Trim(piece, " "); len(piece) > 0 && !isAttribute(piece) {
			return r.appendSecret(dst, v)
		}
	}
	return append(r.appendCookie(dst, first), v[len(first):]...)
}

// isAttribute tells whether piece is an attribute of a cookie that holds nothing else.
func isAttribute(piece []byte) bool {
	name, value, hasValue := bytes.Cut(piece, []byte{'='})
	var buf [16]byte
	if len(name) > len(buf) {
		return false
	}
	low := buf[:0]
	for _, c := range name {
		low = append(low, lower(c))
	}
	switch string(low) {
	case "secure", "httponly", "partitioned":
		return !hasValue || len(value) == 0
	case "expires":
		return hasValue && len(value) <= 40 && only(value, " ,:-+", true)
	case "max-age":
		return hasValue && len(value) <= 20 && only(value, "-", false)
	case "domain":
		return hasValue && len(value) <= 255 && only(value, ".-:[]", true)
	case "path":
		return hasValue && len(value) <= 1024 && only(value, "/._-~%+@!", true)
	case "samesite", "priority":
		return hasValue && len(value) <= 16 && only(value, "", true)
	}
	return false
}

// only tells whether v is made of digits, the bytes of others, and letters if they are allowed.
func only(v []byte, others string, letters bool) bool {
	for _, c := range v {
		switch {
		case c-'0' < 10, letters && (c-'a' < 26 || c-'A' < 26):
		case bytes.IndexByte([]byte(others), c) >= 0:
		default:
			return false
		}
	}
	return true
}
