package logformat

import "bytes"

// RequestLine is the parts of an HTTP request line. They are still escaped and belong to the value that was split.
type RequestLine struct {
	Method   []byte
	Path     []byte // the request target up to its first "?": "/a", "*", "host:443", "http://host/a"
	Query    []byte // what follows the "?"; empty without one
	Protocol []byte // "HTTP/1.1"; empty for HTTP/0.9, which has none
	HasQuery bool   // there is a "?", though Query may be empty
}

// SplitRequest cuts the value of $request, still escaped, by "METHOD SP target SP HTTP/x.y" (RFC 9112, section 3). ok is false where v
// is no such line: a TLS hello, an empty line, anything else that a client may send. Nginx logs it all. It does not allocate.
//
// It is as lenient as ngx_http_parse_request_line: more than one space may separate the parts, spaces may follow the version, and
// the target may hold spaces, as Nginx before 1.21.1 let them pass; so the last space before "HTTP/" ends the target. A line of
// HTTP/0.9 has no version. Only "GET /target" is taken for one, without a space in the target: Nginx accepts no other method there.
// A request line that was cut off at the limit of large_client_header_buffers looks the same, and its path is still worth having.
func SplitRequest(v []byte) (r RequestLine, ok bool) {
	space := bytes.IndexByte(v, ' ')
	if space < 0 || !IsToken(v[:space]) {
		return RequestLine{}, false
	}
	r.Method = v[:space]
	target := bytes.Trim(v[space:], " ")
	if last := bytes.LastIndexByte(target, ' '); last >= 0 && isProtocol(target[last+1:]) {
		r.Protocol = target[last+1:]
		target = bytes.TrimRight(target[:last], " ")
	} else if last >= 0 || string(r.Method) != "GET" || len(target) == 0 || target[0] != '/' {
		return RequestLine{}, false
	}
	r.Path = target
	if q := bytes.IndexByte(target, '?'); q >= 0 {
		r.Path, r.Query, r.HasQuery = target[:q], target[q+1:], true
	}
	return r, true
}

// IsToken says whether v is a token of RFC 9110, section 5.6.2: what methods and the names of headers and cookies are made of. Nginx
// refuses a method in lower case with status 400, but the line is HTTP all the same.
func IsToken(v []byte) bool {
	for _, c := range v {
		switch {
		case c-'A' < 26, c-'a' < 26, c-'0' < 10:
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0:
		default:
			return false
		}
	}
	return len(v) > 0
}

// isProtocol says whether v is HTTP/, digits, a dot and digits.
func isProtocol(v []byte) bool {
	if len(v) == len("HTTP/1.1") && string(v[:5]) == "HTTP/" && v[5]-'0' < 10 && v[6] == '.' && v[7]-'0' < 10 {
		return true // all that are in use
	}
	version, ok := bytes.CutPrefix(v, []byte("HTTP/"))
	if !ok {
		return false
	}
	major, minor, ok := bytes.Cut(version, []byte("."))
	if !ok {
		return false
	}
	_, okMajor := parseDigits(major)
	_, okMinor := parseDigits(minor)
	return okMajor && okMinor
}
