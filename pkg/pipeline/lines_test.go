package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// TestWhatBecomesOfOddLines: each line becomes an event, a quarantined line with reason and column, or a counted blank line.
func TestWhatBecomesOfOddLines(t *testing.T) {
	f := func(name, line string, stream sink.Stream, reason string, column int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			far := sinktest.NewMemory()
			text := linesOf(0, 1) + line + "\n" + linesOf(1, 1)
			cfg := config(t, far, logFile(t, text))
			s := once(t, cfg)
			got := read(t, far, cfg.Formats[0])
			if len(got) != 3 {
				t.Fatalf("%d records, want 3", len(got))
			}
			checkCovers(t, got, map[string]string{got[0].Origin.File: text})
			a := got[1]
			if a.stream != stream || !strings.Contains(a.Reason, reason) || stream == sink.Quarantine && a.Column != column {
				t.Errorf("got %v %q at %d, want %v %q at %d", a.stream, a.Reason, a.Column, stream, reason, column)
			}
			if stream == sink.Quarantine && !bytes.Equal(a.Raw, []byte(line)) {
				t.Errorf("raw = %q, want %q", a.Raw, line)
			}
			b := s.Stats().Bytes()
			if !b.Balanced() || b.Read != int64(len(text)) {
				t.Errorf("bytes %+v of %d", b, len(text))
			}
		})
	}
	f("carriage return", "200 \"a\"\r", sink.Events, "", 0)
	f("missing number", `- "a"`, sink.Events, "", 0)
	f("not a number", `2x0 "a"`, sink.Quarantine, "$status", 1)
	f("other format", `GET / HTTP/1.1`, sink.Quarantine, "$status", 0)
	f("one column more", `200 "a" "b"`, sink.Quarantine, "", 7)
	f("half a line", `200 "a`, sink.Quarantine, "", 6)
	f("two lines glued", `200 "a"200 "b"`, sink.Quarantine, "", 7)
	f("NUL", "200 \"a\x00b\"", sink.Quarantine, "", 6)
	f("only NUL", strings.Repeat("\x00", 4096), sink.Quarantine, "$status", 0)
	f("raw UTF-8", `200 "é"`, sink.Quarantine, "", 5)
	f("raw invalid UTF-8", "200 \"\xff\"", sink.Quarantine, "", 5)
	f("escaped invalid UTF-8", `200 "\xFF"`, sink.Events, "", 0)
	f("a space", " ", sink.Quarantine, "$status", 0)
}

func TestBlankLinesAreCountedAndPassedOver(t *testing.T) {
	far := sinktest.NewMemory()
	text := "\n\r\n" + linesOf(0, 2) + "\n\n" + linesOf(2, 1) + "\n"
	cfg := config(t, far, logFile(t, text))
	s := once(t, cfg)
	if got := read(t, far, cfg.Formats[0]); len(got) != 3 {
		t.Errorf("%d records, want 3", len(got))
	}
	if st := s.Stats(); st.Blank.Load() != 5 || st.Bytes().Blank != 6 || !st.Bytes().Balanced() {
		t.Errorf("blank lines %d, bytes %+v", st.Blank.Load(), st.Bytes())
	}
}

func TestHalfLineWaitsForItsEnd(t *testing.T) {
	far := sinktest.NewMemory()
	path := logFile(t, linesOf(0, 1)+`200 "a`)
	cfg := config(t, far, path)
	once(t, cfg)
	if got := read(t, far, cfg.Formats[0]); len(got) != 1 {
		t.Fatalf("%d records before the line is whole, want 1", len(got))
	}
	w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("b\"\n"); err != nil {
		t.Fatal(err)
	}
	once(t, cfg)
	got := read(t, far, cfg.Formats[0])
	if len(got) != 2 || got[1].Headers["x-id"][0] != "ab" {
		t.Errorf("got %+v", got)
	}
}

