package schema

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep a schema may nest, and how deep a comparison follows it. Real schemas stay below twenty.
const maxDepth = 500

// node is one type of a parsed schema. A named type is one node, however often it is used, so nodes of a recursive schema form a cycle.
type node struct {
	kind        string   // "null", "int", …, "record", "enum", "fixed", "array", "map", "union"
	name        string   // of a record, enum or fixed, with its namespace
	aliases     []string // full names, sorted
	doc         string
	logical     logical
	fields      []*field          // of a record, in order
	byName      map[string]*field // the same fields
	symbols     []string          // of an enum, in order
	symbolSet   map[string]bool   // the same symbols
	enumDefault *string           // nil without one
	size        int64             // of a fixed, in bytes
	elem        *node             // items of an array, values of a map
	branches    []*node           // of a union, in order
}

// field is one field of a record.
type field struct {
	name    string
	aliases []string // sorted
	doc     string
	typ     *node
	def     string // the default as JSON in one spelling; "" without one
}

// logical is a logical type that its base type can carry; others count as absent, as the specification wants.
type logical struct {
	name             string
	precision, scale int64 // of a decimal
}

// primitives are the types without a name or parts of their own.
var primitives = map[string]bool{"null": true, "boolean": true, "int": true, "long": true, "float": true, "double": true,
	"bytes": true, "string": true}

// named tells whether a type of this kind has a name that matters to readers.
func named(kind string) bool { return kind == "record" || kind == "enum" || kind == "fixed" }

// logicalOf returns the logical type that o gives to n, or none where it is unknown or does not fit n.
func logicalOf(n *node, o map[string]any) logical {
	l := logical{}
	l.name, _ = o["logicalType"].(string)
	ok := false
	switch l.name {
	case "date", "time-millis":
		ok = n.kind == "int"
	case "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		ok = n.kind == "long"
	case "uuid":
		ok = n.kind == "string" || n.kind == "fixed" && n.size == 16
	case "duration":
		ok = n.kind == "fixed" && n.size == 12
	case "big-decimal":
		ok = n.kind == "bytes"
	case "decimal":
		l.precision, ok = integer(o["precision"])
		if o["scale"] != nil {
			var whole bool
			l.scale, whole = integer(o["scale"])
			ok = ok && whole
		}
		ok = ok && l.precision > 0 && l.scale >= 0 && l.scale <= l.precision &&
			(n.kind == "bytes" || n.kind == "fixed" && float64(l.precision) <= fixedDigits(n.size))
	}
	if !ok {
		return logical{}
	}
	return l
}

// fixedDigits is how many decimal digits size bytes can always hold.
func fixedDigits(size int64) float64 {
	return math.Floor(math.Log10(2) * (8*float64(size) - 1))
}

// fits tells whether a JSON value can be the default of a field of type n. A union takes what any of its branches takes. It takes
// the steps that it needs from the given number, for unions of recursive records need exponentially many; below zero the answer
// means nothing.
func (n *node) fits(value any, steps *int) bool {
	if *steps--; *steps < 0 {
		return false
	}
	switch n.kind {
	case "null":
		return value == nil
	case "boolean":
		_, ok := value.(bool)
		return ok
	case "int", "long":
		i, ok := integer(value)
		return ok && (n.kind == "long" || i == int64(int32(i)))
	case "float", "double":
		_, ok := value.(json.Number)
		return ok
	case "string":
		_, ok := value.(string)
		return ok
	case "bytes", "fixed":
		s, ok := value.(string)
		return ok && !strings.ContainsFunc(s, func(r rune) bool { return r > 0xff }) &&
			(n.kind == "bytes" || int64(utf8.RuneCountInString(s)) == n.size)
	case "enum":
		s, _ := value.(string)
		return n.symbolSet[s]
	case "union":
		return slices.ContainsFunc(n.branches, func(b *node) bool { return b.fits(value, steps) })
	case "array":
		list, ok := value.([]any)
		return ok && !slices.ContainsFunc(list, func(v any) bool { return !n.elem.fits(v, steps) })
	}
	return n.fitsObject(value, steps)
}

// fitsObject is fits for a map or a record.
func (n *node) fitsObject(value any, steps *int) bool {
	object, ok := value.(map[string]any)
	if n.kind == "map" {
		for _, v := range object {
			ok = ok && n.elem.fits(v, steps)
		}
	}
	for _, f := range n.fields {
		if v, given := object[f.name]; given {
			ok = ok && f.typ.fits(v, steps)
		} else {
			ok = ok && f.def != ""
		}
	}
	return ok
}

// canonicalJSON gives equal values one spelling: keys sorted, 1.0 and 1e0 as 1.
func canonicalJSON(v any) string {
	var plain func(v any) any
	plain = func(v any) any {
		switch t := v.(type) {
		case json.Number:
			if _, whole := integer(t); whole {
				return t
			}
			if f, err := strconv.ParseFloat(t.String(), 64); err == nil {
				return f
			}
		case []any:
			list := make([]any, len(t))
			for i := range t {
				list[i] = plain(t[i])
			}
			return list
		case map[string]any:
			object := make(map[string]any, len(t))
			for k := range t {
				object[k] = plain(t[k])
			}
			return object
		}
		return v
	}
	b, err := json.Marshal(plain(v))
	if err != nil {
		return "null" // what was JSON before is JSON again
	}
	return string(b)
}
