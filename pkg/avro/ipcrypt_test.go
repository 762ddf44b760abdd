// ipcrypt_test.go shows that encrypted addresses are those of the specification, that they are the same for all spellings of an address, that
// they stand wherever an address may stand, and that they come back.
package avro

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
)

// TestIPCryptVectors: the test vectors of draft-denis-ipcrypt for ipcrypt-deterministic.
func TestIPCryptVectors(t *testing.T) {
	for _, c := range []struct{ key, address, encrypted string }{
		{"0123456789abcdeffedcba9876543210", "0.0.0.0", "bde9:6789:d353:824c:d7c6:f58a:6bd2:26eb"},
		{"1032547698badcfeefcdab8967452301", "255.255.255.255", "aed2:92f6:ea23:58c3:48fd:8b8:74e8:45d8"},
		{"2b7e151628aed2a6abf7158809cf4f3c", "192.0.2.1", "1dbd:c1b9:fff1:7586:7d0b:67b4:e76e:4777"},
		{"0123456789abcdeffedcba9876543210", "2001:db8:85a3::8a2e:370:7334", "1eef:2352:64c8:18e6:6456:1373:f615:5032"},
		{"1032547698badcfeefcdab8967452301", "192.0.2.1", "7fde:a680:9546:ef2:d3c:7abb:1b38:2659"},
	} {
		key, err := hex.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		r := newRedactor(&Secrets{cipher: block, cryptPrefix: "ipcrypt:00000000:", addresses: EncryptAddresses})
		want := netip.MustParseAddr(c.encrypted).As16()
		got := r.appendAddress(nil, []byte(c.address))
		if string(got) != "ipcrypt:00000000:"+hex.EncodeToString(want[:]) {
			t.Errorf("%s is %s, want the bytes of %s", c.address, got, c.encrypted)
		}
		var keys AddressKeys
		if _, err := keys.Add([]byte("0123456789abcdef")); err != nil {
			t.Fatal(err)
		}
		keys.byID["00000000"] = block
		back, n, err := keys.AppendDecrypted([]byte("."), append(got, ":80"...))
		if string(back) != "."+c.address || n != len(got) || err != nil {
			t.Errorf("%s came back as %s, %d of %d bytes, %v", c.address, back, n, len(got), err)
		}
	}
}

// testEncrypted returns what stands for an address under the key of rules, by another way than the code that is tested: the label and the
// derivation are promised in docs/secrets.md.
func testEncrypted(address string) string {
	block, err := aes.NewCipher(derive([]byte("0123456789abcdef"), []byte("ngxtap: addresses of clients, 1"))[:16])
	if err != nil {
		panic(err)
	}
	b := netip.MustParseAddr(address).As16()
	block.Encrypt(b[:], b[:])
	return "ipcrypt:9f9f5111:" + hex.EncodeToString(b[:])
}

func TestEncryptedAddresses(t *testing.T) {
	h, c := hashed, testEncrypted
	s := rules(t, Rules{Addresses: EncryptAddresses, Mode: SecretDrop})
	wantSafe(t, s, oneAddress, [][2]string{
		{"192.0.2.77", c("192.0.2.77")}, {" 192.0.2.77\t", c("192.0.2.77")}, {"2001:db8:1:2::3", c("2001:db8:1:2::3")},
		{"2001:0DB8:1:2:0:0:0:3", c("2001:db8:1:2::3")}, {"::ffff:192.0.2.77", c("192.0.2.77")}, {"::FFFF:c000:24d", c("192.0.2.77")},
		{"fe80::1%eth0", c("fe80::1")}, {"[fe80::1%25eth0]:80", "[" + c("fe80::1") + "]:80"},
		{"192.0.2.77:8080", c("192.0.2.77") + ":8080"}, {"[2001:db8:1:2::3]:80", "[" + c("2001:db8:1:2::3") + "]:80"}, {"[::1]", "[" + c("::1") + "]"},
		{"unix:", "unix:"}, {"unknown", "unknown"}, {"", ""},
		{"1.2.3", h("1.2.3")}, {"1.2.3.4%x", h("1.2.3.4%x")}, {"fe80::1%", h("fe80::1%")}, {"%", h("%")}, {"Max Mustermann", h("Max Mustermann")},
		{"1.2.3.4:x", h("1.2.3.4:x")}, {"1.2.3.4:123456", h("1.2.3.4:123456")}, {"[::1", h("[::1")}, {"unix:/run/x", h("unix:/run/x")},
		{"192.0.02.77", h("192.0.02.77")}, {"\xc0\x00\x02\x4d", h("\xc0\x00\x02\x4d")}, {c("1.2.3.4"), h(c("1.2.3.4"))},
	})
	wantSafe(t, s, binaryAddress, [][2]string{
		{"\xc0\x00\x02\x4d", c("192.0.2.77")}, {"\x20\x01\x0d\xb8\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03", c("2001:db8:1:2::3")}, {"xyz", h("xyz")}, {"", ""},
	})
	wantSafe(t, rules(t, Rules{Addresses: TruncateAddresses}), binaryAddress, [][2]string{{"\xc0\x00\x02\x4d", h("\xc0\x00\x02\x4d")}})
	wantSafe(t, rules(t, Rules{Addresses: HashAddresses}), binaryAddress, [][2]string{{"\xc0\x00\x02\x4d", h("\xc0\x00\x02\x4d")}})
	wantSafe(t, s, addressList, [][2]string{
		{"192.0.2.77, 2001:db8:1:2::3,unknown", c("192.0.2.77") + ", " + c("2001:db8:1:2::3") + ", unknown"}, {"a, 192.0.2.77", h("a") + ", " + c("192.0.2.77")},
	})
	wantSafe(t, s, forwardedList, [][2]string{
		{`for=192.0.2.77;proto=http;by=203.0.113.43, For="[2001:db8:1:2::3]:80"`, `for=` + c("192.0.2.77") + `;proto=http;by=203.0.113.43, For="[` + c("2001:db8:1:2::3") + `]:80"`},
		{"for=_me", "for=" + h("_me")}, {"for=1.2.3.4;x=5.6.7.8", h("for=1.2.3.4;x=5.6.7.8")},
	})
}