// TestLongLines: over max_line only head, length and checksums are kept; below it, but too large for Kafka, likewise.
func TestLongLines(t *testing.T) {
	for _, c := range []struct {
		name   string
		length int
		reason string
	}{{"just fits an event", 900_000, ""}, {"event too large", 1_030_000, "longer than 1000000 bytes"}, {"over max_line", 3 << 20, "longer than max_line"}} {
		t.Run(c.name, func(t *testing.T) {
			far := sinktest.NewMemory()
			long := `200 "` + strings.Repeat("x", c.length) + "\"\n"
			text := linesOf(0, 1) + long + linesOf(1, 1)
			cfg := config(t, far, logFile(t, text))
			s := once(t, cfg)
			got := read(t, far, cfg.Formats[0])
			if len(got) != 3 {
				t.Fatalf("%d records, want 3", len(got))
			}
			checkCovers(t, got, map[string]string{got[0].Origin.File: text})
			a := got[1]
			if c.reason == "" {
				if a.stream != sink.Events {
					t.Fatalf("quarantined: %s", a.Reason)
				}
				return
			}
			if !strings.Contains(a.Reason, c.reason) || !a.Truncated || len(a.Raw) != quarantineHead || a.LineLength != int64(len(long)-1) {
				t.Errorf("reason %q, truncated %v, %d raw bytes of %d", a.Reason, a.Truncated, len(a.Raw), a.LineLength)
			}
			if b := s.Stats().Bytes(); !b.Balanced() || b.Read != int64(len(text)) {
				t.Errorf("bytes %+v of %d", b, len(text))
			}
		})
	}
}

// TestSeveralFormatsInOneFile: every line is decoded by the first format that takes it, and the order of the file holds.
func TestSeveralFormatsInOneFile(t *testing.T) {
	far := sinktest.NewMemory()
	one, two := newFormat(t, textFormat), newFormat(t, `{"status":$status,"len":$body_bytes_sent}`)
	text := linesOf(0, 2) + `{"status":404,"len":17}` + "\n" + linesOf(2, 1) + `{"status":x}` + "\n"
	cfg := config(t, far, logFile(t, text), one, two)
	cfg.Frame = func(context.Context, sink.Stream, string, string) (*Frame, error) { return &Frame{Announce: true}, nil }
	s := once(t, cfg)
	var streams []sink.Stream
	for _, r := range far.Records() {
		streams = append(streams, r.Stream)
	}
	want := []sink.Stream{sink.Schemas, sink.Events, sink.Events, sink.Schemas, sink.Events, sink.Events, sink.Schemas, sink.Quarantine}
	if fmt.Sprint(streams) != fmt.Sprint(want) {
		t.Errorf("streams %v, want %v", streams, want)
	}
	if n := s.Stats().ByReason()[ReasonMisfit]; n != 1 {
		t.Errorf("%d misfits, want 1", n)
	}
}

// TestRefusedSchemaSendsNothingUnderIt: lines of a format whose schema the registry refused go to quarantine.
func TestRefusedSchemaSendsNothingUnderIt(t *testing.T) {
	far := sinktest.NewMemory()
	cfg := config(t, far, logFile(t, linesOf(0, 10)))
	cfg.Frame = func(_ context.Context, stream sink.Stream, _, _ string) (*Frame, error) {
		if stream == sink.Events {
			return nil, fmt.Errorf("409: %w", schema.ErrRefused)
		}
		return &Frame{}, nil
	}
	s := once(t, cfg)
	for _, r := range far.Records() {
		if r.Stream == sink.Events {
			t.Fatal("an event under a refused schema")
		}
	}
	if n := s.Stats().ByReason()[ReasonRefused]; n != 10 {
		t.Errorf("%d refused, want 10", n)
	}
}

