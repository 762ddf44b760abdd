// hidden_test.go shows what becomes of cookies one by one, of secrets in URLs in every spelling, of addresses, and of a request line that
// is none; and that no marked secret is left, whatever surrounds it.
package avro

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

// rules returns secrets with the key of testSecrets.
func rules(t testing.TB, r Rules) *Secrets {
	t.Helper()
	r.Key = []byte("0123456789abcdef")
	s, err := NewSecrets(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantSafe compares what a policy makes of values.
func wantSafe(t *testing.T, s *Secrets, p policy, cases [][2]string) {
	t.Helper()
	r := newRedactor(s)
	for _, c := range cases {
		out, changed := r.appendSafe([]byte("."), []byte(c[0]), p)
		if !changed {
			out = append(out, c[0]...)
		}
		if string(out) != "."+c[1] {
			t.Errorf("%s:\ngot  %s\nwant %s", c[0], out[1:], c[1])
		}
	}
}

func TestCookies(t *testing.T) {
	s, h := rules(t, Rules{KeepCookies: []string{"Lang", "exp"}}), hashed
	wantSafe(t, s, cookieSecrets, [][2]string{
		{"sid=v", "sid=" + h("v")},
		{"sid=v; lang=de;exp=b", "sid=" + h("v") + "; lang=de;exp=b"},
		{"LANG=de; a=\xffb", "LANG=de; a=" + h("\xffb")},
		{"a=; b=v;", "a=; b=" + h("v") + ";"},
		{"a=x=y", "a=" + h("x=y")},
		{`a="x"`, "a=" + h(`"x"`)},
		{"", ""},
		// What is not made of cookies is one secret.
		{"v", h("v")},
		{"lang=de; v", h("lang=de; v")},
		{"=v", h("=v")},
		{"a b=v", h("a b=v")},
		{`a="x;lang=y"`, h(`a="x;lang=y"`)},
		{"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0=", h("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0=")},
		{"c2VjcmV0==", h("c2VjcmV0==")},
		{strings.Repeat("n", 65) + "=v", h(strings.Repeat("n", 65) + "=v")},
	})
	wantSafe(t, s, setCookieSecrets, [][2]string{
		{"sid=v; Path=/a; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=-1; Domain=.x.example; Secure; HttpOnly; SameSite=Lax; Partitioned",
			"sid=" + h("v") + "; Path=/a; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=-1; Domain=.x.example; Secure; HttpOnly; SameSite=Lax; Partitioned"},
		{"lang=de; Path=/", "lang=de; Path=/"},
		{"a=v, b=w; Path=/, lang=c", "a=" + h("v") + ", b=" + h("w") + "; Path=/, lang=c"},
		{"a=v; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=w", "a=" + h("v") + "; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=" + h("w")},
		{"a=v; b=w", h("a=v; b=w")},
		{"a=v; Path=/?token=w", h("a=v; Path=/?token=w")},
		{"v", h("v")},
	})
	wantSafe(t, rules(t, Rules{Mode: SecretDrop, KeepCookies: []string{"exp"}}), cookieSecrets, [][2]string{{"sid=v; exp=b", "sid=; exp=b"}, {"v", ""}})
	wantSafe(t, rules(t, Rules{Mode: SecretDrop}), setCookieSecrets, [][2]string{{"sid=v; Path=/", "sid=; Path=/"}, {"sid=v; x", ""}})

	rig := newRig(t, logformat.EscapeDefault, `"$cookie_sid" "$cookie_lang" "$upstream_cookie_exp" "$http_cookie" "$sent_http_set_cookie"`, Options{Secrets: s}, "cookie")
	rig.wantFields(t, `"v" "de" "b" "sid=v\x0B; lang=de" "a=v; Path=/, b=w"`, map[string]string{
		"cookie_sid": compact(h("v")), "cookie_lang": `"de"`, "upstream_cookie_exp": `"b"`, "cookie": compact("sid=" + h("v\v") + "; lang=de"),
		"request_headers":  compact(map[string][]string{"cookie": {"sid=" + h("v\v") + "; lang=de"}}),
		"response_headers": compact(map[string][]string{"set-cookie": {"a=" + h("v") + "; Path=/", "b=" + h("w")}}),
	})
	rig = newRig(t, logformat.EscapeDefault, `"$http_cookie" "$sent_http_set_cookie" "$cookie_sid"`, Options{Secrets: rules(t, Rules{Keep: []string{"cookie", "set-cookie"}})})
	rig.wantFields(t, `"a=v" "b=w; x, c=d" "e"`, map[string]string{
		"request_headers": `{"cookie":["a=v"]}`, "response_headers": `{"set-cookie":["b=w; x","c=d"]}`, "cookie_sid": `"e"`})
}

func TestSecretsInURLs(t *testing.T) {
	s, h := rules(t, Rules{}), hashed
	wantSafe(t, s, urlSecrets, [][2]string{
		{"https://user:v@host/p", "https://user:" + h("v") + "@host/p"},
		{"https://v@host/p", "https://" + h("v") + "@host/p"},
		{"//user:v@host", "//user:" + h("v") + "@host"},
		{"user:v@host:443", "user:" + h("v") + "@host:443"},
		{"https://user:a@b@host/@me", "https://user:" + h("a@b") + "@host/@me"},
		{"https://user:a&b;c@host/", "https://user:" + h("a&b;c") + "@host/"},
		{"https://u:v@a/ https://u:w@b/", "https://u:" + h("v") + "@a/ https://u:" + h("w") + "@b/"},
		{"https://u:v@h/?token=w&a=b", "https://u:" + h("v") + "@h/?token=" + h("w") + "&a=b"},
		{"https://host/@me?mail=a@b.c", "https://host/@me?mail=a@b.c"},
		{"/p;jsessionid=v?a=b", "/p;jsessionid=" + h("v?a=b")},
		{"/p?a=1; sid=v", "/p?a=1; sid=" + h("v")},
		// Within another URL, encoded once or more.
		{"/r?u=https%3A%2F%2Fx%2F%3Ftoken%3Dv&a=b", "/r?u=" + h("https%3A%2F%2Fx%2F%3Ftoken%3Dv") + "&a=b"},
		{"/r?u=https%253A%252F%252Fx%252F%253Ftoken%253Dv", "/r?u=" + h("https%253A%252F%252Fx%252F%253Ftoken%253Dv")},
		{"/r?u=https%3A%2F%2Fuser%3Av%40host", "/r?u=" + h("https%3A%2F%2Fuser%3Av%40host")},
		{"/r?u=%2525252525253D", "/r?u=" + h("%2525252525253D")}, // more often than is looked at
		{"/r?u=a%3Db%26c%3Dd&q=100%25&m=a%40b.c", "/r?u=a%3Db%26c%3Dd&q=100%25&m=a%40b.c"},
		{"/r?token%3Dv", "/r?" + h("token%3Dv")},
		{"/r/%3Ftoken%3Dv", h("/r/%3Ftoken%3Dv")},
		{"0; url=/cb?code=v", "0; url=/cb?code=" + h("v")},
		{"/%", "/%"}, {"/%4", "/%4"}, {"@", "@"}, {"//", "//"}, {"", ""},
	})
	wantSafe(t, s, bodySecrets, [][2]string{
		{"a=b&password=v", "a=b&password=" + h("v")}, {`{"password":"v"}`, h(`{"password":"v"}`)}, {"a b", h("a b")}, {"", ""},
	})
	wantSafe(t, s, lineSecrets, [][2]string{
		{"Authorization: Bearer v", "Authorization:" + h(" Bearer v")},
		{"x COOKIE : a=v", "x COOKIE :" + h(" a=v")},
		{`{"a":1,"password": "v"}`, `{"a":1,"password":` + h(` "v"}`)},
		{"hello bearer v", "hello bearer " + h("v")},
		{"a=b&token=v", "a=b&token=" + h("v")},
		{"GET /?token=v w", "GET /?token=" + h("v w")},
		{"Host: x", "Host: x"}, {"PRI * HTTP/2.0", "PRI * HTTP/2.0"}, {"\x16\x03\x01", "\x16\x03\x01"},
	})
}

// TestSecretVariables: which variables are looked at, besides headers.
func TestSecretVariables(t *testing.T) {
	const url = "https://u:p@h/p?token=v"
	safe := "https://u:" + hashed("p") + "@h/p?token=" + hashed("v")
	for _, name := range []string{"request_uri", "uri", "document_uri", "my_url", "first_request", "http_x_next_url", "http_x_forwarded_uri", "sent_http_x_accel_redirect", "http_x_original_referer", "saved_request_uri", "arg_next", "login_redirect", "http_referer", "sent_http_location", "upstream_http_location"} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`"`, Options{Secrets: rules(t, Rules{})})
		if out := r.encode(t, `"`+url+`"`); !bytes.Contains(out, []byte(safe)) {
			t.Errorf("$%s: %s", name, r.json(t, `"`+url+`"`))
		}
	}
	for name, clear := range map[string]bool{"auth_token": false, "client_secret": false, "jwt": false, "session": false, "code": true, "key": true,
		"hourly": true, "request_method": true, "tenant": true} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`"`, Options{Secrets: rules(t, Rules{})})
		if out := r.encode(t, `"ABCDEF"`); bytes.Contains(out, []byte("ABCDEF")) != clear {
			t.Errorf("$%s: %s", name, r.json(t, `"ABCDEF"`))
		}
	}
	for name, want := range map[string]policy{
		"authorization": wholeSecret, "proxy-authorization": wholeSecret, "cookie": cookieSecrets, "set-cookie": setCookieSecrets, "x-api-key": wholeSecret,
		"x-auth-token": wholeSecret, "x-csrf": wholeSecret, "x-csrftoken": wholeSecret, "x-xsrf-token": wholeSecret, "x-amz-security-token": wholeSecret,
		"my-secret": wholeSecret, "x-session-id": wholeSecret, "session": wholeSecret, "x-hub-signature": wholeSecret, "cf-access-jwt-assertion": wholeSecret,
		"content-location": urlSecrets, "x-original-url": urlSecrets, "referer": urlSecrets,
		"accept": inClear, "user-agent": inClear, "host": inClear, "x-request-id": inClear, "connection": inClear, "accept-encoding": inClear, "etag": inClear,
		"sec-websocket-key": inClear, "x-forwarded-for": inClear, "": inClear,
	} {
		if got := rules(t, Rules{}).header([]byte(name)); got != want {
			t.Errorf("header %s: policy %d, want %d", name, got, want)
		}
	}
	r := newRig(t, logformat.EscapeDefault, `"$request"`, Options{Secrets: rules(t, Rules{})})
	r.wantFields(t, `"GET /a;sid=v?x=1 HTTP/1.1"`, map[string]string{"path": compact("/a;sid=" + hashed("v")), "query": `"x=1"`})
	r.wantFields(t, `"CONNECT u:v@h:443 HTTP/1.1"`, map[string]string{"path": compact("u:" + hashed("v") + "@h:443")})
	r.wantFields(t, `"Authorization: v"`, map[string]string{"method": "null", "request": compact("Authorization:" + hashed(" v"))})
}

