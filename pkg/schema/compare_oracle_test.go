package schema

// Shows, over many thousand generated pairs of schemas, that Compare answers as twmb/avro's compatibility check does, except in the
// listed ways where the specification wants otherwise; that what Compare calls readable is really read, by twmb/avro over random
// data; and that class, diffs and fingerprints never contradict each other.

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"ngxtap/pkg/testkit/avrogen"
)

const oraclePairs = 20_000

// twmbDiffers lists every way in which twmb/avro 1.9.0 judges a pair in another way than Compare. adapt rewrites the schemas so that
// our rules answer as its rules do; a verdict that no adaptation explains fails the test. docs/schema-changes.md has the reasons.
var twmbDiffers = []struct {
	name  string
	adapt func(reader any, writer *node)
}{
	{"a field that may be null has the default null, even if the schema gives none", implicitNull},
	{"an alias without a namespace stands for types of that name in every namespace", looseAliases},
}

// objects calls f for every JSON object in a tree.
func objects(tree any, f func(o map[string]any)) {
	switch t := tree.(type) {
	case []any:
		for _, e := range t {
			objects(e, f)
		}
	case map[string]any:
		f(t)
		for _, e := range t {
			objects(e, f)
		}
	}
}

func implicitNull(reader any, _ *node) {
	objects(reader, func(o map[string]any) {
		branches, _ := o["type"].([]any)
		_, given := o["default"]
		if len(branches) > 0 && branches[0] == "null" && !given {
			o["default"] = nil
		}
	})
}

func looseAliases(reader any, writer *node) {
	objects(reader, func(o map[string]any) {
		aliases, _ := o["aliases"].([]any)
		if o["type"] != "record" && o["type"] != "enum" && o["type"] != "fixed" {
			return
		}
		for _, a := range aliases {
			for name := range typeNames(writer, map[string]bool{}) {
				if shortName(name) == a {
					aliases = append(aliases, name)
				}
			}
		}
		o["aliases"] = aliases
	})
}

// typeNames collects the names of the types in a schema.
func typeNames(n *node, seen map[string]bool) map[string]bool {
	if n.name != "" {
		if seen[n.name] {
			return seen
		}
		seen[n.name] = true
	}
	for _, f := range n.fields {
		typeNames(f.typ, seen)
	}
	for _, b := range n.branches {
		typeNames(b, seen)
	}
	if n.elem != nil {
		typeNames(n.elem, seen)
	}
	return seen
}

func TestCompareAgreesWithTwmb(t *testing.T) {
	g := avrogen.New(1)
	rng := rand.New(rand.NewPCG(2, 3))
	seen := map[string]int{}
	for compared := 0; compared < oraclePairs; {
		old, new, edits := g.Pair()
		o, oldErr := avro.Parse(old)
		n, newErr := avro.Parse(new)
		change, err := Compare(old, new)
		if theirs := errors.Join(oldErr, newErr); (err != nil) != (theirs != nil) {
			if err == nil && strings.Contains(theirs.Error(), "decimal precision") {
				seen["(invalid decimal)"]++ // twmb/avro refuses the schema; the specification ignores the logical type
				continue
			}
			t.Fatalf("%q: twmb/avro says %v, %v, Compare %v\nold %s\nnew %s", edits, oldErr, newErr, err, old, new)
		}
		if err != nil {
			seen["(invalid)"]++
			continue
		}
		compared++
		seen[change.Class.String()]++
		checkConsistent(t, old, new, change)
		for _, d := range []struct {
			name         string
			reads        bool
			wText, rText string
			w, r         *avro.Schema
		}{
			{"new reads old", change.Class.backward(), old, new, o, n},
			{"old reads new", change.Class.forward(), new, old, n, o},
		} {
			err := avro.CheckCompatibility(d.w, d.r)
			if (err == nil) != d.reads {
				seen[explain(t, d.rText, d.wText, err == nil)]++
			} else if d.reads {
				readsRandomData(t, rng, d.wText, d.w, d.r)
			}
			if t.Failed() {
				t.Fatalf("%q, %s: twmb/avro says %v, Compare %v\nold %s\nnew %s\n%+v", edits, d.name, err, change.Class, old, new, change.Diffs)
			}
		}
	}
	for _, c := range twmbDiffers {
		if seen[c.name] == 0 {
			t.Errorf("twmb/avro never differed in this: %s", c.name)
		}
	}
	t.Logf("%v", seen)
}

