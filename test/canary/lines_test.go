package canary

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A format is a log_format with a way to make lines of it that hold marks wherever a secret can stand.
type format struct {
	name, text, escape string
	line               func(m *marker) string
}

// marker makes marked secrets.
type marker struct {
	word string // what is looked for afterwards
	rnd  *rand.Rand
	n    int
}

// mark returns a secret that no other place has.
func (m *marker) mark() string {
	m.n++
	return fmt.Sprintf("%s%dx%x", m.word, m.n, m.rnd.Uint32())
}

func (m *marker) pick(of ...string) string { return of[m.rnd.IntN(len(of))] }

// secretHeaders are those of the default list, and some of its patterns.
var secretHeaders = []string{"authorization", "proxy_authorization", "x_api_key", "x_auth_token", "x_csrf_token", "x_amz_security_token", "my_secret",
	"x_xsrf", "x_user_password", "x_service_api_key", "cf_access_jwt_assertion", "x_original_authorization"}

// parameters are names of secret parameters as clients may write them.
var parameters = []string{"token", "Access_Token", "%74oken", "user[password]", "sig", "X-Amz-Signature", "code", "api_key", "sid", "pass%77ord", "jwt", "key[secret]"}

// query returns parameters, one of which holds a mark.
func (m *marker) query() string {
	q := []string{"page=3", m.pick(parameters...) + "=" + m.mark(), "q=%20x"}
	if m.rnd.IntN(4) == 0 { // a page to go back to, encoded once or twice
		inner := strings.NewReplacer("%", "%25", "=", "%3D", "&", "%26", "?", "%3F", "/", "%2F", ":", "%3A", "@", "%40").Replace
		back := inner("https://u:" + m.mark() + "@h/p?token=" + m.mark())
		if m.rnd.IntN(2) == 0 {
			back = inner(back)
		}
		q = append(q, "next="+back)
	}
	m.rnd.Shuffle(len(q), func(i, j int) { q[i], q[j] = q[j], q[i] })
	return strings.Join(q, m.pick("&", "&", ";"))
}

// url returns a target with marks.
func (m *marker) url() string {
	switch m.rnd.IntN(6) {
	case 0:
		return "https://user:" + m.mark() + "@shop.example/p"
	case 1:
		return "//" + m.mark() + "@shop.example/"
	case 2:
		return "/cb#access_token=" + m.mark() + "&state=1"
	case 3:
		return "/p;jsessionid=" + m.mark()
	case 4:
		return "https://shop.example/?" + m.query() + "#id_token=" + m.mark()
	}
	return "/p?" + m.query()
}

// request returns a request line, or what came in its place.
func (m *marker) request() string {
	switch m.rnd.IntN(10) {
	case 0:
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("u:p")) + m.mark()
	case 1:
		return "cookie: sid=" + m.mark()
	case 2:
		return "user=joe&password=" + m.mark()
	case 3:
		return "CONNECT u:" + m.mark() + "@shop.example:443 HTTP/1.1"
	case 4:
		return "GET /p?token=" + m.mark() + " x y"
	}
	return m.pick("GET", "POST", "BREW") + " " + m.url() + " " + m.pick("HTTP/1.1", "HTTP/1.0", "HTTP/2.0")
}

// cookie returns the value of Cookie, well formed or not.
func (m *marker) cookie() string {
	switch m.rnd.IntN(8) {
	case 0:
		return m.mark()
	case 1:
		return "lang=de; " + m.mark()
	case 2:
		return `a="x;` + m.mark() + `=y"`
	case 3:
		return base64.StdEncoding.EncodeToString([]byte("something of 23 bytes .")) + m.mark() + "="
	}
	return "sid=" + m.mark() + "; lang=de; b=" + m.mark()
}

// setCookie returns the value of Set-Cookie, also several that Nginx has joined.
func (m *marker) setCookie() string {
	switch m.rnd.IntN(6) {
	case 0:
		return m.mark()
	case 1:
		return "a=" + m.mark() + "; b=" + m.mark()
	case 2:
		return "a=" + m.mark() + "; Path=/, sid=" + m.mark() + "; Expires=Wed, 21 Oct 2026 07:28:00 GMT"
	}
	return "sid=" + m.mark() + "; Path=/; HttpOnly; SameSite=Lax"
}

// headers returns headers with marks: names and values.
func (m *marker) headers() [][2]string {
	h := [][2]string{{"Host", "shop.example"}, {"Cookie", m.cookie()}, {"cookie", m.cookie()}, {"Referer", m.url()}, {"X-Original-URL", m.url()}}
	for _, name := range secretHeaders {
		h = append(h, [2]string{strings.ReplaceAll(name, "_", "-"), m.pick("", "Bearer ", "Basic ") + m.mark()})
	}
	return h
}

