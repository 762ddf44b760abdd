package avro

// Shows what a line costs: splitting and encoding, encoding alone, the same events through goavro, and finding the names of the headers.

import (
	"testing"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/logformat"
)

func splitAll(b *testing.B, r *rig, lines [][]byte) (spans [][]logformat.Span, size int64) {
	b.Helper()
	for _, line := range lines {
		s, err := r.format.Split(nil, line)
		if err != nil {
			b.Fatalf("%s\n%v", line, err)
		}
		spans = append(spans, s)
		size += int64(len(line))
	}
	return spans, size / int64(len(lines))
}

func benchmarkEncode(b *testing.B, o Options, withSplit bool) {
	r, lines := corpus(b, o)
	spans, size := splitAll(b, r, lines)
	buf := make([]byte, 0, 64<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		var err error
		s := spans[i]
		if withSplit {
			if r.spans, err = r.format.Split(r.spans, lines[i]); err != nil {
				b.Fatal(err)
			}
			s = r.spans
		}
		if buf, _, err = r.encoder.AppendEvent(buf[:0], lines[i], s, &testOrigin); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(lines) {
			i = 0
		}
	}
}

func BenchmarkAppendEvent(b *testing.B) { benchmarkEncode(b, Options{}, false) }

func BenchmarkSplitAndAppendEvent(b *testing.B) { benchmarkEncode(b, Options{}, true) }

func BenchmarkSplitAndAppendEventSecrets(b *testing.B) {
	benchmarkEncode(b, Options{Secrets: testSecrets(b, SecretHash)}, true)
}

// BenchmarkAddresses: what each way to treat the addresses of clients costs a line.
func BenchmarkAddresses(b *testing.B) {
	for _, mode := range []string{"keep", "truncate", "hash", "encrypt"} {
		b.Run(mode, func(b *testing.B) {
			m, err := ParseAddressMode(mode)
			if err != nil {
				b.Fatal(err)
			}
			benchmarkEncode(b, Options{Secrets: rules(b, Rules{Addresses: m})}, true)
		})
	}
}

func BenchmarkAppendEventKit(b *testing.B) {
	r := newRig(b, logformat.EscapeDefault, kitFormat, Options{})
	line := []byte(kitLine)
	spans, err := r.format.Split(nil, line)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 64<<10)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if buf, _, err = r.encoder.AppendEvent(buf[:0], line, spans, &testOrigin); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkGoavro encodes the same events from values that are there already, so without splitting and conversion.
func BenchmarkGoavro(b *testing.B) {
	r, lines := corpus(b, Options{})
	_, size := splitAll(b, r, lines)
	codec, err := goavro.NewCodec(r.event.JSON())
	if err != nil {
		b.Fatal(err)
	}
	var natives []any
	for _, line := range lines {
		native, _, err := codec.NativeFromBinary(r.encode(b, string(line)))
		if err != nil {
			b.Fatal(err)
		}
		natives = append(natives, native)
	}
	buf := make([]byte, 0, 64<<10)
	b.SetBytes(size)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if buf, err = codec.BinaryFromNative(buf[:0], natives[i]); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(natives) {
			i = 0
		}
	}
}

func BenchmarkHeaderNames(b *testing.B) {
	r, lines := corpus(b, Options{})
	h, err := NewHeaderNames(r.event, 0)
	if err != nil {
		b.Fatal(err)
	}
	event := r.encode(b, string(lines[0]))
	n := 0
	count := func(logformat.Family, []byte) { n++ }
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		if err := h.Each(event, count); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/float64(b.N), "names/op")
}
