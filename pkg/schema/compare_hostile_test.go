package schema

// Shows that no schema, however made, makes Compare panic or work without end: it answers or says that it can't.

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"
)

// ring is a cycle of n records of one short name, so that comparing rings of two lengths meets very many pairs.
func ring(n int) string {
	b := &strings.Builder{}
	for i := range n {
		fmt.Fprintf(b, `{"type":"record","name":"n%d.R","fields":[{"name":"next","type":`, i)
	}
	b.WriteString(`["null","n0.R"]` + strings.Repeat("}]}", n))
	return b.String()
}

// wideUnion is a union of n records that lack nothing but the right name.
func wideUnion(prefix string, n int) string {
	var branches []string
	for i := range n {
		branches = append(branches, fmt.Sprintf(`{"type":"record","name":"%s%d","fields":[]}`, prefix, i))
	}
	return "[" + strings.Join(branches, ",") + "]"
}

// twins is a record that holds itself twice in a union of records of one form, with a default that fits all of them and none.
func twins(depth int) string {
	value := `{}`
	for range depth {
		value = `{"a":` + value + `}`
	}
	return `{"type":"record","name":"T","fields":[{"name":"x","type":{"type":"record","name":"A","fields":[{"name":"a","type":["null","A",` +
		`{"type":"record","name":"B","fields":[{"name":"a","type":["null","A","B"]}]}]}]},"default":` + value + `}]}`
}

func TestCompareEndsOnHostileSchemas(t *testing.T) {
	deep := func(open, shut string, n int) string {
		return strings.Repeat(open, n) + `"int"` + strings.Repeat(shut, n)
	}
	for _, c := range []struct{ name, old, new, want string }{
		{"rings", ring(199), ring(211), "too large or too entangled"},
		{"equal rings", ring(199), ring(199), ""},
		{"wide unions", wideUnion("a", 3000), wideUnion("b", 3000), "too large or too entangled"},
		{"wide equal unions", wideUnion("a", 500), wideUnion("a", 500), ""},
		{"a default that fits nothing", twins(60), `"int"`, "takes too long"},
		{"deep", deep(`{"type":"array","items":`, "}", 100_000), `"int"`, "JSON"},
		{"deep enough", deep(`{"type":"array","items":`, "}", 400), deep(`{"type":"map","values":`, "}", 400), ""},
		{"a record that holds itself", `{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}`,
			`{"type":"record","name":"R","fields":[{"name":"r","type":"R","doc":"d"}]}`, ""},
		{"a cycle where no reader looks", `{"type":"record","name":"R","fields":[{"name":"a","default":null,"type":["null","R"]}]}`,
			`{"type":"record","name":"S","fields":[{"name":"b","default":null,"aliases":["a"],"type":["null","S"]}]}`, ""},
	} {
		_, err := Compare(c.old, c.new)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzCompare(f *testing.F) {
	for _, c := range compareCases {
		f.Add(c.old, c.new)
	}
	f.Add(ring(3), ring(5))
	f.Add(twins(3), wideUnion("a", 3))
	f.Add(QuarantinedLine, QuarantinedLine)
	f.Fuzz(func(t *testing.T, old, new string) {
		change, err := Compare(old, new)
		if err != nil {
			if change != nil {
				t.Errorf("both %v and %v", change, err)
			}
			return
		}
		checkConsistent(t, old, new, change)
		back, err := Compare(new, old)
		if err != nil {
			t.Fatalf("exchanged: %v", err)
		}
		if back.Class != exchanged(change.Class) {
			t.Errorf("class %v, exchanged %v\n%+v\n%+v", change.Class, back.Class, change.Diffs, back.Diffs)
		}
		if same, err := Compare(old, old); err != nil || same.Class != ClassNone {
			t.Errorf("a schema differs from itself: %+v, %v", same, err)
		}
		o, err1 := avro.Parse(old)
		n, err2 := avro.Parse(new)
		if err1 == nil && err2 == nil && change.Class.backward() && avro.CheckCompatibility(o, n) != nil {
			t.Errorf("twmb/avro can't read it: %v", avro.CheckCompatibility(o, n))
		}
	})
}
