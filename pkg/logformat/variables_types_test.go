package logformat

// Shows that a type given to a variable decides how its column is cut and what fits it, in every way to write the column.

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestGivenTypes(t *testing.T) {
	types := map[string]Kind{"app_ms": Long, "workers": Int, "score": Double, "status": Text, "upstream_status": Text, "not_there": Int}
	f := func(escape Escape, text, line, want string) {
		t.Helper()
		lf, err := Compile(Inline(text, escape), Options{Types: types})
		if err != nil {
			t.Fatal(err)
		}
		spans, err := lf.Split(nil, []byte(line))
		if err != nil {
			if got := err.Error(); want == "" || !strings.HasPrefix(want, "error: ") || !strings.Contains(got, want[len("error: "):]) {
				t.Errorf("%q of %q: %v, want %q", line, text, err, want)
			}
			return
		}
		var got []string
		for i, s := range spans {
			got = append(got, strconv.Itoa(int(lf.Columns()[i].Kind))+"="+string(s.Of([]byte(line))))
		}
		if g := strings.Join(got, ";"); g != want {
			t.Errorf("%q of %q: %s, want %s", line, text, g, want)
		}
	}
	const text, int32s, long, double = "0", "2", "3", "4" // the numbers of the kinds
	// Without quotes, in quotes, and as values of JSON; the case of a name does not matter.
	f(EscapeDefault, `$msec $app_ms $workers $score`, `1700000000.123 -7 4 0.25`, "5=1700000000.123;"+long+"=-7;"+int32s+"=4;"+double+"=0.25")
	f(EscapeDefault, `"$App_MS" "$score"`, `"12" "-0.5"`, long+"=12;"+double+"=-0.5")
	f(EscapeJSON, `{"x":$app_ms,"y":"$app_ms"}`, `{"x":12,"y":"12"}`, long+"=12;"+long+"=12")
	// Missing values fit.
	f(EscapeDefault, `$app_ms "$score"`, `- "-"`, long+"=-;"+double+"=-")
	f(EscapeJSON, `{"x":$app_ms,"y":"$score"}`, `{"x":,"y":""}`, long+"=;"+double+"=")
	// What is no such number is a misfit.
	f(EscapeDefault, `$app_ms $host`, `12ms a`, "error: $app_ms: a whole number should stand here")
	f(EscapeDefault, `"$app_ms"`, `"1.5"`, "error: $app_ms: a whole number should stand here")
	f(EscapeDefault, `"$app_ms"`, `"9223372036854775808"`, "error: $app_ms: a whole number should stand here")
	f(EscapeDefault, `"$workers"`, `"2147483648"`, "error: $workers: a whole number should stand here")
	f(EscapeDefault, `"$workers"`, `"-1"`, "error: $workers: a whole number should stand here")
	f(EscapeDefault, `"$score"`, `"1e3"`, "error: $score: a number should stand here")
	f(EscapeDefault, `"$score"`, `"NaN"`, "error: $score: a number should stand here")
	f(EscapeJSON, `{"x":$app_ms}`, `{"x":null}`, "error: $app_ms: a whole number should stand here")
	// A column that drifts is made a string.
	f(EscapeDefault, `"$status" $upstream_status`, `"OK 200" 502, 200`, text+"=OK 200;"+text+"=502, 200")
}

func TestTypesThatCantBeGiven(t *testing.T) {
	f := func(name string, k Kind, want string) {
		t.Helper()
		_, err := Compile(Inline("$status", EscapeDefault), Options{Types: map[string]Kind{name: k}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "$"+name) {
			t.Errorf("type %d of %s: %v, want %q", k, name, err, want)
		}
	}
	f("http_content_length", Long, "values of headers are strings")
	f("sent_http_age", Long, "values of headers are strings")
	f("upstream_http_age", Text, "values of headers are strings")
	f("ngxtap_request_headers", Text, "values of headers are strings")
	f("request", Text, "method, path, query and protocol")
	f("msec", Text, "the time of the event")
	f("time_local", Text, "the time of the event")
	f("time_iso8601", Long, "the time of the event")
	f("x", Msec, "only string, int, long and double")
	f("x", Token, "only string, int, long and double")
	f("App_ms", Long, "lower case")
	for name, k := range typeNames {
		if got, err := ParseType(name); err != nil || got != k {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if _, err := ParseType("float"); err == nil || !strings.Contains(err.Error(), "use string, int, long or double") {
		t.Error(err)
	}
}

// TestGivenTypesAgreeWithAllWays shows for generated formats and lines that a column of a given type is cut as one whose type the
// table knows: exactly, or not at all.
func TestGivenTypesAgreeWithAllWays(t *testing.T) {
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]Kind{Text, Int, Long, Double}), 3, 3).Draw(t, "kinds")
		separator := rapid.SampledFrom([]string{" ", "|", `" "`, "-", ", ", ":", "1"})
		text := `"${a}` + separator.Draw(t, "first") + `${b}` + separator.Draw(t, "second") + `${c}"`
		escape := rapid.SampledFrom([]Escape{EscapeDefault, EscapeJSON}).Draw(t, "escape")
		f, err := Compile(Inline(text, escape), Options{Types: map[string]Kind{"a": kinds[0], "b": kinds[1], "c": kinds[2]}})
		if err != nil {
			return
		}
		line := []byte(f.Literal(0))
		for i := range f.Columns() {
			v := rapid.SampledFrom([]string{"0", "17", "-17", "0.5", "-", "", "x", "1.", "99999999999"}).Draw(t, "value")
			line = append(append(line, v...), f.Literal(i+1)...)
		}
		if len(checkAgainstAllWays(t, f, line)) > 0 {
			cut++
		}
	})
	if cut == 0 {
		t.Error("no generated line was cut: the test shows nothing")
	}
}
