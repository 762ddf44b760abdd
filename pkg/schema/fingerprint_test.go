package schema

// Shows that our fingerprints are those of the Avro specification: equal to twmb/avro (which follows Java) always, equal to goavro
// wherever goavro follows the specification, and to the published value of a primitive type.

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"
)

func specFingerprint(t *testing.T, schema string) uint64 {
	t.Helper()
	s, err := avro.Parse(schema)
	if err != nil {
		t.Fatalf("twmb/avro refuses the schema: %v\n%s", err, schema)
	}
	return binary.BigEndian.Uint64(s.Fingerprint(avro.NewRabin()))
}

func TestFingerprint(t *testing.T) {
	for _, c := range []struct {
		name, schema string
		goavroAgrees bool // false: goavro leaves the specification here, for recursive types by chance of map order
	}{
		{"primitive", `"int"`, true},
		{"primitive in an object", `{"type":"int"}`, true},
		{"docs and defaults do not count", `{"type":"record","name":"a.B","doc":"d","fields":[{"name":"f","doc":"d","type":["null","string"],"default":null}]}`, true},
		{"namespace", `{"type":"record","name":"B","namespace":"a","fields":[{"name":"f","type":{"type":"map","values":{"type":"array","items":"string"}}}]}`, true},
		{"reference", `{"type":"record","name":"B","namespace":"a","fields":[{"name":"f","type":["null","B"]}]}`, false},
		{"enum and fixed", `{"type":"record","name":"B","namespace":"a","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}},{"name":"x","type":{"type":"fixed","name":"F","size":16}}]}`, true},
		{"logical type", `{"type":"record","name":"B","namespace":"a","fields":[{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}}]}`, false},
		{"nested namespace", `{"type":"record","name":"B","namespace":"a","fields":[{"name":"c","type":{"type":"record","name":"C","namespace":"x.y","fields":[{"name":"f","type":["null","C"]}]}},{"name":"d","type":"x.y.C"}]}`, false},
		{"quarantined line", QuarantinedLine, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Fingerprint(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			if want := specFingerprint(t, c.schema); got != want {
				t.Errorf("fingerprint %016x, want %016x", got, want)
			}
			if !c.goavroAgrees {
				return
			}
			codec, err := goavro.NewCodec(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			if codec.Rabin != got {
				t.Errorf("goavro says %016x, we %016x; its form is %s", codec.Rabin, got, codec.CanonicalSchema())
			}
		})
	}
	if got, _ := Fingerprint(`"int"`); got != 0x7275d51a3f395c8f {
		t.Errorf(`fingerprint of "int" is %016x; Avro's own test data say 7275d51a3f395c8f`, got)
	}
}

func TestFingerprintRefuses(t *testing.T) {
	for _, schema := range []string{``, `{`, `{"type":"no such type"}`, `{"type":"record","fields":[]}`, `{"type":"record","name":"A","fields":[7]}`, `7`} {
		if fp, err := Fingerprint(schema); err == nil || !strings.Contains(err.Error(), "fingerprint") {
			t.Errorf("Fingerprint(%s) = %x, %v; want an error that says what was done", schema, fp, err)
		}
	}
}

func TestQuarantinedLineIsValid(t *testing.T) {
	if _, err := goavro.NewCodec(QuarantinedLine); err != nil {
		t.Errorf("goavro: %v", err)
	}
	if _, err := avro.Parse(QuarantinedLine); err != nil {
		t.Errorf("twmb/avro: %v", err)
	}
}
