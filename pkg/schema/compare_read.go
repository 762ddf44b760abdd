package schema

import (
	"fmt"
	"slices"
)

// failure is why a reader cannot read what a writer may write.
type failure struct{ path, why string }

// read returns nil if every event written with schema w can be read with schema r, by the section "Schema Resolution" of the
// specification, and else the first failure.
func (c *comparison) read(r, w *node) *failure {
	return (&reading{comparison: c, seen: map[pair]bool{}}).read(r, w, "", 0)
}

// reading is one question: can r read w?
type reading struct {
	*comparison
	// seen are the pairs of records that were looked at or are being looked at. A pair that comes up again inside itself is no reason
	// to fail. No branch is tried out and given up, so that one failure anywhere answers the whole question.
	seen map[pair]bool
}

func (q *reading) read(r, w *node, path string, depth int) *failure {
	if !q.step(depth) {
		return nil
	}
	fail := func(format string, args ...any) *failure {
		return &failure{pathOrRoot(path), subject(path) + ": " + fmt.Sprintf(format, args...)}
	}
	if w.kind == "union" {
		for _, b := range w.branches {
			if f := q.read(r, b, path, depth+1); f != nil {
				return f
			}
		}
		return nil
	}
	if r.kind == "union" {
		b := q.selectBranch(r, w)
		if b == nil {
			return fail("%s is none of %s", w.describe(), r.describe())
		}
		return q.read(b, w, path, depth+1)
	}
	if r.kind != w.kind {
		if promotes(w.kind, r.kind) {
			return nil
		}
		return fail("%s can't be read as %s", w.describe(), r.describe())
	}
	if named(r.kind) && !r.takes(w) {
		return fail("%s is not known as %s", w.describe(), r.describe())
	}
	switch r.kind {
	case "array":
		return q.read(r.elem, w.elem, path+"[]", depth+1)
	case "map":
		return q.read(r.elem, w.elem, path+"{}", depth+1)
	case "enum":
		q.steps -= len(w.symbols)
		for _, s := range w.symbols {
			if !r.symbolSet[s] && r.enumDefault == nil {
				return fail("the value %s is unknown to %s, which has no default", s, r.describe())
			}
		}
	case "fixed":
		if r.size != w.size {
			return fail("%s can't be read as %s", w.describe(), r.describe())
		}
	case "record":
		return q.record(r, w, path, depth)
	}
	if !sameDecimal(r, w) {
		return fail("%s can't be read as %s", w.describe(), r.describe())
	}
	return nil
}

func (q *reading) record(r, w *node, path string, depth int) *failure {
	if q.seen[pair{r, w}] {
		return nil
	}
	q.seen[pair{r, w}] = true
	q.steps -= len(r.fields)
	for _, rf := range r.fields {
		here := fieldPath(path, rf.name)
		wf, rival := rf.findIn(w)
		switch {
		case rival != nil:
			return &failure{here, fmt.Sprintf("%s: both %s and %s could be meant by its name and aliases", subject(here), wf.name, rival.name)}
		case wf != nil:
			if f := q.read(rf.typ, wf.typ, here, depth+1); f != nil {
				return f
			}
		case rf.def == "":
			return &failure{here, subject(here) + ": it is missing and has no default"}
		}
	}
	return nil
}

// step counts one step and tells whether to go on.
func (c *comparison) step(depth int) bool {
	c.steps--
	if depth > maxDepth {
		c.steps = -1
	}
	return c.steps >= 0
}

// selectBranch returns the branch of union r that reads a value of type w, or nil. The specification takes the first that matches;
// but a union would then not even read itself, where two records of several namespaces share a name, or where bytes stand before
// a string. So, as all known readers do: the same type (and full name, if it has one) first, then the name alone or a promotion.
func (c *comparison) selectBranch(r, w *node) *node {
	var weaker *node
	for _, b := range r.branches {
		if c.steps -= 1 + len(b.aliases); c.steps < 0 {
			return nil
		}
		same := b.kind == w.kind && b.size == w.size
		if same && (!named(b.kind) || b.takesFull(w)) {
			return b
		}
		if weaker == nil && (same && b.takes(w) || promotes(w.kind, b.kind)) {
			weaker = b
		}
	}
	return weaker
}

// takes tells whether named type n reads a type of w's name: the same name, in whatever namespace, or an alias.
func (n *node) takes(w *node) bool {
	return shortName(n.name) == shortName(w.name) || n.takesFull(w)
}

// takesFull is takes with the namespace.
func (n *node) takesFull(w *node) bool { return n.name == w.name || slices.Contains(n.aliases, w.name) }

// findIn returns the field of record w that field f reads, by f's name and aliases, or nil. If another could be meant too, it is the
// second result: an alias gives a field of the writer f's name, and then there are two of that name.
func (f *field) findIn(w *node) (found, rival *field) {
	found = w.byName[f.name]
	for _, a := range f.aliases {
		other := w.byName[a]
		switch {
		case other == nil || other == found:
		case found == nil:
			found = other
		default:
			return found, other
		}
	}
	return found, nil
}

// promotes tells whether a value of the one kind may be read as the other.
func promotes(from, to string) bool {
	switch from {
	case "int":
		return to == "long" || to == "float" || to == "double"
	case "long":
		return to == "float" || to == "double"
	case "float":
		return to == "double"
	case "string":
		return to == "bytes"
	case "bytes":
		return to == "string"
	}
	return false
}

// sameDecimal is false for two decimals of different precision or scale: by the specification they do not match.
func sameDecimal(a, b *node) bool {
	return a.logical.name != "decimal" || b.logical.name != "decimal" || a.logical == b.logical
}
