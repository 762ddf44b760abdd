package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
)

// Bounds on what one schema may refer to. A registry is trusted to be one, not to be sane.
const (
	maxReferenceDepth = 16
	maxReferences     = 256 // versions of subjects that are fetched for one schema
	maxTypeDepth      = 512 // of types within types
)

// selfContained returns the text of a schema that needs no other. One without references comes back as it is. In others each named
// type of another subject is written out where it is used first, and named where it is used again, as the Avro specification wants it.
func (r *Registry) selfContained(ctx context.Context, s sr.Schema) (string, error) {
	if s.Type != sr.TypeAvro {
		return "", fmt.Errorf("it is of type %s, want Avro", s.Type)
	}
	if s.Schema == "" {
		return "", errors.New("the registry answered without a schema")
	}
	if len(s.References) == 0 {
		return s.Schema, nil
	}
	in := &inliner{r: r, fetched: map[sr.SchemaReference]bool{}, types: map[string]any{}, written: map[string]bool{}}
	if err := in.fetch(ctx, s.References, nil); err != nil {
		return "", err
	}
	tree, err := parseTree(s.Schema)
	if err == nil {
		tree, err = rewrite(tree, "", 0, in.write)
	}
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

// inliner writes the types that a schema takes from other subjects into it.
type inliner struct {
	r       *Registry
	fetched map[sr.SchemaReference]bool // by subject and version, the name left out
	types   map[string]any              // definitions by full name; each has its full name
	written map[string]bool             // names of the types that stand in the result already
}

// fetch gets the schemas that refs name, and those that they refer to. path is how it came here.
func (in *inliner) fetch(ctx context.Context, refs, path []sr.SchemaReference) error {
	if len(path) > maxReferenceDepth {
		return fmt.Errorf("its references are more than %d deep", maxReferenceDepth)
	}
	for _, ref := range refs {
		key := sr.SchemaReference{Subject: ref.Subject, Version: ref.Version}
		switch {
		case slices.Contains(path, key):
			return fmt.Errorf("its references run in a circle through version %d of subject %q", ref.Version, ref.Subject)
		case in.fetched[key]:
			continue
		case len(in.fetched) >= maxReferences:
			return fmt.Errorf("it refers to more than %d schemas", maxReferences)
		}
		in.fetched[key] = true
		further, err := in.fetchOne(ctx, key)
		if err != nil {
			return fmt.Errorf("it refers to version %d of subject %q: %w", ref.Version, ref.Subject, err)
		}
		if err := in.fetch(ctx, further, append(path, key)); err != nil {
			return err
		}
	}
	return nil
}

// fetchOne notes the types of one schema and returns what it refers to.
func (in *inliner) fetchOne(ctx context.Context, ref sr.SchemaReference) ([]sr.SchemaReference, error) {
	var found sr.SubjectSchema
	err := in.r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		found, err = c.SchemaByVersion(ctx, ref.Subject, ref.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found.Type != sr.TypeAvro {
		return nil, fmt.Errorf("it is of type %s, want Avro", found.Type)
	}
	tree, err := parseTree(found.Schema.Schema)
	if err != nil {
		return nil, err
	}
	_, err = rewrite(tree, "", 0, in.collect)
	return found.References, err
}

// collect notes a type that is defined in another subject.
func (in *inliner) collect(tree any, full string) (out any, more bool) {
	if def, ok := tree.(map[string]any); ok && full != "" && in.types[full] == nil {
		named := maps.Clone(def)
		named["name"] = full // it may come to stand in another namespace
		if !strings.Contains(full, ".") {
			named["namespace"] = ""
		}
		in.types[full] = named
	}
	return tree, true
}

// write puts the definition of a type where it is used first, and its name where it is used again.
func (in *inliner) write(tree any, full string) (out any, more bool) {
	_, isName := tree.(string)
	if isName && full != "" && !in.written[full] && in.types[full] == nil {
		full = full[strings.LastIndexByte(full, '.')+1:] // as Java does: a name without a dot may also mean a type without a namespace
	}
	switch {
	case full == "":
		return tree, true
	case in.written[full]:
		return full, false
	case isName && in.types[full] == nil:
		return tree, false // nobody's: who reads the schema says so
	case isName:
		tree = in.types[full]
	}
	in.written[full] = true
	return tree, true
}

// rewrite calls f for every type in a schema, from the outside in, and puts what f returns in its place. full is the full name of a
// definition or of a use of a named type, "" of other types. With more, rewrite goes on into what f returned, which it copies.
func rewrite(tree any, namespace string, depth int, f func(tree any, full string) (out any, more bool)) (any, error) {
	if depth > maxTypeDepth {
		return nil, fmt.Errorf("its types are more than %d deep", maxTypeDepth)
	}
	tree, more := f(tree, fullNameOf(tree, namespace))
	if !more {
		return tree, nil
	}
	var err error
	switch t := tree.(type) {
	case []any:
		t = slices.Clone(t)
		for i := range t {
			if t[i], err = rewrite(t[i], namespace, depth+1, f); err != nil {
				return nil, err
			}
		}
		return t, nil
	case map[string]any:
		t = maps.Clone(t)
		if isDefinition(t) {
			full := fullNameOf(t, namespace)
			namespace = full[:max(strings.LastIndexByte(full, '.'), 0)]
		}
		if fields, ok := t["fields"].([]any); ok {
			fields = slices.Clone(fields)
			for i := range fields {
				if fields[i], err = rewriteParts(fields[i], namespace, depth, f); err != nil {
					return nil, err
				}
			}
			t["fields"] = fields
		}
		return rewriteParts(t, namespace, depth, f)
	}
	return tree, nil
}

// rewriteParts is rewrite for the types that an object names: a field, an array, a map, or a type with attributes.
func rewriteParts(object any, namespace string, depth int, f func(any, string) (any, bool)) (any, error) {
	t, ok := object.(map[string]any)
	if !ok {
		return object, nil
	}
	t = maps.Clone(t)
	key := "type"
	switch {
	case isDefinition(t):
		return t, nil
	case t["type"] == "array":
		key = "items"
	case t["type"] == "map":
		key = "values"
	}
	var err error
	t[key], err = rewrite(t[key], namespace, depth+1, f)
	return t, err
}

// isDefinition tells whether an object defines a named type.
func isDefinition(t map[string]any) bool {
	switch t["type"] {
	case "record", "error", "enum", "fixed":
		return true
	}
	return false
}

// fullNameOf returns the full name of a definition or of a use of a named type, "" for other types.
func fullNameOf(tree any, namespace string) string {
	var name string
	switch t := tree.(type) {
	case string:
		if !primitives[t] {
			name = t
		}
	case map[string]any:
		if !isDefinition(t) {
			return ""
		}
		name, _ = t["name"].(string)
		if ns, ok := t["namespace"].(string); ok {
			namespace = ns
		}
	}
	if name == "" {
		return ""
	}
	return fullName(name, namespace)
}

// parseTree reads a schema's JSON and keeps its numbers as they are.
func parseTree(text string) (any, error) {
	var tree any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("read an Avro schema: %w", err)
	}
	return tree, nil
}
