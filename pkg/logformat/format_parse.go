package logformat

import (
	"fmt"
	"strings"
)

// maxColumns bounds the variables of a format. Nobody needs more, and the memory of a row of spans stays small.
const maxColumns = 1024

// variableRef is one variable of a format's text.
type variableRef struct {
	name string
	at   int // byte offset of its "$"
}

// parseText takes a format's text apart by the rules of ngx_http_log_compile_format. literals has one item more than refs.
func parseText(d *Definition) (refs []variableRef, literals []string, err error) {
	text := d.Text
	start := 0
	for i := 0; i < len(text); {
		if text[i] != '$' {
			i++
			continue
		}
		name, end, err := parseName(d, i)
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, variableRef{name: name, at: i})
		literals = append(literals, text[start:i])
		i, start = end, end
	}
	literals = append(literals, text[start:])
	switch {
	case len(refs) == 0:
		return nil, nil, fmt.Errorf("%sthe format has no variables, so its lines say nothing; name at least one, such as $request", place(d))
	case len(refs) > maxColumns:
		return nil, nil, fmt.Errorf("%sthe format has %d variables; ngxtap takes at most %d: leave some out", place(d), len(refs), maxColumns)
	}
	return refs, literals, nil
}

// parseName reads the variable whose "$" is at text[i]. end is the offset of what follows it.
func parseName(d *Definition, i int) (name string, end int, err error) {
	text := d.Text
	start := i + 1
	bracket := start < len(text) && text[start] == '{'
	if bracket {
		start++
	}
	end = start
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	name = text[start:end]
	if bracket && (end == len(text) || text[end] != '}') {
		return "", 0, at(d, i, "the closing brace of \"${%s\" is missing; write \"${%s}\"", name, name)
	}
	if name == "" {
		return "", 0, at(d, i, "a \"$\" without the name of a variable; Nginx has no way to write a plain dollar sign here: leave it out")
	}
	if bracket {
		end++
	}
	return name, end, nil
}

// isNameByte says whether c can be part of a variable's name.
func isNameByte(c byte) bool {
	return c == '_' || c-'0' < 10 || c-'a' < 26 || c-'A' < 26
}

// at returns an error about the variable whose "$" is at byte i of the text.
func at(d *Definition, i int, format string, args ...any) error {
	return fmt.Errorf("%scolumn %d of the format: %s", place(d), i+1, fmt.Sprintf(format, args...))
}

// newColumns looks the variables up. types are the kinds of Options.
func newColumns(refs []variableRef, literals []string, types map[string]Kind) []Column {
	columns := make([]Column, len(refs))
	for i, r := range refs {
		columns[i] = Column{
			Variable: LookupVariable(r.name),
			Quoted:   strings.HasSuffix(literals[i], `"`) && strings.HasPrefix(literals[i+1], `"`),
		}
		if k, ok := types[columns[i].Name]; ok {
			columns[i].Kind = k
		}
	}
	return columns
}