// explain returns the name of the difference that makes twmb/avro answer want where Compare says the contrary.
func explain(t *testing.T, reader, writer string, want bool) string {
	t.Helper()
	w, err := parseSchema(writer)
	if err != nil {
		t.Fatal(err)
	}
	reads := func(adapt ...func(any, *node)) bool {
		var tree any
		if err := json.Unmarshal([]byte(reader), &tree); err != nil {
			t.Fatal(err)
		}
		for _, a := range adapt {
			a(tree, w)
		}
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseSchema(string(text))
		if err != nil {
			t.Fatal(err)
		}
		c := &comparison{steps: maxSteps}
		return c.read(r, w) == nil
	}
	var all []func(any, *node)
	for _, c := range twmbDiffers {
		if reads(c.adapt) == want {
			return c.name
		}
		all = append(all, c.adapt)
	}
	if reads(all...) == want {
		return "(several)"
	}
	t.Error("a difference that is not listed")
	return "(not listed)"
}

// readsRandomData makes random data of schema w and checks that it can be read with schema r.
func readsRandomData(t *testing.T, rng *rand.Rand, writer string, w, r *avro.Schema) {
	t.Helper()
	resolved, err := avro.Resolve(w, r)
	if err != nil {
		t.Errorf("twmb/avro can't resolve: %v", err)
		return
	}
	n, err := parseSchema(writer)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data, finite := appendRandom(nil, rng, n, 0)
		if !finite {
			return
		}
		var value any
		if rest, err := resolved.Decode(data, &value); err != nil || len(rest) > 0 {
			t.Errorf("data % x: %d bytes are left, %v", data, len(rest), err)
		}
	}
}

// appendRandom appends random data of a schema. It is false if the data would have no end.
func appendRandom(dst []byte, rng *rand.Rand, n *node, depth int) ([]byte, bool) {
	if depth > 50 {
		return dst, false
	}
	long := func(i int) { dst = binary.AppendVarint(dst, int64(i)) }
	text := func(s string) { long(len(s)); dst = append(dst, s...) }
	ok := true
	switch n.kind {
	case "boolean":
		dst = append(dst, byte(rng.IntN(2)))
	case "int", "long":
		long(rng.IntN(80_000_000))
	case "float":
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(rng.Float32()))
	case "double":
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(rng.Float64()))
	case "bytes":
		text([]string{"a", "xyz"}[rng.IntN(2)])
	case "string":
		if n.logical.name == "uuid" {
			text("123e4567-e89b-12d3-a456-426614174000")
		} else {
			text([]string{"", "word"}[rng.IntN(2)])
		}
	case "fixed":
		dst = append(dst, make([]byte, n.size)...)
	case "enum":
		long(rng.IntN(len(n.symbols)))
	case "array", "map":
		if items := rng.IntN(3); items > 0 && depth < 10 {
			long(items)
			for range items {
				if n.kind == "map" {
					text(string(rune('a' + rng.IntN(26))))
				}
				dst, ok = appendRandom(dst, rng, n.elem, depth+1)
				if !ok {
					return dst, false
				}
			}
		}
		long(0)
	case "union":
		i := rng.IntN(len(n.branches))
		if depth > 10 {
			i = max(0, slices.IndexFunc(n.branches, func(b *node) bool { return b.kind != "record" }))
		}
		long(i)
		return appendRandom(dst, rng, n.branches[i], depth+1)
	case "record":
		for _, f := range n.fields {
			if dst, ok = appendRandom(dst, rng, f.typ, depth+1); !ok {
				return dst, false
			}
		}
	}
	return dst, ok
}

// checkConsistent checks that a change agrees with itself.
func checkConsistent(t *testing.T, old, new string, change *Change) {
	t.Helper()
	all := ClassNone
	for _, d := range change.Diffs {
		all = all.and(d.Class)
	}
	if all != change.Class {
		t.Errorf("the class is %v, that of all diffs %v: %+v\nold %s\nnew %s", change.Class, all, change.Diffs, old, new)
	}
	if change.Class != ClassNone {
		return
	}
	a, err1 := Fingerprint(old)
	b, err2 := Fingerprint(new)
	if err1 == nil && err2 == nil && a != b {
		t.Errorf("no difference found, but the fingerprints differ\nold %s\nnew %s", old, new)
	}
}
