package avro

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

// TestHeaderDumps: variables of one's own that are named like all headers are secret as a whole, whatever form they have; numbers about
// headers are not, nor what headers.keep names.
func TestHeaderDumps(t *testing.T) {
	values := []string{`{\x22Host\x22:\x22h\x22,\x22Cookie\x22:\x22sid=` + attackMark + `\x22}`, `Host=h&Authorization=Bearer ` + attackMark, `Host=h Cookie=sid=` + attackMark + ` `,
		`[[\x22Cookie\x22,\x22sid=` + attackMark + `\x22]]`, `x-real-ip: ` + attackMark}
	for name, secret := range map[string]bool{"request_headers": true, "req_headers": true, "all_headers": true, "headers": true, "headers_json": true, "headers_in": true, "resp_header": true,
		"req_header": true, "request_header": true, "response_headers": true, "raw_headers_out": true,
		"headers_count": false, "request_headers_size": false, "upstream_header_time": false, "header": false, "my_header_name": false} {
		r := newRig(t, logformat.EscapeDefault, `"$`+name+`"`, Options{Secrets: rules(t, Rules{})})
		if name == "upstream_header_time" { // of Nginx, and a list of numbers
			r.wantFields(t, `"0.004"`, map[string]string{name: "[0.004]"})
			continue
		}
		for _, v := range values {
			line := `"` + v + `"`
			if out := r.encode(t, line); bytes.Contains(out, []byte(attackMark)) == secret || strings.Contains(r.shown(t, line), attackMark) == secret {
				t.Errorf("$%s: %s", name, r.json(t, line))
			}
		}
		if s := rules(t, Rules{}); s.MayHold(name) != secret {
			t.Errorf("MayHold(%s) = %v", name, !secret)
		}
	}
	if rules(t, Rules{Keep: []string{"all_headers"}}).MayHold("all_headers") {
		t.Error("headers.keep does not keep $all_headers")
	}
}

// TestGarbageRequests: what stands before the name of a header in a request line that is none is not part of it.
func TestGarbageRequests(t *testing.T) {
	h := hashed
	wantSafe(t, rules(t, Rules{}), lineSecrets, [][2]string{
		{"\x16\x03\x01\x02Authorization: v", "\x16\x03\x01\x02Authorization:" + h(" v")}, {"\xffCookie\x00: v", "\xffCookie\x00:" + h(" v")},
		{"(x-api-key): v", "(x-api-key):" + h(" v")}, {"<token>: v", "<token>:" + h(" v")}, {"PROXY TCP4 192.0.2.77 203.0.113.7 1 80", "PROXY TCP4 192.0.2.77 203.0.113.7 1 80"},
		{"X-Real-IP: 192.0.2.77", "X-Real-IP: 192.0.2.77"},
	})
}

// TestAddressesInGarbage: a balancer that speaks the PROXY protocol to a port without it, and a header where a request should stand, bring
// the client's address into $request.
func TestAddressesInGarbage(t *testing.T) {
	h := hashed
	cut, hash := rules(t, Rules{Addresses: TruncateAddresses}), rules(t, Rules{Addresses: HashAddresses, Mode: SecretDrop})
	wantSafe(t, cut, lineSecrets, [][2]string{
		{"PROXY TCP4 192.0.2.77 203.0.113.7 35646 80", "PROXY TCP4 192.0.2.0 203.0.113.7 35646 80"},
		{"PROXY TCP6 2001:db8:1:2::3 2001:db8::1 35646 80", "PROXY TCP6 2001:db8:1:: 2001:db8::1 35646 80"},
		{"PROXY TCP4 192.0.2.77", "PROXY TCP4 192.0.2.0"}, {"PROXY TCP4 ", "PROXY TCP4 "}, {"PROXY UNKNOWN", "PROXY UNKNOWN"}, {"PROXY TCP4 x token=v", "PROXY TCP4 " + h("x") + " token=" + h("v")},
		{"PROXY UNKNOWN 192.0.2.77 203.0.113.7 35646 80", "PROXY UNKNOWN 192.0.2.0 203.0.113.7 35646 80"},
		{"X-Forwarded-For: 192.0.2.77", "X-Forwarded-For:" + h(" 192.0.2.77")}, {"x_real_ip: 192.0.2.77", "x_real_ip:" + h(" 192.0.2.77")},
	})
	wantSafe(t, hash, lineSecrets, [][2]string{{"PROXY TCP4 192.0.2.77 203.0.113.7 1 80", "PROXY TCP4 " + h("192.0.2.77") + " 203.0.113.7 1 80"}, {"Forwarded: for=192.0.2.77", "Forwarded:"}})
	for name, want := range map[string]policy{"cloudfront-viewer-address": oneAddress, "x-azure-socketip": oneAddress, "x-nf-client-connection-ip": oneAddress,
		"x-vercel-proxied-for": addressList, "x-proxyuser-ip": oneAddress, "x-ip": inClear, "viewer-address": inClear} {
		if got := hash.header([]byte(name)); got != want {
			t.Errorf("header %s: policy %d, want %d", name, got, want)
		}
	}
	r := newRig(t, logformat.EscapeDefault, `"$request"`, Options{Secrets: cut})
	r.wantFields(t, `"PROXY TCP4 192.0.2.77 203.0.113.7 35646 80"`, map[string]string{"method": "null", "request": `"PROXY TCP4 192.0.2.0 203.0.113.7 35646 80"`})
}

