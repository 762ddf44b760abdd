// Package avrogen makes Avro schemas and edits of them, for tests: Pair gives an old and a new schema that differ by a few edits, as
// schemas of programs do.
//
// The promise: the same seed gives the same pairs, and nearly all of them are valid schemas by the specification. Some are not, since an
// edit may leave a default or an alias behind that no longer fits: the test has to ask a parser.
package avrogen

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// typ is a type; a named one may be used in several places, also inside itself.
type typ struct {
	kind             string
	name, space      string
	aliases          []string
	doc              string
	logical          string
	precision, scale int
	fields           []*field
	symbols          []string
	enumDefault      string
	size             int
	elem             *typ
	branches         []*typ
}

type field struct {
	name    string
	aliases []string
	doc     string
	typ     *typ
	def     any // a value of the first branch of a union, as JSON
	hasDef  bool
}

// Gen makes schemas.
type Gen struct {
	*rand.Rand
	names  int
	space  string
	open   []*typ // records that are being made
	made   []*typ // named types of the schema in hand
	fields []*field
	types  []*typ
}

// New returns a generator; equal seeds give equal schemas.
func New(seed uint64) *Gen { return &Gen{Rand: rand.New(rand.NewPCG(seed, 1))} }

// Pair returns a schema, an edited version of it, in either order, and what the edits were.
func (g *Gen) Pair() (old, new string, edits []string) {
	g.names, g.open, g.made = 0, nil, nil
	g.space = pick(g, "", "a", "a.b")
	root := g.record(3)
	if g.IntN(8) == 0 {
		root = g.typ(3)
	}
	c := &copier{types: map[*typ]*typ{}}
	edited := c.typ(root)
	for i, t := range g.made {
		g.made[i] = c.typ(t)
	}
	for range 1 + g.IntN(3) {
		edits = append(edits, g.edit(&edited))
	}
	old, new = render(root), render(edited)
	if g.IntN(2) == 0 {
		old, new = new, old
	}
	return old, new, edits
}

func pick[T any](g *Gen, list ...T) T { return list[g.IntN(len(list))] }

func (g *Gen) name(prefix string) string {
	g.names++
	return fmt.Sprint(prefix, g.names)
}

var primitives = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

// typ makes a type that nests at most depth levels.
func (g *Gen) typ(depth int) *typ {
	n := g.IntN(20)
	if depth == 0 {
		n = g.IntN(12)
	}
	switch {
	case n < 6:
		return &typ{kind: pick(g, primitives[1:]...)}
	case n < 8:
		return g.logical()
	case n < 10:
		return g.enum()
	case n == 10:
		return g.fixed()
	case n == 11:
		if len(g.made) > 0 {
			return pick(g, g.made...)
		}
		return &typ{kind: "int"}
	case n < 14:
		return g.record(depth - 1)
	case n == 14:
		return &typ{kind: "array", elem: g.typ(depth - 1)}
	case n == 15:
		return &typ{kind: "map", elem: g.typ(depth - 1)}
	}
	return g.union(depth - 1)
}

func (g *Gen) logical() *typ {
	switch g.IntN(4) {
	case 0:
		return &typ{kind: "int", logical: pick(g, "date", "time-millis")}
	case 1:
		return &typ{kind: "string", logical: "uuid"}
	case 2:
		return &typ{kind: "bytes", logical: "decimal", precision: 4 + g.IntN(3), scale: g.IntN(3)}
	}
	return &typ{kind: "long", logical: pick(g, "time-micros", "timestamp-millis", "timestamp-micros", "local-timestamp-millis")}
}

func (g *Gen) enum() *typ {
	t := &typ{kind: "enum", name: g.name("E"), space: g.space}
	for i := range 1 + g.IntN(4) {
		t.symbols = append(t.symbols, string(rune('A'+i)))
	}
	if g.IntN(3) == 0 {
		t.enumDefault = pick(g, t.symbols...)
	}
	g.made = append(g.made, t)
	return t
}

func (g *Gen) fixed() *typ {
	t := &typ{kind: "fixed", name: g.name("F"), space: g.space, size: 1 + g.IntN(12)}
	if g.IntN(3) == 0 {
		t.size, t.logical, t.precision, t.scale = 8, "decimal", 4+g.IntN(3), g.IntN(3)
	}
	g.made = append(g.made, t)
	return t
}

func (g *Gen) record(depth int) *typ {
	t := &typ{kind: "record", name: g.name("R"), space: g.space}
	g.open = append(g.open, t)
	for range g.IntN(5) {
		t.fields = append(t.fields, g.field(depth))
	}
	g.open = g.open[:len(g.open)-1]
	g.made = append(g.made, t)
	return t
}