func TestAddresses(t *testing.T) {
	h := hashed
	cut, hash := rules(t, Rules{Addresses: TruncateAddresses}), rules(t, Rules{Addresses: HashAddresses, Mode: SecretDrop})
	wantSafe(t, cut, oneAddress, [][2]string{
		{"192.0.2.77", "192.0.2.0"}, {"2001:db8:1:2::3", "2001:db8:1::"}, {"::ffff:192.0.2.77", "::ffff:192.0.2.0"}, {"fe80::1%eth0", "fe80::"},
		{"192.0.2.77:8080", "192.0.2.0:8080"}, {"[2001:db8:1:2::3]:80", "[2001:db8:1::]:80"}, {"[::1]", "[::]"},
		{"unix:", "unix:"}, {"unknown", "unknown"}, {"", ""}, {"1.2.3", h("1.2.3")}, {"Max Mustermann", h("Max Mustermann")}, {"1.2.3.4:x", h("1.2.3.4:x")},
		{"\xc0\x00\x02\x4d", h("\xc0\x00\x02\x4d")}, // $binary_remote_addr
	})
	wantSafe(t, hash, oneAddress, [][2]string{{"192.0.2.77", h("192.0.2.77")}, {"192.0.2.77:80", h("192.0.2.77") + ":80"}, {"x", h("x")}})
	wantSafe(t, cut, addressList, [][2]string{
		{"192.0.2.77, 2001:db8:1:2::3,unknown", "192.0.2.0, 2001:db8:1::, unknown"}, {"192.0.2.77", "192.0.2.0"}, {"a, 192.0.2.77", h("a") + ", 192.0.2.0"},
	})
	wantSafe(t, cut, forwardedList, [][2]string{
		{`for=192.0.2.77;proto=http;by=203.0.113.43, For="[2001:db8:1:2::3]:80"`, `for=192.0.2.0;proto=http;by=203.0.113.43, For="[2001:db8:1::]:80"`},
		{"for=unknown", "for=unknown"}, {"for=_me", "for=" + h("_me")}, {"for=1.2.3.4;x=5.6.7.8", h("for=1.2.3.4;x=5.6.7.8")}, {"1.2.3.4", h("1.2.3.4")},
	})
	const format = `$remote_addr "$realip_remote_addr" "$http_x_forwarded_for" "$proxy_add_x_forwarded_for" "$ngxtap_request_headers" "$http_true_client_ip"`
	const line = `192.0.2.77 "192.0.2.78" "192.0.2.79" "192.0.2.80, 192.0.2.81" "X-Real-IP=192.0.2.82&CF-Connecting-IP=192.0.2.83" "192.0.2.84"`
	for mode, want := range map[AddressMode]bool{KeepAddresses: true, TruncateAddresses: false, HashAddresses: false} {
		r := newRig(t, logformat.EscapeDefault, format, Options{Secrets: rules(t, Rules{Addresses: mode})}, "x-real-ip")
		if json := r.json(t, line); strings.Contains(json, "192.0.2.7") != want || strings.Contains(json, "192.0.2.8") != want || strings.Contains(json, `"crc32c":0`) == want {
			t.Errorf("mode %d: %s", mode, json)
		}
	}
}

