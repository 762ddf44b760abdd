package schema

// Shows that a schema that refers to other subjects comes back as one that stands alone and means the same, and that references
// without end, in circles or to what is not there are errors. Shows it for ids, GUIDs and the latest version.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// refs is a list of references to version 1 of subjects.
func refs(subjects ...string) (out []sr.SchemaReference) {
	for _, s := range subjects {
		out = append(out, sr.SchemaReference{Name: s, Subject: s, Version: 1})
	}
	return out
}

// seeded is a registry with schemas that are needed again and again.
func seeded(t *testing.T) *srfake.Registry {
	reg := fake(t)
	for i, s := range []struct {
		subject, text string
		refs          []sr.SchemaReference
	}{
		{"Color", `{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}`, nil},
		{"Money", `{"type":"record","name":"Money","namespace":"n","doc":"<a> & b","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},
			{"name":"unit","type":{"type":"fixed","name":"Unit","size":3}}]}`, nil},
		{"Item", `{"type":"record","name":"Item","namespace":"n","fields":[{"name":"price","type":"Money"},{"name":"color","type":["null","n.Color"],"default":null},
			{"name":"limit","type":"long","default":9007199254740993}]}`, refs("Money", "Color")},
		{"Bare", `{"type":"record","name":"Bare","fields":[{"name":"c","type":"n.Color"}]}`, refs("Color")},
	} {
		reg.SeedSchema(s.subject, 1, 101+i, sr.Schema{Schema: s.text, References: s.refs})
	}
	return reg
}

func TestReferencesAreWrittenOut(t *testing.T) {
	for _, c := range []struct {
		name, text string
		refs       []sr.SchemaReference
		want       string // what it means, names in full
	}{
		{"types used again and again, through two subjects",
			`{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"items","type":{"type":"array","items":"n.Item"}},
				{"name":"total","type":["null","n.Money"],"default":null},{"name":"by","type":{"type":"map","values":"n.Color"}},{"name":"next","type":["null","Order"],"default":null}]}`,
			refs("Item", "Money", "Color"),
			`{"type":"record","name":"shop.Order","fields":[{"name":"items","type":{"type":"array","items":{"type":"record","name":"n.Item","fields":[
				{"name":"price","type":{"type":"record","name":"n.Money","doc":"<a> & b","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},
					{"name":"unit","type":{"type":"fixed","name":"n.Unit","size":3}}]}},
				{"name":"color","type":["null",{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}],"default":null},
				{"name":"limit","type":"long","default":9007199254740993}]}}},
				{"name":"total","type":["null","n.Money"],"default":null},{"name":"by","type":{"type":"map","values":"n.Color"}},{"name":"next","type":["null","shop.Order"],"default":null}]}`},
		{"a union of other subjects' types, as for several events in one topic",
			`["n.Money","n.Item"]`, refs("Money", "Item"),
			`[{"type":"record","name":"n.Money","doc":"<a> & b","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},
				{"name":"unit","type":{"type":"fixed","name":"n.Unit","size":3}}]},
				{"type":"record","name":"n.Item","fields":[{"name":"price","type":"n.Money"},{"name":"color","type":["null",{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}],"default":null},
				{"name":"limit","type":"long","default":9007199254740993}]}]`},
		{"a type within another subject's type, used before that one",
			`{"type":"record","name":"n.R","fields":[{"name":"unit","type":"Unit"},{"name":"money","type":{"type":"Money"}}]}`, refs("Money"),
			`{"type":"record","name":"n.R","fields":[{"name":"unit","type":{"type":"fixed","name":"n.Unit","size":3}},
				{"name":"money","type":{"type":"record","name":"n.Money","doc":"<a> & b","fields":[{"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}},{"name":"unit","type":"n.Unit"}]}}]}`},
		{"a default that looks like a name", `{"type":"record","name":"R","fields":[{"name":"s","type":"string","default":"n.Color"},{"name":"c","type":"n.Color","default":"RED"}]}`, refs("Color"),
			`{"type":"record","name":"R","fields":[{"name":"s","type":"string","default":"n.Color"},{"name":"c","type":{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]},"default":"RED"}]}`},
		{"a type without a namespace", `{"type":"record","name":"R","fields":[{"name":"a","type":"Bare"},{"name":"b","type":"Bare"}]}`, refs("Bare"),
			`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"Bare","fields":[{"name":"c","type":{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}}]}},{"name":"b","type":"Bare"}]}`},
	} {
		reg := seeded(t)
		reg.SeedSchema("it", 1, 7, sr.Schema{Schema: c.text, References: c.refs})
		r, _ := open(t, RegistryConfig{URLs: []string{reg.URL()}})
		text, err := r.Schema(t.Context(), 7)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := goavro.NewCodec(text); err != nil {
			t.Errorf("%s: goavro: %v", c.name, err)
		}
		change, err := Compare(c.want, text)
		if err != nil || change.Class != ClassNone {
			t.Errorf("%s: %+v, %v\ngot  %s\nwant %s", c.name, change, err, text, c.want)
		}
		if strings.Contains(c.want, "9007199254740993") && !strings.Contains(text, "9007199254740993") {
			t.Errorf("%s: a number has changed: %s", c.name, text)
		}
		id, _, latest, found, err := r.Latest(t.Context(), "it")
		if err != nil || !found || latest != text {
			t.Errorf("%s: Latest: %q, %v", c.name, latest, err)
		}
		if byGUID, err := r.SchemaByGUID(t.Context(), id.GUID); err != nil || byGUID != text {
			t.Errorf("%s: by GUID: %q, %v", c.name, byGUID, err)
		}
	}
}

