// secrets_test.go shows that refused lines leave a site encrypted and can be replayed by whoever has the key, that no checksum tells an
// address that is hidden, and that what is cut is counted when it is committed.
package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

func TestRefusedLinesAreEncrypted(t *testing.T) {
	const mark = "MaRkEdLiNe"
	seal, err := avro.NewSealKey([]byte("0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	hide, err := avro.NewSecrets(avro.Rules{Key: []byte("0123456789abcdef"), Addresses: avro.TruncateAddresses})
	if err != nil {
		t.Fatal(err)
	}
	for _, secrets := range []*avro.Secrets{nil, hide} {
		far := sinktest.NewMemory()
		text := mark + " one\n200 \"ok\"\n" + mark + " " + strings.Repeat("x", 5000) + "\n" + mark + " torn"
		cfg := config(t, far, logFile(t, text))
		cfg.Seal, cfg.Secrets, cfg.Tail.MaxLine = seal, secrets, 4096
		once(t, cfg)
		var lines []string
		for _, r := range far.Records() {
			if bytes.Contains(r.Value, []byte(mark)) {
				t.Errorf("stream %v holds the line in clear text: %q", r.Stream, r.Value)
			}
			if r.Stream != sink.Quarantine {
				continue
			}
			var q avro.Quarantined
			raw, err := avro.ReadQuarantined(&q, r.Value)
			if err != nil {
				t.Fatal(err)
			}
			if hidden := q.Whole.CRC32C == 0; q.RawKey != seal.ID() || hidden != secrets.HidesSum() {
				t.Errorf("key %q, checksum %x", q.RawKey, q.Whole.CRC32C)
			}
			line, err := seal.Open(raw, &q)
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line[:min(len(line), 15)]))
		}
		if got := fmt.Sprint(lines); got != fmt.Sprint([]string{mark + " one", mark + " xxxx"}) {
			t.Errorf("in quarantine: %s", got)
		}
	}
}

func TestReplayOfEncryptedLines(t *testing.T) {
	w := newWorld(t)
	seen := 0
	cfg := w.config("r", "web-01")
	read := cfg.Read
	w.add(`200 "there"`, func(q *avro.Quarantined) { q.RawKey = "ours" })
	w.add(`200 "without a checksum"`, nil)
	w.add(`200 "changed"`, func(q *avro.Quarantined) { q.Whole = &avro.Whole{Length: 13, CRC32C: 7} })
	w.add(`200 "not there"`, nil)
	cfg.Read = func(ctx context.Context, wait bool, f func(*QuarantineRecord) error) error {
		return read(ctx, wait, func(r *QuarantineRecord) error {
			switch {
			case r.Line == nil:
			case bytes.Contains(r.Raw, []byte("not there")):
				r.Raw, r.Sealed = nil, "it is encrypted with another key"
				seen++
			case bytes.Contains(r.Raw, []byte("without")):
				r.Line.RawKey, r.Line.Whole.CRC32C = "ours", 0
			case bytes.Contains(r.Raw, []byte("changed")):
				r.Line.RawKey = "ours"
			}
			return f(r)
		})
	}
	res, err := Replay(t.Context(), cfg)
	if err != nil || res.Sent != 2 || seen == 0 || fmt.Sprint(res.Cannot.Rows()) != fmt.Sprint([]Row{{"it is encrypted with another key", 1}, {replayChanged, 1}}) {
		t.Errorf("%+v, %v", res, err)
	}
	w.check(2)
}

func TestCutsAreCounted(t *testing.T) {
	far := sinktest.NewMemory()
	cfg := config(t, far, logFile(t, "200 \"long enough\"\n200 \"x\"\n200 \"also too long\"\nmisfit\n"))
	cfg.Headers = avro.HeaderRules{MaxValue: 4}
	if n := once(t, cfg).Stats().Cuts.Load(); n != 2 {
		t.Errorf("%d cuts are counted, want 2", n)
	}
}
