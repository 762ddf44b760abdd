package schema

import (
	"fmt"
	"slices"
	"strings"
)

// direction says whose reading depends on a pair of types that walk looks at.
type direction uint8

const (
	toNew   direction = 1 << iota // programs with the new schema come here with old events
	toOld                         // programs with the old schema come here with new events
	visited                       // in comparison.seen
)

// walk notes what differs between the old type o and the new type n. What differs where no reader looks breaks nobody.
func (c *comparison) walk(o, n *node, path string, d direction, depth int) {
	if !c.step(depth) {
		return
	}
	if o.kind == "union" || n.kind == "union" {
		c.unions(o, n, path, d, depth)
		return
	}
	if o.kind != n.kind {
		c.typeChange(o, n, path, d, reads{promotes(o.kind, n.kind), promotes(n.kind, o.kind)})
		return
	}
	if named(o.kind) {
		if c.seen[pair{o, n}]&(d|visited) == d|visited {
			return
		}
		c.seen[pair{o, n}] |= d | visited
		c.names(o, n, path, d)
	}
	switch o.kind {
	case "array":
		c.walk(o.elem, n.elem, path+"[]", d, depth+1)
	case "map":
		c.walk(o.elem, n.elem, path+"{}", d, depth+1)
	case "record":
		c.records(o, n, path, d, depth)
	case "enum":
		c.enums(o, n, path, d)
	default:
		if o.size != n.size || !sameDecimal(o, n) {
			c.typeChange(o, n, path, d, reads{})
		} else if o.logical != n.logical {
			c.typeChange(o, n, path, d, readsAll)
		}
	}
}

func (c *comparison) typeChange(o, n *node, path string, d direction, r reads) {
	diff := Diff{Path: path, Kind: KindType, Old: o.describe(), New: n.describe(), Meaning: o.logical != n.logical}
	c.note(d, r, diff, "the type changed from %s to %s%s", diff.Old, diff.New, caution(o.kind, n.kind))
}

// names notes what differs in the names and the doc of two named types.
func (c *comparison) names(o, n *node, path string, d direction) {
	if o.name != n.name {
		c.note(d, reads{n.takes(o), o.takes(n)}, Diff{Path: path, Kind: KindRenamed, Old: o.name, New: n.name},
			"its type %s is now called %s", o.name, n.name)
	} else {
		c.aliases(path, o.aliases, n.aliases, "of its type "+n.name)
	}
	if o.doc != n.doc {
		c.note(d, readsAll, Diff{Path: path, Kind: KindDoc, Old: o.doc, New: n.doc},
			"the description of its type %s changed", n.name)
	}
}

func (c *comparison) aliases(path string, o, n []string, of string) {
	if !slices.Equal(o, n) {
		was, is := strings.Join(o, ", "), strings.Join(n, ", ")
		c.note(0, readsAll, Diff{Path: path, Kind: KindRenamed, Old: was, New: is},
			"the other names %s changed from %s to %s", of, orNone(was), orNone(is))
	}
}

func (c *comparison) records(o, n *node, path string, d direction, depth int) {
	partner := pairFields(o, n)
	last, ordered := -1, true
	at := make(map[*field]int, len(o.fields))
	for i, of := range o.fields {
		at[of] = i
	}
	for _, nf := range n.fields {
		here := fieldPath(path, nf.name)
		of := partner[nf]
		if of == nil {
			c.note(d, reads{nf.def != "", true}, Diff{Path: here, Kind: KindAdded, New: nf.typ.describe()},
				"the field is new, of type %s%s", nf.typ.describe(), nf.withDefault())
			continue
		}
		ordered = ordered && at[of] > last
		last = at[of]
		delete(at, of) // what is left is gone
		c.field(of, nf, o, n, here, d, depth)
	}
	for _, of := range o.fields {
		if _, gone := at[of]; gone {
			c.note(d, reads{true, of.def != ""}, Diff{Path: fieldPath(path, of.name), Kind: KindRemoved, Old: of.typ.describe()},
				"the field is gone")
		}
	}
	if !ordered {
		c.note(d, readsAll, Diff{Path: path, Kind: KindType, Old: fieldNames(o), New: fieldNames(n)},
			"the order of the fields changed")
	}
}