// The registries that are known refuse most of these when they are registered, but a reader does not rely on it.
func TestReferencesHaveLimits(t *testing.T) {
	record := func(name string, subjects ...string) sr.Schema {
		return sr.Schema{Schema: fmt.Sprintf(`{"type":"record","name":%q,"fields":[]}`, name), References: refs(subjects...)}
	}
	chain, many := map[string]sr.Schema{}, map[string]sr.Schema{}
	var names []string
	for i := range 300 {
		chain[fmt.Sprint("s", i)] = record("R", fmt.Sprint("s", i+1))
		many[fmt.Sprint("s", i)] = record("R")
		names = append(names, fmt.Sprint("s", i))
	}
	deep := strings.Repeat(`{"type":"array","items":`, 600) + `"Color"` + strings.Repeat(`}`, 600)
	for _, c := range []struct {
		name, want string
		it         sr.Schema
		others     map[string]sr.Schema
	}{
		{"a circle", `run in a circle through version 1 of subject "a"`, record("R", "a"), map[string]sr.Schema{"a": record("A", "b"), "b": record("B", "a")}},
		{"itself", "in a circle", record("R", "it"), map[string]sr.Schema{"it": record("R", "it")}},
		{"a long way", "more than 16 deep", record("R", "s0"), chain},
		{"many", "more than 256 schemas", record("R", names...), many},
		{"nothing", `it refers to version 1 of subject "nosuch"`, record("R", "nosuch"), nil},
		{"another kind of schema", "want Avro", record("R", "p"), map[string]sr.Schema{"p": {Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf}}},
		{"types too deep", "more than 512 deep", sr.Schema{Schema: deep, References: refs("a")}, map[string]sr.Schema{"a": record("A")}},
		{"no JSON", "read an Avro schema", sr.Schema{Schema: `{"type":`, References: refs("a")}, map[string]sr.Schema{"a": record("A")}},
		{"a subject with no JSON", "read an Avro schema", record("R", "a"), map[string]sr.Schema{"a": {Schema: `{"type":`}}},
	} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked++ // the client asks for one after the other
			found, ok := c.it, req.URL.Path == "/schemas/ids/7"
			if !ok {
				found, ok = c.others[strings.TrimSuffix(strings.TrimPrefix(req.URL.Path, "/subjects/"), "/versions/1")]
			}
			if !ok {
				w.WriteHeader(http.StatusNotFound)
				io.WriteString(w, `{"error_code":40401,"message":"not found"}`)
				return
			}
			json.NewEncoder(w).Encode(found)
		}))
		r, _ := open(t, RegistryConfig{URLs: []string{srv.URL}})
		text, err := r.Schema(t.Context(), 7)
		if err == nil || text != "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "can't be reached") {
			t.Errorf("%s: %.100q, %v; want an error with %q", c.name, text, err, c.want)
		}
		if asked > 1+maxReferences {
			t.Errorf("%s: asked %d times", c.name, asked)
		}
		srv.Close()
	}
}

// FuzzReferences shows that no answer of a registry makes it panic, and that what comes out is JSON.
func FuzzReferences(f *testing.F) {
	f.Add(`{"type":"record","name":"R","fields":[{"name":"a","type":"n.T"}]}`, `{"type":"record","name":"T","namespace":"n","fields":[{"name":"a","type":["null","T","R"]}]}`)
	f.Add(`["n.T",{"type":"array","items":"n.T"}]`, `{"type":"enum","name":"n.T","symbols":["A"]}`)
	f.Add(`{"type":"record","fields":[1,{"type":{"type":7}}]}`, `{"type":"fixed"}`)
	f.Fuzz(func(t *testing.T, root, other string) {
		in := &inliner{types: map[string]any{}, written: map[string]bool{}}
		tree, err := parseTree(other)
		if err != nil {
			return
		}
		if _, err := rewrite(tree, "", 0, in.collect); err != nil {
			return
		}
		if tree, err = parseTree(root); err != nil {
			return
		}
		if tree, err = rewrite(tree, "", 0, in.write); err == nil {
			if _, err := json.Marshal(tree); err != nil {
				t.Error(err)
			}
		}
	})
}
