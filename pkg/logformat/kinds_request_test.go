package logformat

// Shows how request lines come apart, and that what is no HTTP is told from it.

import "testing"

func TestSplitRequest(t *testing.T) {
	type parts struct {
		method, path, query, protocol string
		hasQuery                      bool
	}
	good := func(in string, want parts) {
		t.Helper()
		r, ok := SplitRequest([]byte(in))
		got := parts{string(r.Method), string(r.Path), string(r.Query), string(r.Protocol), r.HasQuery}
		if !ok || got != want {
			t.Errorf("%q came apart as %+v, %v", in, got, ok)
		}
	}
	good("GET / HTTP/1.1", parts{"GET", "/", "", "HTTP/1.1", false})
	good("GET /a?b=c&d=e?f HTTP/2.0", parts{"GET", "/a", "b=c&d=e?f", "HTTP/2.0", true})
	good("GET /a? HTTP/1.0", parts{"GET", "/a", "", "HTTP/1.0", true})
	good("FOO-BAR /ok HTTP/1.1", parts{"FOO-BAR", "/ok", "", "HTTP/1.1", false})
	good("PRI * HTTP/2.0", parts{"PRI", "*", "", "HTTP/2.0", false})
	good("CONNECT host:443 HTTP/1.1", parts{"CONNECT", "host:443", "", "HTTP/1.1", false})
	good("GET http://h/a?b HTTP/1.1", parts{"GET", "http://h/a", "b", "HTTP/1.1", true})
	good(`GET /caf\xC3\xA9\x22 HTTP/1.1`, parts{"GET", `/caf\xC3\xA9\x22`, "", "HTTP/1.1", false})
	good("get / HTTP/1.1", parts{"get", "/", "", "HTTP/1.1", false})
	// spaces: as lenient as Nginx
	good("GET /a b c HTTP/1.1", parts{"GET", "/a b c", "", "HTTP/1.1", false})
	good("GET /a HTTP/1.1 b HTTP/1.1", parts{"GET", "/a HTTP/1.1 b", "", "HTTP/1.1", false})
	good("GET   /a   HTTP/1.1  ", parts{"GET", "/a", "", "HTTP/1.1", false})
	// HTTP/0.9, or a line that was cut off
	good("GET /ok", parts{"GET", "/ok", "", "", false})
	good("GET /ok?a=b", parts{"GET", "/ok", "a=b", "", true})

	for _, in := range []string{"", "-", " ", "GET", "GET ", " / HTTP/1.1", `\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03 a HTTP/1.1`, "POST /ok", "GET ok",
		"GET /a b", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP/.1", "GET / http/1.1", "GET / HTTP/1.1x", "GET / XTTP/1.1", "G(T / HTTP/1.1", `{"a":1} / HTTP/1.1`} {
		if r, ok := SplitRequest([]byte(in)); ok {
			t.Errorf("%q was taken for HTTP: %q %q %q %q", in, r.Method, r.Path, r.Query, r.Protocol)
		}
	}
	if _, ok := SplitRequest([]byte("GET HTTP/1.1")); ok {
		t.Error("a line without a target was taken for HTTP")
	}
}
