package avro

import "bytes"

// maxParameter is how much of a parameter's name is looked at: its end, since that is what the rules look for.
const maxParameter = 64

// secretParameters are names of parameters whose values are secret, and secretEndings the ends of such names.
var (
	secretParameters = map[string]bool{
		"sig": true, "passwd": true, "passphrase": true, "pwd": true, "pass": true, "key": true, "code": true, "auth": true,
		"authorization": true, "session": true, "sessionid": true, "session_id": true, "session-id": true, "sid": true,
		"jsessionid": true, "phpsessid": true, "jwt": true, "otp": true, "assertion": true, "credential": true, "x-amz-credential": true,
	}
	secretEndings = []string{"token", "secret", "password", "signature", "apikey", "api_key", "api-key", "access_key", "accesskey", "private_key", "secret_key"}
)

// secretLast says which bytes a name can end in that is secret as it stands, in either case: most names are ruled out by it. A name
// that ends in a bracket or in %XX may still turn into a secret one.
var secretLast = func() (last [256]bool) {
	note := func(name string) {
		c := name[len(name)-1]
		last[c], last[c-'a'+'A'] = true, true
	}
	for name := range secretParameters {
		note(name)
	}
	for _, name := range secretEndings {
		note(name)
	}
	last[']'] = true
	return last
}()

// parameter tells whether the value of a parameter is secret. name is as the client wrote it: case does not matter, %XX is decoded,
// and the bracket of user[password] does not hide the name.
func (s *Secrets) parameter(name []byte) bool {
	n := len(name)
	if n == 0 || !secretLast[name[n-1]] && (n < 3 || name[n-3] != '%') {
		return false
	}
	var buf [maxParameter]byte
	name = bytes.TrimSuffix(appendParameterName(buf[:0], name), []byte("]"))
	if s.keep[string(name)] {
		return false
	}
	if secretParameters[string(name)] {
		return true
	}
	if i := bytes.LastIndexByte(name, '['); i >= 0 && secretParameters[string(name[i+1:])] {
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
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '%' && i+2 < len(name) {
			if b, ok := unhex(name[i+1], name[i+2]); ok {
				c = b
				i += 2
			}
		}
		dst = append(dst, lower(c))
	}
	return dst
}

// maxNesting is how many times a URL may be encoded within another. What is encoded more often counts as a secret.
const maxNesting = 3

// appendRedacted appends s with the values of its secret parameters, and the passwords in its URLs, replaced. inQuery says that s begins
// with a parameter. A value ends only at "&": whatever else a client puts into a secret is better hidden with it than left in clear
// text. A parameter in whose value secrets are encoded is replaced as a whole. changed is false if s holds no secret; dst is returned as it
// was then.
func (r *redactor) appendRedacted(dst, s []byte, inQuery bool) (out []byte, changed bool) {
	return r.redactURL(dst, s, inQuery, 0)
}

func (r *redactor) redactURL(dst, s []byte, inQuery bool, depth int) (out []byte, changed bool) {
	if bytes.IndexByte(s, '@') >= 0 {
		if depth > 0 { // only whether there is a secret matters, and r.users may be in use
			if _, changed = r.appendUsers(dst, s, inQuery); changed {
				return dst, true
			}
		} else if users, ok := r.appendUsers(r.users[:0], s, inQuery); ok {
			r.users, s, changed = users, users, true
		}
	}
	percent := bytes.IndexByte(s, '%') >= 0
	if !percent && bytes.IndexByte(s, '=') < 0 {
		if changed {
			dst = append(dst, s...)
		}
		return dst, changed
	}
	start := len(dst)
	copied := 0 // what of s is appended already
	for at := 0; at < len(s); {
		end := len(s)
		if n := indexSeparator(s[at:]); n >= 0 {
			end = at + n
		}
		value := end // of this parameter; its end without one
		if n := bytes.IndexByte(s[at:end], '='); n >= 0 {
			value = at + n + 1
		}
		secret := value < end && (inQuery || at > 0) && r.parameter(bytes.TrimLeft(s[at:value-1], " \t\"'<"))
		switch {
		case secret:
			if end = len(s); bytes.IndexByte(s[value:], '&') >= 0 {
				end = value + bytes.IndexByte(s[value:], '&')
			}
		case percent && r.encodesSecret(dst, s[at:end], depth):
			if value == end || hidesMore(s[at:value-1]) { // it may stand in what looks like the name
				value = at
			}
			secret = true
		}
		if secret {
			dst = append(dst, s[copied:value]...)
			dst = r.appendSecret(dst, s[value:end])
			copied, changed = end, true
		}
		at = end + 1
	}
	if !changed {
		return dst[:start], false
	}
	return append(dst, s[copied:]...), true
}

