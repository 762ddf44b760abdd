package main

// Shows: what gen writes fits the log_format beside the corpus, repeats for a seed, has unique ids, and is what the corpus holds.

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

const corpus = "../../testdata/bench/"

// linePattern turns the log_format of testdata/bench/nginx.conf into a regular expression with one group for each variable.
func linePattern(t *testing.T) *regexp.Regexp {
	t.Helper()
	conf, err := os.ReadFile(corpus + "nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(conf), "log_format bench")
	directive, _, ok := strings.Cut(rest, ";\n")
	if !ok {
		t.Fatal("no log_format bench in nginx.conf")
	}
	var format strings.Builder
	for _, piece := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(directive, -1) {
		format.WriteString(piece[1])
	}
	pattern := regexp.MustCompile(`\\\$(\w+)`).ReplaceAllStringFunc(regexp.QuoteMeta(format.String()), func(v string) string {
		return `(?P<` + strings.TrimPrefix(v, `\$`) + `>[^"]*?)`
	})
	return regexp.MustCompile("^" + pattern + "$")
}

func TestLinesFitTheFormatAndHaveUniqueIDs(t *testing.T) {
	pattern := linePattern(t)
	var out bytes.Buffer
	if err := write(&out, 5000, 7); err != nil {
		t.Fatal(err)
	}
	if mean := out.Len() / 5000; mean < 450 || mean > 600 {
		t.Errorf("mean line length %d, want about 540", mean)
	}
	ids := map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines {
		m := pattern.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line does not fit the format:\n%s", line)
		}
		ids[m[pattern.SubexpIndex("http_x_request_id")]] = true
	}
	if len(lines) != 5000 || len(ids) != 5000 {
		t.Errorf("%d lines with %d ids, want 5000 of each", len(lines), len(ids))
	}
}

func TestCorpusIsWhatTheGeneratorWrites(t *testing.T) {
	want, err := os.ReadFile(corpus + "access.log")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := run(nil, &got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("testdata/bench/access.log differs from what gen writes; make it anew: go run ./test/gen -o testdata/bench/access.log")
	}
}

func TestSeedDecidesTheLines(t *testing.T) {
	lines := func(seed uint64) string {
		var out bytes.Buffer
		if err := write(&out, 100, seed); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := lines(1)
	if again := lines(1); again != first {
		t.Error("the same seed gave other lines")
	}
	if first == lines(2) {
		t.Error("another seed gave the same lines")
	}
}

func TestArguments(t *testing.T) {
	file := t.TempDir() + "/out.log"
	if err := run([]string{"-lines", "3", "-o", file}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); bytes.Count(got, []byte("\n")) != 3 {
		t.Errorf("file has %d lines, want 3", bytes.Count(got, []byte("\n")))
	}
	for _, args := range [][]string{{"surplus"}, {"-o", t.TempDir()}, {"-lines", "many"}} {
		if run(args, io.Discard) == nil {
			t.Errorf("run(%q) gave no error", args)
		}
	}
}

func TestAppendLineAllocatesNothing(t *testing.T) {
	g, buf := newGenerator(1), make([]byte, 0, 8192)
	if n := testing.AllocsPerRun(1000, func() { buf = g.appendLine(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations a line, want 0", n)
	}
}
