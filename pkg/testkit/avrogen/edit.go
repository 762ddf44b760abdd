package avrogen

import "slices"

// edit changes one thing of the schema at *root and returns what it was. Where the schema has no place for the edit chosen, it tries
// another.
func (g *Gen) edit(root **typ) string {
	g.types, g.fields = nil, nil
	g.collect(*root, map[*typ]bool{})
	for {
		e := edits[g.IntN(len(edits))]
		if e.do(g, root) {
			return e.name
		}
	}
}

// collect lists the types and fields of a schema.
func (g *Gen) collect(t *typ, seen map[*typ]bool) {
	if seen[t] {
		return
	}
	seen[t] = true
	g.types = append(g.types, t)
	for _, f := range t.fields {
		g.fields = append(g.fields, f)
		g.collect(f.typ, seen)
	}
	if t.elem != nil {
		g.collect(t.elem, seen)
	}
	for _, b := range t.branches {
		g.collect(b, seen)
	}
}

// of returns a random type of the given kinds, or nil.
func (g *Gen) of(kinds ...string) *typ {
	var found []*typ
	for _, t := range g.types {
		if slices.Contains(kinds, t.kind) {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return pick(g, found...)
}

func (g *Gen) anyField() *field {
	if len(g.fields) == 0 {
		return nil
	}
	return pick(g, g.fields...)
}

// onField is an edit of a random field.
func onField(do func(g *Gen, f *field)) func(*Gen, **typ) bool {
	return func(g *Gen, _ **typ) bool {
		f := g.anyField()
		if f != nil {
			do(g, f)
		}
		return f != nil
	}
}

// onType is an edit of a random type of some kinds.
func onType(do func(g *Gen, t *typ), kinds ...string) func(*Gen, **typ) bool {
	return func(g *Gen, _ **typ) bool {
		t := g.of(kinds...)
		if t != nil {
			do(g, t)
		}
		return t != nil
	}
}

// retype gives a field another type, and a default that fits if it had one.
func (g *Gen) retype(f *field, t *typ) {
	f.typ = t
	if f.hasDef {
		f.def, f.hasDef = nil, false
		g.setDefault(f)
	}
}

// promotions of primitive types.
var promotions = map[string][]string{"int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"},
	"string": {"bytes"}, "bytes": {"string"}}

var edits = []struct {
	name string
	do   func(g *Gen, root **typ) bool
}{
	{"add a field", onType(func(g *Gen, t *typ) { t.fields = slices.Insert(t.fields, g.IntN(len(t.fields)+1), g.field(1)) }, "record")},
	{"remove a field", onType(func(g *Gen, t *typ) {
		if len(t.fields) > 0 {
			t.fields = slices.Delete(t.fields, 0, 1)
		}
	}, "record")},
	{"swap fields", onType(func(g *Gen, t *typ) {
		g.Shuffle(len(t.fields), func(i, j int) { t.fields[i], t.fields[j] = t.fields[j], t.fields[i] })
	}, "record")},
	{"rename a field", onField(func(g *Gen, f *field) { f.name = g.name("f") })},
	{"rename a field with an alias", onField(func(g *Gen, f *field) { f.aliases = append(f.aliases, f.name); f.name = g.name("f") })},
	{"alias of another field", onType(func(g *Gen, t *typ) {
		if len(t.fields) > 1 {
			t.fields[0].aliases = append(t.fields[0].aliases, t.fields[1].name)
			t.fields[1].name = pick(g, t.fields[1].name, g.name("f"))
			if g.IntN(2) == 0 {
				t.fields = slices.Delete(t.fields, 1, 2)
			}
		}
	}, "record")},
	{"change a default", onField(func(g *Gen, f *field) { g.setDefault(f) })},
	{"remove a default", onField(func(_ *Gen, f *field) { f.def, f.hasDef = nil, false })},
	{"doc of a field", onField(func(g *Gen, f *field) { f.doc = g.name("words ") })},
	{"another type", onField(func(g *Gen, f *field) { g.retype(f, g.typ(1)) })},
	{"promote", onType(func(g *Gen, t *typ) {
		if to := promotions[t.kind]; to != nil {
			t.kind, t.logical = pick(g, to...), ""
		}
	}, "int", "long", "float", "string", "bytes")},
	{"make nullable", onField(func(g *Gen, f *field) {
		if f.typ.kind != "union" && f.typ.kind != "null" {
			g.retype(f, &typ{kind: "union", branches: []*typ{{kind: "null"}, f.typ}})
		}
	})},
	{"wrap the root in a union", func(g *Gen, root **typ) bool {
		if (*root).kind == "union" {
			return false
		}
		*root = &typ{kind: "union", branches: []*typ{*root}}
		return true
	}},
	{"unwrap a union", onField(func(g *Gen, f *field) {
		if f.typ.kind == "union" {
			g.retype(f, pick(g, f.typ.branches...))
		}
	})},
	{"add a branch", onType(func(g *Gen, t *typ) { t.add(g.typ(1)) }, "union")},
	{"remove a branch", onType(func(g *Gen, t *typ) {
		if len(t.branches) > 1 {
			t.branches = slices.Delete(t.branches, 1, 2)
		}
	}, "union")},
	{"swap branches", onType(func(g *Gen, t *typ) {
		if n := len(t.branches); n > 1 {
			t.branches[n-1], t.branches[n-2] = t.branches[n-2], t.branches[n-1]
		}
	}, "union")},
	{"double a named branch", onType(func(g *Gen, t *typ) {
		for _, b := range t.branches {
			if b.name != "" && b.space != "" { // from inside a namespace nothing outside of all could be named
				n := *b
				n.space = pick(g, "a", "c", "d") // where the names collide the schema is invalid
				n.fields = append([]*field(nil), b.fields...)
				if n.kind == "record" && g.IntN(2) == 0 {
					n.fields = append(n.fields, g.field(0))
				}
				t.branches = slices.Insert(t.branches, g.IntN(len(t.branches)+1), &n)
				return
			}
		}
	}, "union")},
	{"wrap in an array or a map", onField(func(g *Gen, f *field) { g.retype(f, &typ{kind: pick(g, "array", "map"), elem: f.typ}) })},
	{"another element", onType(func(g *Gen, t *typ) { t.elem = g.typ(1) }, "array", "map")},
	{"add a symbol", onType(func(g *Gen, t *typ) {
		t.symbols = slices.Insert(t.symbols, g.IntN(len(t.symbols)+1), g.name("S"))
	}, "enum")},
	{"remove a symbol", onType(func(g *Gen, t *typ) {
		if len(t.symbols) > 1 {
			t.symbols = slices.Delete(t.symbols, 0, 1)
		}
	}, "enum")},
	{"enum default", onType(func(g *Gen, t *typ) { t.enumDefault = pick(g, "", t.symbols[0], t.symbols[len(t.symbols)-1]) }, "enum")},
	{"another size", onType(func(g *Gen, t *typ) { t.size, t.logical = 1+g.IntN(12), "" }, "fixed")},
	{"rename a type", onType(func(g *Gen, t *typ) { t.name = g.name("T") }, "record", "enum", "fixed")},
	{"rename a type with an alias", onType(func(g *Gen, t *typ) {
		alias := t.name
		if t.space != "" && g.IntN(2) == 0 {
			alias = t.space + "." + t.name
		}
		t.aliases = append(t.aliases, alias)
		t.name = g.name("T")
		if t.space != "" && g.IntN(3) == 0 {
			t.space = pick(g, "a", "c")
		}
	}, "record", "enum", "fixed")},
	{"another namespace", onType(func(g *Gen, t *typ) {
		if t.space != "" {
			t.space = pick(g, "a", "c", "a.b.c")
		}
	}, "record", "enum", "fixed")},
	{"doc of a type", onType(func(g *Gen, t *typ) { t.doc = g.name("words ") }, "record", "enum")},
	{"logical type", onType(func(g *Gen, t *typ) {
		t.logical = pick(g, "", "timestamp-millis", "timestamp-micros", "date", "uuid", "year")
	}, "int", "long", "string")},
	{"decimal", onType(func(g *Gen, t *typ) {
		t.logical, t.precision, t.scale = pick(g, "decimal", "decimal", ""), 4+g.IntN(3), g.IntN(5)
	}, "bytes", "fixed")},
}
