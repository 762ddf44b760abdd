package avro

import "bytes"

// Secrets are found by the names before them, and names can be spelled in many ways: with %XX, as arrays (token[]), with the escapes of
// JSON and JavaScript where a program took a URL out of a text, or as keys of JSON in a value.

// maxParameter is how much of a parameter's name is looked at: its end, since that is what the rules look for.
const maxParameter = 64

// secretParameters are names of parameters whose values are secret, and secretEndings the ends of such names; "_" in them is any of _ - . + and
// a blank.
var (
	secretParameters = map[string]bool{
		"sig": true, "pwd": true, "pass": true, "key": true, "code": true, "auth": true, "authorization": true, "session": true, "sessionid": true,
		"session_id": true, "sid": true, "jsessionid": true, "phpsessid": true, "jwt": true, "otp": true, "assertion": true, "credential": true,
		"x_amz_credential": true,
	}
	secretEndings = []string{"token", "secret", "password", "passwd", "passphrase", "signature", "apikey", "api_key", "access_key", "accesskey", "private_key", "secret_key",
		"sessionid", "session_id", "session_key", "subscription_key", "assertion", "token_hint", "samlresponse", "passcode", "password1", "password2", "password_confirmation"}
)

// mayEnd says which bytes a secret name can end in, in either case: most names are ruled out by it. Those with a byte of mayBe are looked at
// more closely.
var mayEnd, mayBe = func() (last, odd [256]bool) {
	note := func(name string) {
		c := name[len(name)-1]
		last[c] = true
		if c >= 'a' {
			last[c-'a'+'A'] = true
		}
	}
	for name := range secretParameters {
		note(name)
	}
	for _, name := range secretEndings {
		note(name)
	}
	for _, c := range []byte("%\\[]" + aroundNames) {
		odd[c] = true
	}
	return last, odd
}()

// aroundNames is what may stand around a name, and what servers take away.
const aroundNames = " \t\r\n\x00+.\"'<>"

// around has the bytes of aroundNames: bytes.Trim makes such a set for each call.
var around = func() (set [256]bool) {
	for _, c := range []byte(aroundNames) {
		set[c] = true
	}
	return set
}()

// parameter tells whether the value of a parameter is secret. name is as the client wrote it. Of an array, user[password] or token[], each part
// counts.
func (s *Secrets) parameter(name []byte) bool {
	n := len(name)
	if n == 0 || !mayEnd[name[n-1]] && !isOdd(name) {
		return false
	}
	var buf [maxParameter]byte
	whole := appendParameterName(buf[:0], name)
	if s.keep[string(whole)] {
		return false
	}
	if isSecretName(whole) {
		return true
	}
	from, parts := 0, false
	for i := 0; i < n; {
		c, size := decodeAt(name, i)
		if c == '[' || c == ']' {
			if s.secretPart(buf[:0], name[from:i]) {
				return true
			}
			from, parts = i+size, true
		}
		i += size
	}
	return parts && s.secretPart(buf[:0], name[from:])
}

// secretPart is parameter for a part of an array's name. buf is memory to work in.
func (s *Secrets) secretPart(buf, name []byte) bool {
	part := appendParameterName(buf, name)
	return !s.keep[string(part)] && isSecretName(part)
}

func isOdd(name []byte) bool {
	for _, c := range name {
		if mayBe[c] {
			return true
		}
	}
	return false
}

// isSecretName tells whether a name that was decoded is secret. It writes into it.
func isSecretName(name []byte) bool {
	for len(name) > 0 && around[name[0]] {
		name = name[1:]
	}
	for len(name) > 0 && around[name[len(name)-1]] {
		name = name[:len(name)-1]
	}
	for i, c := range name {
		if c == '-' || c == '.' || c == '+' || c == ' ' {
			name[i] = '_'
		}
	}
	if secretParameters[string(name)] {
		return true
	}
	for _, end := range secretEndings {
		if len(name) >= len(end) && string(name[len(name)-len(end):]) == end {
			return true
		}
	}
	return false
}

// appendParameterName appends the name decoded and in lower case, or its last maxParameter bytes.
func appendParameterName(dst, name []byte) []byte {
	if len(name) > maxParameter {
		name = name[len(name)-maxParameter:]
	}
	for i := 0; i < len(name); {
		c, size := decodeAt(name, i)
		dst = append(dst, lower(c))
		i += size
	}
	return dst
}

// decodeAt returns the byte that stands at i of s, and in how many bytes: %XX, %u00XX (of IIS), \u00XX and \/ (of JSON), \xXX (of JavaScript), or
// just that byte.
func decodeAt(s []byte, i int) (c byte, size int) {
	c = s[i]
	if c != '%' && c != '\\' {
		return c, 1
	}
	rest := s[i+1:]
	switch {
	case len(rest) >= 5 && (rest[0] == 'u' || rest[0] == 'U') && rest[1] == '0' && rest[2] == '0':
		if b, ok := unhex(rest[3], rest[4]); ok {
			return b, 6
		}
	case c == '%' && len(rest) >= 2:
		if b, ok := unhex(rest[0], rest[1]); ok {
			return b, 3
		}
	case c == '\\' && len(rest) >= 3 && rest[0] == 'x':
		if b, ok := unhex(rest[1], rest[2]); ok {
			return b, 4
		}
	case c == '\\' && len(rest) >= 1 && rest[0] == '/':
		return '/', 2
	}
	return c, 1
}

// hidesMore tells whether a sign is encoded in s that a URL with secrets, or JSON with them, needs.
func hidesMore(s []byte) bool {
	slash := false
	for i := 0; i < len(s); {
		c, size := decodeAt(s, i)
		if size > 1 {
			switch c {
			case '=', '@', '%', '?', '&', '#', ';', '"', '\'', '\\':
				return true
			case '/':
				slash = true
			}
		}
		i += size
	}
	return slash && bytes.IndexByte(s, '@') >= 0 // https:%2F%2Fuser:password@host
}

// appendDecoded appends s decoded.
func appendDecoded(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		c, size := decodeAt(s, i)
		dst = append(dst, c)
		i += size
	}
	return dst
}

// keySecret returns where in s the value of a secret key of JSON begins, or -1. What begins there is a secret up to the end.
func (r *redactor) keySecret(s []byte) int {
	for at := 0; ; at++ {
		n := bytes.IndexByte(s[at:], ':')
		if n < 0 {
			return -1
		}
		at += n
		name := bytes.TrimRight(s[max(0, at-2*maxParameter):at], " \t")
		if len(name) < 2 || name[len(name)-1] != '"' && name[len(name)-1] != '\'' {
			continue
		}
		name = bytes.TrimSuffix(name[:len(name)-1], []byte{'\\'})
		if i := bytes.LastIndexAny(name, `"'`); i >= 0 {
			name = name[i+1:]
		}
		if r.secretKey(name) {
			return at + 1
		}
	}
}

// secretKey tells whether what a name and a colon announce is secret: a header or a parameter.
func (r *redactor) secretKey(name []byte) bool {
	var buf [maxParameter]byte
	switch r.header(appendParameterName(buf[:0], name)) {
	case wholeSecret, cookieSecrets, setCookieSecrets, oneAddress, addressList, forwardedList:
		return true
	}
	return r.parameter(name)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// unhex returns the byte that two hexadecimal digits stand for.
func unhex(hi, lo byte) (b byte, ok bool) {
	h, okHi := hexDigit(hi)
	l, okLo := hexDigit(lo)
	return h<<4 | l, okHi && okLo
}

func hexDigit(c byte) (d byte, ok bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
