package avro

import "strings"

// named returns the policy for a variable by its name: one of Nginx that holds an address, or one of map, set or js_set, of which nothing else is
// known.
func (s *Secrets) named(name string) policy {
	if p := addressVariable(name); p != inClear {
		if s.addresses == KeepAddresses {
			return inClear
		}
		return p
	}
	switch {
	case name == "uid_got", name == "uid_set": // of the module userid: the cookie with its name
		return s.header([]byte("cookie"))
	case strings.HasSuffix(name, "_cookie"): // what auth_request_set takes from a Set-Cookie
		return s.header([]byte("set-cookie"))
	}
	if IsHeaderDump(name) {
		return wholeSecret
	}
	if name != "code" && name != "key" && s.parameter([]byte(name)) { // those two are mostly something else
		return wholeSecret
	}
	if name == "body" || strings.HasSuffix(name, "_body") || strings.HasSuffix(name, "post_data") {
		return bodySecrets
	}
	for _, end := range []string{"_request", "request_line", "cache_key", "memcached_key"} { // a key of a cache is made of a URL
		if strings.HasSuffix(name, end) {
			return urlSecrets
		}
	}
	for word := range strings.SplitSeq(name, "_") {
		switch word {
		case "args", "query":
			return querySecrets
		case "uri", "url", "referer", "referrer", "location", "redirect", "path", "filename", "script", "target":
			return urlSecrets
		}
	}
	return inClear
}

// IsHeaderDump tells whether a variable, whose name is in lower case and not of the kit, is named like all headers in one value: $headers_json,
// $req_header. Their form is anybody's, so all of it is a secret.
func IsHeaderDump(name string) bool {
	dump := false
	for word := range strings.SplitSeq(name, "_") {
		switch word {
		case "headers":
			dump = true
		case "count", "number", "num", "size", "length", "len", "bytes", "time":
			return false
		}
	}
	for _, end := range []string{"req_header", "request_header", "resp_header", "response_header", "res_header"} {
		dump = dump || strings.HasSuffix(name, end)
	}
	return dump
}

// addressVariable returns the policy for a variable that holds addresses of clients, inClear for all others.
func addressVariable(name string) policy {
	if name == "binary_remote_addr" {
		return binaryAddress
	}
	if name == "xff" || strings.HasSuffix(name, "forwarded_for") {
		return addressList
	}
	for _, end := range []string{"remote_addr", "proxy_protocol_addr", "client_addr", "client_ip", "clientip", "real_ip", "remote_ip",
		"client_address", "peer_addr", "source_ip", "src_ip", "user_ip"} {
		if strings.HasSuffix(name, end) {
			return oneAddress
		}
	}
	return inClear
}
