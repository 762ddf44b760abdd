// headerrules_test.go shows which headers become part of events, and that what is too many or too long is cut between characters, named
// and counted, while the event stays.
package avro

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"ngxtap/pkg/logformat"
)

func TestHeaderLists(t *testing.T) {
	const format = `"$http_user_agent" "$http_x_app_id" "$sent_http_x_cache" "$ngxtap_request_headers"`
	const line = `"ua" "7" "HIT" "Host=h&X-App-Secret-Plan=s&X-Other=o&Accept=*"`
	for _, c := range []struct {
		allow, deny []string
		request     string
		response    string
	}{
		{nil, nil, `{"accept":["*"],"host":["h"],"user-agent":["ua"],"x-app-id":["7"],"x-app-secret-plan":["s"],"x-other":["o"]}`, `{"x-cache":["HIT"]}`},
		{[]string{"host", "x-app-*"}, []string{"*-plan"}, `{"host":["h"],"x-app-id":["7"]}`, `{}`},
		{nil, []string{"*app*", "accept"}, `{"host":["h"],"user-agent":["ua"],"x-other":["o"]}`, `{"x-cache":["HIT"]}`},
		{[]string{"*"}, []string{"*"}, `{}`, `{}`},
		{[]string{"host"}, []string{"host"}, `{}`, `{}`},
		{nil, []string{"x_app_*", "x_other", "x_cache"}, `{"accept":["*"],"host":["h"],"user-agent":["ua"]}`, `{}`}, // as variables are written
		{[]string{"user_agent", "x_app_*"}, nil, `{"user-agent":["ua"],"x-app-id":["7"],"x-app-secret-plan":["s"]}`, `{}`},
	} {
		r := newRig(t, logformat.EscapeDefault, format, Options{Headers: HeaderRules{Allow: c.allow, Deny: c.deny}}, "x-other", "x-app-id")
		r.wantFields(t, line, map[string]string{"request_headers": c.request, "response_headers": c.response, "cut": "[]"})
		for field, name := range map[string]string{"x_other": "x-other", "x_app_id": "x-app-id"} {
			if isNull := r.fields(t, line)[field] == nil; isNull == strings.Contains(c.request, name) {
				t.Errorf("allow %v, deny %v: the promoted field %s: null is %v", c.allow, c.deny, field, isNull)
			}
		}
	}
}

func TestHeaderCaps(t *testing.T) {
	opts := Options{Headers: HeaderRules{MaxHeaders: 3, MaxValue: 5}, Secrets: testSecrets(t, SecretHash)}
	r := newRig(t, logformat.EscapeJSON, `"$http_x_long" "$sent_http_x_long" "$http_x_more" "$ngxtap_request_headers"`, opts, "x-long")
	r.wantFields(t, `"abcdéf" "12345" "m" "A=1&A=2&B=%C3%A9%C3%A9%C3%A9"`, map[string]string{
		"request_headers": `{"a":["1","2"],"b":["éé"]}`, "response_headers": `{"x-long":["12345"]}`,
		"cut": `["request_headers.b","request_headers","x_long"]`, "x_long": `"abcd"`,
	})
	if n := r.encoder.Cuts(); n != 3 {
		t.Errorf("%d cuts, want 3: one cut, two left out", n)
	}
	r.wantFields(t, `"abcdéf" "" "m" "A=1&A=2&A=3&A=4&B=1"`, map[string]string{"request_headers": `{"a":["1","2","3"]}`, "cut": `["request_headers","x_long"]`})
	r.wantFields(t, `"abcdéf" "" "m" ""`, map[string]string{"request_headers": `{"x-long":["abcd"],"x-more":["m"]}`, "cut": `["request_headers.x-long","x_long"]`})
	if n := r.encoder.Cuts(); n != 1 {
		t.Errorf("%d cuts, want 1", n)
	}
	r.wantFields(t, `"a" "" "m" "Authorization=v"`, map[string]string{
		"request_headers": compact(map[string][]string{"authorization": {"hmac-"}, "x-long": {"a"}, "x-more": {"m"}}), "cut": `["request_headers.authorization"]`})
	r.wantFields(t, `"a" "" "m" ""`, map[string]string{"cut": "[]"})
}

// TestDefaultCaps: a thousand headers and a value of 100 KB, as no server but ours lets pass.
func TestDefaultCaps(t *testing.T) {
	var kit strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&kit, "H%d=v&", i)
	}
	kit.WriteString("Z=" + strings.Repeat("%E2%82%AC", 33_000))
	r := newRig(t, logformat.EscapeNone, `"$ngxtap_response_headers" "$ngxtap_request_headers"`, Options{Headers: HeaderRules{MaxHeaders: 256, MaxValue: 16 << 10}})
	m := r.fields(t, `"`+kit.String()+`" "Z=`+strings.Repeat("%E2%82%AC", 33_000)+`"`)
	if got := m["response_headers"].(map[string]any); len(got) != 256 || got["h255"] == nil || got["h256"] != nil {
		t.Errorf("%d headers", len(got))
	}
	z := m["request_headers"].(map[string]any)["z"].([]any)[0].(string)
	if len(z) != 16<<10-1 || !utf8.ValidString(z) || strings.Trim(z, "€") != "" {
		t.Errorf("cut to %d bytes, valid: %v", len(z), utf8.ValidString(z))
	}
	if n := r.encoder.Cuts(); n != 746 { // 745 of the response, 1 of the request
		t.Errorf("%d cuts", n)
	}
}

func TestHeaderRulesAllocateNothing(t *testing.T) {
	r := newRig(t, logformat.EscapeDefault, `"$http_x_long" "$sent_http_set_cookie" "$ngxtap_request_headers"`,
		Options{Secrets: testSecrets(t, SecretHash), Headers: HeaderRules{Allow: []string{"*"}, Deny: []string{"x-no*", "*-no"}, MaxHeaders: 4, MaxValue: 8}}, "x-long")
	line := []byte(`"` + strings.Repeat("x", 30) + `" "a=v; Path=/, b=w" "A=1&B=12345678901&C=3&X-No=1&D=4&E=5"`)
	spans, err := r.format.Split(nil, line)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := r.encoder.AppendEvent(dst, line, spans, &testOrigin); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