func TestKeys(t *testing.T) {
	key := func(by string) string {
		t.Helper()
		far := sinktest.NewMemory()
		cfg := config(t, far, logFile(t, "200 \"a\" \"/x?\\x22\"\n"), newFormat(t, `$status "$http_x_id" "$tenant"`))
		cfg.PartitionBy = by
		once(t, cfg)
		return string(far.Records()[0].Key)
	}
	for by, want := range map[string]string{"none": "", "host": "web-01", "status": "200", "tenant": `/x?"`} {
		if got := key(by); got != want {
			t.Errorf("partition_by %s: key %q, want %q", by, got, want)
		}
	}
	cfg := config(t, sinktest.NewMemory(), "x")
	cfg.PartitionBy = "nothing"
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "it has [status]") {
		t.Errorf("err = %v", err)
	}
	for _, by := range []string{"request_uri", "uri", "my_url", "args", "cookie_sid", "arg_page", "upstream_cookie_sid", "sent_trailer_set_cookie"} {
		cfg = config(t, sinktest.NewMemory(), "x", newFormat(t, `$status "$`+by+`"`))
		cfg.PartitionBy = by
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "may hold secrets") {
			t.Errorf("%s: err = %v", by, err)
		}
	}
	hide, err := avro.NewSecrets(avro.Rules{Key: []byte("0123456789abcdef"), Addresses: avro.TruncateAddresses})
	if err != nil {
		t.Fatal(err)
	}
	for _, secrets := range []*avro.Secrets{nil, hide} {
		cfg = config(t, sinktest.NewMemory(), "x", newFormat(t, `$status $remote_addr`))
		cfg.PartitionBy, cfg.Secrets = "remote_addr", secrets
		if _, err := New(cfg); (err == nil) != (secrets == nil) {
			t.Errorf("partition_by remote_addr: err = %v", err)
		}
	}
}

// TestNoAllocationPerLine guards the hot path: all that is allocated belongs to commits and blocks, not to lines.
func TestNoAllocationPerLine(t *testing.T) {
	far := sinktest.NewMemory()
	cfg := config(t, far, logFile(t, ""))
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLine(s, nil, nil, &state{})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, l)
	l.enter("g1")
	block := []byte(strings.Repeat(`200 "4527611b32b5cd63"`+"\n", 100))
	work := func() {
		for rest := block; len(rest) > 0; {
			n := bytes.IndexByte(rest, '\n')
			l.line(rest[:n], 0)
			rest = rest[n+1:]
		}
		l.batch.Release()
		l.batch = l.free.get()
	}
	if n := testing.AllocsPerRun(100, work); n != 0 {
		t.Errorf("%v allocations per 100 lines, want 0", n)
	}
}

// TestRandomBytesAreNeverLost feeds bytes that no format expects and lines that it does, and accounts for each.
func TestRandomBytesAreNeverLost(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for i := range 200 {
			if rng.IntN(3) > 0 {
				b.WriteString(linesOf(i, 1))
				continue
			}
			junk := make([]byte, rng.IntN(60))
			for j := range junk {
				junk[j] = byte(rng.Uint32())
			}
			b.Write(junk)
			b.WriteByte('\n')
		}
		far := sinktest.NewMemory()
		cfg := config(t, far, logFile(t, b.String()))
		s := once(t, cfg)
		got := read(t, far, cfg.Formats[0])
		if b := s.Stats().Bytes(); !b.Balanced() {
			t.Fatalf("seed %d: bytes %+v", seed, b)
		}
		if c := s.Stats().Bytes(); c.Read != int64(b.Len()) {
			t.Fatalf("seed %d: %d bytes read of %d", seed, c.Read, b.Len())
		}
		var n int64
		for _, a := range got {
			n += a.Origin.Length + 1
		}
		if blank := s.Stats().Bytes().Blank; n+blank != int64(b.Len()) {
			t.Fatalf("seed %d: records cover %d bytes and blank lines %d of %d", seed, n, blank, b.Len())
		}
	}
}

// TestQuarantinedLineFitsAMessage: a refused line as long as max_line allows, of bytes that do not compress, must not make a record that the
// broker refuses: the site could never get past it.
func TestQuarantinedLineFitsAMessage(t *testing.T) {
	far := sinktest.NewMemory()
	rng := rand.New(rand.NewPCG(1, 2))
	junk := make([]byte, 1<<20-1)
	for i := range junk {
		junk[i] = byte(' ' + 1 + rng.IntN(200))
	}
	text := string(junk) + "\n" + linesOf(0, 1)
	cfg := config(t, far, logFile(t, text))
	once(t, cfg)
	for _, r := range far.Records() {
		if n := len(r.Key) + len(r.Value); n > recordLimit {
			t.Errorf("a record of %d bytes, limit %d", n, recordLimit)
		}
	}
	got := read(t, far, cfg.Formats[0])
	if len(got) != 2 || !got[0].Truncated || got[0].LineLength != int64(len(junk)) {
		t.Fatalf("%d records", len(got))
	}
	checkCovers(t, got, map[string]string{got[0].Origin.File: text})
}
