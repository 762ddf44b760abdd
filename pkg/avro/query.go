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

// appendRedacted appends s with the values of its secret parameters replaced. inQuery says that s begins with a parameter. A value
// ends only at "&": whatever else a client puts into a secret is better hidden with it than left in clear text. changed is false
// if s holds no secret parameter; dst is returned as it was then.
func (r *redactor) appendRedacted(dst, s []byte, inQuery bool) (out []byte, changed bool) {
	const separators = "?&#;"
	copied, from := 0, 0 // what is appended already; where the search for the name's start ends
	for {
		n := bytes.IndexByte(s[from:], '=')
		if n < 0 {
			break
		}
		equals := from + n
		start := from + bytes.LastIndexAny(s[from:equals], separators) + 1
		isParameter := inQuery && from == 0 || start > from
		from = equals + 1
		if !isParameter || !r.parameter(s[start:equals]) {
			continue
		}
		end := len(s)
		if n := bytes.IndexByte(s[from:], '&'); n >= 0 {
			end = from + n
		}
		dst = append(dst, s[copied:from]...)
		dst = r.appendSecret(dst, s[from:end])
		copied, from, changed = end, end, true
	}
	if !changed {
		return dst, false
	}
	return append(dst, s[copied:]...), true
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
