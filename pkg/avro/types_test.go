package avro

// Shows what becomes of variables that the configuration gives a type: their values in the event, read back by other libraries, and
// that no secret gets into it as a number.

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// typed compiles a format whose variables have types.
func typed(t rapid.TB, text string, escape logformat.Escape, types map[string]logformat.Kind) (*logformat.Format, *schema.Event) {
	t.Helper()
	f, err := logformat.Compile(logformat.Inline(text, escape), logformat.Options{Types: types})
	if err != nil {
		t.Fatal(err)
	}
	ev, err := schema.Derive(f, schema.Options{Site: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return f, ev
}

func TestGoldenEventsOfTypedVariables(t *testing.T) {
	types := map[string]logformat.Kind{"app_ms": logformat.Long, "workers": logformat.Int, "score": logformat.Double, "status": logformat.Text}
	var got bytes.Buffer
	for _, c := range []struct {
		format string
		escape logformat.Escape
		lines  []string
	}{
		{`$msec $app_ms "$workers" $score $status`, logformat.EscapeDefault, []string{
			`1788249600.123 -17 "4" 0.25 200`,
			`1788249600.123 - "-" - -`,
		}},
		{`{"t":"$msec","app_ms":$app_ms,"workers":"$workers","score":$score,"status":"$status"}`, logformat.EscapeJSON, []string{
			`{"t":"1788249600.123","app_ms":9223372036854775807,"workers":"0","score":12,"status":"200 OK"}`,
			`{"t":"1788249600.123","app_ms":,"workers":"","score":,"status":""}`,
		}},
	} {
		f, ev := typed(t, c.format, c.escape, types)
		e, err := NewEncoder(f, ev, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{format: f, event: ev, encoder: e}
		fmt.Fprintln(&got, ev.JSON())
		for _, line := range c.lines {
			fmt.Fprintln(&got, r.json(t, line))
		}
	}
	path := filepath.Join("testdata", "types.golden")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("events differ from %s\ngot\n%s\nwant\n%s", path, got.Bytes(), want)
	}
}

func TestOraclesReadTypedVariables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		escape := rapid.SampledFrom([]logformat.Escape{logformat.EscapeDefault, logformat.EscapeJSON}).Draw(t, "escape")
		types := map[string]logformat.Kind{}
		var format, line []string
		var wants []wanted
		for i := range rapid.IntRange(1, 6).Draw(t, "columns") {
			name := fmt.Sprintf("v%d", i)
			w := wanted{field: name}
			var raw string
			switch rapid.IntRange(0, 3).Draw(t, "type") {
			case 0:
				n := rapid.Int32Range(0, math.MaxInt32).Draw(t, "int")
				types[name], raw, w.value = logformat.Int, fmt.Sprint(n), n
			case 1:
				n := rapid.Int64().Draw(t, "long")
				types[name], raw, w.value = logformat.Long, fmt.Sprint(n), n
			case 2:
				n := rapid.Int64Range(-1<<50, 1<<50).Draw(t, "thousandths")
				sign := ""
				if n < 0 {
					sign = "-"
				}
				raw = fmt.Sprintf("%s%d.%03d", sign, max(n, -n)/1000, max(n, -n)%1000)
				types[name], w.value = logformat.Double, float64(n)/1000
			case 3:
				raw = rapid.StringMatching(`[a-z0-9]{1,9}`).Draw(t, "string")
				types[name], w.value = logformat.Text, raw
			}
			if rapid.IntRange(0, 4).Draw(t, "missing") == 0 {
				raw, w.value = "-", nil
				if escape == logformat.EscapeJSON {
					raw = ""
				}
			}
			quote := rapid.SampledFrom([]string{"", `"`}).Draw(t, "quote")
			format = append(format, quote+"${"+name+"}"+quote)
			line = append(line, quote+raw+quote)
			wants = append(wants, w)
		}
		f, ev := typed(t, strings.Join(format, "|"), escape, types)
		e, err := NewEncoder(f, ev, Options{})
		if err != nil {
			t.Fatal(err)
		}
		text := []byte(strings.Join(line, "|"))
		spans, err := f.Split(nil, text)
		if err != nil {
			if strings.Contains(err.Error(), "more than one way") {
				return // a text without quotes
			}
			t.Fatalf("%q of %q: %v", text, f.Definition().Text, err)
		}
		body, _, err := e.AppendEvent(nil, text, spans, &testOrigin)
		if err != nil {
			t.Fatalf("%q of %q: %v", text, f.Definition().Text, err)
		}
		checkOracles(t, ev.JSON(), body, text, wants, 0)
	})
}

func TestASecretIsNeverANumber(t *testing.T) {
	f := func(name string, k logformat.Kind, keep []string, want string) {
		t.Helper()
		lf, ev := typed(t, "$"+name, logformat.EscapeDefault, map[string]logformat.Kind{name: k})
		_, err := NewEncoder(lf, ev, Options{Secrets: testSecrets(t, SecretHash, keep...)})
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", name, got, want)
		}
	}
	f("arg_otp", logformat.Long, nil, "may hold a secret, which a number would carry in clear text")
	f("cookie_id", logformat.Int, nil, "may hold a secret, which a number would carry in clear text")
	f("arg_code", logformat.Double, nil, "may hold a secret, which a number would carry in clear text")
	f("arg_otp", logformat.Text, nil, "<nil>")
	f("arg_otp", logformat.Long, []string{"otp"}, "<nil>")
	f("arg_page", logformat.Long, nil, "<nil>")
}
