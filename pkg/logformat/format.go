package logformat

import (
	"fmt"
	"sync"
)

// Options are the choices that Compile leaves to its caller.
type Options struct {
	// TrustUnescaped accepts escape=none. A client can then write line feeds, quotes and separators into the log: it can forge
	// whole lines, and columns of the line of its own request. Only lines that can be read in exactly one way are accepted even
	// then.
	TrustUnescaped bool

	// Types gives variables, by their names in lower case, another kind than LookupVariable knows: Text, Int, Long or Double. Of what
	// map, set, geo or js_set define nothing is known, so it is Text without a word here; and a column whose values drift away from
	// their type can be made Text. A line whose value does not fit the kind is a misfit, as ever. Names that the format lacks do no harm:
	// one map serves all formats of a site.
	Types map[string]Kind
}

// Format is a compiled log_format. It does not change after Compile, and any number of goroutines may use it at once.
type Format struct {
	def      *Definition
	columns  []Column
	literals []string // one more than columns: literals[i] stands before column i
	warnings []string
	sets     []*byteSet // of the values of each column
	ops      []op       // the plan by which Split cuts a line
	mayScan  bool       // no literal holds a byte that isPlain looks for, so whole lines can be found plain
	searches sync.Pool  // of *search; only formats with unquoted texts need one
}

// Combined returns the format that Nginx knows without a log_format (ngx_http_combined_fmt).
func Combined() *Definition { return &Definition{Name: "combined", Text: confCombined} }

// Inline returns the definition of a format that is not written in an nginx.conf but in ngxtap's own configuration. text is as
// Nginx sees it after quotes and backslashes were resolved. Its errors give no file and line.
func Inline(text string, esc Escape) *Definition { return &Definition{Escape: esc, Text: text} }

// Definition returns what the format was compiled from.
func (f *Format) Definition() *Definition { return f.def }

// Columns returns the format's variables in the order in which they stand in a line. A variable that is named twice has two columns.
// The slice belongs to the format.
func (f *Format) Columns() []Column { return f.columns }

// Escape returns how values are escaped.
func (f *Format) Escape() Escape { return f.def.Escape }

// Literal returns the fixed text before column i; Literal(len(Columns())) is the text after the last column.
func (f *Format) Literal(i int) string { return f.literals[i] }

// Warnings returns what the author of the format should know, one sentence each, such as which lines will be refused. They start
// with file and line if the definition has them.
func (f *Format) Warnings() []string { return f.warnings }

// Missing says whether v is what Nginx writes for a variable that has no value: "-" in the default mode, nothing in the other
// modes. In the default mode a header whose value is a dash looks the same; in the other modes an empty one does. In a column of
// numbers Split lets both forms through, whatever the mode: a list may hold "-" for a server without an answer, and $remote_port
// is empty on a UNIX-domain socket. A value that does not parse there is null.
func (f *Format) Missing(v []byte) bool {
	if f.def.Escape == EscapeDefault {
		return len(v) == 1 && v[0] == '-'
	}
	return len(v) == 0
}

// place returns where the definition is, ready to be put before a message.
func place(d *Definition) string {
	s := ""
	if d.File != "" {
		s = fmt.Sprintf("%s:%d: ", d.File, d.Line)
	}
	if d.Name != "" {
		s += fmt.Sprintf("log_format %q: ", d.Name)
	}
	return s
}
