package logformat

import "strings"

// Family says whether a variable holds one header field, and whose.
type Family uint8

// The families of header variables.
const (
	None           Family = iota // not a header
	RequestHeader                // $http_NAME: a header of the request
	ResponseHeader               // $sent_http_NAME: a header of the response to the client
	UpstreamHeader               // $upstream_http_NAME: a header of the upstream's response
)

// LookupVariable returns what is known of the Nginx variable of that name.
func LookupVariable(name string) Variable {
	return Variable{Name: strings.ToLower(name)}
}

// Header says which header field the variable holds.
func (v Variable) Header() (f Family, name string, ok bool) { return None, "", false }
