package logformat

// Shows how the lists of $upstream_* variables come apart, and which are refused.

import (
	"slices"
	"testing"
)

// items walks a list.
func items(v string) []string {
	var out []string
	for item, rest, ok := NextListItem([]byte(v)); ok; item, rest, ok = NextListItem(rest) {
		out = append(out, string(item))
	}
	return out
}

func TestListItems(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"200", []string{"200"}},
		{"502, 200", []string{"502", "200"}},
		{"502 : 200", []string{"502", "200"}},
		{"502, 504 : -, 200", []string{"502", "504", "-", "200"}},
		{"192.0.2.1:80, [2001:db8::1]:80 : unix:/tmp/sock", []string{"192.0.2.1:80", "[2001:db8::1]:80", "unix:/tmp/sock"}},
		{"200 : ", []string{"200"}},                     // the second group was answered from a cache
		{" : 10.0.0.1:80", []string{"", "10.0.0.1:80"}}, // the first group had no server
		{"a b", []string{"a b"}},                        // a space alone separates nothing
		{"a,b:c", []string{"a,b:c"}},
		{"a :b", []string{"a :b"}},
		{"a: b", []string{"a: b"}},
		{"a :", []string{"a :"}},
	} {
		if got := items(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%q came apart as %q, want %q", c.in, got, c.want)
		}
		if got := CountList([]byte(c.in)); got != len(c.want) {
			t.Errorf("CountList(%q) = %d, want %d", c.in, got, len(c.want))
		}
	}
}

func TestListFits(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		in   string
		ok   bool
	}{
		{IntList, "", true},
		{IntList, "-", true},
		{IntList, "502, 200 : 200", true},
		{IntList, "200 : ", true},
		{IntList, " : 200", true},
		{IntList, "502, ", false},
		{IntList, ", 502", false},
		{IntList, "502,200", false},
		{IntList, "502 200", false},
		{IntList, "2x", false},
		{IntList, "502, 0.001", false},
		{LongList, "4294967296, 0", true},
		{LongList, "1.5", false},
		{DoubleList, "0.000, 0.001 : -", true},
		{DoubleList, "0.000, .1", false},
		{TextList, "192.0.2.1:80, unix:/tmp/a b", true},
	} {
		if got := fits(c.kind, []byte(c.in), EscapeDefault); got != c.ok {
			t.Errorf("kind %d: fits(%q) = %v", c.kind, c.in, got)
		}
	}
	for in, want := range map[string]bool{"192.0.2.1:80, unix:/a": true, "a b": false, "a, b,": false, "": true, "a : ": true} {
		if got := fitsUnquoted(TextList, []byte(in), EscapeDefault); got != want {
			t.Errorf("unquoted: %q gave %v", in, got)
		}
	}
}
