package avro

// Shows that the value of all headers is read in its three forms, with repeated names in order, and refused where it is broken; and
// that a client can't make it slow.

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"ngxtap/pkg/logformat"
)

// contents returns a set as text: name:[values] in order of first appearance.
func (s *headerSet) contents() string {
	var out []string
	for i := range s.items {
		h := &s.items[i]
		if !h.first {
			continue
		}
		var values []string
		for v := h; v != nil; v = s.next(v) {
			values = append(values, fmt.Sprintf("%q", s.value(v)))
		}
		out = append(out, string(s.name(h))+":"+strings.Join(values, ","))
	}
	return strings.Join(out, " ")
}

func TestKitHeaders(t *testing.T) {
	s := newHeaderSet()
	for _, c := range []struct{ in, want string }{
		{``, ``},
		{`{}`, ``},
		{`[]`, ``},
		{`Host=h`, `host:"h"`},
		{`Host=h&X=`, `host:"h" x:""`},
		{`Set-Cookie=a%3D1; b&X=y&set-cookie=c&SET-COOKIE=d`, `set-cookie:"a=1; b","c","d" x:"y"`},
		{`X=%25%26%3D%22%5C%0A%7F%E9%e9`, `x:"%&=\"\\\n\x7f\xe9\xe9"`},
		{`X=a=b`, `x:"a=b"`},
		{`%C3=v`, `�:"v"`},
		{`%C3=v&%C4=w`, `�:"v","w"`},
		{`{"Host":"h","X":"a","x":"b"}`, `host:"h" x:"a","b"`},
		{` { "Set-Cookie" : [ "a" , "b" ] , "X" : [ ] , "N":5, "Null":null } `, `set-cookie:"a","b" n:"5"`},
		{`{"A":"b","__proto__":{},"C":"d"}`, `a:"b" c:"d"`}, // a header of that name in JSON.stringify(r.headersIn)
		{`{"X":["","",null,"c"]}`, `x:"","","c"`},
		{`{"X":"\"\\\/\b\f\n\r\t\u001f\u00e9\uD83D\uDE00\ud83d!"}`, `x:"\"\\/\b\f\n\r\t\x1fé😀�!"`},
		{"{\"X\":\"raw \xFF\"}", `x:"raw \xff"`},
		{`[["Host","h"],["X","a"],["x",["b","c"]]]`, `host:"h" x:"a","b","c"`},
	} {
		s.reset()
		if err := s.read([]byte(c.in)); err != nil || s.contents() != c.want {
			t.Errorf("%s: got %s, %v; want %s", c.in, s.contents(), err, c.want)
		}
	}
}

