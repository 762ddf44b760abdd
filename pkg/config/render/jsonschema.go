package render

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ngxtap/pkg/config"
)

// The texts of values that have units: time.ParseDuration's and config.Size's.
const (
	durationPattern = `^\+?0$|^\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	sizePattern     = `^\s*\+?[0-9]+\s*(KiB|MiB|GiB|kB|MB|GB|B)?\s*$`
)

// object is a JSON object that keeps the order of its keys, so that an editor offers them in the order of the example.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, err
		}
		value, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// marshal is json.Marshal that leaves <, > and & alone.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return []byte(strings.TrimSuffix(b.String(), "\n")), err
}

func (o *object) set(name string, value any) { *o = append(*o, member{name, value}) }

// titles are the titles of the schemas.
var titles = map[config.File]string{config.DaemonFile: "ngxtap.yaml", config.SiteFile: "sites.d/NAME.yaml of ngxtap"}

// JSONSchema writes the schema of a file, draft 2020-12. It refuses nothing that config.Load takes, as long as values have the type of YAML
// that they stand for; what depends on several keys only Load knows.
func JSONSchema(file config.File) []byte {
	root := config.Root(file)
	s := object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", titles[file]}, {"description", root.Doc}}
	text, err := marshal(append(s, sectionSchema(root)...))
	if err == nil {
		var out []byte
		if out, err = indent(text); err == nil {
			return out
		}
	}
	panic(fmt.Sprintf("the JSON Schema of %s: %v", file, err)) // nothing in it comes from outside
}

func indent(text []byte) ([]byte, error) {
	var b strings.Builder
	d := json.RawMessage(text)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return []byte(b.String()), err
}

func sectionSchema(section *config.Key) object {
	var required []string
	var properties object
	for _, k := range section.Keys {
		properties.set(k.Name, keySchema(k))
		if needed(k) {
			required = append(required, k.Name)
		}
	}
	var o object
	if required != nil {
		o.set("type", "object")
		o.set("required", required)
	} else {
		o.set("type", []string{"object", "null"}) // "key:" with nothing behind it, or an empty file, means the defaults
	}
	o.set("additionalProperties", false)
	o.set("properties", properties)
	return o
}

// needed says whether a file without the key is refused.
func needed(k *config.Key) bool {
	if k.Kind == config.Section && !k.List {
		for _, below := range k.Keys {
			if needed(below) {
				return true
			}
		}
		return false
	}
	return k.Required != "" && !k.HasDefault
}

func keySchema(k *config.Key) object {
	about := object{{"description", description(k)}}
	if k.Kind == config.Section && !k.List {
		return append(about, sectionSchema(k)...)
	}
	if d, ok := jsonDefault(k); ok {
		about.set("default", d)
	}
	if ex := jsonExample(k); ex != nil {
		about.set("examples", []any{ex})
	}
	if !k.List {
		return append(about, valueSchema(k)...)
	}
	if needed(k) {
		about.set("type", "array")
	} else {
		about.set("type", []string{"array", "null"})
	}
	if k.Required != "" {
		about.set("minItems", 1)
	}
	if k.Kind == config.Section {
		about.set("items", sectionSchema(k))
	} else {
		about.set("items", valueSchema(k))
	}
	return about
}

// valueSchema is the schema of a value, or of an item of a list.
func valueSchema(k *config.Key) (o object) {
	switch k.Kind {
	case config.Bool:
		o.set("type", "boolean")
	case config.Number:
		o.set("type", "integer")
		low, high := -math.Pow(2, float64(k.Bits-1)), math.Pow(2, float64(k.Bits-1))-1
		o.set("minimum", orNumber(k.Min, low))
		o.set("maximum", orNumber(k.Max, high))
	case config.Fraction:
		o.set("type", "number")
		if k.Above != "" {
			o.set("exclusiveMinimum", json.RawMessage(k.Above))
		}
		if k.Max != "" {
			o.set("maximum", json.RawMessage(k.Max))
		}
	case config.Duration:
		o.set("type", "string")
		o.set("pattern", durationPattern)
	case config.Bytes:
		o.set("type", []string{"integer", "string"})
		o.set("pattern", sizePattern)
		o.set("minimum", inBytes(k.Min))
		if k.Max != "" {
			o.set("maximum", inBytes(k.Max))
		}
	case config.Hidden:
		o.set("type", "string")
		o.set("not", object{{"enum", []string{"${}", "file:"}}}) // which stand for nothing
	default:
		textSchema(&o, k)
	}
	return o
}

func textSchema(o *object, k *config.Key) {
	o.set("type", "string")
	unset := !k.HasDefault && k.Required == "" && !k.List // then an empty text means that there is none
	if k.OneOf != nil {
		all := k.OneOf
		if unset {
			all = append(all[:len(all):len(all)], "")
		}
		o.set("enum", all)
	}
	if k.Pattern != nil {
		p := k.Pattern.String()
		if unset || k.Path == "admin.listen" { // which Load takes for off
			p = "^$|" + p
		}
		o.set("pattern", p)
	}
	if k.Required != "" && !k.List {
		o.set("minLength", 1)
	}
}

func orNumber(text string, otherwise float64) json.RawMessage {
	if text == "" {
		text = strconv.FormatFloat(otherwise, 'f', -1, 64)
	}
	return json.RawMessage(text)
}

// inBytes is the number of a size that a tag names; 0 without one.
func inBytes(text string) int64 {
	var s config.Size
	if text != "" && s.UnmarshalText([]byte(text)) != nil {
		panic("the size of a tag: " + text) // a slip, which every test finds
	}
	return int64(s)
}

// description is all that is said of a key, for an editor to show.
func description(k *config.Key) string {
	s := k.Doc
	if !names(s, k.OneOf) {
		s += " One of " + orList(k.OneOf) + "."
	}
	if r := bounds(k); r != "" {
		s += " " + strings.ToUpper(r[:1]) + r[1:] + "."
	}
	if k.Kind == config.Hidden && !strings.Contains(s, "${VAR}") {
		s += " ${VAR} or file:PATH keep it out of this file."
	}
	if k.Otherwise != "" {
		s += " Default: " + k.Otherwise + "."
	}
	return s
}

// bounds says in words between what a value must be.
func bounds(k *config.Key) string {
	switch {
	case k.Above != "" && k.Max != "":
		return "above " + k.Above + ", up to " + k.Max
	case k.Min != "" && k.Max != "":
		return "from " + k.Min + " to " + k.Max
	case k.Min != "":
		return "at least " + k.Min
	case k.Max != "":
		return "at most " + k.Max
	}
	return ""
}

func jsonDefault(k *config.Key) (any, bool) {
	switch {
	case !k.HasDefault:
		return nil, false
	case k.List:
		return strings.Split(k.Default, ","), true
	case k.Kind == config.Bool || k.Kind == config.Number || k.Kind == config.Fraction:
		return json.RawMessage(k.Default), true
	}
	return k.Default, true
}

func jsonExample(k *config.Key) any {
	if k.Example == "" {
		return nil
	}
	var v any
	if err := yaml.Unmarshal([]byte(shown(k)), &v); err != nil {
		panic(fmt.Sprintf("the example of %s: %v", k.Path, err)) // a slip in a tag, which every test finds
	}
	return v
}