// indexSeparator returns where the next of ? & # ; stands, or -1.
func indexSeparator(s []byte) int {
	for i, c := range s {
		if c == '?' || c == '&' || c == '#' || c == ';' {
			return i
		}
	}
	return -1
}

// encodesSecret tells whether s, decoded, holds secrets. dst is memory to work in behind its end.
func (r *redactor) encodesSecret(dst, s []byte, depth int) bool {
	if !hidesMore(s) {
		return false
	}
	if depth == maxNesting {
		return true
	}
	r.decoded[depth] = appendDecoded(r.decoded[depth][:0], s)
	plain := r.decoded[depth]
	if _, secret := r.redactURL(dst, plain, true, depth+1); secret {
		return true
	}
	if i := bytes.IndexByte(plain, '='); i >= 0 { // name=token%3Dv
		_, secret := r.redactURL(dst, plain[i+1:], true, depth+1)
		return secret
	}
	return false
}

// hidesMore tells whether a sign that a URL needs is encoded in s: = @ or %.
func hidesMore(s []byte) bool {
	for {
		i := bytes.IndexByte(s, '%')
		if i < 0 || i+2 >= len(s) {
			return false
		}
		if c, ok := unhex(s[i+1], s[i+2]); ok && (c == '=' || c == '@' || c == '%') {
			return true
		}
		s = s[i+1:]
	}
}

// appendDecoded appends s with %XX decoded.
func appendDecoded(dst, s []byte) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' && i+2 < len(s) {
			if b, ok := unhex(s[i+1], s[i+2]); ok {
				c = b
				i += 2
			}
		}
		dst = append(dst, c)
	}
	return dst
}

// appendUsers appends s with the passwords in its URLs replaced: the user's name stays, or, without a password, is taken for one. found is
// false if there are none.
func (r *redactor) appendUsers(dst, s []byte, inQuery bool) (out []byte, found bool) {
	copied := 0
	for at := 0; ; {
		begin, least := at, 1 // what begins with user:password@ may be the target of CONNECT
		if at > 0 || inQuery {
			n := bytes.Index(s[at:], []byte("//"))
			if n < 0 {
				break
			}
			begin, least = at+n+2, 0
		}
		end := len(s)
		if n := bytes.IndexAny(s[begin:], "/?# \"<>"); n >= 0 {
			end = begin + n
		}
		if n := bytes.LastIndexByte(s[begin:end], '@'); n >= least {
			user := s[begin : begin+n]
			colon := bytes.IndexByte(user, ':')
			if colon >= 0 || least == 0 {
				secret := begin + colon + 1
				dst = append(dst, s[copied:secret]...)
				dst = r.appendSecret(dst, s[secret:begin+n])
				copied, found = begin+n, true
			}
		}
		if at == 0 && !inQuery {
			at = 1
			if len(s) > 1 && s[0] == '/' && s[1] == '/' {
				at, inQuery = 0, true // a URL without a scheme
			}
			continue
		}
		at = begin
	}
	if !found {
		return dst, false
	}
	return append(dst, s[copied:]...), true
}

// isForm tells whether v can be a form of the type application/x-www-form-urlencoded: anything else has no parameters.
func isForm(v []byte) bool {
	for _, c := range v {
		switch {
		case c-'a' < 26, c-'A' < 26, c-'0' < 10:
		case bytes.IndexByte([]byte("%&=+._*~-[]"), c) >= 0:
		default:
			return false
		}
	}
	return true
}

// appendLine is appendRedacted for what came in place of a request line: a form, a header, JSON or anything else. What follows a name
// of a secret and a colon, or the word Basic or Bearer, is a secret up to the end.
func (r *redactor) appendLine(dst, s []byte) (out []byte, changed bool) {
	at := r.credentials(s)
	if at < 0 {
		return r.appendRedacted(dst, s, true)
	}
	before := len(dst)
	if dst, changed = r.appendRedacted(dst, s[:at], true); !changed {
		dst = append(dst[:before], s[:at]...)
	}
	return r.appendSecret(dst, s[at:]), true
}

// credentials returns where in s a secret without a parameter begins, or -1.
func (r *redactor) credentials(s []byte) int {
	var buf [maxParameter]byte
	for at := 0; at < len(s); at++ {
		if c := s[at]; c != ':' && c != ' ' {
			continue
		}
		name := appendParameterName(buf[:0], bytes.TrimRight(s[max(0, at-2*maxParameter):at], " \t\"'"))
		if i := bytes.LastIndexAny(name, " \t\"'{[,;&?=/:@#"); i >= 0 {
			name = name[i+1:]
		}
		if s[at] == ' ' {
			switch string(name) {
			case "basic", "bearer", "digest", "negotiate", "token":
				return at + 1
			}
			continue
		}
		switch r.header(name) {
		case wholeSecret, cookieSecrets, setCookieSecrets:
			return at + 1
		}
		if r.parameter(name) {
			return at + 1
		}
	}
	return -1
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
