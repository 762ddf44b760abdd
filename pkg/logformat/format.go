package logformat

import "errors"

// Options are the choices that Compile leaves to its caller.
type Options struct {
	TrustUnescaped bool // accept escape=none, under which a client can forge columns
}

// Format is a compiled log_format.
type Format struct {
	def      *Definition
	columns  []Column
	literals []string
	warnings []string
}

// Inline returns the definition of a format that is written in ngxtap's own configuration.
func Inline(text string, esc Escape) *Definition { return &Definition{Escape: esc, Text: text} }

// Compile compiles d.
func Compile(d *Definition, o Options) (*Format, error) { return nil, errors.New("not yet") }

// Definition returns what the format was compiled from.
func (f *Format) Definition() *Definition { return f.def }

// Columns returns the format's variables in the order of the line.
func (f *Format) Columns() []Column { return f.columns }

// Escape returns the escape mode.
func (f *Format) Escape() Escape { return f.def.Escape }

// Literal returns the fixed text before column i; i == len(Columns()) is the text after the last.
func (f *Format) Literal(i int) string { return f.literals[i] }

// Warnings returns what the format's author should know.
func (f *Format) Warnings() []string { return f.warnings }

// Missing says whether v is what Nginx writes for a variable without a value.
func (f *Format) Missing(v []byte) bool {
	if f.def.Escape == EscapeDefault {
		return len(v) == 1 && v[0] == '-'
	}
	return len(v) == 0
}