// TestNoMarkIsLeft puts a marked secret between pieces of URLs, cookies and headers, in any order.
func TestNoMarkIsLeft(t *testing.T) {
	pieces := []string{"a=b", "&", ";", "; ", "?", "#", "%26", "%3D", "%3d", "%253D", "%40", "%", "=", "==", "@", "//", "/", " ", ",", ", ", "\"", ":", "Path=/", "https://", "x", "\xff", "lang=de", "%2F%2F", "%25",
		"{", "}", "[", "]", "'", "%22", "%3F", "%26", "%3B", "%5B", `\u0026`, `\u003d`, `\x26`, `\/`, "%u0026", "_", "+", "\\", "\t", "&&", "&amp;"}
	rnd := rand.New(rand.NewPCG(6, 6))
	const mark = "MaRkEd5EcReT"
	some := func(n int) string {
		var b strings.Builder
		for range rnd.IntN(n) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		return b.String()
	}
	names := []string{"token=", "%74oken=", "Access_Token%3D", "user[password]=", "api%255Fkey%253D", "code=", "token[]=", "a[token][0]=", `token\u003d`, "%74oken%3d", "api.key=", "%20code+="}
	keys := []string{`"token":"`, `"api_key" : "`, `'password':'`, `%22secret%22%3A%22`, `\"token\":\"`}
	for _, mode := range []SecretMode{SecretHash, SecretDrop} {
		r := newRedactor(rules(t, Rules{Mode: mode}))
		for range 30_000 {
			url := "/p?" + some(6) + "&" + names[rnd.IntN(len(names))] + mark + some(6)
			json := "/p?" + some(3) + "&d={" + keys[rnd.IntN(len(keys))] + mark + some(3)
			cookies := "n=" + mark + some(6)
			for value, p := range map[string]policy{url: urlSecrets, url[3:]: querySecrets, json: urlSecrets, "a=1;" + cookies: cookieSecrets, cookies: setCookieSecrets,
				"https://u:" + mark + "@h/" + some(4): urlSecrets, some(3) + " cookie:" + mark: lineSecrets} {
				if out, changed := r.appendSafe(nil, []byte(value), p); !changed || bytes.Contains(out, []byte(mark)) {
					t.Fatalf("policy %d, mode %d: %q became %q", p, mode, value, out)
				}
			}
		}
	}
}

func TestHidingAllocatesNothing(t *testing.T) {
	r := newRedactor(rules(t, Rules{Addresses: TruncateAddresses, KeepCookies: []string{"lang"}}))
	dst := make([]byte, 0, 4096)
	for value, p := range map[string]policy{
		"sid=v; lang=de; a=b": cookieSecrets, "a=v; Path=/, b=w; Secure": setCookieSecrets, "https://u:v@h/?token=w&u=a%3Db%26c%3Dd": urlSecrets,
		"/r?u=https%253A%252F%252Fx%253Ftoken%253Dv": urlSecrets, "Authorization: Basic v": lineSecrets, "192.0.2.7, [2001:db8:1:2::3]:80": addressList,
		`for="[2001:db8::1]:80";proto=http`: forwardedList,
	} {
		r.appendSafe(dst, []byte(value), p)
		v := []byte(value)
		if n := testing.AllocsPerRun(100, func() { r.appendSafe(dst, v, p) }); n != 0 {
			t.Errorf("%s: %v allocations", value, n)
		}
	}
}
