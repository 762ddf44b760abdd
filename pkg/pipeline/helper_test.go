package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// textFormat is what the tests' lines look like: a number, which must parse, and a quoted text.
const textFormat = `$status "$http_x_id"`

func newFormat(t testing.TB, text string) *Format {
	t.Helper()
	lf, err := logformat.Compile(logformat.Inline(text, logformat.EscapeDefault), logformat.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFormat(lf, schema.Options{Site: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// config returns a site over path whose sink is far.
func config(t testing.TB, far *sinktest.Memory, path string, formats ...*Format) Config {
	t.Helper()
	if formats == nil {
		formats = []*Format{newFormat(t, textFormat)}
	}
	return Config{
		Site: "shop", Instance: "web-01", Formats: formats, Once: true, CommitInterval: 5 * time.Millisecond, RetryAfter: time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
		Tail:   tail.Config{Paths: []string{path}, RotateGrace: 20 * time.Millisecond, PollInterval: 5 * time.Millisecond},
		Frame:  func(context.Context, sink.Stream, string, string) (*Frame, error) { return &Frame{}, nil },
		Open:   func() (sink.Sink, error) { return far.Open(sinktest.Process{Run: "test", Host: "web-01"}), nil },
	}
}

// ready makes a line that has no session take the lines of the site's formats.
func ready(t testing.TB, s *Site, l *line) {
	t.Helper()
	for _, f := range s.current {
		l.st.Formats = append(l.st.Formats, known(f))
	}
	l.formats = s.candidates(l.st.Formats)
	for _, c := range l.formats {
		if err := c.prepare(&Frame{}, &Config{}); err != nil {
			t.Fatal(err)
		}
		c.verdict = toEvents
	}
	l.order, l.until = order(nil, l.st.Formats, l.formats, "g1", 0)
}

// once runs a site over everything its files hold now.
func once(t testing.TB, cfg Config) *Site {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("the site did not come to the end of its files in time")
	}
	return s
}

func logFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// origin is what events and quarantined lines tell of where they come from.
type origin struct {
	File   string
	Offset int64
	Length int64
	CRC32C int32
}

// arrived is one record as a reader sees it.
type arrived struct {
	stream sink.Stream
	Origin origin
	Status *int
	// of quarantined lines
	Reason     string
	Column     int
	Variable   *string
	Raw        []byte
	LineLength int64 `json:"line_length"`
	Truncated  bool
	Headers    map[string][]string `json:"request_headers"`
}

// read decodes what was committed, events by the schema of format 0 unless they are of another length of fields.
func read(t testing.TB, far *sinktest.Memory, f *Format) []arrived {
	t.Helper()
	var out []arrived
	var dec avro.Decoder
	for _, r := range far.Records() {
		text := f.Schema()
		switch r.Stream {
		case sink.Quarantine:
			text = schema.QuarantinedLine
		case sink.Events:
		default:
			continue
		}
		js, err := dec.AppendJSON(nil, text, r.Value)
		if err != nil {
			t.Fatal(err)
		}
		a := arrived{stream: r.Stream}
		if err := json.Unmarshal(js, &a); err != nil {
			t.Fatalf("%v in %s", err, js)
		}
		out = append(out, a)
	}
	return out
}

// checkCovers is the oracle: what arrived is, for each file, its lines in order, each once, with nothing left out but blank lines, and
// with the right checksum. files maps generation ids to their contents.
func checkCovers(t testing.TB, got []arrived, files map[string]string) {
	t.Helper()
	at := map[string]int64{}
	for _, a := range got {
		text, ok := files[a.Origin.File]
		if !ok {
			t.Fatalf("a record from unknown file %q", a.Origin.File)
		}
		from := at[a.Origin.File]
		for from < a.Origin.Offset && text[from] == '\n' {
			from++
		}
		if a.Origin.Offset != from {
			t.Fatalf("file %s: a record at %d, want %d", a.Origin.File, a.Origin.Offset, from)
		}
		end := from + a.Origin.Length
		raw := text[from:end]
		if a.stream == sink.Events || !a.Truncated {
			if crc := int32(crc32.Checksum([]byte(raw), crc32.MakeTable(crc32.Castagnoli))); crc != a.Origin.CRC32C {
				t.Fatalf("file %s: crc of [%d,%d) = %d, want %d", a.Origin.File, from, end, a.Origin.CRC32C, crc)
			}
		}
		at[a.Origin.File] = min(end+1, int64(len(text)))
	}
	for id, text := range files {
		rest := text[at[id]:]
		for len(rest) > 0 && rest[0] == '\n' {
			rest = rest[1:]
		}
		if rest != "" {
			t.Fatalf("file %s: bytes from %d on did not arrive: %.60q", id, at[id], rest)
		}
	}
}

func ids(got []arrived) []string {
	seen := map[string]bool{}
	var out []string
	for _, a := range got {
		if !seen[a.Origin.File] {
			seen[a.Origin.File] = true
			out = append(out, a.Origin.File)
		}
	}
	sort.Strings(out)
	return out
}

// linesOf makes n lines with numbers from first on.
func linesOf(first, n int) string {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "200 \"id-%d\"\n", first+i)
	}
	return string(b)
}
