package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var goodName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parseSchema reads an Avro schema strictly by the specification. Errors name the place, such as "field origin.offset".
func parseSchema(text string) (*node, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the schema is empty")
		}
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: there is text after the schema")
	}
	p := &schemaParser{types: map[string]*node{}}
	n, err := p.parse(tree, "", place{})
	if err != nil {
		return nil, err
	}
	steps := maxSteps
	for _, c := range p.defaults {
		fits := c.typ.fits(c.value, &steps)
		if steps < 0 {
			return nil, c.at.errorf("it takes too long to find out whether the default fits the type")
		}
		if !fits {
			return nil, c.at.errorf("the default does not fit the type, which is %s", c.typ.describe())
		}
	}
	return n, nil
}

// place is where in a schema the parser is.
type place struct {
	path  string // "" at the root
	depth int
}

// String is the beginning of an error message.
func (p place) String() string {
	if p.path == "" {
		return ""
	}
	return "field " + p.path + ": "
}

func (p place) field(name string) place { return place{fieldPath(p.path, name), p.depth + 1} }

func (p place) inner(mark string) place { return place{p.path + mark, p.depth + 1} }

func (p place) errorf(format string, args ...any) error {
	return fmt.Errorf("%s%w", p, fmt.Errorf(format, args...))
}

type schemaParser struct {
	types    map[string]*node // by full name
	defaults []defaultCheck   // done at the end, when the types are complete
}

type defaultCheck struct {
	at    place
	typ   *node
	value any
}

// parse reads one type. space is the namespace of the enclosing type.
func (p *schemaParser) parse(tree any, space string, at place) (*node, error) {
	if at.depth > maxDepth {
		return nil, fmt.Errorf("the schema nests deeper than %d levels", maxDepth)
	}
	switch t := tree.(type) {
	case string:
		return p.lookup(t, space, at)
	case []any:
		return p.union(t, space, at)
	case map[string]any:
		if inner, ok := t["type"].(string); ok {
			return p.object(inner, t, space, at)
		}
		switch inner := t["type"].(type) {
		case map[string]any, []any:
			return p.parse(inner, space, at.inner(""))
		case nil:
			return nil, at.errorf("there is no type")
		}
	}
	return nil, at.errorf("a type must be a name, an object or a list of types")
}

// lookup finds a primitive or a type that was defined before.
func (p *schemaParser) lookup(name, space string, at place) (*node, error) {
	if primitives[name] {
		return &node{kind: name}, nil
	}
	if n := p.types[fullName(name, space)]; n != nil {
		return n, nil
	}
	if n := p.types[name]; n != nil { // from inside a namespace there is no other way to name a type outside of all
		return n, nil
	}
	return nil, at.errorf("there is no type %q; a type must be defined before it is used", name)
}

func (p *schemaParser) union(list []any, space string, at place) (*node, error) {
	n := &node{kind: "union"}
	seen := map[string]bool{}
	for _, tree := range list {
		b, err := p.parse(tree, space, at.inner(""))
		if err != nil {
			return nil, err
		}
		key := b.kind
		if b.name != "" {
			key = b.name
		}
		if b.kind == "union" {
			return nil, at.errorf("a union holds another union")
		}
		if seen[key] {
			return nil, at.errorf("a union holds %s twice", key)
		}
		seen[key] = true
		n.branches = append(n.branches, b)
	}
	return n, nil
}

func (p *schemaParser) object(kind string, o map[string]any, space string, at place) (*node, error) {
	switch kind {
	case "array", "map":
		return p.container(kind, o, space, at)
	case "record", "error", "enum", "fixed":
		return p.namedType(kind, o, space, at)
	}
	n, err := p.lookup(kind, space, at)
	if err != nil || n.name != "" {
		return n, err
	}
	n.logical = logicalOf(n, o)
	return n, nil
}

func (p *schemaParser) container(kind string, o map[string]any, space string, at place) (*node, error) {
	key, mark := "items", "[]"
	if kind == "map" {
		key, mark = "values", "{}"
	}
	tree, ok := o[key]
	if !ok {
		return nil, at.errorf("a type %s needs %q", kind, key)
	}
	elem, err := p.parse(tree, space, at.inner(mark))
	if err != nil {
		return nil, err
	}
	return &node{kind: kind, elem: elem}, nil
}

