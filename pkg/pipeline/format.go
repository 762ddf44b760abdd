package pipeline

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// Format is a candidate format of a site with all that is compiled from it. It belongs to one site: its encoder has scratch
// memory of its own.
type Format struct {
	split *logformat.Format
	event *schema.Event
	enc   *avro.Encoder
	frame *Frame // what enc puts before the values, and what goes beside them; nil until it is known

	// Recipe says how the format was compiled, beside its definition, so that it can be compiled in the same way in another life of the
	// site. The pipeline only compares it.
	Recipe string
}

// NewFormat derives the schema of a compiled format.
func NewFormat(f *logformat.Format, o schema.Options) (*Format, error) {
	ev, err := schema.Derive(f, o)
	if err != nil {
		return nil, fmt.Errorf("derive the schema of format %s: %w", f.Definition().Name, err)
	}
	return &Format{split: f, event: ev}, nil
}

// Prepare compiles the encoder.
func (f *Format) Prepare(o avro.Options) error {
	enc, err := avro.NewEncoder(f.split, f.event, o)
	if err != nil {
		return fmt.Errorf("compile the encoder of format %s: %w", f.Name(), err)
	}
	f.enc = enc
	return nil
}

// Name returns the log_format's name.
func (f *Format) Name() string { return f.split.Definition().Name }

// LogFormat returns the compiled log_format.
func (f *Format) LogFormat() *logformat.Format { return f.split }

// Event returns the derived schema.
func (f *Format) Event() *schema.Event { return f.event }

// Schema returns the derived schema as JSON.
func (f *Format) Schema() string { return f.event.JSON() }

// Fingerprint returns the schema's CRC-64-AVRO.
func (f *Format) Fingerprint() uint64 { return f.event.Fingerprint() }

// Encoder returns the encoder that Prepare compiled.
func (f *Format) Encoder() *avro.Encoder { return f.enc }

// appendFingerprint appends a fingerprint as the keys of the schemas topic hold it: little-endian, as in single-object encoding.
func appendFingerprint(dst []byte, fp uint64) []byte {
	return binary.LittleEndian.AppendUint64(dst, fp)
}

var quarantineFingerprint = sync.OnceValue(func() uint64 {
	fp, err := schema.Fingerprint(schema.QuarantinedLine)
	if err != nil {
		panic("pipeline: the quarantine schema does not parse: " + err.Error()) // a constant; a test covers it
	}
	return fp
})

// keyer finds the Kafka key of a line.
type keyer struct {
	fixed  []byte // the key of every record, if not empty
	column int    // the column whose value is the key
	f      *logformat.Format
}

// newKeyer returns nil if records have no key.
func newKeyer(f *Format, by, instance string, secrets *avro.Secrets) (*keyer, error) {
	switch by {
	case "", "none":
		return nil, nil
	case "host":
		return &keyer{fixed: []byte(instance)}, nil
	}
	if secrets.MayHold(by) || strings.HasPrefix(by, "arg_") { // parameters have names that nobody foresees
		return nil, fmt.Errorf("partition_by: %s may hold secrets or addresses that are to be hidden, which a key would carry in clear text; choose another field", by)
	}
	var names []string
	for i, c := range f.split.Columns() {
		if _, _, isHeader := c.Header(); isHeader || c.Kind == logformat.Headers {
			continue
		}
		if c.Name == by {
			return &keyer{column: i, f: f.split}, nil
		}
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return nil, fmt.Errorf("partition_by: format %s has no field %s; it has %v", f.Name(), by, names)
}

// append appends the key of a line; a missing value gives none.
func (k *keyer) append(dst, text []byte, spans []logformat.Span) []byte {
	if k.fixed != nil {
		return append(dst, k.fixed...)
	}
	v := spans[k.column].Of(text)
	if k.f.Missing(v) {
		return dst
	}
	return logformat.AppendUnescaped(dst, v, k.f.Escape())
}
