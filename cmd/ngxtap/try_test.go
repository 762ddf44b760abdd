package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/config"
)

func TestTryNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct {
		part, whole int
		want        string
	}{{3, 3, "100 %"}, {99999, 100000, "over 99.9 %"}, {1, 100000, "under 0.1 %"}, {0, 5, "0.0 %"}, {1, 2, "50.0 %"}} {
		if got := percent(c.part, c.whole); got != c.want {
			t.Errorf("percent(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
		}
	}
	for n, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 1234: "1.23 kB", 5.2e9: "5.2 GB", 2e12: "2 TB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%v) = %q, want %q", n, got, want)
		}
	}
}

func TestTryTypes(t *testing.T) {
	for schema, want := range map[string]string{
		`"string"`:       "string",
		`["null","int"]`: "int",
		`["null",{"type":"array","items":["null","double"]}]`:             "array of double",
		`{"type":"map","values":{"type":"array","items":"string"}}`:       "map of array of string",
		`{"type":"long","logicalType":"timestamp-micros"}`:                "timestamp-micros",
		`{"type":"record","name":"origin","fields":[]}`:                   "record",
		`["null",{"type":"long","logicalType":"timestamp-micros"},"int"]`: "timestamp-micros or int",
	} {
		var v any
		if err := json.Unmarshal([]byte(schema), &v); err != nil {
			t.Fatal(err)
		}
		if got := typeText(v); got != want {
			t.Errorf("%s: %q, want %q", schema, got, want)
		}
	}
}

// What is hidden is named by its place, and nothing else is.
func TestTryTellsWhatIsHidden(t *testing.T) {
	const line = `198.51.100.7 - bob [23/Nov/2026:00:46:56 +0000] "GET /a?page=1&Access_Token=s3cr3t HTTP/1.1" 200 61 "https://x.example/?sig=abc" "curl"`
	got := tryLines(t, []string{line, strings.ReplaceAll(line, "Access_Token=s3cr3t", "q=1")})
	var places []string
	for _, h := range got.Hidden {
		places = append(places, fmt.Sprintf("%s %d", h.Place, h.Events))
	}
	want := []string{"request_headers.referer sig= 2", "query Access_Token= 1"}
	if !slices.Equal(places, want) {
		t.Errorf("hidden: %q, want %q", places, want)
	}
	for _, f := range got.Fields {
		if strings.Contains(f.Example, "s3cr3t") {
			t.Errorf("the example of %s shows a secret: %s", f.Name, f.Example)
		}
	}
}

// A day is that of the times in the lines, not of the clock, and is not told where the sample is too short.
func TestTryDay(t *testing.T) {
	write := func(lines, every int) []string {
		var all []string
		for i := range lines {
			at := time.Date(2026, 11, 23, 0, 0, i*every, 0, time.UTC).Format("02/Jan/2006:15:04:05 +0000")
			all = append(all, `198.51.100.7 - - [`+at+`] "GET / HTTP/1.1" 200 61 "-" "curl"`)
		}
		return all
	}
	got := tryLines(t, write(601, 1))
	if got.Day == nil {
		t.Fatal("no day for ten minutes of lines")
	}
	if want := 86400.0; math.Abs(got.Day.Lines-want)/want > 0.01 {
		t.Errorf("a line a second makes %.0f lines a day, want about %.0f", got.Day.Lines, want)
	}
	if want := got.Day.Lines * got.Bytes.Avro / 1e9; math.Abs(got.Day.AvroGB-want) > 1e-9 {
		t.Errorf("%v GB of Avro a day, want %v", got.Day.AvroGB, want)
	}
	if got := tryLines(t, write(50, 10)); got.Day != nil {
		t.Error("fifty lines tell a day")
	}
	if got := tryLines(t, write(2000, 0)); got.Day != nil {
		t.Error("one second tells a day")
	}
}

// Each line that was read is in one of the counts.
func TestTryCountsEveryLine(t *testing.T) {
	got := tryLines(t, []string{`not a line`, ``, `198.51.100.7 - - [23/Nov/2026:00:46:56 +0000] "GET / HTTP/1.1" 200 61 "-" "curl"`,
		`198.51.100.7 - - [23/Nov/2026:00:46:56 +0000] "GET / HTTP/1.1" two 61 "-" "curl"`, strings.Repeat("x", 1<<20+1)})
	l := got.Lines
	if l.Read != 4 || l.Fit != 1 || l.Refused != 3 || l.Blank != 1 {
		t.Errorf("lines: %+v", l)
	}
	sum := 0
	for _, r := range got.Refused {
		sum += r.Lines
		if r.First == "" && !strings.Contains(r.Reason, "max_line") {
			t.Errorf("no place for %q", r.Reason)
		}
	}
	if sum != l.Refused {
		t.Errorf("the reasons add up to %d, want %d", sum, l.Refused)
	}
}

func TestTryWithoutNginxConf(t *testing.T) {
	s := config.SiteDefaults("site")
	c, err := predefined(&s)
	if err != nil || len(c.formats) != 1 || c.formats[0].Name() != "combined" {
		t.Fatalf("%v, %v", c, err)
	}
	s.AccessLog.Format = "main"
	if _, err := predefined(&s); err == nil || !strings.Contains(err.Error(), "--nginx-conf") {
		t.Errorf("a format that nobody defines: %v", err)
	}
}

// tryLines runs try --json on lines in the combined format.
func tryLines(t *testing.T, lines []string) *trial {
	t.Helper()
	dir := t.TempDir()
	log, conf := filepath.Join(dir, "a.log"), filepath.Join(dir, "nginx.conf")
	for name, text := range map[string]string{log: strings.Join(lines, "\n") + "\n", conf: "events {}\nhttp {}\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, stderr strings.Builder
	code := run(t.Context(), []string{"try", "--json", "--nginx-conf", conf, log}, stdio{strings.NewReader(""), &out, &stderr})
	if code != exitOK && code != exitRejected {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	got := &trial{}
	if err := json.Unmarshal([]byte(out.String()), got); err != nil {
		t.Fatalf("%v in %s", err, out.String())
	}
	return got
}

// What never ends, or never ends a line, is read no further than a sample may be.
func TestTryReadsNoMoreThanASample(t *testing.T) {
	for name, piece := range map[string]string{"one line": "\x00", "blank lines": "\n", "lines": "a\n", "long lines": strings.Repeat("x", 3000) + "\n"} {
		s := &trialLog{files: []string{"-"}, stdin: &endless{piece: piece}}
		s.bounds.lines, s.bounds.bytes, s.bounds.line = 1000, 1<<20, 2000
		if err := s.readFile(0, "-"); err != nil {
			t.Fatal(err)
		}
		if read := s.stdin.(*endless).read; !s.more || read > 8<<20 {
			t.Errorf("%s: read %d bytes, more %v", name, read, s.more)
		}
	}
}

// endless gives the same text again and again.
type endless struct {
	piece string
	read  int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.piece[(e.read+i)%len(e.piece)]
	}
	e.read += len(b)
	return len(b), nil
}
