package main

// Shows that `ngxtap schema history` lists the changes that sites have committed, in every framing, once and in order, and that what
// stands in them can't play tricks on a terminal.

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/embedded"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
)

// changeSink is what a site commits changes to.
type changeSink struct {
	t    *testing.T
	sink *kafka.Sink
	site string
}

func newChangeSink(t *testing.T, broker, site string) *changeSink {
	t.Helper()
	return &changeSink{t, newSinkTo(t, broker, site, "nginx."+site), site}
}

// newSinkTo returns the sink of a site's owner.
func newSinkTo(t *testing.T, broker, site, topic string) *kafka.Sink {
	t.Helper()
	s, err := kafka.New(kafka.Config{Brokers: []string{broker}, Instance: "web-01", Site: site, Topic: topic, CreateTopics: true, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// commit commits changes as the pipeline does; announce says that the schema goes to the schemas topic.
func (s *changeSink) commit(prefix []byte, header *sink.Header, announce bool, events ...schema.ChangeEvent) {
	s.t.Helper()
	s.write(prefix, header, announce, events...)
	if err := s.sink.Commit(s.t.Context(), sink.Position("p")); err != nil {
		s.t.Fatal(err)
	}
}

func (s *changeSink) write(prefix []byte, header *sink.Header, announce bool, events ...schema.ChangeEvent) {
	s.t.Helper()
	b := sink.NewBatch(1<<10, nil)
	if announce {
		b.Buf = binary.LittleEndian.AppendUint64(b.Buf, changeFingerprint(s.t))
		b.EndKey()
		b.Buf = append(b.Buf, schema.SchemaChange...)
		b.Add(sink.Schemas, time.Now().UnixMicro())
	}
	for _, e := range events {
		e.Site, e.Host = s.site, "web-01"
		b.Buf = append(b.Buf, prefix...)
		b.Buf = avro.AppendSchemaChange(b.Buf, &e)
		b.Header = header
		b.Add(sink.Changes, e.Time)
	}
	if err := s.sink.Write(s.t.Context(), b); err != nil {
		s.t.Fatal(err)
	}
}

func changeFingerprint(t *testing.T) uint64 {
	t.Helper()
	fp, err := schema.Fingerprint(schema.SchemaChange)
	if err != nil {
		t.Fatal(err)
	}
	return fp
}

// at returns a time some seconds after a fixed one, in microseconds.
func at(seconds int64) int64 { return (1_788_249_600 + seconds) * 1e6 }

func TestSchemaHistory(t *testing.T) {
	dir := t.TempDir()
	servers, err := embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(dir, "servers"), BrokerPort: -1, RegistryPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	broker := servers.Brokers()[0]
	file := siteIn(t, dir, fmt.Sprintf("state_dir: state\nkafka: {brokers: ['%s']}\nregistry: {url: '%s'}\n", broker, servers.RegistryURL()))
	history := func(args ...string) (out, errs string) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"schema", "history", "-c", file}, args...), stdio{strings.NewReader(""), &stdout, &stderr})
		if code != exitOK {
			t.Fatalf("history %v: exit code %d\n%s", args, code, stderr.String())
		}
		return stdout.String(), stderr.String()
	}

	// Before anything happened there is not even a topic.
	if out, errs := history(); out != "" || !strings.Contains(errs, "no change was noticed so far") {
		t.Errorf("printed %q, and %q to stderr", out, errs)
	}

	registry, err := schema.NewRegistry(schema.RegistryConfig{URLs: []string{servers.RegistryURL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	id, err := registry.Register(t.Context(), "ngxtap.schema-changes-value", schema.SchemaChange)
	if err != nil {
		t.Fatal(err)
	}
	old, now := &schema.Writer{Schema: "{}", Fingerprint: 0xa}, &schema.Writer{Schema: "{}", Fingerprint: 0xb}
	third := schema.ChangeEvent{Time: at(3), ID: "3", Source: schema.FromConfiguration, Class: schema.ClassBreaking, Action: schema.QuarantineThem,
		Format: "main", Where: "/etc/nginx/nginx.conf:7", Text: "log_format main changed", Old: old, New: now, Offset: -1,
		Diffs: []schema.Diff{{Path: "app", Kind: schema.KindType, Class: schema.ClassBreaking, Text: "field app: the type changed"}}}
	first := schema.ChangeEvent{Time: at(1), ID: "1", Source: schema.FromRegistry, Class: schema.ClassBreaking, Action: schema.Hold, Format: "a b", New: now,
		Text: "refused\x1b[2J\n2026-01-01T00:00:00.000000Z site=forged \u009b", Offset: -1}
	second := schema.ChangeEvent{Time: at(2), ID: "2", Source: schema.FromData, Class: schema.ClassNone, Action: schema.Notice, Text: "header x-new appears",
		File: "g7", Offset: 1234}
	shop, api, web := newChangeSink(t, broker, "shop"), newChangeSink(t, broker, "api"), newChangeSink(t, broker, "web")
	shop.commit(schema.AppendSingleObject(nil, changeFingerprint(t)), nil, true, third)
	api.commit(schema.AppendConfluent(nil, id.Number), nil, false, first, first) // the second is the first again
	web.commit(nil, &sink.Header{Name: schema.HeaderName, Value: schema.AppendHeader(nil, id)}, false, second)
	lost := second
	lost.ID, lost.Text = "lost", "never committed"
	web.write(schema.AppendConfluent(nil, id.Number), nil, false, lost)
	web.sink.Close()

	const one = `2026-09-01T08:00:01.000000Z site=api host=web-01 source=registry class=breaking action=hold format="a b"
  refused\u001b[2J\n2026-01-01T00:00:00.000000Z site=forged \u009b
  schema 000000000000000b
`
	const two = `2026-09-01T08:00:02.000000Z site=web host=web-01 source=data class=none action=notice
  header x-new appears
  first seen at g7:1234
`
	const three = `2026-09-01T08:00:03.000000Z site=shop host=web-01 source=configuration class=breaking action=quarantine format=main
  log_format main changed
  defined at /etc/nginx/nginx.conf:7
  schema 000000000000000b, before 000000000000000a
    type     breaking field app: the type changed
`
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, one + two + three},
		{[]string{"-n", "2"}, two + three},
		{[]string{"-n", "9"}, one + two + three},
		{[]string{"--site", "web"}, two},
		{[]string{"--site", "shop", "-n", "1"}, three},
		{[]string{"--site", "nobody"}, ""},
	} {
		if out, _ := history(c.args...); out != c.want {
			t.Errorf("history %v\n%s\nwant\n%s", c.args, out, c.want)
		}
	}
	out, _ := history("--json", "--site", "shop")
	if !strings.HasPrefix(out, `{"event_time":"2026-09-01T08:00:03.000000Z","site":"shop"`) || strings.Count(out, "\n") != 1 ||
		!strings.Contains(out, `"diffs":[{"path":"app","kind":"type"`) {
		t.Errorf("--json: %s", out)
	}
	if code, out := runIn(t, "schema", "history", "-c", file, "-n", "-1"); code != exitUsage {
		t.Errorf("-n -1: exit code %d\n%s", code, out)
	}

	// -f prints the past at once, though the last transaction was aborted, and then what comes, once.
	ctx, cancel := context.WithCancel(t.Context())
	var follow lockedBuffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"schema", "history", "-c", file, "-f", "-n", "1"}, stdio{strings.NewReader(""), &follow, &follow})
	}()
	waitFor(t, &follow, three)
	fourth := third
	fourth.Time, fourth.ID, fourth.Text = at(4), "4", "log_format main changed again"
	shop.commit(schema.AppendSingleObject(nil, changeFingerprint(t)), nil, false, fourth)
	waitFor(t, &follow, strings.NewReplacer("08:00:03", "08:00:04", "changed\n", "changed again\n").Replace(three[:strings.Index(three, "    ")]))
	cancel()
	select {
	case code := <-done:
		if text := follow.text(); code != exitOK || strings.Contains(text, "site=api") || strings.Count(text, "site=shop") != 2 {
			t.Errorf("exit code %d\n%s", code, text)
		}
	case <-time.After(time.Minute):
		t.Fatal("-f does not end")
	}
}

// text returns what was printed so far.
func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// waitFor waits until a text was printed.
func waitFor(t *testing.T, b *lockedBuffer, want string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if strings.Contains(b.text(), want) {
			return
		}
	}
	t.Fatalf("printed\n%s\nwant\n%s", b.text(), want)
}
