// attack_test.go holds what once leaked, or might have: a marked secret in every odd spelling that was thought of.
package avro

import (
	"bytes"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

const attackMark = "MaRkEd5EcReT"

// TestOddSpellings: no policy leaves the mark in, whether secrets are hashed or dropped, and the mark is all that the test looks for.
func TestOddSpellings(t *testing.T) {
	for p, values := range map[policy][]string{
		urlSecrets: {
			// Names of arrays, with blanks, dots and zeros.
			"/p?token[]=§", "/p?token[0]=§", "/p?user[token][]=§", "/p?user[code][x]=§", "/p?token%5B%5D=§", "/p?tok%65n%5b0%5d=§", "/p?token[" + strings.Repeat("x", 200) + "]=§",
			"/p?%20code=§", "/p?code%20=§", "/p?+token+=§", "/p?token%00=§", "/p?code%09=§", "/p?api.key=§", "/p?api%20key=§", "/p?API+KEY=§", "/p?token.=§", "/p?[token]=§",
			// What is encoded in part only.
			"/r?u=%2Fcb%3Ftoken=§", "/r?u=a%26token=§", "/r?u=a%3Btoken=§", "/r?u=a%23token=§", "/p%3Btoken=§", "/p%3Ftoken=§", "/r?u=https:%2F%2Fuser:§@h", "/r?u=%2F%2Fuser:§@h",
			"/r?u=https:%2f/user:§@h", "/r?u=%252Fcb%253Ftoken=§", "/r?u=%2Fcb%3Fx[token]=§",
			"https:///user:§@h/", "https:////user:§@h/", "/r?u=https:///user:§@h",
			// Escapes of JSON and JavaScript, and of IIS.
			`/p?a=1\u0026token=§`, `/p?token\u003d§`, `/p?a=1\u0026token\u003D§`, "/p?a=1%u0026token=§", `/p\u003ftoken=§`, "/p?%u0074oken=§", `/p?\u0074oken=§`, "/p?a=b%5Cu0026token=§",
			// JSON in values.
			`/p?d={"token":"§"}`, `/p?d={"a":1,"password" : "§"}`, `/p?d={"a":"x;y&z","user":{"apiKey":"§"}}`, "/p?d=%7B%22token%22%3A%22§%22%7D", "/p?d=%7B%22token%22:%22§%22%7D",
			"/p?d=%257B%2522token%2522%253A%2522§%2522%257D", `/p?{"token":"a=§"}`, `/p?d={'token':'§'}`, `/p/{"token":"§"}`, `/p?d={"token":["§","§"]}`, "/p?d=%7B%22pass%77ord%22%3A%22§%22%7D",
			`/p?d={\"token\":\"§\"}`, "/p?variables=%7B%22input%22%3A%7B%22password%22%3A%22§%22%7D%7D&query=x", "/p#%7B%22token%22%3A%22§%22%7D",
			// As before.
			"/p?a=1&amp;token=§", "/p?x=1#token=§", "/p?TOKEN=§", "/p?t%6Fken=§", "//u:§@h", "http://u:§@h:80/x", "u:§@h:443", "/p;jsessionid=§/x", "/p?token=%4D&secret=§", "/p?new_passwd=§",
		},
		querySecrets: {"token[]=§", "a=b%26token=§", "code =§", `d={"token":"§"}`, "token%3D%3D§", "a=1&&token=§", "?token=§", "token==§", "a&token=§", "next=//u:§@h", "x=%2F%2Fu:§@h"},
		lineSecrets: {"Bearer\t§", "basic  §", "CONNECT u:§@h:443", "u:§@h", "GET http://u:§@h", "Authorization:\t§", "x_api_key: §", "X-Api-Key:§", `{"password":"§"}`, `{"pass\u0077ord":"§"}`,
			"token=§", "a token=§", "Authorization%3A Basic §", "POST /x?token[]=§", "cookie2: §"},
		cookieSecrets: {"sid=§", "lang=de, sid=§", "lang=de sid=§", "lang=de,sid=§", "lang=de\tsid=§", "lang=\"de\", sid=§", "sid=§, lang=de", "lang=de; sid=§", "lang; sid=§", "§", "=§", "a=b;\tsid=§",
			"lang=de ; sid=§", "lang=x=y, sid=§"},
		setCookieSecrets: {"sid=§; Path=/", "sid=§, lang=de", "lang=de, sid=§", "lang=de,sid=§; Path=/", "sid=a, §; Path=/", "; sid=§", "Path=§", "sid=§; Secure=§", "lang=de sid=§", "sid=§;Expires=Wed, 21 Oct 2026 07:28:00 GMT", "sid=a; Comment=§"},
		bodySecrets:      {`{"password":"§"}`, "d=%7B%22password%22%3A%22§%22%7D", "a[token]=§", "token[]=§", "a=b%26token=§", "§", "§=", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa§=", "§==", "a=b&§", "§&a=b", "a=b&§=="},
	} {
		for _, mode := range []SecretMode{SecretHash, SecretDrop} {
			r := newRedactor(rules(t, Rules{Mode: mode, KeepCookies: []string{"lang"}}))
			for _, v := range values {
				v := strings.ReplaceAll(v, "§", attackMark)
				if out, changed := r.appendSafe(nil, []byte(v), p); !changed || bytes.Contains(out, []byte(attackMark)) {
					t.Errorf("policy %d, mode %d: %s became %s", p, mode, v, out)
				}
			}
		}
	}
}

// TestOddNames: names of headers and variables in other spellings.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"x_api_key", "x-api_key", "authorization", "proxy_authorization", "cookie2", "set-cookie2", "x-original-cookie", "x_auth_token", "set_cookie", "x_csrf", "my-passwd", "x-secret-key", "x-github-otp", "signature", "password", "dpop"} {
		r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers" "$ngxtap_response_headers"`, Options{Secrets: rules(t, Rules{})}, name)
		for _, line := range []string{`"` + name + "=" + attackMark + `" "-"`, `"-" "` + strings.ToUpper(name) + "=" + attackMark + `"`, `"{\x22` + name + `\x22:[\x22` + attackMark + `\x22]}" "-"`,
			`"[[\x22` + name + `\x22,\x22` + attackMark + `\x22]]" "-"`, `"{\x22\x5Cu00` + hexOf(name[0]) + name[1:] + `\x22:\x22` + attackMark + `\x22}" "-"`} {
			if out := r.encode(t, line); bytes.Contains(out, []byte(attackMark)) || strings.Contains(r.shown(t, line), attackMark) {
				t.Errorf("%s: %s, shown as %s", line, r.json(t, line), r.shown(t, line))
			}
		}
	}
	for _, name := range []string{"request_filename", "fastcgi_script_name", "fastcgi_path_info", "my_path", "document_uri", "script_filename", "login_target", "saved_request_body", "req_body", "my_passwd"} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`"`, Options{Secrets: rules(t, Rules{})})
		line := `"/p;jsessionid=` + attackMark + `"`
		if out := r.encode(t, line); bytes.Contains(out, []byte(attackMark)) {
			t.Errorf("$%s: %s", name, r.json(t, line))
		}
	}
	denied := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{Headers: HeaderRules{Deny: []string{"x-debug*", "x-raw"}}})
	for _, name := range []string{"X_Debug", "x-debug_more", "X_RAW", "X-Raw"} {
		if out := denied.encode(t, `"`+name+"="+attackMark+`"`); bytes.Contains(out, []byte(attackMark)) {
			t.Errorf("%s is denied and sent", name)
		}
	}
	for _, name := range []string{"uid_got", "uid_set", "auth_cookie", "my_cookie", "cookie_uid", "upstream_cookie_uid"} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`"`, Options{Secrets: rules(t, Rules{})})
		for _, line := range []string{`"uid=` + attackMark + `"`, `"uid=` + attackMark + `; Path=/"`, `"` + attackMark + `"`} {
			if out := r.encode(t, line); bytes.Contains(out, []byte(attackMark)) {
				t.Errorf("$%s: %s", name, r.json(t, line))
			}
		}
	}
	for _, name := range []string{"http_x_remote_ip", "http_x_originating_ip", "http_x_vercel_forwarded_for", "http_fly_client_ip", "http_wl_proxy_client_ip", "client_ip", "the_real_ip", "my_client_addr", "http_x_cluster_client_ip"} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`" "$ngxtap_request_headers"`, Options{Secrets: rules(t, Rules{Addresses: EncryptAddresses})})
		line := `"192.0.2.7" "X_Forwarded_For=192.0.2.7&x_real_ip=192.0.2.7"`
		if out := r.encode(t, line); bytes.Contains(out, []byte("192.0.2")) {
			t.Errorf("$%s: %s", name, r.json(t, line))
		}
	}
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// TestHostileLengths: what hides secrets takes time in proportion to what it reads. A line may have a MiB; if it took the square of it, this
// test would not come to an end in time.
func TestHostileLengths(t *testing.T) {
	r := newRedactor(rules(t, Rules{Addresses: EncryptAddresses, KeepCookies: []string{"lang"}}))
	for _, piece := range []string{"%2F", "%26", "&", "[", "a[", "%5B", `":`, `"a":`, ":", "=", "//", "@", `\u0026`, ", a=", " a=", ";a=b", "a=b;", ",", "1.2.3.4,", "for=1;", "a=%253D&", " ", "::"} {
		v := []byte("/p?lang=" + strings.Repeat(piece, 1<<20/len(piece)))
		for p := urlSecrets; p <= forwardedList; p++ {
			if out, _ := r.appendSafe(nil, v, p); len(out) > 64*len(v) {
				t.Errorf("policy %d: %d bytes of %s became %d", p, len(v), piece, len(out))
			}
		}
	}
}
