package pipeline

import (
	"bytes"
	"strings"
	"testing"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// TestExplainIsWhatASiteSends: Explain gives the bytes, the key and the reason that a running site gives.
func TestExplainIsWhatASiteSends(t *testing.T) {
	lines := []string{`200 "a"`, `- "x\xFF"`, "200 \"a\"\r", `2x0 "a"`, `200 "a`, `host 7 "a"`, `200 "a" "b"`, `host - "a"`, `200 "` + strings.Repeat("x", recordLimit) + `"`, " "}
	formats := func() []*Format {
		return []*Format{newFormat(t, textFormat), newFormat(t, `$host $status "$http_cookie"`)}
	}
	secrets, err := avro.NewSecrets(avro.Rules{Key: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	far := sinktest.NewMemory()
	cfg := config(t, far, logFile(t, strings.Join(lines, "\n")+"\n"), formats()...)
	cfg.PartitionBy, cfg.Secrets = "status", secrets
	cfg.Tail.MaxLine = 1 << 20
	once(t, cfg)
	var sent []sinktest.Record
	for _, r := range far.Records() {
		if r.Stream == sink.Events || r.Stream == sink.Quarantine {
			sent = append(sent, r)
		}
	}
	if len(sent) != len(lines) {
		t.Fatalf("%d records of %d lines", len(sent), len(lines))
	}
	offset := int64(0)
	var events, refused int
	for i, text := range lines {
		// The file's id and the time of reading are not those of the site; both are in the event, so they are taken from there.
		o := originOf(t, &sent[i])
		ex := Config{Site: "shop", Instance: "web-01", Formats: formats(), PartitionBy: "status", Secrets: secrets}
		got, err := Explain(&ex, func(*Format) *Frame { return &Frame{} }, []byte(text), avro.Origin{Site: "shop", Host: "web-01", File: o.File, Offset: offset, ReadTime: sent[i].Time})
		if err != nil {
			t.Fatal(err)
		}
		offset += int64(len(text)) + 1
		if sent[i].Stream == sink.Quarantine {
			refused++
			var q avro.Quarantined
			if _, err := avro.ReadQuarantined(&q, sent[i].Value); err != nil {
				t.Fatal(err)
			}
			j := got.Judgment
			if got.Reason == "" || j.Text != q.Reason || j.Column != q.Column || j.Variable != q.Variable || j.Format.Name() != q.Format {
				t.Errorf("%.40q: explained as %q at %d, quarantined for %q at %d", text, j.Text, j.Column, q.Reason, q.Column)
			}
			continue
		}
		events++
		if got.Reason != "" || !bytes.Equal(got.Value, sent[i].Value) || !bytes.Equal(got.Key, sent[i].Key) || got.Time != sent[i].Time {
			t.Errorf("%.40q: explained as %q %q (%s), sent as %q %q", text, got.Key, got.Value, got.Judgment.Text, sent[i].Key, sent[i].Value)
		}
	}
	if events != 5 || refused != 5 {
		t.Errorf("%d events, %d refused", events, refused)
	}
	for _, text := range []string{"", "\r"} {
		if got, err := Explain(&cfg, nil, []byte(text), avro.Origin{}); err != nil || !got.Blank {
			t.Errorf("%q is not blank: %v", text, err)
		}
	}
	cfg.PartitionBy = "cookie_sid"
	if _, err := Explain(&cfg, func(*Format) *Frame { return &Frame{} }, []byte("x"), avro.Origin{}); err == nil {
		t.Error("a key that may hold a secret is explained")
	}
}

func originOf(t *testing.T, r *sinktest.Record) (o avro.Origin) {
	t.Helper()
	if r.Stream == sink.Quarantine {
		var q avro.Quarantined
		if _, err := avro.ReadQuarantined(&q, r.Value); err != nil {
			t.Fatal(err)
		}
		return q.Origin
	}
	// event_time, then "shop", "web-01", and the file's id: strings of fewer than 64 bytes.
	_, rest, found := bytes.Cut(r.Value, []byte("\x08shop\x0cweb-01"))
	if !found {
		t.Fatalf("no origin in %q", r.Value)
	}
	return avro.Origin{File: string(rest[1 : 1+rest[0]/2])}
}
