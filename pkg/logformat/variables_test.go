package logformat

// Shows that the table of variables is sound, and how families and header names are found.

import (
	"strings"
	"testing"
)

func TestVariableTable(t *testing.T) {
	seen := map[string]string{}
	for _, m := range variableTable {
		for _, v := range m.variables {
			if other, ok := seen[v.Name]; ok {
				t.Errorf("$%s is in %s and in %s", v.Name, other, m.module)
			}
			seen[v.Name] = m.module
			if v.Name != strings.ToLower(v.Name) || v.Module != "" {
				t.Errorf("$%s: the name must be in lower case, and the module is the table's", v.Name)
			}
			if !strings.HasSuffix(v.Doc, ".") || v.Doc[:1] != strings.ToUpper(v.Doc[:1]) {
				t.Errorf("$%s: %q is no sentence", v.Name, v.Doc)
			}
			if v.Kind == Text && v.Unit != "" {
				t.Errorf("$%s is a text with a unit", v.Name)
			}
			got := LookupVariable(strings.ToUpper(v.Name))
			want := v
			want.Module = m.module
			if got != want {
				t.Errorf("LookupVariable found %+v, want %+v", got, want)
			}
		}
	}
	if len(seen) < 150 {
		t.Errorf("only %d variables", len(seen))
	}
}

func TestLookupVariable(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   Kind
		unit   string
		module string
	}{
		{"status", Int, "", moduleLog},
		{"Body_Bytes_Sent", Long, "bytes", moduleLog},
		{"request_time", Double, "seconds", moduleLog},
		{"msec", Msec, "seconds", moduleLog},
		{"time_local", TimeLocal, "", moduleLog},
		{"time_iso8601", TimeISO, "", moduleLog},
		{"request", Request, "", moduleCore},
		{"remote_addr", Token, "", moduleCore},
		{"remote_user", Text, "", moduleCore},
		{"upstream_status", IntList, "", moduleUpstream},
		{"upstream_response_length", LongList, "bytes", moduleUpstream},
		{"upstream_response_time", DoubleList, "seconds", moduleUpstream},
		{"upstream_addr", TextList, "", moduleUpstream},
		{"ssl_protocol", Token, "", moduleSSL},
		{"ngxtap_request_headers", Headers, "", "ngxtap"},
		{"http_user_agent", Text, "", moduleCore},
		{"arg_page", Text, "", moduleCore},
		{"upstream_cookie_id", Text, "", moduleUpstream},
		{"jwt_claim_sub", Text, "", moduleJWT},
		{"http_", Text, "", ""},
		{"my_variable", Text, "", ""},
	} {
		v := LookupVariable(c.name)
		if v.Name != strings.ToLower(c.name) || v.Kind != c.kind || v.Unit != c.unit || v.Module != c.module || v.Doc == "" {
			t.Errorf("$%s: %+v", c.name, v)
		}
	}
	if got := LookupVariable("http_x_request_id").Doc; got != "Request header x-request-id." {
		t.Errorf("doc of a header: %q", got)
	}
}

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name   string
		family Family
		header string
	}{
		{"http_user_agent", RequestHeader, "user-agent"},
		{"HTTP_Host", RequestHeader, "host"},
		{"sent_http_content_type", ResponseHeader, "content-type"},
		{"upstream_http_x_cache", UpstreamHeader, "x-cache"},
		{"http_", None, ""},
		{"http2", None, ""},
		{"sent_trailer_grpc_status", None, ""},
		{"content_type", None, ""},
		{"status", None, ""},
	} {
		f, name, ok := LookupVariable(c.name).Header()
		if f != c.family || name != c.header || ok != (c.family != None) {
			t.Errorf("$%s: %d %q %v", c.name, f, name, ok)
		}
	}
}
