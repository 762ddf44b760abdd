package logformat

import "strings"

// Family says whether a variable holds one header field, and of which message.
type Family uint8

// The families of header variables.
const (
	None           Family = iota // not a header field
	RequestHeader                // $http_NAME: the client's request
	ResponseHeader               // $sent_http_NAME: the response to the client
	UpstreamHeader               // $upstream_http_NAME: the last upstream server's response
)

// LookupVariable returns what is known of the Nginx variable of that name, written without "$". Names fold to lower case, as Nginx
// folds them. A variable of a family ($http_NAME, $arg_NAME …) is Text. A name that no module of Nginx defines (set, map, geo, js_set,
// other people's modules) is Text too, with an empty Module.
func LookupVariable(name string) Variable {
	name = strings.ToLower(name)
	for _, m := range variableTable {
		for _, v := range m.variables {
			if v.Name == name {
				v.Module = m.module
				return v
			}
		}
	}
	for _, f := range variableFamilies {
		if rest, ok := strings.CutPrefix(name, f.prefix); ok && rest != "" {
			return Variable{Name: name, Doc: f.doc(rest), Module: f.module}
		}
	}
	return Variable{Name: name, Doc: "Variable $" + name + " of the Nginx configuration."}
}

// Header says which header field the variable holds: $http_user_agent is RequestHeader, "user-agent". The name is in lower case
// with dashes; an underscore in the header's own name can't be told from a dash, for Nginx maps both to an underscore. ok is
// false, and f is None, for all other variables.
func (v Variable) Header() (f Family, name string, ok bool) {
	for _, h := range headerFamilies {
		if rest, ok := strings.CutPrefix(v.Name, h.prefix); ok && rest != "" {
			return h.family, strings.ReplaceAll(rest, "_", "-"), true
		}
	}
	return None, "", false
}

// headerFamilies are the prefixes of header variables.
var headerFamilies = []struct {
	prefix string
	family Family
}{
	{"http_", RequestHeader},
	{"sent_http_", ResponseHeader},
	{"upstream_http_", UpstreamHeader},
}

// variableFamily is the variables that share a prefix. Their values come from clients or upstreams.
type variableFamily struct {
	prefix   string
	module   string
	sentence string // of a member; %s is the rest of its name
	dashes   bool   // the rest of the name is a header's
}

// doc returns the sentence for one member.
func (f *variableFamily) doc(rest string) string {
	if f.dashes {
		rest = strings.ReplaceAll(rest, "_", "-")
	}
	return strings.Replace(f.sentence, "%s", rest, 1)
}

// variableFamilies are the prefix variables of Nginx.
var variableFamilies = []variableFamily{
	{"http_", moduleCore, "Request header %s.", true},
	{"sent_http_", moduleCore, "Response header %s.", true},
	{"sent_trailer_", moduleCore, "Response trailer %s.", true},
	{"upstream_http_", moduleUpstream, "Header %s of the last upstream server's response.", true},
	{"upstream_trailer_", moduleUpstream, "Trailer %s of the last upstream server's response.", true},
	{"upstream_cookie_", moduleUpstream, "Cookie %s that the last upstream server set.", false},
	{"arg_", moduleCore, "Argument %s of the query string.", false},
	{"cookie_", moduleCore, "Cookie %s of the request.", false},
	{"proxy_protocol_tlv_", moduleCore, "Value of the type %s in the PROXY protocol header.", false},
	{"jwt_header_", moduleJWT, "Header parameter %s of the JSON Web Token.", false},
	{"jwt_claim_", moduleJWT, "Claim %s of the JSON Web Token.", false},
	{"jwt_", moduleJWT, "Part %s of the JSON Web Token.", false},
}

// isProse says whether values of v often hold spaces: free text that people or programs write. Two such values with nothing but a
// space between them can't be told apart in most lines. All other variables rarely hold a space, even where Nginx does not forbid it.
func isProse(v Variable) bool {
	if v.Kind == Request || v.Kind == Headers {
		return true
	}
	if v.Kind != Text || v.Name == "http_host" {
		return false
	}
	_, _, isHeader := v.Header()
	return isHeader || strings.Contains(v.Name, "_trailer_")
}
