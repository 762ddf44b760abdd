package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// lines remembers on which line of a file each key stands, by its dotted path.
type lines map[string]int

// at returns "file:line" of a key, or of its nearest parent that stands in the file.
func (l lines) at(file, key string) string { return fmt.Sprintf("%s:%d", file, l.line(key)) }

// checkKeys parses a YAML file and reports every key that the struct does not have, every key that stands twice and every node of
// the wrong shape, with file and line. Viper knows no lines and lets a doubled or misspelt key pass in places.
func checkKeys(file string, data []byte, into reflect.Type) (lines, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, yamlError(file, err)
	}
	pos := lines{}
	if len(doc.Content) == 0 {
		return pos, nil // empty file: all defaults
	}
	var errs []error
	walk(file, "", doc.Content[0], into, pos, &errs)
	return pos, errors.Join(errs...)
}

func walk(file, path string, n *yaml.Node, t reflect.Type, pos lines, errs *[]error) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // "key:" with nothing behind it means the default
	}
	switch {
	case t.Kind() == reflect.Struct:
		if n.Kind != yaml.MappingNode {
			*errs = append(*errs, fmt.Errorf("%s:%d: %s must hold keys, such as %s", file, n.Line, orTop(path), strings.Join(keysOf(t), ", ")))
			return
		}
		walkStruct(file, path, n, t, pos, errs)
	case t.Kind() == reflect.Slice:
		if n.Kind == yaml.MappingNode {
			*errs = append(*errs, fmt.Errorf("%s:%d: %s must be a list: [a, b]", file, n.Line, path))
		}
		if t.Elem().Kind() == reflect.Struct && n.Kind == yaml.SequenceNode {
			for i, item := range n.Content {
				at := fmt.Sprintf("%s[%d]", path, i)
				pos[at] = item.Line
				walk(file, at, item, t.Elem(), pos, errs)
			}
		}
	default:
		if n.Kind != yaml.ScalarNode {
			*errs = append(*errs, fmt.Errorf("%s:%d: %s must be a single value", file, n.Line, path))
		}
	}
}

func walkStruct(file, path string, n *yaml.Node, t reflect.Type, pos lines, errs *[]error) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		full := join(path, k.Value)
		if first, dup := seen[k.Value]; dup {
			*errs = append(*errs, fmt.Errorf("%s:%d: key %s stands here again, first on line %d", file, k.Line, full, first))
			continue
		}
		seen[k.Value] = k.Line
		f, ok := fieldOf(t, k.Value)
		if !ok {
			*errs = append(*errs, fmt.Errorf("%s:%d: unknown key %s%s", file, k.Line, full, suggest(k.Value, keysOf(t))))
			continue
		}
		pos[full] = k.Line
		walk(file, full, v, f.Type, pos, errs)
	}
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError puts the line that yaml.v3 names where people look for it.
func yamlError(file string, err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatchIndex(msg); m != nil {
		return fmt.Errorf("%s:%s: not valid YAML: %s", file, msg[m[2]:m[3]], msg[m[1]:])
	}
	return fmt.Errorf("%s:1: not valid YAML: %s", file, msg)
}

func keyName(f reflect.StructField) string {
	name := f.Tag.Get("yaml")
	if name == "-" {
		return ""
	}
	return name
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); key != "" && keyName(f) == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var ks []string
	for i := range t.NumField() {
		if k := keyName(t.Field(i)); k != "" {
			ks = append(ks, k)
		}
	}
	return ks
}

// suggest names the key that was probably meant, or those there are.
func suggest(got string, have []string) string {
	best, bestDist := "", 3
	for _, h := range have {
		if d := distance(strings.ToLower(got), h); d < bestDist {
			best, bestDist = h, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	sorted := append([]string(nil), have...)
	sort.Strings(sorted)
	return "; known here: " + strings.Join(sorted, ", ")
}

// distance is the number of edits between two short strings (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev
			if a[i-1] != b[j-1] {
				cost++
			}
			prev = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orTop(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