func (p *schemaParser) namedType(kind string, o map[string]any, space string, at place) (*node, error) {
	if kind == "error" {
		kind = "record"
	}
	n := &node{kind: kind}
	name, ok := o["name"].(string)
	if !ok {
		return nil, at.errorf("a type %s needs a name", kind)
	}
	if s, ok := o["namespace"].(string); ok {
		space = s
	} else if o["namespace"] != nil {
		return nil, at.errorf("the namespace of type %q is no string", name)
	}
	n.name = fullName(name, space)
	for part := range strings.SplitSeq(n.name, ".") {
		if !goodName.MatchString(part) {
			return nil, at.errorf("type name %q: only letters, digits and _ are allowed, and no digit at the beginning", n.name)
		}
	}
	if primitives[shortName(n.name)] {
		return nil, at.errorf("type name %q is taken by Avro itself", n.name)
	}
	if p.types[n.name] != nil {
		return nil, at.errorf("type %s is defined twice", n.name)
	}
	p.types[n.name] = n
	space = namespaceOf(n.name)
	aliases, err := stringList(o["aliases"])
	if err != nil {
		return nil, at.errorf("aliases of type %s: %w", n.name, err)
	}
	for _, a := range aliases {
		n.aliases = append(n.aliases, fullName(a, space))
	}
	slices.Sort(n.aliases)
	n.doc, _ = o["doc"].(string)
	switch kind {
	case "record":
		err = p.fields(n, o, space, at)
	case "enum":
		err = n.parseEnum(o, at)
	case "fixed":
		err = n.parseFixed(o, at)
	}
	return n, err
}

func (p *schemaParser) fields(n *node, o map[string]any, space string, at place) error {
	list, ok := o["fields"].([]any)
	if !ok {
		return at.errorf("record %s needs a list of fields", n.name)
	}
	n.byName = make(map[string]*field, len(list))
	for i, tree := range list {
		fo, ok := tree.(map[string]any)
		name, _ := fo["name"].(string)
		if !ok || !goodName.MatchString(name) {
			return at.errorf("field %d of record %s has no name, or one with other characters than letters, digits and _", i+1, n.name)
		}
		here := at.field(name)
		if n.byName[name] != nil {
			return here.errorf("record %s has two fields of this name", n.name)
		}
		f := &field{name: name}
		var err error
		if f.aliases, err = stringList(fo["aliases"]); err != nil {
			return here.errorf("aliases: %w", err)
		}
		slices.Sort(f.aliases)
		f.doc, _ = fo["doc"].(string)
		if f.typ, err = p.parse(fo["type"], space, here); err != nil {
			return err
		}
		if def, ok := fo["default"]; ok {
			f.def = canonicalJSON(def)
			p.defaults = append(p.defaults, defaultCheck{here, f.typ, def})
		}
		n.byName[name] = f
		n.fields = append(n.fields, f)
	}
	owner := map[string]string{}
	for _, f := range n.fields {
		for _, a := range f.aliases {
			other, taken := owner[a]
			if n.byName[a] != nil {
				other, taken = a, true
			}
			if taken {
				return at.field(f.name).errorf("alias %q also stands for field %s", a, other)
			}
			owner[a] = f.name
		}
	}
	return nil
}

func (n *node) parseEnum(o map[string]any, at place) error {
	var err error
	if n.symbols, err = stringList(o["symbols"]); err != nil || o["symbols"] == nil {
		return at.errorf("enum %s needs a list of symbols", n.name)
	}
	n.symbolSet = make(map[string]bool, len(n.symbols))
	for _, s := range n.symbols {
		if !goodName.MatchString(s) {
			return at.errorf("enum %s: symbol %q: only letters, digits and _ are allowed, and no digit at the beginning", n.name, s)
		}
		if n.symbolSet[s] {
			return at.errorf("enum %s has symbol %s twice", n.name, s)
		}
		n.symbolSet[s] = true
	}
	if def, ok := o["default"]; ok {
		s, _ := def.(string)
		if !n.symbolSet[s] {
			return at.errorf("the default of enum %s is none of its symbols", n.name)
		}
		n.enumDefault = &s
	}
	return nil
}

func (n *node) parseFixed(o map[string]any, at place) error {
	size, ok := integer(o["size"])
	if !ok || size < 0 {
		return at.errorf("fixed %s needs a size in bytes", n.name)
	}
	n.size = size
	n.logical = logicalOf(n, o)
	return nil
}

func namespaceOf(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

// shortName is a name without its namespace.
func shortName(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// integer returns a whole JSON number.
func integer(v any) (int64, bool) {
	num, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(num.String(), 10, 64)
	return i, err == nil
}

// stringList returns a JSON list of strings; a missing one is empty.
func stringList(v any) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, isString := e.(string)
		ok = ok && isString
		out = append(out, s)
	}
	if !ok {
		return nil, errors.New("must be a list of strings")
	}
	return out, nil
}
