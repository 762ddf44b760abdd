package logformat

import (
	"fmt"
	"maps"
	"slices"
)

// typeNames are the types that a variable can be given, in the words of Avro.
var typeNames = map[string]Kind{"string": Text, "int": Int, "long": Long, "double": Double}

// ParseType reads a type that a variable can be given in Options.Types: string, int (0 to 2147483647), long or double.
func ParseType(s string) (Kind, error) {
	k, ok := typeNames[s]
	if !ok {
		return 0, fmt.Errorf("unknown type %q: use string, int, long or double", s)
	}
	return k, nil
}

// checkTypes refuses types that no variable can be given, and variables that have a part in the event which goes by their own kind.
func checkTypes(types map[string]Kind) error {
	for _, name := range slices.Sorted(maps.Keys(types)) {
		switch types[name] {
		case Text, Int, Long, Double:
		default:
			return fmt.Errorf("the type of $%s: only string, int, long and double can be given", name)
		}
		v := LookupVariable(name)
		_, _, isHeader := v.Header()
		switch {
		case v.Name != name:
			return fmt.Errorf("the type of $%s: write the name in lower case", name)
		case isHeader || v.Kind == Headers:
			return fmt.Errorf("the type of $%s: it is a header, and values of headers are strings; leave it out", name)
		case v.Kind == Request:
			return fmt.Errorf("the type of $%s: it becomes method, path, query and protocol; leave it out", name)
		case v.Kind == Msec || v.Kind == TimeLocal || v.Kind == TimeISO:
			return fmt.Errorf("the type of $%s: it is the time of the event; leave it out", name)
		}
	}
	return nil
}
