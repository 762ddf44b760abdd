package main

// Shows: the textbook build and ngxtap do the same job (same schema, same events), the parts cut and count right, and the arithmetic
// of the figures is right.

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
)

const corpusDir = "../../testdata/bench"

func corpusLines(t *testing.T) [][]byte {
	t.Helper()
	lines, err := linesOf(filepath.Join(corpusDir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// withoutDocs parses a schema and removes every doc.
func withoutDocs(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	var strip func(any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			delete(v, "doc")
			for _, x := range v {
				strip(x)
			}
		case []any:
			for _, x := range v {
				strip(x)
			}
		}
	}
	strip(v)
	return v
}

func TestTextbookHasTheDerivedSchema(t *testing.T) {
	_, _, event, err := newEncoder(filepath.Join(corpusDir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if want, got := withoutDocs(t, event.JSON()), withoutDocs(t, textbookSchema); !reflect.DeepEqual(want, got) {
		t.Errorf("textbook.avsc is not the schema that ngxtap derives:\nwant %v\ngot  %v", want, got)
	}
}

func TestTextbookMakesTheSameEvents(t *testing.T) {
	format, encoder, event, err := newEncoder(filepath.Join(corpusDir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	codec, err := goavro.NewCodec(event.JSON())
	if err != nil {
		t.Fatal(err)
	}
	decode := func(b []byte) any {
		native, rest, err := codec.NativeFromBinary(b)
		if err != nil || len(rest) > 0 {
			t.Fatalf("decode: %v, %d bytes left", err, len(rest))
		}
		return native
	}
	offset := int64(0)
	var spans []logformat.Span
	for i, line := range corpusLines(t) {
		origin := avro.Origin{Site: "bench", Host: "bench", File: "access.log", Offset: offset}
		if spans, err = format.Split(spans[:0], line); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		ours, _, err := encoder.AppendEvent(nil, line, spans, &origin)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		native, err := textbookEvent(string(line), offset)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		theirs, err := codec.BinaryFromNative(nil, native)
		if err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if want, got := decode(ours), decode(theirs); !reflect.DeepEqual(want, got) {
			t.Fatalf("line %d: ngxtap and the textbook build differ:\nngxtap   %v\ntextbook %v", i+1, want, got)
		}
		offset += int64(len(line)) + 1
	}
}

func TestEachBatchGivesEveryLineOnce(t *testing.T) {
	want := corpusLines(t)
	var got [][]byte
	n, err := eachBatch(filepath.Join(corpusDir, "access.log"), func(lines [][]byte) error {
		for _, line := range lines {
			got = append(got, bytes.Clone(line))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n != len(want) || !slices.EqualFunc(want, got, bytes.Equal) {
		t.Errorf("got %d lines (%d counted), want %d, the same", len(got), n, len(want))
	}
}

func TestEachBatchRefusesALineLongerThanABlock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "long.log")
	if err := os.WriteFile(file, bytes.Repeat([]byte("x"), batchBytes+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := eachBatch(file, func([][]byte) error { return nil }); err == nil {
		t.Error("want an error")
	}
}

func TestReadersFindAllLines(t *testing.T) {
	file := filepath.Join(corpusDir, "access.log")
	for name, read := range map[string]func(context.Context, part) error{"blocks": readBlocks, "hpcloud": readHpcloud, "ngxtap": readNgxtap} {
		var out strings.Builder
		if err := read(t.Context(), part{file: file, out: &out}); err != nil || out.String() != "2000\n" {
			t.Errorf("%s: got %q, %v; want 2000 lines", name, out.String(), err)
		}
	}
}

func TestFloorRecordsAreCountedAsTheyAreCut(t *testing.T) {
	for _, size := range []int{1, floorRecord, floorRecord + 1, batchBytes - 1, batchBytes, batchBytes + 1, 5*batchBytes + 7*floorRecord} {
		want := 0
		for at := 0; at < size; at += batchBytes {
			for i := at; i < min(at+batchBytes, size); i += floorRecord {
				want++
			}
		}
		if got := floorRecords(int64(size)); got != want {
			t.Errorf("%d bytes: got %d records, want %d", size, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", `\x22`: `"`, `a\x5Cx22b`: `a\x22b`, `\x2`: `\x2`, `\xZZ`: `\xZZ`, `\xD0\x91`: "Б"} {
		if got := unescape(in); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStampIsFoundInAnEvent(t *testing.T) {
	b := &bench{root: "../..", dir: t.TempDir()}
	w, err := b.newStampedLog()
	if err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	before := time.Now()
	for range 2100 {
		if err := w.write(); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := linesOf(w.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	format, encoder, _, err := newEncoder(filepath.Join(corpusDir, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	last := before
	for i, line := range lines {
		spans, err := format.Split(nil, line)
		if err != nil {
			t.Fatalf("line %d: %v: %s", i+1, err, line)
		}
		value, _, err := encoder.AppendEvent(nil, line, spans, &avro.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		at, err := stampOf(value)
		if err != nil || at.Before(last) || at.After(time.Now()) {
			t.Fatalf("line %d: stamp %v, %v; want one from %v on", i+1, at, err, last)
		}
		last = at
	}
	if _, err := stampOf([]byte(stampMark + "123")); err == nil {
		t.Error("want an error for a stamp cut short")
	}
}

func TestMedianAndQuantile(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 50, 0.9: 90, 0.99: 99, 1: 100} {
		if got := quantile(hundred, q); got != want {
			t.Errorf("quantile(%v) = %d, want %d", q, got, want)
		}
	}
}

func TestMicrosLeaveOutTheStart(t *testing.T) {
	r := &result{lines: 1001, full: []usage{{cpu: 3 * time.Millisecond}, {cpu: 5 * time.Millisecond}},
		start: []usage{{cpu: time.Millisecond}, {cpu: time.Millisecond}}}
	if got := r.micros(); !slices.Equal(got, []float64{2, 4}) {
		t.Errorf("got %v, want [2 4]", got)
	}
	twice := &result{lines: 1001, full: []usage{{cpu: 2 * time.Millisecond}, {cpu: 2 * time.Millisecond}}, start: r.start}
	if got := ratios(r, twice); !slices.Equal(got, []float64{2, 4}) {
		t.Errorf("got ratios %v, want [2 4]", got)
	}
}

func TestMeasureSeesTimeAndMemoryOfTheChild(t *testing.T) {
	var out bytes.Buffer
	u, err := measure(t.Context(), []string{"sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if u.cpu <= 0 || u.wall < u.cpu/4 || u.resident < 100<<10 || out.String() != "done\n" {
		t.Errorf("got %+v and output %q", u, out.String())
	}
	if _, err := measure(t.Context(), []string{"sh", "-c", "echo broken >&2; exit 3"}, nil); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("want an error with what the child said, got %v", err)
	}
}

func TestKafkaVersionIsKnown(t *testing.T) {
	if v, err := kafkaVersion("../.."); err != nil || !strings.HasPrefix(v, "4.") {
		t.Errorf("got %q, %v", v, err)
	}
}

func TestWrongArgumentsAreErrors(t *testing.T) {
	for _, args := range [][]string{{"nonsense"}, {"floor"}, {"-lines", "1"}, {"all", "surplus"}} {
		if err := run(t.Context(), args, &bytes.Buffer{}); err == nil {
			t.Errorf("run(%q): want an error", args)
		}
	}
	for name := range maps.Keys(parts) {
		if _, both := comparisons[name]; both {
			t.Errorf("%s is a part and a comparison", name)
		}
	}
}
