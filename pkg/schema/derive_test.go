package schema

// Shows the schema of typical formats (testdata/*.avsc; go test -update writes them anew), how names are found where they clash, and
// that two independent Avro libraries accept what we derive and agree on its fingerprint.

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/logformat"
)

var update = flag.Bool("update", false, "write the golden files")

func compile(t *testing.T, text string) *logformat.Format {
	t.Helper()
	f, err := logformat.Compile(logformat.Inline(text, logformat.EscapeDefault), logformat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func derive(t *testing.T, text string, o Options) *Event {
	t.Helper()
	if o.Site == "" {
		o.Site = "shop"
	}
	e, err := Derive(compile(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// names returns the fields as text: the name, and the columns it comes from.
func names(e *Event) string {
	var out []string
	for _, f := range e.Fields() {
		s := f.Name
		for _, c := range f.Columns {
			s += fmt.Sprintf("/%d", c)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

const combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

func TestDeriveGolden(t *testing.T) {
	for name, c := range map[string]struct {
		format string
		o      Options
	}{
		"combined": {combined, Options{Site: "shop"}},
		"wide": {`$msec "$upstream_addr" "$upstream_status" "$upstream_response_time" "$upstream_bytes_sent" $request_time $connection ` +
			`"$tenant" "$ngxtap_request_headers" "$ngxtap_response_headers" "$upstream_http_x_cache" "$sent_http_etag"`,
			Options{Site: "api.example-1", Promote: []string{"X-Request-Id", "response:x-cache"}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := derive(t, c.format, c.o)
			var got bytes.Buffer
			if err := json.Indent(&got, []byte(e.JSON()), "", "  "); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&got, "\n%016x\n", e.Fingerprint())
			path := filepath.Join("testdata", name+".avsc")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("the schema differs from %s:\n%s", path, got.Bytes())
			}
			if _, err := goavro.NewCodec(e.JSON()); err != nil {
				t.Errorf("goavro: %v", err)
			}
			if want := specFingerprint(t, e.JSON()); e.Fingerprint() != want {
				t.Errorf("fingerprint %016x, twmb/avro says %016x", e.Fingerprint(), want)
			}
			if again := derive(t, c.format, c.o); again.JSON() != e.JSON() {
				t.Error("a second derivation gives another schema")
			}
		})
	}
}

func TestDeriveFields(t *testing.T) {
	const envelope = "event_time site origin "
	for _, c := range []struct {
		name, format string
		promote      []string
		want         string
	}{
		{"request", `"$request"`, nil, envelope + "method/0 path/0 query/0 protocol/0 request/0 request_headers response_headers invalid_utf8 cut"},
		{"time by precedence", `[$time_local] $time_iso8601 $msec $status`, nil, "event_time/2/1/0 site origin status/3 request_headers response_headers invalid_utf8 cut"},
		{"repeated variables", `$status $status "$http_a" "$http_a" $msec $msec "$request" "$request"`, nil,
			"event_time/4 site origin status/0 method/6 path/6 query/6 protocol/6 request/6 request_headers/2 response_headers invalid_utf8 cut"},
		{"our own names", `"$site" "$method" "$request_headers" "$origin" "$var_site"`, nil,
			envelope + "var_site/0 var_method/1 var_request_headers/2 var_origin/3 var_var_site/4 request_headers response_headers invalid_utf8 cut"},
		{"leading digit", `"$1" "$_1" "$2"`, nil, envelope + "_1/0 var__1/1 _2/2 request_headers response_headers invalid_utf8 cut"},
		{"clash of a clash", `"$var_path" "$path"`, nil, envelope + "var_path/0 var_path_2/1 request_headers response_headers invalid_utf8 cut"},
		{"all families", `"$http_a" "$sent_http_b" "$upstream_http_c" "$http_d"`, nil, envelope + "request_headers/0/3 response_headers/1 upstream_headers/2 invalid_utf8 cut"},
		{"kit", `"$http_a" "$ngxtap_request_headers" "$ngxtap_response_headers"`, []string{"a", "b"},
			envelope + "request_headers/0/1 response_headers/2 a/0/1 b/1 invalid_utf8 cut"},
		{"promoted", `"$http_x_id" "$sent_http_x_id" $status`, []string{"X-Id", "x-id", "response:x-id", "x_id", "status", "upstream:x-id"},
			envelope + "status/2 request_headers/0 response_headers/1 x_id/0 response_x_id/1 header_x_id header_status upstream_x_id invalid_utf8 cut"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := derive(t, c.format, Options{Promote: c.promote})
			if got := names(e); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			checkNames(t, e)
		})
	}
}

// checkNames looks for the fields of e in its JSON, in the same order and without repetition.
func checkNames(t *testing.T, e *Event) {
	t.Helper()
	var record struct {
		Name, Namespace string
		Fields          []struct{ Name, Doc string }
	}
	if err := json.Unmarshal([]byte(e.JSON()), &record); err != nil {
		t.Fatal(err)
	}
	if got := record.Namespace + "." + record.Name; got != e.FullName() {
		t.Errorf("the record is %s, FullName says %s", got, e.FullName())
	}
	var fromJSON, fromFields []string
	for _, f := range record.Fields {
		fromJSON = append(fromJSON, f.Name)
		if f.Doc == "" {
			t.Errorf("field %s has no doc", f.Name)
		}
	}
	for _, f := range e.Fields() {
		fromFields = append(fromFields, f.Name)
	}
	if !slices.Equal(fromJSON, fromFields) {
		t.Errorf("the JSON has %v, Fields %v", fromJSON, fromFields)
	}
	slices.Sort(fromJSON)
	if n := len(fromJSON); n != len(slices.Compact(fromJSON)) {
		t.Error("a name occurs twice")
	}
}

func TestDeriveNamespace(t *testing.T) {
	for site, want := range map[string]string{
		"shop": "ngxtap.shop.AccessEvent", "shop.example-1": "ngxtap.shop_example_1.AccessEvent", "1st": "ngxtap._1st.AccessEvent",
		"é": "ngxtap.__.AccessEvent", `a"b`: "ngxtap.a_b.AccessEvent",
	} {
		if got := derive(t, `$status`, Options{Site: site}).FullName(); got != want {
			t.Errorf("site %q: %s, want %s", site, got, want)
		}
	}
}

func TestDeriveErrors(t *testing.T) {
	f := compile(t, `$status`)
	for _, o := range []Options{{}, {Site: "s", Promote: []string{""}}, {Site: "s", Promote: []string{"a b"}}, {Site: "s", Promote: []string{"cookie:x"}}, {Site: "s", Promote: []string{"response:"}}} {
		if _, err := Derive(f, o); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
}

// Removing $request and adding it again must not change other fields: readers of old and new events need both.
func TestDeriveNamesDoNotDependOnOtherVariables(t *testing.T) {
	with, without := derive(t, `"$method" "$request"`, Options{}), derive(t, `"$method"`, Options{})
	if !strings.Contains(names(with), "var_method/0") || !strings.Contains(names(without), "var_method/0") {
		t.Errorf("%s; %s", names(with), names(without))
	}
}
