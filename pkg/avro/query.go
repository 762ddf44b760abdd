package avro

import "bytes"

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
	escaped := bytes.IndexByte(s, '%') >= 0 || bytes.IndexByte(s, '\\') >= 0
	quoted := bytes.IndexByte(s, '"') >= 0 || bytes.IndexByte(s, '\'') >= 0
	if !escaped && !quoted && bytes.IndexByte(s, '=') < 0 {
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
		from, to := r.findSecret(dst, s, span{at, end}, findings{inQuery || at > 0, escaped, quoted}, depth)
		if from >= 0 {
			dst = append(dst, s[copied:from]...)
			dst = r.appendSecret(dst, s[from:to])
			copied, end, changed = to, to, true
		}
		at = end + 1
	}
	if !changed {
		return dst[:start], false
	}
	return append(dst, s[copied:]...), true
}

// span is a piece of a URL between two separators.
type span struct{ at, end int }

// findings are what is known of a URL, or of a piece of it.
type findings struct {
	parameter bool // the piece can be a parameter
	escaped   bool // there is an escape somewhere
	quoted    bool // and a quote, which JSON needs
}

// findSecret returns where in a piece of s a secret begins, and where in s it ends; from is -1 if there is none. dst is memory to work in
// behind its end.
func (r *redactor) findSecret(dst, s []byte, p span, f findings, depth int) (from, to int) {
	value := p.end // its end without one
	if n := bytes.IndexByte(s[p.at:p.end], '='); n >= 0 {
		value = p.at + n + 1
	}
	if f.parameter && value < p.end && r.parameter(s[p.at:value-1]) {
		if n := bytes.IndexByte(s[value:], '&'); n >= 0 {
			return value, value + n
		}
		return value, len(s)
	}
	if f.quoted {
		if n := r.keySecret(s[p.at:p.end]); n >= 0 {
			return p.at + n, len(s) // what ends it, only a parser of JSON could tell
		}
	}
	if !f.escaped || !r.encodesSecret(dst, s[p.at:p.end], depth) {
		return -1, -1
	}
	if value == p.end || isOdd(s[p.at:value-1]) { // it may stand in what looks like the name
		value = p.at
	}
	return value, p.end
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
			for begin < len(s) && s[begin] == '/' { // browsers take any number of them
				begin++
			}
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

// isForm tells whether v can be a form of the type application/x-www-form-urlencoded: anything else has no parameters. A text in Base64 is none,
// nor is one without a value: what stands in it is as likely a secret.
func isForm(v []byte) bool {
	for _, c := range v {
		switch {
		case c-'a' < 26, c-'A' < 26, c-'0' < 10:
		case bytes.IndexByte([]byte("%&=+._*~-[]"), c) >= 0:
		default:
			return false
		}
	}
	for rest, more := v, true; more; {
		var pair []byte
		pair, rest, more = bytes.Cut(rest, []byte{'&'})
		name, value, ok := bytes.Cut(pair, []byte{'='})
		switch {
		case len(pair) == 0:
		case !ok, len(name) == 0, len(value) > 0 && value[0] == '=':
			return false
		case len(value) == 0 && (len(name) > longLonely || len(pair) == len(v)):
			return false
		}
	}
	return true
}

// appendLine is appendRedacted for what came in place of a request line: a form, a header, JSON or anything else. What follows a name
// of a secret and a colon, or the word Basic or Bearer, is a secret up to the end.
func (r *redactor) appendLine(dst, s []byte) (out []byte, changed bool) {
	if at, end := proxiedAddress(s); at < end && r.addresses != KeepAddresses {
		dst = r.appendAddress(append(dst, s[:at]...), s[at:end])
		if dst, changed = r.appendLine(dst, s[end:]); !changed {
			dst = append(dst, s[end:]...)
		}
		return dst, true
	}
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

// proxiedAddress returns where in s the address of the client stands, if s is a header of the PROXY protocol, version 1, which a balancer sent to a
// port that does not expect it: "PROXY TCP4 192.0.2.77 203.0.113.7 35646 80".
func proxiedAddress(s []byte) (at, end int) {
	if !bytes.HasPrefix(s, []byte("PROXY ")) {
		return 0, 0
	}
	n := bytes.IndexByte(s[len("PROXY "):], ' ')
	if n < 0 {
		return 0, 0
	}
	at = len("PROXY ") + n + 1
	return at, next(s, at, " ")
}

// credentials returns where in s a secret without a parameter begins, or -1.
func (r *redactor) credentials(s []byte) int {
	word, sign := -1, -1 // where the word ends that is being read, and where the next @ is, if there is one
	for at := 0; at < len(s); at++ {
		c := s[at]
		if c != ':' && c != ' ' && c != '\t' {
			continue
		}
		name := lastWord(s[max(0, at-2*maxParameter):at])
		if c != ':' {
			if isScheme(name) {
				return at + 1
			}
			continue
		}
		if word < at {
			word = next(s, at, " \t")
		}
		if sign < at {
			sign = next(s, at, "@")
		}
		if sign < word || r.secretKey(name) { // a password before a host; a header or a key
			return at + 1
		}
	}
	return -1
}

// lastWord returns the last thing in s that can be the name of a header, a parameter or a key, without the quotes and the like around it. Any
// byte may stand before it.
func lastWord(s []byte) []byte {
	end := len(s)
	for end > 0 && (!inWord(s[end-1]) || s[end-1] == '\\') {
		end--
	}
	at := end
	for at > 0 && inWord(s[at-1]) {
		at--
	}
	return s[at:end]
}

// inWord tells whether a byte may stand in such a name, encoded or not.
func inWord(c byte) bool {
	return c-'0' < 10 || c|0x20-'a' < 26 || c == '-' || c == '_' || c == '.' || c == '%' || c == '\\' || c == '+' || c == ']'
}

// next returns where in s, from at on, the first of some bytes stands, or the length of s.
func next(s []byte, at int, of string) int {
	if n := bytes.IndexAny(s[at:], of); n >= 0 {
		return at + n
	}
	return len(s)
}

// isScheme tells whether name is that of a way to log in (RFC 9110, section 11).
func isScheme(name []byte) bool {
	var buf [maxParameter]byte
	switch string(appendParameterName(buf[:0], name)) {
	case "basic", "bearer", "digest", "negotiate", "token":
		return true
	}
	return false
}