// field notes what differs between field of of record o and its partner nf of record n.
func (c *comparison) field(of, nf *field, o, n *node, path string, d direction, depth int) {
	read, _ := nf.findIn(o)
	readBack, _ := of.findIn(n)
	inner := d
	if read != of {
		inner &^= toNew
	}
	if readBack != nf {
		inner &^= toOld
	}
	if of.name != nf.name {
		c.note(d, reads{read != nil || nf.def != "", readBack != nil || of.def != ""}, Diff{Path: path, Kind: KindRenamed, Old: of.name, New: nf.name},
			"the field was called %s", of.name)
	} else {
		c.aliases(path, of.aliases, nf.aliases, "of the field")
	}
	if of.doc != nf.doc {
		c.note(d, readsAll, Diff{Path: path, Kind: KindDoc, Old: of.doc, New: nf.doc},
			"the description changed")
	}
	if of.def != nf.def {
		c.note(d, readsAll, Diff{Path: path, Kind: KindDefault, Old: of.def, New: nf.def},
			"the default, which stands in where an event lacks the field, changed from %s to %s", orNone(of.def), orNone(nf.def))
	}
	c.walk(of.typ, nf.typ, path, inner, depth+1)
}

// pairFields returns the old field of each new one that is not an addition: by name, else by an alias on either side.
func pairFields(o, n *node) map[*field]*field {
	partner := make(map[*field]*field, len(n.fields))
	taken := map[*field]bool{}
	match := func(nf, of *field) {
		if nf != nil && of != nil && partner[nf] == nil && !taken[of] {
			partner[nf], taken[of] = of, true
		}
	}
	for _, nf := range n.fields {
		match(nf, o.byName[nf.name])
	}
	for _, nf := range n.fields {
		for _, a := range nf.aliases {
			match(nf, o.byName[a])
		}
	}
	for _, of := range o.fields {
		for _, a := range of.aliases {
			match(n.byName[a], of)
		}
	}
	return partner
}

func (c *comparison) enums(o, n *node, path string, d direction) {
	var was, is []string // the symbols of both
	for _, s := range o.symbols {
		if n.symbolSet[s] {
			was = append(was, s)
			continue
		}
		c.note(d, reads{n.enumDefault != nil, true}, Diff{Path: path, Kind: KindRemoved, Old: s},
			"the value %s is gone%s", s, fallback(n))
	}
	for _, s := range n.symbols {
		if o.symbolSet[s] {
			is = append(is, s)
			continue
		}
		c.note(d, reads{true, o.enumDefault != nil}, Diff{Path: path, Kind: KindAdded, New: s},
			"the value %s is new%s", s, fallback(o))
	}
	if !slices.Equal(was, is) {
		c.note(d, readsAll, Diff{Path: path, Kind: KindType, Old: strings.Join(o.symbols, ", "), New: strings.Join(n.symbols, ", ")},
			"the order of the values changed")
	}
	if was, is := o.orDefault(), n.orDefault(); was != is {
		c.note(d, readsAll, Diff{Path: path, Kind: KindDefault, Old: was, New: is},
			"the value that stands in for unknown ones changed from %s to %s", orNone(was), orNone(is))
	}
}