func (g *Gen) field(depth int) *field {
	f := &field{name: g.name("f"), typ: g.typ(max(depth, 0))}
	if len(g.open) > 0 && g.IntN(12) == 0 { // a list of its own kind
		f.typ = &typ{kind: "union", branches: []*typ{{kind: "null"}, pick(g, g.open...)}}
	}
	if g.IntN(2) == 0 {
		g.setDefault(f)
	}
	return f
}

// setDefault gives a field a default if there is a simple one.
func (g *Gen) setDefault(f *field) {
	t := f.typ
	if t.kind == "union" {
		if len(t.branches) == 0 {
			return
		}
		t = t.branches[0]
	}
	f.hasDef = true
	switch t.kind {
	case "null":
		f.def = nil
	case "boolean":
		f.def = g.IntN(2) == 0
	case "int", "long", "float", "double":
		f.def = g.IntN(100)
	case "string", "bytes":
		f.def = pick(g, "", "x")
	case "enum":
		f.def = pick(g, t.symbols...)
	case "array":
		f.def = []any{}
	case "map":
		f.def = map[string]any{}
	default:
		f.hasDef = false
	}
}

func (g *Gen) union(depth int) *typ {
	t := &typ{kind: "union"}
	if g.IntN(3) > 0 {
		t.branches = append(t.branches, &typ{kind: "null"})
	}
	for range 1 + g.IntN(3) {
		t.add(g.typ(depth))
	}
	return t
}

// add adds a branch if the union lacks it.
func (t *typ) add(b *typ) {
	for _, other := range t.branches {
		if b.kind == "union" || b.kind == other.kind && b.name == other.name && b.space == other.space {
			return
		}
	}
	t.branches = append(t.branches, b)
}

// copier copies a schema; what is one type stays one type.
type copier struct{ types map[*typ]*typ }

func (c *copier) typ(t *typ) *typ {
	if t == nil {
		return nil
	}
	if done := c.types[t]; done != nil {
		return done
	}
	n := *t
	c.types[t] = &n
	n.elem = c.typ(t.elem)
	n.fields, n.branches = nil, nil
	n.symbols = append([]string(nil), t.symbols...)
	n.aliases = append([]string(nil), t.aliases...)
	for _, f := range t.fields {
		nf := *f
		nf.typ = c.typ(f.typ)
		nf.aliases = append([]string(nil), f.aliases...)
		n.fields = append(n.fields, &nf)
	}
	for _, b := range t.branches {
		n.branches = append(n.branches, c.typ(b))
	}
	return &n
}

// render writes a schema as JSON: a named type is defined where it first appears.
func render(t *typ) string {
	b, err := json.Marshal((&renderer{seen: map[*typ]bool{}}).typ(t, ""))
	if err != nil {
		panic(err) // a bug of this package
	}
	return string(b)
}

type renderer struct{ seen map[*typ]bool }

func (r *renderer) typ(t *typ, space string) any {
	if t.kind == "union" {
		list := []any{}
		for _, b := range t.branches {
			list = append(list, r.typ(b, space))
		}
		return list
	}
	if t.name != "" && r.seen[t] {
		if t.space == "" {
			return t.name
		}
		return t.space + "." + t.name
	}
	r.seen[t] = true
	o := map[string]any{"type": t.kind}
	if t.name != "" {
		o["name"] = t.name
		if t.space != space {
			o["namespace"] = t.space
		}
	}
	if t.doc != "" {
		o["doc"] = t.doc
	}
	if t.aliases != nil {
		o["aliases"] = t.aliases
	}
	if t.logical != "" {
		o["logicalType"] = t.logical
		if t.logical == "decimal" {
			o["precision"], o["scale"] = t.precision, t.scale
		}
	}
	switch t.kind {
	case "array":
		o["items"] = r.typ(t.elem, space)
	case "map":
		o["values"] = r.typ(t.elem, space)
	case "fixed":
		o["size"] = t.size
	case "enum":
		o["symbols"] = t.symbols
		if t.enumDefault != "" {
			o["default"] = t.enumDefault
		}
	case "record":
		fields := []any{}
		for _, f := range t.fields {
			fields = append(fields, r.field(f, t.space))
		}
		o["fields"] = fields
	}
	if len(o) == 1 {
		return t.kind
	}
	return o
}

func (r *renderer) field(f *field, space string) any {
	o := map[string]any{"name": f.name, "type": r.typ(f.typ, space)}
	if f.hasDef {
		o["default"] = f.def
	}
	if f.aliases != nil {
		o["aliases"] = f.aliases
	}
	if f.doc != "" {
		o["doc"] = f.doc
	}
	return o
}
