package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// Fingerprint returns the CRC-64-AVRO (Rabin) fingerprint of a schema: the hash of its Parsing Canonical Form, as Java's
// SchemaNormalization.parsingFingerprint64 computes it. Readers of the single-object framing find the writer's schema by it.
//
// The canonical form leaves out docs, defaults, aliases and logical types, so two schemas that mean different things can share a
// fingerprint: never detect a change of schema by it alone.
func Fingerprint(avroJSON string) (uint64, error) {
	var tree any
	if err := json.Unmarshal([]byte(avroJSON), &tree); err != nil {
		return 0, fmt.Errorf("fingerprint an Avro schema: not JSON: %w", err)
	}
	bare, err := json.Marshal(bareType(tree, ""))
	if err != nil {
		return 0, fmt.Errorf("fingerprint an Avro schema: %w", err)
	}
	codec, err := goavro.NewCodec(string(bare))
	if err != nil {
		return 0, fmt.Errorf("fingerprint an Avro schema: %w", err)
	}
	return codec.Rabin, nil
}

// bareType returns a schema with full names and without any attribute that the canonical form leaves out. goavro 2.15 needs
// both: it writes {"type":"long","logicalType":…} as {"type":"long"} instead of "long", and joins the namespace of a nested
// type to that of the enclosing one instead of replacing it. Either gives a fingerprint that no other reader knows.
func bareType(t any, namespace string) any {
	switch t := t.(type) {
	case string:
		return fullName(t, namespace)
	case []any:
		union := make([]any, len(t))
		for i, branch := range t {
			union[i] = bareType(branch, namespace)
		}
		return union
	case map[string]any:
		return bareObject(t, namespace)
	}
	return t
}

func bareObject(t map[string]any, namespace string) any {
	kind, _ := t["type"].(string)
	bare := map[string]any{"type": t["type"]}
	switch kind {
	case "record", "error", "enum", "fixed":
		if ns, ok := t["namespace"].(string); ok {
			namespace = ns
		}
		name, _ := t["name"].(string)
		name = fullName(name, namespace)
		namespace = name[:max(strings.LastIndexByte(name, '.'), 0)]
		bare["name"] = name
		for _, key := range []string{"symbols", "size"} {
			if v, ok := t[key]; ok {
				bare[key] = v
			}
		}
		if fields, ok := t["fields"].([]any); ok {
			bare["fields"] = bareFields(fields, namespace)
		}
	case "array":
		bare["items"] = bareType(t["items"], namespace)
	case "map":
		bare["values"] = bareType(t["values"], namespace)
	default: // a primitive or a reference in an object, or a type within a type
		return bareType(t["type"], namespace)
	}
	return bare
}

func bareFields(fields []any, namespace string) []any {
	out := make([]any, 0, len(fields))
	for _, f := range fields {
		field, ok := f.(map[string]any)
		if !ok {
			out = append(out, f) // not a field: the parser says so
			continue
		}
		out = append(out, map[string]any{"name": field["name"], "type": bareType(field["type"], namespace)})
	}
	return out
}

// fullName qualifies the name of a named type; the names of primitive types stay as they are.
func fullName(name, namespace string) string {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return name
	}
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}
