package logformat

// Shows what the parsers of numbers take and refuse, that doubles are exact, and that nothing allocates.

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestParseIntLong(t *testing.T) {
	for _, c := range []struct {
		in     string
		value  int64
		isInt  bool
		isLong bool
	}{
		{"200", 200, true, true},
		{"009", 9, true, true},
		{"0", 0, true, true},
		{"2147483647", math.MaxInt32, true, true},
		{"2147483648", math.MaxInt32 + 1, false, true},
		{"-5", -5, false, true},
		{"9223372036854775807", math.MaxInt64, false, true},
		{"-9223372036854775808", math.MinInt64, false, true},
		{"9223372036854775808", 0, false, false},
		{"-9223372036854775809", 0, false, false},
		{"18446744073709551616", 0, false, false},
		{"99999999999999999999999", 0, false, false},
		{"", 0, false, false},
		{"-", 0, false, false},
		{"--1", 0, false, false},
		{"+1", 0, false, false},
		{" 1", 0, false, false},
		{"1 ", 0, false, false},
		{"2x", 0, false, false},
		{"1.0", 0, false, false},
	} {
		n, ok := ParseInt([]byte(c.in))
		if ok != c.isInt || (ok && int64(n) != c.value) {
			t.Errorf("ParseInt(%q) = %d, %v", c.in, n, ok)
		}
		l, ok := ParseLong([]byte(c.in))
		if ok != c.isLong || (ok && l != c.value) {
			t.Errorf("ParseLong(%q) = %d, %v", c.in, l, ok)
		}
	}
}

func TestParseDouble(t *testing.T) {
	for _, in := range []string{"0.005", "0", "12", "-12.3456", "1795394816.372", "0.000", "00.10", "9007199254740993", "0.1234567890123456789",
		"123456789012345678901234567890.5", "0.00000000000000000000000000001"} {
		want, err := strconv.ParseFloat(in, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseDouble([]byte(in)); !ok || got != want {
			t.Errorf("ParseDouble(%q) = %v, %v, want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "-", ".", ".5", "5.", "1e3", "inf", "NaN", "0x1", "1_0", "+1", "1.2.3", "--1", " 1", "1,5"} {
		if got, ok := ParseDouble([]byte(in)); ok {
			t.Errorf("ParseDouble(%q) = %v, want a refusal", in, got)
		}
	}
}

// TestParseDoubleExact compares with the standard library over numbers of all lengths.
func TestParseDoubleExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,26})?`).Draw(t, "number")
		want, err := strconv.ParseFloat(in, 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ParseDouble([]byte(in)); !ok || got != want {
			t.Fatalf("ParseDouble(%q) = %v, %v, want %v", in, got, ok, want)
		}
	})
}

func TestParseMsec(t *testing.T) {
	for _, c := range []struct {
		in     string
		micros int64
		ok     bool
	}{
		{"1795394816.372", 1795394816372000, true},
		{"0.000", 0, true},
		{"253402300799.999", 253402300799999000, true},
		{"253402300800.000", 0, false},
		{"1795394816", 0, false},
		{"1795394816.37", 0, false},
		{"1795394816.3725", 0, false},
		{".372", 0, false},
		{"-1.000", 0, false},
		{"1.0x0", 0, false},
		{"", 0, false},
		{"-", 0, false},
	} {
		if got, ok := ParseMsec([]byte(c.in)); ok != c.ok || (ok && got != c.micros) {
			t.Errorf("ParseMsec(%q) = %d, %v", c.in, got, ok)
		}
	}
}

func TestParsersDoNotAllocate(t *testing.T) {
	number, msec, local, iso := []byte("0.005"), []byte("1795394816.372"), []byte("10/Oct/2000:13:55:36 -0700"), []byte("2000-10-10T13:55:36-07:00")
	list, request := []byte("502, 200 : 200"), []byte("GET /a?b=c HTTP/1.1")
	if n := testing.AllocsPerRun(100, func() {
		ParseInt(number)
		ParseLong(number)
		ParseDouble(number)
		ParseMsec(msec)
		ParseTimeLocal(local)
		ParseTimeISO(iso)
		CountList(list)
		SplitRequest(request)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
