package schema

import (
	"fmt"
	"strings"
)

// consequence is the second half of a sentence: what a difference does to programs.
func consequence(kind Kind, class Class, meaning bool) string {
	text := "; programs with either schema read old and new events"
	switch {
	case class == ClassBackward:
		text = "; programs that still use the old schema fail on new events"
	case class == ClassForward:
		text = "; programs that use the new schema fail on old events"
	case class == ClassBreaking:
		text = "; programs that use the new schema fail on old events, and those with the old schema on new ones"
	case kind == KindDoc:
		text = "; no program is affected"
	}
	if meaning {
		text += "; what they read means something else than before, so check every program that uses the value"
	}
	return text
}

// caution warns of what a promotion costs.
func caution(from, to string) string {
	switch {
	case (from == "int" || from == "long") && to == "float", from == "long" && to == "double":
		return ", which keeps fewer digits"
	case from == "string" && to == "bytes", from == "bytes" && to == "string":
		return ", which readers convert if the bytes are UTF-8"
	}
	return ""
}

// subject names a place at the beginning of a sentence.
func subject(path string) string {
	if path == "" {
		return "the whole event"
	}
	return "field " + pathOrRoot(path)
}

// pathOrRoot is the path of a diff.
func pathOrRoot(path string) string {
	if path == "" || strings.ContainsRune("[{|", rune(path[0])) {
		return "." + path
	}
	return path
}

func fieldPath(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// describe names a type for people: "int", "null or array of string", "long (timestamp-micros)".
func (n *node) describe() string {
	switch n.kind {
	case "array", "map":
		return n.kind + " of " + n.elem.describe()
	case "union":
		parts := make([]string, len(n.branches))
		for i, b := range n.branches {
			parts[i] = b.describe()
		}
		switch len(parts) {
		case 0:
			return "nothing at all"
		case 1:
			return "union of " + parts[0]
		}
		return strings.Join(parts, " or ")
	case "record", "enum":
		return n.kind + " " + n.name
	}
	text := n.kind
	if n.kind == "fixed" {
		text = fmt.Sprintf("fixed %s of %d bytes", n.name, n.size)
	}
	switch n.logical.name {
	case "":
		return text
	case "decimal":
		return fmt.Sprintf("%s (decimal of %d digits, %d after the point)", text, n.logical.precision, n.logical.scale)
	}
	return text + " (" + n.logical.name + ")"
}

// typeName is what a branch of a union is called in a path.
func (n *node) typeName() string {
	if n.name != "" {
		return n.name
	}
	return n.kind
}

// orDefault is the default of an enum, or "".
func (n *node) orDefault() string {
	if n.enumDefault == nil {
		return ""
	}
	return *n.enumDefault
}

// fallback says what a reader with enum r makes of a value that r lacks.
func fallback(r *node) string {
	if r.enumDefault == nil {
		return ""
	}
	return ", and is read as " + *r.enumDefault + " by those who do not know it"
}

func (f *field) withDefault() string {
	if f.def == "" {
		return ", without a default"
	}
	return ", with default " + f.def
}

func fieldNames(n *node) string {
	names := make([]string, len(n.fields))
	for i, f := range n.fields {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
