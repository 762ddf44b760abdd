package avro

// Shows, for generated formats and lines, that the names found in an encoded event are the keys that goavro reads from it, that finding
// them allocates nothing, and that no broken event can crash it or make it read beyond its end.

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// families are the fields that hold headers, and whose headers these are.
var families = map[logformat.Family]string{
	logformat.RequestHeader: "request_headers", logformat.ResponseHeader: "response_headers", logformat.UpstreamHeader: "upstream_headers",
}

// namesOf returns "field.name" for all names of an event, sorted.
func namesOf(h *HeaderNames, event []byte) (names []string, err error) {
	err = h.Each(event, func(side logformat.Family, name []byte) { names = append(names, families[side]+"."+string(name)) })
	slices.Sort(names)
	return names, err
}

// oracleNames is the same by goavro.
func oracleNames(t interface{ Fatal(...any) }, schemaJSON string, body []byte) (names []string) {
	codec, err := goavro.NewCodec(schemaJSON)
	if err != nil {
		t.Fatal(err)
	}
	native, _, err := codec.NativeFromBinary(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range families {
		headers, _ := native.(map[string]any)[field].(map[string]any)
		for name := range maps.Keys(headers) {
			names = append(names, field+"."+name)
		}
	}
	slices.Sort(names)
	return names
}

func TestHeaderNamesOracle(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		escape := rapid.SampledFrom([]logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON}).Draw(t, "escape")
		format, line, _, _ := drawLine(t, escape)
		f, err := logformat.Compile(logformat.Inline(format, escape), logformat.Options{})
		if err != nil {
			t.Fatal(err)
		}
		promote := rapid.SliceOf(rapid.SampledFrom([]string{"a", "response:b", "upstream:c", "host"})).Draw(t, "promote")
		ev, err := schema.Derive(f, schema.Options{Site: "s", Promote: promote})
		if err != nil {
			t.Fatal(err)
		}
		prefix := rapid.SliceOfN(rapid.Byte(), 0, 17).Draw(t, "prefix")
		e, err := NewEncoder(f, ev, Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		spans, err := f.Split(nil, line)
		if err != nil {
			t.Fatal(err)
		}
		event, _, err := e.AppendEvent(nil, line, spans, &testOrigin)
		if err != nil {
			t.Fatal(err)
		}
		h, err := NewHeaderNames(ev, len(prefix))
		if err != nil {
			t.Fatal(err)
		}
		got, err := namesOf(h, event)
		if err != nil {
			t.Fatalf("%s\n%q: %v", format, line, err)
		}
		if want := oracleNames(t, ev.JSON(), event[len(prefix):]); !slices.Equal(got, want) {
			t.Fatalf("%s\n%q: found %q, goavro reads %q", format, line, got, want)
		}
		found += len(got)

		// Cut off anywhere, and with any byte another: an error or other names, but never a crash.
		at := rapid.IntRange(0, len(event)-1).Draw(t, "at")
		if cut, err := namesOf(h, event[:at:at]); err == nil && len(h.fields) > 0 && len(cut) != len(got) {
			t.Fatalf("cut off at %d of %d bytes, %d of %d names and no error", at, len(event), len(cut), len(got))
		}
		event[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_, _ = namesOf(h, event)
	})
	if found < 100 {
		t.Errorf("only %d names in all: the generator shows too little", found)
	}
}

// More headers than one block of a map holds, as only the column with all headers can give.
func TestHeaderNamesOfManyBlocks(t *testing.T) {
	for _, n := range []int{0, 1, maxBlock, maxBlock + 1, 3 * maxBlock, 1000} {
		r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers" $status "$ngxtap_response_headers"`, Options{})
		h, err := NewHeaderNames(r.event, 0)
		if err != nil {
			t.Fatal(err)
		}
		line := []byte{'"'}
		for i := range n {
			line = fmt.Appendf(line, "X-%d=a&", i)
		}
		line = append(bytes.TrimSuffix(line, []byte("&")), `" 200 "Etag=b&etag=c"`...)
		got, err := namesOf(h, r.encode(t, string(line)))
		if err != nil || len(got) != n+1 || !slices.Equal(got, oracleNames(t, r.event.JSON(), r.encode(t, string(line)))) {
			t.Errorf("%d headers and one: found %d, %v", n, len(got), err)
		}
	}
}

func TestHeaderNamesOfEveryFamily(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$http_host" "$sent_http_etag" "$upstream_http_x_cache" $status "$http_b" "$http_x_y"`, Options{Prefix: []byte("12345")}, "host")
	h, err := NewHeaderNames(r.event, 5)
	if err != nil {
		t.Fatal(err)
	}
	got, err := namesOf(h, r.encode(t, `"example.org" "\x22e\x22" "HIT" 200 "-" "v"`))
	want := []string{"request_headers.host", "request_headers.x-y", "response_headers.etag", "upstream_headers.x-cache"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v; want %q", got, err, want)
	}
}

// A format without headers costs nothing, and says nothing about lines it can't know.
func TestHeaderNamesOfAFormatWithoutHeaders(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `$status $remote_addr`, Options{})
	h, err := NewHeaderNames(r.event, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := namesOf(h, nil); err != nil || len(got) > 0 || len(h.fields) > 0 {
		t.Errorf("%q, %v, %d fields", got, err, len(h.fields))
	}
}

func TestHeaderNamesAllocateNothing(t *testing.T) {
	r, lines := corpus(t, Options{Prefix: []byte("12345")})
	h, err := NewHeaderNames(r.event, 5)
	if err != nil {
		t.Fatal(err)
	}
	var events [][]byte
	for _, line := range lines[:100] {
		events = append(events, r.encode(t, string(line)))
	}
	n, size := 0, 0
	count := func(side logformat.Family, name []byte) { n, size = n+1, size+len(name) }
	if allocs := testing.AllocsPerRun(10, func() {
		for _, event := range events {
			if err := h.Each(event, count); err != nil {
				t.Fatal(err)
			}
		}
	}); allocs != 0 {
		t.Errorf("%g allocations for %d events", allocs, len(events))
	}
	if n < 5*len(events) || size < n {
		t.Errorf("only %d names: the corpus shows too little", n)
	}
}
