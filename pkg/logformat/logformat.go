// Package logformat knows what the lines of an Nginx access log look like, from nginx.conf itself: it reads the configuration,
// compiles a log_format and cuts lines by it.
//
// The promise: a line is cut exactly as Nginx put it together, or it is refused with the reason. No value ever lands in another
// value's column, and nothing is copied or allocated on the way.
package logformat

import "fmt"

// Escape is how Nginx escapes the values of variables: the escape= parameter of log_format (ngx_http_log_module).
type Escape uint8

// The escape modes of Nginx.
const (
	EscapeDefault Escape = iota // `"`, `\`, bytes below 0x20 and from 0x7f on become \xHH; a missing value is "-"
	EscapeJSON                  // `"`, `\` and bytes below 0x20 become JSON escapes; all else is raw; a missing value is empty
	EscapeNone                  // nothing is escaped: a client can forge lines and columns
)

// String returns the mode as nginx.conf spells it.
func (e Escape) String() string {
	switch e {
	case EscapeJSON:
		return "json"
	case EscapeNone:
		return "none"
	}
	return "default"
}

// ParseEscape reads a mode as nginx.conf spells it; the empty string is EscapeDefault.
func ParseEscape(s string) (Escape, error) {
	switch s {
	case "", "default":
		return EscapeDefault, nil
	case "json":
		return EscapeJSON, nil
	case "none":
		return EscapeNone, nil
	}
	return 0, fmt.Errorf("unknown escape mode %q: Nginx has default, json and none", s)
}

// Kind is how Nginx prints a variable. It decides which bytes a value may hold, so how a line can be cut, and which Avro type
// the value gets.
type Kind uint8

// The kinds of values.
const (
	Text       Kind = iota // anything, spaces included
	Token                  // anything without space
	Int                    // decimal digits that fit 32 bits: status 200 (or 009)
	Long                   // decimal digits with an optional sign that fit 64 bits
	Double                 // decimal number such as 0.005
	Msec                   // $msec: seconds since the epoch with three decimals
	TimeLocal              // $time_local: 10/Oct/2000:13:55:36 -0700
	TimeISO                // $time_iso8601: 2000-10-10T13:55:36-07:00
	Request                // $request: the request line, which may hold anything, empty included
	IntList                // $upstream_status: "502, 200 : 200", "-" where there is none
	LongList               // $upstream_bytes_sent and the like
	DoubleList             // $upstream_response_time and the like
	TextList               // $upstream_addr and the like
	Headers                // all headers in one value: $ngxtap_request_headers, $ngxtap_response_headers
)

// Variable is what is known of an Nginx variable.
type Variable struct {
	Name   string // without "$", lower case
	Kind   Kind
	Unit   string // "bytes", "seconds" … or empty
	Doc    string // one sentence
	Module string // the Nginx module that defines it, or empty where it is not known (set, map, js_set …)
}

// Definition is a log_format as it was written.
type Definition struct {
	Name   string
	Escape Escape
	Text   string // the strings of the directive put together, quotes and conf escapes resolved
	File   string // where it was found; empty for a predefined or inline format
	Line   int
}

// Column is one variable of a compiled format.
type Column struct {
	Variable
	Quoted bool // the literals around it are double quotes
}

// Span is where a value lies in its line: line[Start:End], still escaped.
type Span struct{ Start, End int32 }

// Of returns the span's bytes, which belong to line.
func (s Span) Of(line []byte) []byte { return line[s.Start:s.End] }

// Misfit is why a line does not fit a format.
type Misfit struct {
	Offset   int    // bytes from the start of the line to where it stopped fitting
	Variable string // the column's variable, empty at a literal
	Reason   string // for people; never holds bytes of the line
}

// Error implements error.
func (m *Misfit) Error() string {
	if m.Variable == "" {
		return m.Reason
	}
	return "$" + m.Variable + ": " + m.Reason
}
