package nginx_test

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// exchange is one request over a raw socket and what the upstream answers to it. What is wanted is text: each byte that is no UTF-8 is U+FFFD.
type exchange struct {
	name     string
	request  string   // all that is sent
	line     string   // what $request must hold
	user     string   // what $remote_user must hold
	sent     []header // what Nginx takes of the request's headers
	answered []header // what the upstream answers, and the client is sent
	refused  bool     // Nginx answers by itself
}

// repaired are the texts that events have of awkward bytes, by the rule of Unicode: one U+FFFD for each maximal part of a character.
var repaired = strings.NewReplacer(
	"\xff\xfe", "\uFFFD\uFFFD", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD", "\xf0\x9f\x98!", "\uFFFD!", "\xc3(", "\uFFFD(", "\xe9", "\uFFFD", "\xff", "\uFFFD", "\xa5", "\uFFFD", "\xa1", "\uFFFD",
	"\xe2\x82\xac", "€", "\xf0\x9f\x98\x80", "😀", "\xc3\xa9", "é", "\xe6\x97\xa5", "日")

// values are what a header may hold, in both directions.
var values = []struct{ name, value string }{
	{"quotes", `"a" 'b' "" "`},
	{"backslashes", `\ \\ \x22 \u0041 \" C:\new \x \`},
	{"marks of the kit", `a=1&b=2&%41&%zz%&=`},
	{"control bytes", "<\x01\x02\x03\x04\x05\x06\x07\x08\t\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b[31m\x1c\x1d\x1e\x1f>"},
	{"0x7f", "<\x7f>"},
	{"UTF-8", "é € 😀 日"},
	{"invalid UTF-8", "caf\xe9! \xff\xfe \xed\xa0\x80 \xf0\x9f\x98! \xc3( \xff"},
	{"empty", ""},
	{"a dash", "-"},
	{"JSON", `{"a":["b",null,1e5,"\ud83d"]} [[]] <![CDATA[ $status ${host}`},
	{"8 KiB", strings.Repeat("0123456789abc%\"\\", 512)},
	{"8 KiB of quotes", strings.Repeat("\"", 8192)},
}

// exchanges returns all of them.
func exchanges() []exchange {
	host := header{"Host", "shop.example"}
	var all []exchange
	with := func(name, user string, extra []header, answered []header) {
		sent := append([]header{host, {"Connection", "close"}}, extra...)
		all = append(all, exchange{name: name, user: user, request: fmt.Sprintf("GET /%d HTTP/1.1\r\n%s\r\n", len(all), text(sent)),
			line: fmt.Sprintf("GET /%d HTTP/1.1", len(all)), sent: sent, answered: answered})
	}
	for _, v := range values {
		with(v.name, "", []header{{"X-Awk", v.value}}, []header{{"X-Awk", v.value}, {"X-Last", "1"}})
	}
	with("nothing but the host", "", nil, nil)
	with("names", "", []header{{"X-lower-UPPER", "1"}, {"X-$odd!#'*^`|~", "2"}, {"_proto__", "3"}, {"__proto__", "4"}, {"X-\xc3\xa9", "5"}},
		[]header{{"__proto__", "1"}, {"constructor", "2"}, {"X-a.b", "3"}})
	with("duplicates", "", []header{{"X-Awk", "1"}, {"X-Awk", ""}, {"x-awk", "1"}, {"Cookie", "a=1; b=\"2\""}, {"Cookie", "c=3"}, {"User-Agent", "one"}},
		[]header{{"Set-Cookie", "a=1, x; Path=/"}, {"X-Awk", "1"}, {"Set-Cookie", "b=2"}, {"x-awk", "\\"}, {"Set-Cookie", ""}})
	var many []header
	for i := range 100 {
		many = append(many, header{fmt.Sprintf("X-H%d", i), fmt.Sprintf("\"%d\"", i)})
	}
	with("100 headers", "", many, many)
	for _, user := range []string{"a user", "us\"er \\ \x01", "line\nline\r\n192.0.2.1 - - [forged]", "caf\xe9 \xff\xfe", "é", "-", "tab\t", " "} {
		credentials := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":password"))
		with(fmt.Sprintf("the user %q", user), user, []header{{"Authorization", credentials}}, nil)
	}
	raw := func(name, request, line string, sent []header, refused bool) {
		all = append(all, exchange{name: name, request: request, line: line, sent: sent, refused: refused})
	}
	uri := "/\"'<>\\|{}\xc3\xa9\xff?a=\"&b=\\x22"
	raw("a raw URI", "GET "+uri+" HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n", "GET "+uri+" HTTP/1.1", []header{host, {"Connection", "close"}}, false)
	raw("0x7f in the URI", "GET /\x7f HTTP/1.1\r\nHost: shop.example\r\n\r\n", "GET /\x7f HTTP/1.1", nil, true)
	raw("garbage", "\x00\x01\"\\ \xff garbage\r\n\r\n", "\x00\x01\"\\ \xff garbage", nil, true)
	raw("TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\"\\\xe9\r\n\r\n", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\"\\\xe9", nil, true)
	raw("HTTP/0.9", "GET /old\r\n", "GET /old", nil, false)
	raw("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0", nil, true)
	raw("no host", "GET / HTTP/1.1\r\nX-Awk: \"\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1", []header{{"X-Awk", `"`}, {"Connection", "close"}}, true)
	raw("a header's NUL", "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Awk: a\x00b\r\nX-Late: 1\r\n\r\n", "GET / HTTP/1.1", []header{host}, true)
	raw("nothing at all", "GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0", nil, false)
	return all
}
