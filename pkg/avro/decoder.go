package avro

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// Decoder turns Avro data of any schema into JSON for people. It remembers each schema that it has seen. It is for one goroutine;
// the zero value is ready for use.
type Decoder struct {
	schemas map[string]*decoding // by the schema's JSON
}

// decoding is what is known of one schema.
type decoding struct {
	codec *goavro.Codec
	root  *shape
}

// maxSchemas bounds what a decoder remembers; a topic has few schemas.
const maxSchemas = 1024

// AppendJSON appends one datum as one JSON value without a newline. Records have their fields in the schema's order, maps their keys
// sorted; unions have no type tags; timestamps are RFC 3339 in UTC with microseconds, dates and times of day ISO 8601; bytes and
// fixed are base64; numbers that JSON lacks are the strings "NaN", "Infinity" and "-Infinity". body must hold the datum and nothing
// after it. On error dst comes back at its old length.
func (d *Decoder) AppendJSON(dst []byte, schemaJSON string, body []byte) ([]byte, error) {
	s, err := d.schema(schemaJSON)
	if err != nil {
		return dst, err
	}
	rest, err := skim(s.root, body, 0)
	if err != nil {
		return dst, fmt.Errorf("decode Avro: %w", err)
	}
	if len(rest) > 0 {
		return dst, fmt.Errorf("decode Avro: %d bytes follow the datum of %d bytes: is the schema the writer's?", len(rest), len(body)-len(rest))
	}
	native, _, err := s.codec.NativeFromBinary(body)
	if err != nil {
		return dst, fmt.Errorf("decode Avro: %w", err)
	}
	out, err := appendJSON(dst, s.root, native)
	if err != nil {
		return dst, fmt.Errorf("decode Avro: %w", err)
	}
	return out, nil
}

func (d *Decoder) schema(schemaJSON string) (*decoding, error) {
	if s, ok := d.schemas[schemaJSON]; ok {
		return s, nil
	}
	codec, err := goavro.NewCodec(schemaJSON)
	if err != nil {
		return nil, fmt.Errorf("read an Avro schema: %w", err)
	}
	var tree any
	if err := json.Unmarshal([]byte(schemaJSON), &tree); err != nil {
		return nil, fmt.Errorf("read an Avro schema: %w", err)
	}
	if d.schemas == nil || len(d.schemas) >= maxSchemas {
		d.schemas = map[string]*decoding{}
	}
	s := &decoding{codec: codec, root: shapeOf(tree, "", map[string]*shape{})}
	d.schemas[schemaJSON] = s
	return s, nil
}

// shape is what a schema says beyond goavro's native values: the order of a record's fields, and which type of a union a value is.
type shape struct {
	kind     string // Avro's name of the type
	name     string // what goavro calls it as a branch of a union
	fields   []shapeField
	branches []*shape
	items    *shape // of arrays and maps
	size     int64  // of fixed
}

type shapeField struct {
	name  string
	shape *shape
}

// shapeOf reads a schema that goavro has accepted. named holds the named types so far.
func shapeOf(tree any, namespace string, named map[string]*shape) *shape {
	switch t := tree.(type) {
	case string:
		if s := named[qualify(t, namespace)]; s != nil {
			return s
		}
		if s := named[t]; s != nil {
			return s
		}
		return &shape{kind: t, name: t}
	case []any:
		s := &shape{kind: "union"}
		for _, branch := range t {
			s.branches = append(s.branches, shapeOf(branch, namespace, named))
		}
		return s
	case map[string]any:
		return shapeOfObject(t, namespace, named)
	}
	return &shape{}
}

func shapeOfObject(t map[string]any, namespace string, named map[string]*shape) *shape {
	kind, ok := t["type"].(string)
	if !ok {
		return shapeOf(t["type"], namespace, named)
	}
	s := &shape{kind: kind, name: kind}
	switch kind {
	case "array":
		s.items = shapeOf(t["items"], namespace, named)
	case "map":
		s.items = shapeOf(t["values"], namespace, named)
	case "record", "error", "enum", "fixed":
		if ns, ok := t["namespace"].(string); ok {
			namespace = ns
		}
		name, _ := t["name"].(string)
		s.name = qualify(name, namespace)
		if dot := strings.LastIndexByte(s.name, '.'); dot >= 0 {
			namespace = s.name[:dot]
		}
		named[s.name] = s
		size, _ := t["size"].(float64)
		s.size = int64(size)
		fields, _ := t["fields"].([]any)
		for _, f := range fields {
			field, _ := f.(map[string]any)
			name, _ := field["name"].(string)
			s.fields = append(s.fields, shapeField{name, shapeOf(field["type"], namespace, named)})
		}
	default:
		if logical, ok := t["logicalType"].(string); ok {
			s.name = kind + "." + logical
			return s
		}
		return shapeOf(kind, namespace, named)
	}
	return s
}

func qualify(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

// branch returns the branch of a union that goavro calls name. A logical type that goavro does not know goes by its plain type.
func (s *shape) branch(name string) *shape {
	for _, b := range s.branches {
		if b.name == name {
			return b
		}
	}
	for _, b := range s.branches {
		if b.kind == name {
			return b
		}
	}
	return &shape{kind: name, name: name}
}
