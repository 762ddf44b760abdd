package avro

// Shows that the sum of a line's header names is the same for equal sets of names, in any order and from any encoder, and that the names are
// those of the line, also where the event leaves them out.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
)

// lineNames encodes a line and returns its names by family, each sorted.
func lineNames(t interface{ Fatalf(string, ...any) }, r *rig, line string) (names [logformat.UpstreamHeader + 1][]string) {
	if _, err := r.try(line); err != nil {
		t.Fatalf("%s\n%v", line, err)
	}
	for side := range names {
		r.encoder.EachHeader(logformat.Family(side), []byte(line), r.spans, func(name []byte) {
			names[side] = append(names[side], string(name))
		})
		slices.Sort(names[side])
		if got := r.encoder.HeaderSums()[side]; (got == 0) != (len(names[side]) == 0) {
			t.Fatalf("%s\nside %d: sum %x for %q", line, side, got, names[side])
		}
	}
	return names
}

func TestHeaderSumsNames(t *testing.T) {
	const kit, named = `$status "$ngxtap_request_headers" "$http_x_id" "$http_authorization" "$sent_http_etag"`, `$status "$http_x_id" "$http_authorization" "$sent_http_etag"`
	for _, c := range []struct {
		what, format, line, request, response string
		options                               Options
	}{
		{"named", named, `200 "a" "-" "e"`, "x-id", "etag", Options{}},
		{"none", named, `200 "-" "-" "-"`, "", "", Options{}},
		{"kit", kit, `200 "Host=a&X-B=c&host=d" "-" "-" "-"`, "host x-b", "", Options{}},
		{"kit and named, one in both", kit, `200 "Host=a&X-Id=c" "v" "w" "e"`, "authorization host x-id", "etag", Options{}},
		{"no kit in the line", kit, `200 "-" "v" "-" "-"`, "x-id", "", Options{}},
		{"denied", kit, `200 "Host=a&X-Id=c&X-No=1" "v" "w" "e"`, "authorization host x-id x-no", "etag",
			Options{Headers: HeaderRules{Deny: []string{"x-*", "authorization", "etag"}}}},
		{"not allowed", named, `200 "a" "b" "e"`, "authorization x-id", "etag", Options{Headers: HeaderRules{Allow: []string{"x-id"}}}},
		{"beyond max_headers", kit, `200 "A=1&B=2&C=3" "v" "-" "-"`, "a b c x-id", "", Options{Headers: HeaderRules{MaxHeaders: 1}}},
		{"dropped secrets", kit, `200 "Cookie=1&X-Api-Key=2" "-" "w" "-"`, "authorization cookie x-api-key", "", Options{Secrets: testSecrets(t, SecretDrop)}},
		{"a variable twice", `$status "$http_x_id" "$http_x_id"`, `200 "a" "a"`, "x-id", "", Options{}},
		{"huge", kit, `200 "Host=` + strings.Repeat("x", maxText) + `" "v" "-" "-"`, "host x-id", "", Options{}},
	} {
		r := newRig(t, logformat.EscapeDefault, c.format, c.options)
		names := lineNames(t, r, c.line)
		if got := strings.Join(names[logformat.RequestHeader], " "); got != c.request {
			t.Errorf("%s: request %q, want %q", c.what, got, c.request)
		}
		if got := strings.Join(names[logformat.ResponseHeader], " "); got != c.response {
			t.Errorf("%s: response %q, want %q", c.what, got, c.response)
		}
	}
}

// Any two lines of any two encoders have equal sums if and only if their sets of names are equal.
func TestHeaderSumsOracle(t *testing.T) {
	rigs := []*rig{
		newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers" "$http_a" "$http_b" "$http_c"`, Options{}),
		newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers" "$http_a" "$http_b" "$http_c"`, Options{Headers: HeaderRules{Deny: []string{"b", "d*"}}}),
	}
	rapid.Check(t, func(t *rapid.T) {
		var names [2][]string
		var sums [2]uint64
		for i := range names {
			var pairs []string
			for _, n := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "dd", "e", "A", "x-Y"}), 0, 6).Draw(t, "names") {
				pairs = append(pairs, n+"=v")
			}
			all := strings.Join(pairs, "&")
			if all == "" {
				all = "-"
			}
			value := rapid.SampledFrom([]string{"-", "v"})
			line := fmt.Sprintf(`"%s" "%s" "%s" "%s"`, all, value.Draw(t, "a"), value.Draw(t, "b"), value.Draw(t, "c"))
			r := rapid.SampledFrom(rigs).Draw(t, "rig")
			names[i] = lineNames(t, r, line)[logformat.RequestHeader]
			sums[i] = r.encoder.HeaderSums()[logformat.RequestHeader]
			if len(slices.Compact(slices.Clone(names[i]))) != len(names[i]) {
				t.Fatalf("%s: a name comes twice in %q", line, names[i])
			}
		}
		if (sums[0] == sums[1]) != slices.Equal(names[0], names[1]) {
			t.Fatalf("%q has %x, %q has %x", names[0], sums[0], names[1], sums[1])
		}
	})
}

func TestHeaderSumsAllocateNothing(t *testing.T) {
	headerForms30(func(name, form string, escape logformat.Escape, secrets bool) {
		r, line := headerForm(t, form, escape, secretOptions(t, secrets))
		n := 0
		count := func([]byte) { n++ }
		if a := testing.AllocsPerRun(20, func() { r.encoder.EachHeader(logformat.RequestHeader, line, r.spans, count) }); a != 0 || n == 0 {
			t.Errorf("%s: %v allocations for %d names", name, a, n)
		}
	})
}
