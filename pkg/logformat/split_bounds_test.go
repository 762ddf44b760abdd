package logformat

// Shows that hostile lines cost time and memory in proportion to their length, by counting steps.

import (
	"strings"
	"testing"
)

// stepsOf runs the search of the only run of a format over a whole line and returns its steps.
func stepsOf(t *testing.T, f *Format, line string) (steps, states int, err error) {
	t.Helper()
	s := f.searches.New().(*search)
	o := &f.ops[0]
	if o.code != opSegment || o.open == o.col || !o.toEnd {
		t.Fatalf("%q is not one run to be searched", f.def.Text)
	}
	s.begin(f, o, []byte(line), 0, len(line))
	if m := s.run(make([]Span, len(f.columns)), int(o.col), int(o.open), 0); m != nil {
		err = m
	}
	return s.steps, len(s.states), err
}

func TestSearchIsLinear(t *testing.T) {
	size := 1 << 20
	if testing.Short() {
		size = 1 << 16
	}
	for _, c := range []struct {
		name, format, piece string
	}{
		{"separators only", `$http_a|$http_b|$http_c|$http_d|$http_e`, "|"},
		{"many separators", `$http_a|$http_b|$http_c|$http_d|$http_e`, "ab|"},
		{"separators never complete", `$http_a||$host||$http_b`, "| "},
		{"lists", `$http_a|$upstream_status $upstream_response_time $host`, "|1, "},
		{"one endless list", `$upstream_status $upstream_response_time $host`, "1, "},
		{"addresses", `$upstream_addr $upstream_status $host`, "a, "},
		{"numbers", `$http_a $status $host`, "1 "},
		{"words", `$http_a|$request_id $host`, "a|b"},
		{"escapes", `$http_a|$http_b|$host`, `\x22|`},
		{"a backslash at each place", `$http_a|$http_b|$host`, `\`},
		{"nothing", `$http_a|$http_b|$host`, "a"},
	} {
		f := mustCompile(t, c.format, EscapeDefault)
		line := strings.Repeat(c.piece, size/len(c.piece))
		steps, states, err := stepsOf(t, f, line)
		columns := len(f.columns)
		// One check may run over the bound by itself; it costs no more than the line is long.
		if bound := (columns+8)*4*(len(line)+64) + len(line); steps > bound {
			t.Errorf("%s: %d steps for %d bytes, more than %d", c.name, steps, len(line), bound)
		}
		if states > maxStates+1 {
			t.Errorf("%s: %d states", c.name, states)
		}
		if err == nil {
			t.Errorf("%s: the line was taken", c.name)
		}
	}
}

// TestSearchTakesHonestLines shows that the bounds are wide enough for lines with many columns and many separators within their texts.
func TestSearchTakesHonestLines(t *testing.T) {
	const columns = 60
	f := mustCompile(t, strings.TrimSuffix(strings.Repeat("$host|", columns), "|"), EscapeDefault)
	line := strings.TrimSuffix(strings.Repeat("some text with spaces and \\xC3\\xA9|", columns), "|")
	spans, err := f.Split(nil, []byte(line))
	if err != nil || len(spans) != columns {
		t.Errorf("%d spans, %v", len(spans), err)
	}
	// Each one of the separators more would be one too many to tell.
	if _, err := f.Split(nil, []byte(line+"|")); err == nil || !strings.Contains(err.Error(), "more than one way") {
		t.Errorf("one separator too many: %v", err)
	}
}