func TestKitHeadersBroken(t *testing.T) {
	s := newHeaderSet()
	for _, in := range []string{
		`Host`, `=v`, `A=b&`, `&A=b`, `A=b&&C=d`, `A=%`, `A=%4`, `A=%4x`, `%=b`, `A=b&C`,
		`{`, `{"A"}`, `{"A":}`, `{"A":"b"`, `{"A":"b",}`, `{"A":"b"}x`, `{"":"b"}`, `{"A":"\x"}`, `{"A":"\u12"}`, `{"A":"b}`, `{"A":true}`, `{"A":{"b":"c"}}`, `{"A":{`, `{A:"b"}`, `{"A":["b"}`, `{"A":"\`,
		`[`, `["A"]`, `[["A"]]`, `[["A","b"]`, `[["A","b","c"]]`, `[["A","b"],]`, `[{"A":"b"}]`, "[]\x00",
	} {
		s.reset()
		if err := s.read([]byte(in)); err == nil {
			t.Errorf("%s was read as %s", in, s.contents())
		}
	}
}

func TestKitHeadersMany(t *testing.T) {
	s := newHeaderSet()
	for range 3 { // the table grows in the first round and is used again
		s.reset()
		var in []string
		for i := range 5000 {
			in = append(in, fmt.Sprintf("h%d=%d", i%2500, i))
		}
		if err := s.read([]byte(strings.Join(in, "&"))); err != nil {
			t.Fatal(err)
		}
		for i := range 2500 {
			h := s.find(fmt.Appendf(nil, "h%d", i))
			if h == nil || string(s.value(h)) != fmt.Sprint(i) || string(s.value(s.next(h))) != fmt.Sprint(i+2500) || s.next(s.next(h)) != nil {
				t.Fatalf("header %d is wrong", i)
			}
		}
		if s.find([]byte("h2500")) != nil {
			t.Fatal("a header that was not there")
		}
	}
}

// When the count of lines overflows, no slot of an old line may count.
func TestKitHeadersLineOverflow(t *testing.T) {
	s := newHeaderSet()
	s.reset()
	s.read([]byte("a=b"))
	s.line = 1<<32 - 1
	s.reset()
	if s.find([]byte("a")) != nil || s.line == 0 {
		t.Error("a header of an old line is found")
	}
}

func TestKitInEvents(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, kitFormat, Options{}, "x-dup", "cookie", "response:set-cookie", "missing")
	r.wantFields(t, kitLine, map[string]string{
		"request_headers": `{"accept":["text/html,*/*;q=0.8"],"accept-encoding":["gzip, deflate, br"],"cookie":["a=b; c=\"d\""],"host":["shop.example"],` +
			`"user-agent":["Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],"x-dup":["one","two"],"x-empty":[""],"x-latin":["caf�"]}`,
		"response_headers":    `{"content-type":["text/html; charset=utf-8"],"set-cookie":["a=1","b=2"]}`,
		"x_dup":               `"one, two"`,
		"cookie":              `"a=b; c=\"d\""`,
		"response_set_cookie": `"a=1, b=2"`,
		"missing":             `null`,
		"invalid_utf8":        `["request_headers.x-latin"]`,
	})
	for _, missing := range []string{`-`, ``} {
		line := `1788249600.123 192.0.2.7 "-" "" 400 0 0.000 "-" "-" "-" "" 1 "` + missing + `" "-"`
		r.wantFields(t, line, map[string]string{"request_headers": `{}`, "response_headers": `{}`, "x_dup": `null`})
	}
}

// Named headers only add what the value of all headers lacks.
func TestKitWinsOverNamedHeaders(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$http_a" "$ngxtap_request_headers" "$http_b"`, Options{}, "a", "b")
	r.wantFields(t, `"named" "A=kit&C=kit" "named"`, map[string]string{
		"request_headers": `{"a":["kit"],"b":["named"],"c":["kit"]}`, "a": `"kit"`, "b": `"named"`,
	})
	r.wantFields(t, `"named" "-" "-"`, map[string]string{"request_headers": `{"a":["named"]}`, "a": `"named"`, "b": `null`})
}

func TestKitThroughEscapes(t *testing.T) {
	value := "{\"Host\":\"h\",\"X\":\"\\u001f\xFF\\\"\"}"
	for _, escape := range []logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON} {
		r := newRig(t, escape, `"$ngxtap_request_headers"`, Options{})
		r.wantFields(t, `"`+string(escapeAs([]byte(value), escape))+`"`, map[string]string{
			"request_headers": `{"host":["h"],"x":["\u001f�\""]}`, "invalid_utf8": `["request_headers.x"]`,
		})
	}
}

func TestManyHeadersTakeSeveralBlocks(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$ngxtap_request_headers"`, Options{})
	for _, n := range []int{62, 63, 64, 126, 127, 1000} {
		var headers []string
		for i := range n {
			headers = append(headers, fmt.Sprintf("h%d=v&dup=%d", i, i))
		}
		got := r.fields(t, `"`+strings.Join(headers, "&")+`"`)["request_headers"].(map[string]any)
		if len(got) != n+1 || len(got["dup"].([]any)) != n {
			t.Errorf("%d headers: %d names, %d values of one", n, len(got), len(got["dup"].([]any)))
		}
	}
}

func FuzzKitHeaders(f *testing.F) {
	for _, in := range []string{
		`Host=h&X=%C3%A9`, `{"Host":"h","A":["b",null,5]}`, `[["Host","h"],["A",["b"]]]`, `{"X":"\ud83d\ude00"}`, `A=%`, "{\"A\":\"\xFF\"}", `{"A":["","",""]}`,
	} {
		f.Add([]byte(in))
	}
	r := newRig(f, logformat.EscapeNone, `"$ngxtap_request_headers"`, Options{Secrets: testSecrets(f, SecretHash)}, "x", "host")
	s := newHeaderSet()
	f.Fuzz(func(t *testing.T, in []byte) {
		s.reset()
		err := s.read(in)
		for i := range s.items {
			if name := s.name(&s.items[i]); len(name) == 0 || !utf8.Valid(name) {
				t.Fatalf("name %q", name)
			}
		}
		line := append(append([]byte{'"'}, in...), '"')
		spans := []logformat.Span{{Start: 1, End: int32(len(line) - 1)}}
		out, _, encodeErr := r.encoder.AppendEvent(nil, line, spans, &testOrigin)
		if (err == nil) != (encodeErr == nil) {
			t.Fatalf("the set says %v, the encoder %v", err, encodeErr)
		}
		if err != nil {
			return
		}
		var d Decoder
		if _, err := d.AppendJSON(nil, r.event.JSON(), out); err != nil {
			t.Fatal(err)
		}
	})
}
