package logformat

// Shows that no format and no line makes Compile or Split fail, and that what Split returns is the whole line.

import "testing"

// FuzzSplit compiles any format and splits any line.
func FuzzSplit(f *testing.F) {
	f.Add(combined, uint8(0), []byte(`192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 5 "-" "curl/8"`))
	f.Add(ingress, uint8(0), []byte(ingressHead+"[a] [] 10.0.0.1:80, 10.0.0.2:80 0, 12 0.001, 0.002 502, 200 abc"))
	f.Add(`{"s":$status,"u":"$http_user_agent"}`, uint8(1), []byte(`{"s":200,"u":"a\"b\u001F"}`))
	f.Add(`"$http_a" "$http_b" $status`, uint8(2), []byte(`"a"b" "\x" 200`))
	f.Add(`$http_a|$host|$status`, uint8(0), []byte(`a|b\x22|c|200`))
	f.Add(`$time_iso8601 $msec`, uint8(0), []byte(`2000-10-10T13:55:36-07:00 971211336.000`))
	f.Fuzz(func(t *testing.T, text string, escape uint8, line []byte) {
		format, err := Compile(Inline(text, Escape(escape%3)), Options{TrustUnescaped: true})
		if err != nil {
			return
		}
		spans, err := format.Split(nil, line)
		if err != nil {
			if m, ok := err.(*Misfit); !ok || m.Reason == "" || m.Offset < 0 || m.Offset > len(line) {
				t.Errorf("a strange refusal: %#v", err)
			}
			return
		}
		if len(spans) != len(format.Columns()) {
			t.Fatalf("%d spans for %d columns", len(spans), len(format.Columns()))
		}
		if joined := join(format, spans, line); joined != string(line) {
			t.Errorf("joined again the line is %q, but was %q", joined, line)
		}
		for i, s := range spans {
			if c := format.Columns()[i]; !fits(c.Kind, s.Of(line), format.Escape()) {
				t.Errorf("$%s can't be %q", c.Name, s.Of(line))
			}
		}
	})
}
