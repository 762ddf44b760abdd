package logformat

// Shows that a line is cut exactly as Nginx put it together or refused, for generated formats and values, and that Split agrees with
// trying all ways to read a line.

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawFormat draws a format of few columns with separators that like to be confused with values. It returns nil if Compile refuses it.
func drawFormat(t *rapid.T) *Format {
	variables := []string{"$remote_user", "$status", "$request_id", "$upstream_status", "$host", "$body_bytes_sent", "$request_time", "$http_host"}
	separators := []string{" ", "|", " [", "] ", `"`, `" "`, "a", "1", ", ", " : ", "\t", "-", ":", `","x":"`, "x2", `\`, "é"}
	e := rapid.SampledFrom([]Escape{EscapeDefault, EscapeDefault, EscapeJSON, EscapeNone}).Draw(t, "escape")
	var text strings.Builder
	if rapid.Bool().Draw(t, "prefix?") {
		text.WriteString(rapid.SampledFrom(separators).Draw(t, "prefix"))
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "columns") {
		if i > 0 {
			text.WriteString(rapid.SampledFrom(separators).Draw(t, "separator"))
		}
		name := rapid.SampledFrom(variables).Draw(t, "variable")
		text.WriteString("${" + name[1:] + "}")
	}
	if rapid.Bool().Draw(t, "suffix?") {
		text.WriteString(rapid.SampledFrom(separators).Draw(t, "suffix"))
	}
	f, err := Compile(Inline(text.String(), e), Options{TrustUnescaped: true})
	if err != nil {
		return nil
	}
	return f
}

// drawValue draws a value of column c as Nginx writes it.
func drawValue(t *rapid.T, f *Format, c Column) []byte {
	switch c.Kind {
	case Text:
		piece := rapid.SampledFrom([]string{"a", " ", "1", "|", "[", "]", `"`, `\`, "x22", "-", ",", ":", "\t", "\xff", "é", "200"})
		v := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "text"), "")
		return escapeAs([]byte(v), f.Escape())
	case Token:
		return []byte(rapid.StringMatching(`[a1:,|-]{0,3}`).Draw(t, "word"))
	case IntList:
		return []byte(rapid.StringMatching(`-||([1-9]|-)((, | : )([1-9]|-)){0,2}( : )?`).Draw(t, "list"))
	case Double:
		return []byte(rapid.StringMatching(`-||[0-9]\.[0-9]{3}`).Draw(t, "double"))
	}
	return []byte(rapid.StringMatching(`-||[0-9]{1,3}`).Draw(t, "number"))
}

// countWays tries all ways to read line[pos:] as column i and what follows. It stops at two, and leaves the first in found.
func countWays(f *Format, line []byte, i, pos int, way []Span, found *[]Span) int {
	if i == len(f.Columns()) {
		if pos != len(line) {
			return 0
		}
		if *found == nil {
			*found = slices.Clone(way)
		}
		return 1
	}
	ways := 0
	for end := pos; end <= len(line) && ways < 2; end++ {
		literal := f.Literal(i + 1)
		if fits(f.Columns()[i].Kind, line[pos:end], f.Escape()) && strings.HasPrefix(string(line[end:]), literal) {
			ways += countWays(f, line, i+1, end+len(literal), append(way, Span{int32(pos), int32(end)}), found)
		}
	}
	return ways
}

// checkAgainstAllWays compares Split with countWays.
func checkAgainstAllWays(t *rapid.T, f *Format, line []byte) []Span {
	var want []Span
	ways := 0
	if strings.HasPrefix(string(line), f.Literal(0)) {
		ways = countWays(f, line, 0, len(f.Literal(0)), nil, &want)
	}
	got, err := f.Split(nil, line)
	switch {
	case ways == 1 && (err != nil || !slices.Equal(got, want)):
		t.Fatalf("%q (escape=%s), line %q: got %v, %v, want %v", f.Definition().Text, f.Escape(), line, got, err, want)
	case ways != 1 && err == nil:
		t.Fatalf("%q (escape=%s), line %q: got %v, but there are %d ways", f.Definition().Text, f.Escape(), line, got, ways)
	case ways > 1 && !strings.Contains(err.Error(), "more than one way"):
		t.Fatalf("%q (escape=%s), line %q: refused with %q", f.Definition().Text, f.Escape(), line, err)
	}
	return got
}

func TestSplitGivesBackTheValues(t *testing.T) {
	cutLines := 0
	rapid.Check(t, func(t *rapid.T) {
		f := drawFormat(t)
		if f == nil {
			return
		}
		line := []byte(f.Literal(0))
		var values [][]byte
		for i, c := range f.Columns() {
			v := drawValue(t, f, c)
			values = append(values, v)
			line = append(append(line, v...), f.Literal(i+1)...)
		}
		spans := checkAgainstAllWays(t, f, line)
		if len(spans) == 0 {
			if _, err := f.Split(nil, line); !strings.Contains(err.Error(), "more than one way") {
				t.Fatalf("%q (escape=%s), line %q: refused with %q", f.Definition().Text, f.Escape(), line, err)
			}
			return
		}
		cutLines++
		for i, s := range spans {
			if string(s.Of(line)) != string(values[i]) {
				t.Fatalf("%q (escape=%s), line %q: column %d is %q, want %q", f.Definition().Text, f.Escape(), line, i, s.Of(line), values[i])
			}
		}
	})
	if cutLines == 0 {
		t.Error("no generated line was cut: the test shows nothing")
	}
}

func TestSplitAgreesWithAllWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFormat(t)
		if f == nil {
			return
		}
		pieces := []string{"a", "1", " ", "-", "0.001", "200", "x2", `\x22`, `\"`, `"`, `\`, "\t", "\n", "\xff"}
		for i := range len(f.Columns()) + 1 {
			pieces = append(pieces, f.Literal(i), f.Literal(i))
		}
		line := f.Literal(0) + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "line"), "")
		checkAgainstAllWays(t, f, []byte(line))
	})
}
