package avro

// Shows which values are secret, what becomes of them in each mode, and that no marked secret is left in any event.

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

func hashed(value string) string {
	mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
	mac.Write([]byte(value))
	return "hmac-sha256:9f9f5111:" + hex.EncodeToString(mac.Sum(nil))[:32]
}

func TestSecretHeaders(t *testing.T) {
	const format = `"$http_authorization" "$http_cookie" "$http_x_csrf_token" "$http_accept" "$sent_http_set_cookie" "$cookie_sid" "$arg_token" "$arg_page"`
	const line = `"Basic dTpw" "a=\xFFb" "t" "*/*" "" "c" "d" "5"`
	for _, c := range []struct {
		name    string
		secrets *Secrets
		want    map[string]string
	}{
		{"hash", testSecrets(t, SecretHash), map[string]string{
			"request_headers":  compact(map[string][]string{"authorization": {hashed("Basic dTpw")}, "cookie": {"a=" + hashed("\xFFb")}, "x-csrf-token": {hashed("t")}, "accept": {"*/*"}}),
			"response_headers": `{"set-cookie":[""]}`,
			"cookie_sid":       compact(hashed("c")), "arg_token": compact(hashed("d")), "arg_page": `"5"`,
			"authorization": compact(hashed("Basic dTpw")), "invalid_utf8": `[]`,
		}},
		{"drop", testSecrets(t, SecretDrop), map[string]string{
			"request_headers": `{"accept":["*/*"],"cookie":["a="]}`, "response_headers": `{"set-cookie":[""]}`,
			"cookie_sid": `null`, "arg_token": `null`, "arg_page": `"5"`, "authorization": `null`,
		}},
		{"keep", testSecrets(t, SecretHash, "Authorization", "cookie", "x-csrf-token", "token"), map[string]string{
			"request_headers": `{"accept":["*/*"],"authorization":["Basic dTpw"],"cookie":["a=�b"],"x-csrf-token":["t"]}`,
			"cookie_sid":      `"c"`, "arg_token": `"d"`, "authorization": `"Basic dTpw"`, "invalid_utf8": `["request_headers.cookie"]`,
		}},
		{"none", nil, map[string]string{"authorization": `"Basic dTpw"`, "arg_token": `"d"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, logformat.EscapeDefault, format, Options{Secrets: c.secrets}, "authorization")
			r.wantFields(t, line, c.want)
		})
	}
}

func TestSecretsOfTheKit(t *testing.T) {
	const line = `"Cookie=a&Accept=*&cookie=b&Referer=http://x/?token%3Ds%26p%3D1"`
	r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{Secrets: testSecrets(t, SecretHash)}, "cookie")
	r.wantFields(t, line, map[string]string{
		"request_headers": compact(map[string][]string{"cookie": {hashed("a"), hashed("b")}, "accept": {"*"}, "referer": {"http://x/?token=" + hashed("s") + "&p=1"}}),
		"cookie":          compact(hashed("a") + "; " + hashed("b")),
	})
	r = newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{Secrets: testSecrets(t, SecretDrop)}, "cookie")
	r.wantFields(t, line, map[string]string{"request_headers": `{"accept":["*"],"cookie":["",""],"referer":["http://x/?token=&p=1"]}`, "cookie": `"; "`})
}

func TestSecretParameters(t *testing.T) {
	r := newRedactor(testSecrets(t, SecretHash, "code"))
	h := hashed("v")
	for _, c := range []struct {
		in, want string
		inQuery  bool
	}{
		{"token=v", "token=" + h, true},
		{"token=v", "token=v", false},
		{"a=b&Access_Token=v&c=d", "a=b&Access_Token=" + h + "&c=d", true},
		{"/p?token=v", "/p?token=" + h, false},
		{"https://x/cb#id_token=v&state=1", "https://x/cb#id_token=" + h + "&state=1", false},
		{"/p?a=1;password=v", "/p?a=1;password=" + h, false},
		{"user[password]=v&key[sig]=v", "user[password]=" + h + "&key[sig]=" + h, true},
		{"%74oken=v&tok%65n=v", "%74oken=" + h + "&tok%65n=" + h, true},
		{"token=v&token=v", "token=" + h + "&token=" + h, true},
		{"token=&a=b", "token=&a=b", true},
		{"token", "token", true},
		{"x=token=v", "x=token=v", true},
		{"code=v&sid=v", "code=v&sid=" + h, true},
		{"monkey=v&keyboard=v&mytokens=v", "monkey=v&keyboard=v&mytokens=v", true},
		{"X-Amz-Signature=v&X-Amz-Credential=v&X-Amz-Date=1", "X-Amz-Signature=" + h + "&X-Amz-Credential=" + h + "&X-Amz-Date=1", true},
		{strings.Repeat("x", 200) + "token=v", strings.Repeat("x", 200) + "token=" + h, true},
		{"", "", true},
		{"=v", "=v", true},
	} {
		out, changed := r.appendRedacted([]byte("."), []byte(c.in), c.inQuery)
		if !changed {
			out = append(out, c.in...)
		}
		if string(out) != "."+c.want {
			t.Errorf("%s: got %s, want %s", c.in, out, c.want)
		}
	}
	if out, _ := r.appendRedacted(nil, []byte("token=a b;c#d&e=f"), true); string(out) != "token="+hashed("a b;c#d")+"&e=f" {
		t.Errorf("a secret with separators is left in part: %s", out)
	}
}

// Every place of a request that may hold a secret holds a marked one.
func TestNoSecretIsLeft(t *testing.T) {
	const mark = "MaRkEd5EcReT"
	lines := map[string]string{
		`"$request" $request_uri $args "$query_string"`: `"GET /a?token=` + mark + ` HTTP/1.1" /a?x=1&password=` + mark + ` sig=` + mark + ` "a=b&api_key=` + mark + `"`,
		`"$request"`: `"BROKEN /a?token=` + mark + ` \x22"`,
		`"$http_referer" "$sent_http_location" "$upstream_http_location" "$http_x_original_url"`:                                    `"https://x/?session=` + mark + `" "/cb?code=` + mark + `" "/cb#access_token=` + mark + `" "/?jwt=` + mark + `"`,
		`"$http_authorization" "$http_proxy_authorization" "$http_cookie" "$http_x_api_key" "$http_x_auth_token" "$http_my_secret"`: `"` + strings.Repeat(mark+`" "`, 5) + mark + `"`,
		`"$sent_http_set_cookie" "$upstream_http_set_cookie" "$upstream_cookie_a" "$cookie_b" "$sent_trailer_x_token"`:              `"` + strings.Repeat(mark+`" "`, 4) + mark + `"`,
		`"$ngxtap_request_headers" "$ngxtap_response_headers"`:                                                                      `"Authorization=` + mark + `&Referer=/?a%3Db%26token%3D` + mark + `&My-Token=` + mark + `" "{\x22Set-Cookie\x22:[\x22` + mark + `\x22,\x22` + mark + `\x22]}"`,
	}
	for format, line := range lines {
		for _, mode := range []SecretMode{SecretHash, SecretDrop} {
			r := newRig(t, logformat.EscapeDefault, format, Options{Secrets: testSecrets(t, mode)}, "cookie", "authorization", "response:set-cookie", "referer")
			if out := r.encode(t, line); bytes.Contains(out, []byte(mark)) {
				t.Errorf("mode %d, %s: %s", mode, format, r.json(t, line))
			}
			if out := r.shown(t, line); strings.Contains(out, mark) {
				t.Errorf("mode %d, %s is shown as %s", mode, format, out)
			}
		}
		if out := newRig(t, logformat.EscapeDefault, format, Options{}).encode(t, line); !bytes.Contains(out, []byte(mark)) {
			t.Errorf("%s: the mark is not in the event at all, so the test shows nothing", format)
		}
	}
}

func TestSecretsConfiguration(t *testing.T) {
	if _, err := NewSecrets(Rules{Key: []byte("short")}); err == nil {
		t.Error("a short key is accepted")
	}
	if _, err := NewSecrets(Rules{Mode: SecretDrop, Keep: []string{""}}); err == nil {
		t.Error("an empty name is accepted")
	}
	for word, want := range map[string]SecretMode{"": SecretHash, "hash": SecretHash, "drop": SecretDrop} {
		if got, err := ParseSecretMode(word); err != nil || got != want {
			t.Errorf("ParseSecretMode(%q) = %v, %v", word, got, err)
		}
	}
	if _, err := ParseSecretMode("keep"); err == nil {
		t.Error("an unknown mode is accepted")
	}
}
