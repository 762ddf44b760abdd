package schema

// Shows, case by case, which class and which diffs the rules of the Avro specification give: each case is one rule, or one decision
// where the specification is silent. Every case also runs with old and new exchanged.

import (
	"encoding/json"
	"strings"
	"testing"
)

// rec is a record R with the given fields; f is one field.
func rec(fields ...string) string {
	return `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
}

func f(name, typ string) string { return `{"name":"` + name + `","type":` + typ + `}` }

func fd(name, typ, def string) string {
	return `{"name":"` + name + `","type":` + typ + `,"default":` + def + `}`
}

func fa(name, typ, alias string) string {
	return `{"name":"` + name + `","type":` + typ + `,"aliases":["` + alias + `"]}`
}

// compareCases: diffs are KIND PATH CLASS, with ! where the meaning changes.
var compareCases = []struct {
	name, old, new string
	class          Class
	diffs          []string
}{
	// Nothing.
	{"same", rec(f("a", `"int"`)), rec(f("a", `"int"`)), ClassNone, nil},
	{"spelling", `"int"`, ` {"type":{"type":"int"}} `, ClassNone, nil},
	{"unknown attributes", `{"type":"int","color":"red"}`, `"int"`, ClassNone, nil},
	{"unknown logical type", `{"type":"int","logicalType":"year"}`, `"int"`, ClassNone, nil},
	{"sort order", `{"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"ignore"}]}`, rec(f("a", `"int"`)), ClassNone, nil},
	{"default spelled another way", rec(fd("a", `"double"`, "1")), rec(fd("a", `"double"`, "1.0")), ClassNone, nil},
	{"invalid logical type counts as none", `{"type":"string","logicalType":"date"}`, `"string"`, ClassNone, nil},
	{"invalid decimal counts as none", `{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}`, `"bytes"`, ClassNone, nil},
	{"namespace inherited or written", `{"type":"record","name":"a.R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}}]}`,
		`{"type":"record","name":"R","namespace":"a","fields":[{"name":"e","type":{"type":"enum","name":"a.E","symbols":["X"]}}]}`, ClassNone, nil},
	{"recursive", `{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}`,
		`{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}`, ClassNone, nil},

	// Promotions.
	{"int to long", `"int"`, `"long"`, ClassBackward, []string{"type . backward"}},
	{"int to float", `"int"`, `"float"`, ClassBackward, []string{"type . backward"}},
	{"int to double", `"int"`, `"double"`, ClassBackward, []string{"type . backward"}},
	{"long to float", `"long"`, `"float"`, ClassBackward, []string{"type . backward"}},
	{"long to double", `"long"`, `"double"`, ClassBackward, []string{"type . backward"}},
	{"float to double", `"float"`, `"double"`, ClassBackward, []string{"type . backward"}},
	{"string and bytes", `"string"`, `"bytes"`, ClassFull, []string{"type . full"}},
	{"int to string", rec(f("status", `"int"`)), rec(f("status", `"string"`)), ClassBreaking, []string{"type status breaking"}},
	{"boolean to int", `"boolean"`, `"int"`, ClassBreaking, []string{"type . breaking"}},
	{"fixed and bytes", `{"type":"fixed","name":"F","size":4}`, `"bytes"`, ClassBreaking, []string{"type . breaking"}},

	// Fields.
	{"field with default added", rec(f("a", `"int"`)), rec(f("a", `"int"`), fd("b", `"int"`, "0")), ClassFull, []string{"added b full"}},
	{"field without default added", rec(f("a", `"int"`)), rec(f("a", `"int"`), f("b", `"int"`)), ClassForward, []string{"added b forward"}},
	{"field order", rec(f("a", `"int"`), f("b", `"int"`)), rec(f("b", `"int"`), f("a", `"int"`)), ClassFull, []string{"type . full"}},
	{"default changed", rec(fd("a", `"int"`, "0")), rec(fd("a", `"int"`, "1")), ClassFull, []string{"default a full"}},
	{"default appears", rec(f("a", `"int"`)), rec(fd("a", `"int"`, "1")), ClassFull, []string{"default a full"}},
	{"default null is a default", rec(f("a", `"int"`)), rec(f("a", `"int"`), fd("b", `"null"`, "null")), ClassFull, []string{"added b full"}},
	{"enum default is no field default", rec(), rec(f("e", `{"type":"enum","name":"E","symbols":["X"],"default":"X"}`)), ClassForward,
		[]string{"added e forward"}},
	{"doc of a field", rec(f("a", `"int"`)), rec(`{"name":"a","type":"int","doc":"words"}`), ClassFull, []string{"doc a full"}},
	{"doc of a type", rec(), `{"type":"record","name":"R","doc":"words","fields":[]}`, ClassFull, []string{"doc . full"}},
	{"renamed with alias", rec(f("a", `"int"`)), rec(fa("b", `"int"`, "a")), ClassBackward, []string{"renamed b backward"}},
	{"renamed without alias", rec(f("a", `"int"`)), rec(f("b", `"int"`)), ClassBreaking, []string{"removed a backward", "added b forward"}},
	{"renamed with alias and default", rec(fd("a", `"int"`, "0")), rec(fa("b", `"int"`, "a")), ClassFull,
		[]string{"default b full", "renamed b full"}},
	{"renamed and another type, where only the new schema looks", rec(fd("a", `"int"`, "0")), rec(fa("b", `"long"`, "a")), ClassFull,
		[]string{"default b full", "renamed b full", "type b full"}},
	{"alias appears", rec(f("a", `"int"`)), rec(fa("a", `"int"`, "z")), ClassFull, []string{"renamed a full"}},
	{"alias makes two fields one", rec(f("a", `"int"`), f("b", `"int"`)), rec(fa("a", `"int"`, "b")), ClassBreaking,
		[]string{"renamed a full", "type a forward", "removed b backward"}},

	// Names of types.
	{"namespace changed", `{"type":"record","name":"a.R","fields":[]}`, `{"type":"record","name":"b.R","fields":[]}`, ClassFull, []string{"renamed . full"}},
	{"record renamed", `{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"S","fields":[]}`, ClassBreaking, []string{"renamed . breaking"}},
	{"record renamed with alias", `{"type":"record","name":"R","fields":[]}`, `{"type":"record","name":"S","aliases":["R"],"fields":[]}`,
		ClassBackward, []string{"renamed . backward"}},
	{"alias is relative to the namespace of its type", `{"type":"enum","name":"a.E","symbols":["X"]}`, `{"type":"enum","name":"a.F","aliases":["E"],"symbols":["X"]}`,
		ClassBackward, []string{"renamed . backward"}},
	{"alias of another namespace", `{"type":"enum","name":"a.E","symbols":["X"]}`, `{"type":"enum","name":"b.F","aliases":["E"],"symbols":["X"]}`,
		ClassBreaking, []string{"renamed . breaking"}},
	{"full alias", `{"type":"fixed","name":"a.E","size":1}`, `{"type":"fixed","name":"b.F","aliases":["a.E"],"size":1}`,
		ClassBackward, []string{"renamed . backward"}},
	{"fixed renamed", `{"type":"fixed","name":"E","size":1}`, `{"type":"fixed","name":"F","size":1}`, ClassBreaking, []string{"renamed . breaking"}},
	{"fixed of another size", `{"type":"fixed","name":"F","size":1}`, `{"type":"fixed","name":"F","size":2}`, ClassBreaking, []string{"type . breaking"}},

	// Enums.
	{"symbol added", `{"type":"enum","name":"E","symbols":["X"]}`, `{"type":"enum","name":"E","symbols":["X","Y"]}`, ClassBackward,
		[]string{"added . backward"}},
	{"symbol added, old default", `{"type":"enum","name":"E","symbols":["X"],"default":"X"}`, `{"type":"enum","name":"E","symbols":["X","Y"],"default":"X"}`,
		ClassFull, []string{"added . full"}},
	{"symbol order", `{"type":"enum","name":"E","symbols":["X","Y"]}`, `{"type":"enum","name":"E","symbols":["Y","X"]}`, ClassFull, []string{"type . full"}},
	{"enum default", `{"type":"enum","name":"E","symbols":["X","Y"],"default":"X"}`, `{"type":"enum","name":"E","symbols":["X","Y"],"default":"Y"}`,
		ClassFull, []string{"default . full"}},

	// Unions.
	{"nullable", rec(f("a", `"int"`)), rec(f("a", `["null","int"]`)), ClassBackward, []string{"added a backward"}},
	{"union of one", `"int"`, `["int"]`, ClassFull, []string{"type . full"}},
	{"branch order", `["null","int"]`, `["int","null"]`, ClassFull, []string{"type . full"}},
	{"promotion in a union", `["null","int"]`, `["null","long"]`, ClassBackward, []string{"type . backward"}},
	{"branch added", `["null","int"]`, `["null","int","string"]`, ClassBackward, []string{"added . backward"}},
	{"branch added that the old one reads by promotion", `["null","long"]`, `["null","long","int"]`, ClassFull, []string{"added . full"}},
	{"another branch", `["null","int"]`, `["null","string"]`, ClassBreaking, []string{"type . breaking"}},
	{"in one of several branches", `["null","int",{"type":"record","name":"R","fields":[]}]`,
		`["null","int",{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}]`, ClassForward, []string{"added .|R.x forward"}},
	{"two records of one name read themselves", `[{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"b.R","fields":[]}]`,
		`[{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"b.R","fields":[],"doc":"d"}]`,
		ClassFull, []string{"doc .|b.R full"}},
	{"a fixed of the right size is chosen", `{"type":"fixed","name":"F","size":2}`,
		`[{"type":"fixed","name":"a.F","size":1},{"type":"fixed","name":"b.F","size":2}]`, ClassBackward,
		[]string{"added . backward", "renamed .|b.F full"}},
	{"even if another has its full name", `{"type":"fixed","name":"a.F","size":2}`,
		`[{"type":"fixed","name":"a.F","size":1},{"type":"fixed","name":"b.F","size":2}]`, ClassBackward,
		[]string{"added . full", "type .|a.F backward"}},
	{"a type outside of all namespaces", `{"type":"record","name":"R","fields":[{"name":"s","type":{"type":"record","name":"a.S","fields":[{"name":"r","type":["null","R"]}]}}]}`,
		`{"type":"record","name":"R","fields":[{"name":"s","type":{"type":"record","name":"b.S","fields":[{"name":"r","type":["null","R"]}]}}]}`,
		ClassFull, []string{"renamed s full"}},
	{"an empty union holds nothing, which anybody reads", `[]`, `"int"`, ClassBackward, []string{"added . backward"}},

	// Containers.
	{"items", rec(f("a", `{"type":"array","items":"int"}`)), rec(f("a", `{"type":"array","items":"long"}`)), ClassBackward, []string{"type a[] backward"}},
	{"values", rec(f("a", `{"type":"map","values":{"type":"array","items":"int"}}`)), rec(f("a", `{"type":"map","values":{"type":"array","items":"string"}}`)),
		ClassBreaking, []string{"type a{}[] breaking"}},
	{"array and map", `{"type":"array","items":"int"}`, `{"type":"map","values":"int"}`, ClassBreaking, []string{"type . breaking"}},
	{"nested record", rec(f("o", `{"type":"record","name":"O","fields":[{"name":"x","type":"int"}]}`)),
		rec(f("o", `{"type":"record","name":"O","fields":[{"name":"x","type":"long"},{"name":"y","type":"int","default":0}]}`)),
		ClassBackward, []string{"type o.x backward", "added o.y full"}},
	{"recursive record", `{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]},{"name":"v","type":"int"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]},{"name":"v","type":"long"}]}`, ClassBackward, []string{"type v backward"}},

	// Logical types.
	{"millis to micros", rec(f("t", `{"type":"long","logicalType":"timestamp-millis"}`)), rec(f("t", `{"type":"long","logicalType":"timestamp-micros"}`)),
		ClassFull, []string{"type t full!"}},
	{"logical type appears", `"string"`, `{"type":"string","logicalType":"uuid"}`, ClassFull, []string{"type . full!"}},
	{"date to timestamp", `{"type":"int","logicalType":"date"}`, `{"type":"long","logicalType":"timestamp-millis"}`, ClassBackward, []string{"type . backward!"}},
	{"decimal scale", `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, `{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`,
		ClassBreaking, []string{"type . breaking"}},
	{"decimal precision", `{"type":"bytes","logicalType":"decimal","precision":9}`, `{"type":"bytes","logicalType":"decimal","precision":10,"scale":0}`,
		ClassBreaking, []string{"type . breaking"}},
	{"decimal and bytes", `{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, `"bytes"`, ClassFull, []string{"type . full!"}},
}

// exchanged is the class with old and new exchanged.
func exchanged(c Class) Class {
	switch c {
	case ClassBackward:
		return ClassForward
	case ClassForward:
		return ClassBackward
	}
	return c
}

func TestCompare(t *testing.T) {
	for _, c := range compareCases {
		t.Run(c.name, func(t *testing.T) {
			change, err := Compare(c.old, c.new)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range change.Diffs {
				s := string(d.Kind) + " " + d.Path + " " + d.Class.String()
				if d.Meaning {
					s += "!"
				}
				got = append(got, s)
			}
			if change.Class != c.class || strings.Join(got, "; ") != strings.Join(c.diffs, "; ") {
				t.Errorf("class %v, diffs %q; want %v, %q\n%+v", change.Class, got, c.class, c.diffs, change.Diffs)
			}
			back, err := Compare(c.new, c.old)
			if err != nil {
				t.Fatal(err)
			}
			if back.Class != exchanged(c.class) {
				t.Errorf("exchanged: class %v, want %v\n%+v", back.Class, exchanged(c.class), back.Diffs)
			}
		})
	}
}

func TestCompareSentences(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{rec(f("status", `"int"`)), rec(f("status", `"string"`)), "field status: the type changed from int to string; programs that use the new schema " +
			"fail on old events, and those with the old schema on new ones"},
		{rec(), rec(f("a", `["null","int"]`)), "field a: the field is new, of type null or int, without a default; programs that use the new schema fail on old events"},
		{rec(f("t", `"long"`)), rec(f("t", `{"type":"long","logicalType":"timestamp-micros"}`)), "field t: the type changed from long to long (timestamp-micros); " +
			"programs with either schema read old and new events; what they read means something else than before, so check every program that uses the value"},
		{`"int"`, `["null","int"]`, "the whole event: it may now also be null; programs that still use the old schema fail on new events"},
		{rec(f("a", `"int"`)), rec(`{"name":"a","type":"int","doc":"d"}`), "field a: the description changed; no program is affected"},
	} {
		change, err := Compare(c.old, c.new)
		if err != nil {
			t.Fatal(err)
		}
		if len(change.Diffs) != 1 || change.Diffs[0].Text != c.want {
			t.Errorf("got %+v, want the sentence %q", change.Diffs, c.want)
		}
	}
}

func TestCompareRefusesInvalidSchemas(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 1000) + `"int"` + strings.Repeat("}", 1000)
	for _, c := range []struct{ schema, want string }{
		{"", "empty"},
		{"{", "not JSON"},
		{`"int" "int"`, "text after the schema"},
		{`7`, "must be a name, an object or a list"},
		{`{}`, "no type"},
		{`"lnog"`, `no type "lnog"`},
		{deep, "nests deeper"},
		{rec(f("o", `{"type":"record","name":"O","fields":[{"name":"x","type":"lnog"}]}`)), `field o.x: there is no type "lnog"`},
		{rec(f("a", `{"type":"map","values":{"type":"array","items":"x"}}`)), `field a{}[]: there is no type`},
		{rec(f("a", `"int"`), f("a", `"int"`)), "field a: record R has two fields"},
		{rec(f("1a", `"int"`)), "field 1 of record R has no name"},
		{rec(f("a", `"int"`), fa("b", `"int"`, "a")), `field b: alias "a" also stands for field a`},
		{rec(fd("a", `"int"`, `"x"`)), "field a: the default does not fit the type, which is int"},
		{rec(fd("a", `"int"`, "3000000000")), "field a: the default"},
		{rec(fd("a", `["null","int"]`, `"x"`)), "field a: the default does not fit the type, which is null or int"},
		{rec(fd("a", `{"type":"fixed","name":"F","size":2}`, `"x"`)), "field a: the default"},
		{rec(fd("a", `{"type":"record","name":"O","fields":[{"name":"x","type":"int"}]}`, `{}`)), "field a: the default does not fit the type, which is record O"},
		{`{"type":"record","fields":[]}`, "needs a name"},
		{`{"type":"record","name":"a-b","fields":[]}`, `type name "a-b"`},
		{`{"type":"record","name":"x.int","fields":[]}`, "taken by Avro"},
		{`{"type":"record","name":"R"}`, "needs a list of fields"},
		{`{"type":"array"}`, `needs "items"`},
		{`{"type":"enum","name":"E"}`, "needs a list of symbols"},
		{`{"type":"enum","name":"E","symbols":["A","A"]}`, "symbol A twice"},
		{`{"type":"enum","name":"E","symbols":["A"],"default":"B"}`, "none of its symbols"},
		{`{"type":"fixed","name":"F","size":-1}`, "needs a size"},
		{`["int","int"]`, "int twice"},
		{`["int",["null"]]`, "another union"},
		{`[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]`, "F is defined twice"},
	} {
		_, err := Compare(c.schema, `"int"`)
		if err == nil || !strings.Contains(err.Error(), "the old schema: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s: got %v, want %q", c.schema, err, c.want)
		}
		if _, err := Compare(`"int"`, c.schema); err == nil || !strings.Contains(err.Error(), "the new schema: ") {
			t.Errorf("%.100s as the new schema: got %v", c.schema, err)
		}
	}
}

func TestClassText(t *testing.T) {
	for c := ClassNone; c <= ClassBreaking; c++ {
		parsed, err := ParseClass(c.String())
		if err != nil || parsed != c {
			t.Errorf("ParseClass(%q) = %v, %v", c, parsed, err)
		}
	}
	if _, err := ParseClass("Full"); err == nil {
		t.Error("ParseClass takes Full")
	}
	var c Change
	b, err := json.Marshal(Change{Class: ClassForward, Diffs: []Diff{}})
	if err != nil || string(b) != `{"class":"forward","diffs":[]}` {
		t.Errorf("JSON %s, %v", b, err)
	}
	if err := json.Unmarshal(b, &c); err != nil || c.Class != ClassForward {
		t.Errorf("read back %v, %v", c, err)
	}
}
