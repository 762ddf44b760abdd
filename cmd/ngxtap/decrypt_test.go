// decrypt_test.go shows that what is copied does not depend on where the pieces of it end.
package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// decrypted returns what comes out for r.
func decrypted(t *testing.T, r io.Reader) string {
	d := &decrypter{missing: map[string]int{}}
	if _, err := d.keys.Add([]byte("key-of-yesterday-0123456789")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.copy(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// FuzzDecrypt: byte by byte, and in one piece, the same comes out; what holds no encrypted address comes out as it went in.
func FuzzDecrypt(f *testing.F) {
	const address = "ipcrypt:b574c162:00112233445566778899aabbccddeeff"
	for _, text := range []string{"", "i", "ip", address, address[:30], address + address, "x" + address + "y", address[:20] + address,
		strings.Replace(address, "b5", "00", 1) + "i", "ipipcrypt:" + address} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole, bytewise := decrypted(t, strings.NewReader(text)), decrypted(t, iotest.OneByteReader(strings.NewReader(text)))
		if whole != bytewise {
			t.Fatalf("%q: %q in one piece, %q byte by byte", text, whole, bytewise)
		}
		if !strings.Contains(text, "ipcrypt:b574c162:") && whole != text {
			t.Fatalf("%q became %q", text, whole)
		}
		if strings.Contains(text, address) && strings.Contains(whole, address) {
			t.Fatalf("%q became %q", text, whole)
		}
	})
}
