package logformat

import (
	"fmt"
	"path/filepath"
	"strings"
)

// confMaxUses bounds Conf.Uses, Conf.Setters and Conf.Modules, each: nobody reads more.
const confMaxUses = 256

// VariableUse is a directive of http that names a variable which holds all headers, and so has Nginx compute it.
type VariableUse struct {
	Variable  string // without the "$"
	Directive string // such as "proxy_set_header"
	Context   string // where the directive stands, as in AccessLog
	File      string
	Line      int // counted from 1
}

// VariableSetter is a directive that says where the value of a variable which holds all headers comes from.
type VariableSetter struct {
	Variable  string
	Directive string // "js_set", "map", "set", …
	Value     string // of js_set: the function, such as "ngxtap.request_headers"
	NoCache   bool   // of js_set: it is computed anew at each use
	File      string
	Line      int
}

// setters are the directives that give a variable a value, and which of their words names it; -1 is the last.
var setters = map[string]int{
	"js_set": 1, "js_var": 1, "set": 1, "perl_set": 1, "set_by_lua_block": 1, "set_by_lua_file": 1, "set_by_lua": 1,
	"map": -1, "geo": -1, "split_clients": -1, "auth_request_set": 1,
}

// use notes what a directive, or the words that open a block, has to do with variables that hold all headers, and the modules and scripts
// that fill them.
func (r *confReader) use(l *lexer, b *confBlock, st lexStatement) {
	words := st.words
	if b.scope == confOther {
		return
	}
	switch words[0] {
	case "load_module":
		if len(words) == 2 && len(r.conf.Modules) < confMaxUses {
			r.conf.Modules = append(r.conf.Modules, filepath.Base(words[1]))
		}
		return
	case "js_import":
		if name := jsImported(words); name != "" && len(r.conf.Scripts) < confMaxUses {
			r.conf.Scripts = append(r.conf.Scripts, name)
		}
		return
	case "log_format", "access_log": // both are of the log phase
		return
	}
	set := 0
	if at, ok := setters[words[0]]; ok && len(words) > 1 {
		if set = at; at < 0 {
			set = len(words) - 1
		}
		r.setter(l, st, set)
	}
	for i, w := range words[1:] {
		if i+1 != set {
			r.uses(l, b, st, w)
		}
	}
}

// jsImported returns the name that js_import gives a script.
func jsImported(words []string) string {
	switch {
	case len(words) == 2:
		return strings.TrimSuffix(filepath.Base(words[1]), filepath.Ext(words[1]))
	case len(words) == 4 && words[2] == "from":
		return words[1]
	}
	return ""
}

// setter notes a directive that gives the variable in its word i a value.
func (r *confReader) setter(l *lexer, st lexStatement, i int) {
	name := strings.TrimPrefix(st.words[i], "$")
	if LookupVariable(name).Kind != Headers || len(r.conf.Setters) >= confMaxUses {
		return
	}
	s := VariableSetter{Variable: name, Directive: st.words[0], File: l.file, Line: st.line}
	if st.words[0] == "js_set" && len(st.words) > 2 {
		s.Value = st.words[2]
		s.NoCache = len(st.words) > 3 && st.words[3] == "nocache"
	}
	r.conf.Setters = append(r.conf.Setters, s)
}

// uses notes the variables that hold all headers in one word of a directive.
func (r *confReader) uses(l *lexer, b *confBlock, st lexStatement, word string) {
	for i := 0; i < len(word); i++ {
		if word[i] != '$' {
			continue
		}
		v, err := confVariable(word[i:])
		if err != nil {
			continue
		}
		if LookupVariable(v.name).Kind != Headers || len(r.conf.Uses) >= confMaxUses {
			continue
		}
		u := VariableUse{Variable: v.name, Directive: st.words[0], Context: b.String(), File: l.file, Line: st.line}
		if b.scope == confPairs { // the words of a map are no directives
			u.Directive = strings.Fields(b.label)[0]
		}
		r.conf.Uses = append(r.conf.Uses, u)
	}
}

// Where says where the directive is: "FILE:LINE".
func (u *VariableUse) Where() string { return fmt.Sprintf("%s:%d", u.File, u.Line) }

// Where says where the directive is: "FILE:LINE".
func (s *VariableSetter) Where() string { return fmt.Sprintf("%s:%d", s.File, s.Line) }
