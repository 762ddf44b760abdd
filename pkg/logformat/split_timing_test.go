package logformat

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// corpus returns the lines of a log of the repository's testdata and the format that its nginx.conf gives it.
func corpus(tb testing.TB, dir, log, format string) (*Format, [][]byte) {
	tb.Helper()
	base := filepath.Join("..", "..", "testdata", dir)
	conf, err := ReadConf(filepath.Join(base, "nginx.conf"), ConfOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	d, err := conf.Format(format)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := Compile(d, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(base, log))
	if err != nil {
		tb.Fatal(err)
	}
	return f, bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
}

// BenchmarkSplit cuts real lines; one operation is one line.
func BenchmarkSplit(b *testing.B) {
	for _, c := range []struct{ name, dir, log, format string }{
		{"headers22", "bench", "access.log", "bench"},
		{"combined", "quickstart", "static.access.log", "combined"},
		{"main", "quickstart", "shop.access.log", "main"},
		{"json", "quickstart", "api.access.log", "ngxtap_json"},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, lines := corpus(b, c.dir, c.log, c.format)
			total := 0
			for _, l := range lines {
				total += len(l) + 1
			}
			b.SetBytes(int64(total / len(lines)))
			b.ReportAllocs()
			spans := make([]Span, len(f.Columns()))
			for i := 0; b.Loop(); i++ {
				if _, err := f.Split(spans, lines[i%len(lines)]); err != nil {
					b.Fatalf("line %d: %v", i%len(lines)+1, err)
				}
			}
		})
	}
}

// BenchmarkSplitFloor is what BenchmarkSplit/headers22 is measured against: the same lines, with nothing done but finding each
// literal in turn. It checks no value, and cuts some lines wrongly.
func BenchmarkSplitFloor(b *testing.B) {
	f, lines := corpus(b, "bench", "access.log", "bench")
	literals := make([][]byte, len(f.literals))
	total := 0
	for i, l := range f.literals {
		literals[i] = []byte(l)
	}
	for _, l := range lines {
		total += len(l) + 1
	}
	b.SetBytes(int64(total / len(lines)))
	b.ReportAllocs()
	spans := make([]Span, len(f.Columns()))
	for i := 0; b.Loop(); i++ {
		line := lines[i%len(lines)]
		pos := len(literals[0])
		for c := range spans {
			end := pos + bytes.Index(line[pos:], literals[c+1])
			spans[c] = Span{int32(pos), int32(end)}
			pos = end + len(literals[c+1])
		}
	}
}