// TestKeysAreApart: neither the key of hashes nor that of quarantined lines is that of addresses.
func TestKeysAreApart(t *testing.T) {
	key := []byte("0123456789abcdef")
	var seen [][]byte
	for _, k := range [][]byte{key, derive(key, []byte(sealLabel)), derive(key, []byte(addressLabel))} {
		for _, other := range seen {
			if bytes.Equal(k[:16], other[:16]) {
				t.Error("two purposes share a key")
			}
		}
		seen = append(seen, k)
	}
	if _, err := NewSecrets(Rules{Mode: SecretDrop, Addresses: EncryptAddresses, Key: []byte("short")}); err == nil {
		t.Error("addresses are encrypted with a short key")
	}
	if _, err := new(AddressKeys).Add([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

// TestAddressesElsewhere: where addresses are hidden they are no keys of records, and no checksum tells them.
func TestAddressesElsewhere(t *testing.T) {
	for mode, hides := range map[string]bool{"keep": false, "truncate": true, "hash": true, "encrypt": true} {
		m, err := ParseAddressMode(mode)
		if err != nil {
			t.Fatal(err)
		}
		s := rules(t, Rules{Addresses: m})
		for _, name := range []string{"remote_addr", "realip_remote_addr", "binary_remote_addr", "proxy_add_x_forwarded_for", "client_ip"} {
			if s.MayHold(name) != hides {
				t.Errorf("%s: $%s may be a key: %v", mode, name, hides)
			}
		}
		if s.HidesSum() != hides || s.MayHold("status") || s.MayHold("upstream_addr") || s.MayHold("server_addr") {
			t.Errorf("%s: sum hidden: %v", mode, s.HidesSum())
		}
	}
}

func TestDecrypted(t *testing.T) {
	var none, keys AddressKeys
	if id, err := keys.Add([]byte("0123456789abcdef")); id != "9f9f5111" || err != nil || keys.Len() != 1 {
		t.Fatal(id, err)
	}
	whole := testEncrypted("192.0.2.77")
	for n := range whole {
		if _, _, err := keys.AppendDecrypted(nil, []byte(whole[:n])); !errors.Is(err, ErrCutOff) {
			t.Errorf("%q: %v", whole[:n], err)
		}
	}
	for _, text := range []string{"x", "192.0.2.1", "Ipcrypt", hashed("x"), strings.ToUpper(whole), strings.Replace(whole, "9f", "9g", 1), "ipcrypt:9f9f5111;", "ipcrypt:9f9f51111", "ipcrypt:9f9f5111:x"} {
		if out, n, err := keys.AppendDecrypted([]byte("."), []byte(text)); !errors.Is(err, ErrNotEncrypted) || n != 0 || string(out) != "." {
			t.Errorf("%q: %q, %d, %v", text, out, n, err)
		}
	}
	var missing *MissingKeyError
	if _, n, err := none.AppendDecrypted(nil, []byte(whole)); !errors.As(err, &missing) || missing.ID != "9f9f5111" || n != len(whole) || !strings.Contains(err.Error(), "9f9f5111") {
		t.Errorf("without the key: %d, %v", n, err)
	}
}

// TestEncryptedInEvents: every place of an address in a line.
func TestEncryptedInEvents(t *testing.T) {
	const format = `$remote_addr "$realip_remote_addr" "$http_x_forwarded_for" "$proxy_add_x_forwarded_for" "$ngxtap_request_headers" "$binary_remote_addr" "$http_forwarded"`
	const line = `192.0.2.77 "::ffff:192.0.2.77" "192.0.2.79" "192.0.2.80, 192.0.2.81" "X-Real-IP=192.0.2.77&CF-Connecting-IP=192.0.2.83" "\xC0\x00\x02M" "for=192.0.2.77:4711"`
	r := newRig(t, logformat.EscapeDefault, format, Options{Secrets: rules(t, Rules{Addresses: EncryptAddresses})}, "x-real-ip")
	c := compact(testEncrypted("192.0.2.77"))
	r.wantFields(t, line, map[string]string{"remote_addr": c, "realip_remote_addr": c, "x_real_ip": c, "binary_remote_addr": c,
		"proxy_add_x_forwarded_for": compact(testEncrypted("192.0.2.80") + ", " + testEncrypted("192.0.2.81")),
		"request_headers": compact(map[string][]string{"x-forwarded-for": {testEncrypted("192.0.2.79")}, "x-real-ip": {testEncrypted("192.0.2.77")},
			"cf-connecting-ip": {testEncrypted("192.0.2.83")}, "forwarded": {"for=" + testEncrypted("192.0.2.77") + ":4711"}})})
	if json := r.json(t, line); strings.Contains(json, "192.0.2.") || !strings.Contains(json, `"crc32c":0`) {
		t.Error(json)
	}
}

func TestEncryptingAllocatesNothing(t *testing.T) {
	r := newRedactor(rules(t, Rules{Addresses: EncryptAddresses}))
	dst := make([]byte, 0, 4096)
	for value, p := range map[string]policy{
		"192.0.2.7, [2001:db8:1:2::3]:80, fe80::1%eth0, unknown": addressList, `for="[2001:db8::1]:80";proto=http`: forwardedList, "192.0.2.7": oneAddress, "\xc0\x00\x02\x4d": binaryAddress,
	} {
		r.appendSafe(dst, []byte(value), p)
		v := []byte(value)
		if n := testing.AllocsPerRun(100, func() { r.appendSafe(dst, v, p) }); n != 0 {
			t.Errorf("%q: %v allocations", value, n)
		}
	}
}

// FuzzAddresses: nothing of an address is left, an encrypted one comes back, and the whole is of the form that AppendDecrypted finds.
func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"192.0.2.7", "[2001:db8::1]:80", "fe80::1%eth0", "unknown", "1.2.3.4:80", "::ffff:1.2.3.4", "x", "unix:", "[1.2.3.4]:5"} {
		f.Add([]byte(s))
	}
	key := []byte("0123456789abcdef")
	s, err := NewSecrets(Rules{Key: key, Addresses: EncryptAddresses})
	if err != nil {
		f.Fatal(err)
	}
	var keys AddressKeys
	if _, err := keys.Add(key); err != nil {
		f.Fatal(err)
	}
	r := newRedactor(s)
	f.Fuzz(func(t *testing.T, v []byte) {
		before := slices.Clone(v)
		out := r.appendAddress([]byte("."), v)[1:]
		if !bytes.Equal(before, v) {
			t.Fatalf("%q was changed to %q", before, v)
		}
		text := bytes.TrimPrefix(out, []byte("["))
		back, n, err := keys.AppendDecrypted(nil, text)
		if err != nil {
			trimmed := bytes.Trim(v, " \t")
			if string(out) != string(r.appendHash(nil, trimmed)) && string(trimmed) != "unknown" && string(trimmed) != "unix:" {
				t.Fatalf("%q became %q, which is neither a hash nor encrypted: %v", v, out, err)
			}
			return
		}
		a, perr := netip.ParseAddr(string(back))
		if perr != nil || len(out)-len(text) > 0 && (len(text) == n || text[n] != ']') {
			t.Fatalf("%q became %q, and came back as %q: %v", v, out, back, perr)
		}
		if again := r.appendAddress(nil, []byte(a.String())); !bytes.Equal(again, text[:n]) {
			t.Fatalf("%q became %q, and came back as %q, which is %q", v, out, back, again)
		}
	})
}