// TestNoSumNoDigest: where the checksum of a line would tell an address, so would its SHA-256.
func TestNoSumNoDigest(t *testing.T) {
	line := []byte(strings.Repeat("x", 100))
	for _, q := range []Quarantined{{Origin: testOrigin, MaxRaw: 10}, {Origin: testOrigin, Whole: &Whole{Length: 1000, CRC32C: 7, SHA256: sha256.Sum256(line)}}} {
		for _, hidden := range []bool{true, false} {
			q.NoSum = hidden
			var got Quarantined
			if _, err := ReadQuarantined(&got, AppendQuarantined(nil, line, &q)); err != nil {
				t.Fatal(err)
			}
			if got.Whole.SHA256 == [32]byte{} != hidden || got.Whole.CRC32C == 0 != hidden || !got.Truncated {
				t.Errorf("hidden %v: sum %x, digest %x, truncated %v", hidden, got.Whole.CRC32C, got.Whole.SHA256, got.Truncated)
			}
		}
	}
}

// TestLongNames: rules hold for names of any length.
func TestLongNames(t *testing.T) {
	long := "x_a" + strings.Repeat("b", 300)
	r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{Secrets: rules(t, Rules{}), Headers: HeaderRules{Deny: []string{"x-a*"}}})
	if out := r.encode(t, `"`+long+"="+attackMark+"&"+strings.ToUpper(strings.Replace(long, "a", "z", 1))+"_token="+attackMark+`"`); bytes.Contains(out, []byte(attackMark)) {
		t.Errorf("%q", out)
	}
}

// TestMoreNames: names of headers, parameters and variables that real products use for what must not be read, and neighbours that are harmless.
func TestMoreNames(t *testing.T) {
	s := rules(t, Rules{Addresses: HashAddresses})
	for name, want := range map[string]policy{
		"ocp-apim-subscription-key": wholeSecret, "x-functions-key": wholeSecret, "x-rapidapi-key": wholeSecret, "x-parse-master-key": wholeSecret, "x-session-key": wholeSecret,
		"auth": wholeSecret, "x-auth": wholeSecret, "x-authentication": wholeSecret, "x-credentials": wholeSecret, "x-hub-signature-256": wholeSecret, "x-shopify-hmac-sha256": wholeSecret,
		"www-authenticate": inClear, "idempotency-key": inClear, "surrogate-key": inClear, "x-cache-key": inClear, "sec-websocket-key": inClear, "x-auth-user": inClear, "author": inClear,
	} {
		if got := s.header([]byte(name)); got != want {
			t.Errorf("header %s: policy %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]bool{"asp.net_sessionid": true, "user_session_id": true, "subscription-key": true, "client_assertion": true, "id_token_hint": true,
		"samlresponse": true, "password1": true, "password2": true, "password_confirmation": true, "passcode": true,
		"page": false, "zip_code": false, "country_code": false, "sort_key": false, "position1": false, "response": false, "hint": false} {
		if got := s.parameter([]byte(name)); got != want {
			t.Errorf("parameter %s: %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]policy{
		"ssl_session_id": wholeSecret, "resp_body": bodySecrets, "response_body": bodySecrets, "body": bodySecrets, "post_body": bodySecrets, "request_line": urlSecrets,
		"proxy_cache_key": urlSecrets, "memcached_key": urlSecrets, "xff": addressList, "client_address": oneAddress, "source_ip": oneAddress, "src_ip": oneAddress, "peer_addr": oneAddress,
		"body_bytes_sent": inClear, "upstream_addr": inClear, "server_addr": inClear, "ssl_session_reused": inClear, "key": inClear, "code": inClear,
	} {
		if got := s.variable(name); got != want {
			t.Errorf("variable %s: policy %d, want %d", name, got, want)
		}
	}
}

// TestAllowedSpelling: who allows x-a has not allowed x_a, which another program may read as the same header.
func TestAllowedSpelling(t *testing.T) {
	for allow, want := range map[string]string{"x-a": `{"x-a":["1"]}`, "x_a": `{"x-a":["1"],"x_a":["2"]}`} {
		r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{Headers: HeaderRules{Allow: []string{allow}}})
		r.wantFields(t, `"X-A=1&X_A=2&B=3"`, map[string]string{"request_headers": want})
	}
}