func (m *marker) responseHeaders() [][2]string {
	return [][2]string{{"Content-Type", "text/plain"}, {"Set-Cookie", m.setCookie()}, {"Set-Cookie", m.setCookie()}, {"Location", m.url()},
		{"Refresh", "0; url=" + m.url()}, {"X-Refresh-Token", m.mark()}}
}

// escape writes v as Nginx does.
func escape(v, mode string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case mode == "json" && (c == '"' || c == '\\'):
			b.WriteString("\\" + string(rune(c)))
		case mode == "json" && c < 0x20:
			fmt.Fprintf(&b, "\\u%04X", c)
		case mode == "default" && (c == '"' || c == '\\' || c < 0x20 || c >= 0x7f):
			fmt.Fprintf(&b, "\\x%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// named is a format with a variable for each header.
func named(mode string) format {
	vars := []string{"remote_user", "request", "request_uri", "args", "uri", "my_url", "auth_token", "cookie_sid", "arg_token", "arg_next", "request_body",
		"http_cookie", "http_referer", "http_x_original_url", "sent_http_set_cookie", "sent_http_location", "upstream_http_set_cookie",
		"upstream_http_location", "upstream_cookie_sid", "sent_trailer_x_token"}
	for _, h := range secretHeaders {
		vars = append(vars, "http_"+h)
	}
	f := format{name: "named-" + mode, escape: mode, text: `$remote_addr $status "$http_host"`}
	for _, v := range vars {
		f.text += ` "$` + v + `"`
	}
	f.line = func(m *marker) string {
		line := `192.0.2.7 200 "shop.example"`
		for _, v := range vars {
			var value string
			switch v {
			case "remote_user":
				value = "joe"
			case "request":
				value = m.request()
			case "args":
				value = m.query()
			case "request_uri", "uri", "my_url", "http_referer", "http_x_original_url", "sent_http_location", "upstream_http_location", "arg_next":
				value = m.url()
			case "request_body":
				value = m.pick("a=b&password="+m.mark(), `{"password":"`+m.mark()+`"}`, m.mark()+"\xff")
			case "http_cookie":
				value = m.cookie()
			case "sent_http_set_cookie", "upstream_http_set_cookie":
				value = m.setCookie()
			default:
				value = m.pick("", "Bearer ", "\xff") + m.mark()
			}
			line += ` "` + escape(value, mode) + `"`
		}
		return line
	}
	return f
}

// kit is a format with the two variables of the kit, in one of the three forms that they may have.
func kit(mode, form string) format {
	encode := func(headers [][2]string) string {
		var parts []string
		for _, h := range headers {
			switch form {
			case "pairs":
				parts = append(parts, `["`+h[0]+`","`+escape(h[1], "json")+`"]`)
			case "object":
				parts = append(parts, `"`+h[0]+`":"`+escape(h[1], "json")+`"`)
			default:
				parts = append(parts, h[0]+"="+strings.NewReplacer("%", "%25", "&", "%26", "=", "%3D", `"`, "%22", `\`, "%5C", "\xff", "%FF").Replace(h[1]))
			}
		}
		switch form {
		case "pairs":
			return "[" + strings.Join(parts, ",") + "]"
		case "object":
			return "{" + strings.Join(parts, ",") + "}"
		}
		return strings.Join(parts, "&")
	}
	return format{name: "kit-" + mode + "-" + form, escape: mode, text: `$remote_addr $status "$request" "$http_authorization" "$ngxtap_request_headers" "$ngxtap_response_headers"`,
		line: func(m *marker) string {
			return `192.0.2.7 200 "` + escape(m.request(), mode) + `" "` + escape(m.mark(), mode) + `" "` + escape(encode(m.headers()), mode) + `" "` + escape(encode(m.responseHeaders()), mode) + `"`
		}}
}

// formats are all that are tried.
func formats() []format {
	return []format{named("default"), named("json"), kit("default", "percent"), kit("default", "pairs"), kit("json", "object")}
}

// log returns n lines of f, of which every third is broken: torn, glued to the next, of another format, with bytes that are not UTF-8, or too
// long. The last has no newline.
func (f *format) log(m *marker, n int, others []format) string {
	var b strings.Builder
	for range n {
		line := f.line(m)
		switch m.rnd.IntN(18) {
		case 0:
			line = line[:m.rnd.IntN(len(line))] + "\n"
		case 1:
			line = line[:m.rnd.IntN(len(line))]
		case 2:
			line = others[m.rnd.IntN(len(others))].line(m) + "\n"
		case 3:
			at := m.rnd.IntN(len(line))
			line = line[:at] + "\xff\x00\xfe" + line[at:] + "\n"
		case 4:
			line = strings.Replace(line, " 200 ", " "+m.mark()+" ", 1) + "\n"
		case 5:
			line += " " + m.mark() + strings.Repeat("y", 20<<10) + m.mark() + "\n"
		default:
			line += "\n"
		}
		b.WriteString(line)
	}
	b.WriteString(f.line(m))
	return b.String()
}
