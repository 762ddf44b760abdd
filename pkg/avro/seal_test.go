// seal_test.go shows that a quarantined line which is encrypted is read back as it was, that no byte of it is left in clear text, that
// neither it nor its place can be changed unnoticed, and that records from before are still read.
package avro

import (
	"bytes"
	"testing"

	"ngxtap/pkg/schema"
)

func testSealKey(t testing.TB, key string) *SealKey {
	t.Helper()
	k, err := NewSealKey([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealedLine(t *testing.T) {
	const key, mark = "0123456789abcdef", "MaRkEd5EcReT"
	k := testSealKey(t, key)
	s, err := k.Sealer()
	if err != nil {
		t.Fatal(err)
	}
	line := []byte("GET /?token=" + mark + "\xff HTTP/1.1")
	seen := map[string]bool{}
	for i, max := range []int{0, 0, 20} {
		q := Quarantined{Time: 1, Origin: testOrigin, Reason: "r", Column: -1, MaxRaw: max, Seal: s}
		body := AppendQuarantined(nil, line, &q)
		if bytes.Contains(body, []byte(mark[:6])) || bytes.Contains(body, []byte("GET")) {
			t.Fatalf("the line is in clear text: %q", body)
		}
		var d Decoder
		if out, err := d.AppendJSON(nil, schema.QuarantinedLine, body); err != nil || !bytes.Contains(out, []byte(`"raw_key":"`+KeyID([]byte(key))+`"`)) {
			t.Fatalf("%s, %v", out, err)
		}
		var got Quarantined
		raw, err := ReadQuarantined(&got, body)
		if err != nil || got.RawKey != k.ID() || got.Whole.Length != int64(len(line)) {
			t.Fatalf("read %+v, %v", got, err)
		}
		if seen[string(raw)] || len(raw) < sealOverhead {
			t.Fatalf("record %d: the same bytes again, or too few: %x", i, raw)
		}
		seen[string(raw)] = true
		want := line
		if max > 0 {
			want = line[:max]
		}
		if text, err := testSealKey(t, key).Open(raw, &got); err != nil || !bytes.Equal(text, want) {
			t.Errorf("opened %q, %v, want %q", text, err, want)
		}
		if text, err := testSealKey(t, key+"x").Open(raw, &got); err == nil {
			t.Errorf("another key opens it: %q", text)
		}
		for at := range raw {
			bad := bytes.Clone(raw)
			bad[at] ^= 1
			if text, err := k.Open(bad, &got); err == nil {
				t.Fatalf("byte %d is changed, and it reads %q", at, text)
			}
		}
		for at := range raw {
			if text, err := k.Open(raw[:at], &got); err == nil {
				t.Fatalf("cut at %d it reads %q", at, text)
			}
		}
		moved := got
		moved.Origin.Offset++
		if text, err := k.Open(raw, &moved); err == nil {
			t.Errorf("in another place it reads %q", text)
		}
	}
	if _, err := NewSealKey([]byte("short")); err == nil {
		t.Error("a short key is accepted")
	}
}

// TestSealersShareNoNonce: two sealers of one key, as two sessions have, must never encrypt under the same salt and number.
func TestSealersShareNoNonce(t *testing.T) {
	k, seen := testSealKey(t, "0123456789abcdef"), map[string]bool{}
	for range 50 {
		s, err := k.Sealer()
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			head := string(s.append(nil, []byte("x"), &testOrigin)[:saltSize+numberSize])
			if seen[head] {
				t.Fatalf("twice: %x", head)
			}
			seen[head] = true
		}
	}
}

func TestSealAllocatesNothing(t *testing.T) {
	s, err := testSealKey(t, "0123456789abcdef").Sealer()
	if err != nil {
		t.Fatal(err)
	}
	q, line, dst := Quarantined{Origin: testOrigin, Seal: s, Whole: &Whole{Length: 300}}, bytes.Repeat([]byte("x"), 300), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { AppendQuarantined(dst, line, &q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestQuarantinedLineOfBefore: records that were written before raw_key was there.
func TestQuarantinedLineOfBefore(t *testing.T) {
	body := AppendQuarantined(nil, []byte("abc"), &Quarantined{Time: 1, Origin: testOrigin, Column: -1})
	body = body[:len(body)-1]
	var d Decoder
	if _, err := d.AppendJSON(nil, schema.QuarantinedLine1, body); err != nil {
		t.Fatalf("not a record of the old schema: %v", err)
	}
	var q Quarantined
	if raw, err := ReadQuarantined(&q, body); err != nil || string(raw) != "abc" || q.RawKey != "" {
		t.Errorf("read %q, %+v, %v", raw, q, err)
	}
}