// unions compares two types of which at least one is a union; the other counts as a union of one.
func (c *comparison) unions(o, n *node, path string, d direction, depth int) {
	was, is := o.asUnion(), n.asUnion()
	partner := c.pairBranches(was, is)
	before, last, ordered := len(c.diffs), -1, true
	at := make(map[*node]int, len(was.branches))
	for i, ob := range was.branches {
		at[ob] = i
	}
	for _, nb := range is.branches {
		ob := partner[nb]
		if ob == nil {
			c.note(d, reads{true, d&toOld == 0 || c.read(o, nb) == nil}, Diff{Path: path, Kind: KindAdded, New: nb.describe()},
				"it may now also be %s", nb.describe())
			continue
		}
		ordered = ordered && at[ob] > last
		last = at[ob]
		delete(at, ob) // what is left is gone
		inner, here := d, path
		if b := c.selectBranch(is, ob); b != nil && b != nb {
			inner &^= toNew // another branch reads it
		}
		if b := c.selectBranch(was, nb); b != nil && b != ob {
			inner &^= toOld
		}
		if was.several() || is.several() {
			here += "|" + nb.typeName()
		}
		c.walk(ob, nb, here, inner, depth+1)
	}
	for _, ob := range was.branches {
		if _, gone := at[ob]; gone {
			c.note(d, reads{d&toNew == 0 || c.read(n, ob) == nil, true}, Diff{Path: path, Kind: KindRemoved, Old: ob.describe()},
				"it can no longer be %s", ob.describe())
		}
	}
	if !ordered || o.kind != n.kind && len(c.diffs) == before {
		c.note(d, readsAll, Diff{Path: path, Kind: KindType, Old: o.describe(), New: n.describe()},
			"the list of its alternatives changed from %s to %s", o.describe(), n.describe())
	}
}

// pairBranches returns the old branch of each new one that is not an addition: the same, else one of the same name, else one that
// can be promoted, else the only other one that is left beside null.
func (c *comparison) pairBranches(o, n *node) map[*node]*node {
	partner := map[*node]*node{}
	taken := map[*node]bool{}
	for _, fits := range []func(ob, nb *node) bool{
		func(ob, nb *node) bool { return ob.kind == nb.kind && ob.name == nb.name },
		func(ob, nb *node) bool { return ob.kind == nb.kind && (ob.takesFull(nb) || nb.takesFull(ob)) },
		func(ob, nb *node) bool {
			return ob.kind == nb.kind && named(ob.kind) && ob.size == nb.size && ob.takes(nb)
		},
		func(ob, nb *node) bool { return promotes(ob.kind, nb.kind) || promotes(nb.kind, ob.kind) },
	} {
		for _, nb := range n.branches {
			for _, ob := range o.branches {
				if c.steps -= 1 + len(ob.aliases) + len(nb.aliases); c.steps < 0 {
					return partner
				}
				if partner[nb] == nil && !taken[ob] && fits(ob, nb) {
					partner[nb], taken[ob] = ob, true
				}
			}
		}
	}
	var left, right []*node
	for _, ob := range o.branches {
		if ob.kind != "null" && !taken[ob] {
			left = append(left, ob)
		}
	}
	for _, nb := range n.branches {
		if nb.kind != "null" && partner[nb] == nil {
			right = append(right, nb)
		}
	}
	if len(left) == 1 && len(right) == 1 {
		partner[right[0]] = left[0]
	}
	return partner
}

func (n *node) asUnion() *node {
	if n.kind == "union" {
		return n
	}
	return &node{kind: "union", branches: []*node{n}}
}

// several tells whether a union has more than one branch beside null.
func (n *node) several() bool {
	count := len(n.branches)
	if slices.ContainsFunc(n.branches, func(b *node) bool { return b.kind == "null" }) {
		count--
	}
	return count > 1
}

// reads says who reads on in spite of a difference.
type reads struct{ backward, forward bool }

var readsAll = reads{true, true}

// note adds a diff at a path where the readers d look.
func (c *comparison) note(d direction, r reads, diff Diff, format string, args ...any) {
	diff.Class = classOf(r.backward || d&toNew == 0, r.forward || d&toOld == 0)
	diff.Meaning = diff.Meaning && diff.Class != ClassBreaking // what nobody reads misleads nobody
	diff.Text = subject(diff.Path) + ": " + fmt.Sprintf(format, args...) + consequence(diff.Kind, diff.Class, diff.Meaning)
	diff.Path = pathOrRoot(diff.Path)
	c.diffs = append(c.diffs, diff)
}
