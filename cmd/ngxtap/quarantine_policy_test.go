package main

// Shows that a replay sends nothing in a format that on_change does not let through: what daemons announced of the format counts, its
// newest class, the policy of today, and whether somebody has accepted it here. And that records of others in the topic of changes
// stop neither a replay nor the history.

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/pkg/config"
	"ngxtap/pkg/embedded"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

func TestReplayMindsThePolicy(t *testing.T) {
	dir := t.TempDir()
	servers, err := embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(dir, "servers"), BrokerPort: -1, RegistryPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	broker := servers.Brokers()[0]
	file := siteIn(t, dir, fmt.Sprintf("state_dir: state\nkafka: {brokers: ['%s']}\n", broker))
	policy := func(text string) {
		t.Helper()
		text = "site: shop\naccess_log: {paths: [../access.log], log_format: '$status'}\nheaders: {secrets: drop}\n" + text
		if err := os.WriteFile(filepath.Join(dir, "sites.d/shop.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	policy("")
	if err := os.MkdirAll(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	code, text := runIn(t, "run", "--once", "-c", file)
	if code != exitOK {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	format := formatIn(t, file)
	now := &schema.Writer{Schema: format.Schema(), Fingerprint: format.Fingerprint()}
	told := func(seconds int64, source schema.ChangeSource, class schema.Class) schema.ChangeEvent {
		return schema.ChangeEvent{Time: at(seconds), ID: fmt.Sprint(seconds, source, class), Source: source, Class: class, Action: schema.Evolve, Format: "main", New: now, Offset: -1}
	}
	replay := func(name string, want int, words ...string) {
		t.Helper()
		code, text := runIn(t, "quarantine", "replay", "--site", "shop", "-c", file)
		if code != want {
			t.Errorf("%s: exit code %d, want %d\n%s", name, code, want, text)
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is missing in\n%s", name, w, text)
			}
		}
	}
	prefix := schema.AppendSingleObject(nil, changeFingerprint(t))
	shop, api := newChangeSink(t, broker, "shop"), newChangeSink(t, broker, "api")
	refused := func(class, action string) []string {
		return []string{fmt.Sprintf("the change is %s and on_change.%s is %s: `ngxtap schema accept --site shop` first; nothing was sent", class, class, action)}
	}
	replay("nobody has told anything", exitOK)
	api.commit(prefix, nil, true, told(1, schema.FromConfiguration, schema.ClassBreaking))
	// A host with a registry, which there is not here.
	api.commit(schema.AppendConfluent(nil, 7), nil, false, told(1, schema.FromConfiguration, schema.ClassForward))
	replay("another site", exitOK)
	shop.commit(prefix, nil, false, told(2, schema.FromConfiguration, schema.ClassFull))
	replay("full", exitOK)
	// Two hosts: the newer one's record may come first.
	shop.commit(prefix, nil, false, told(4, schema.FromConfiguration, schema.ClassBreaking), told(3, schema.FromConfiguration, schema.ClassFull))
	replay("breaking", exitFailed, refused("breaking", "quarantine")...)
	if code, text := runIn(t, "quarantine", "replay", "--site", "shop", "--dry-run", "-c", file); code != exitOK || !strings.Contains(text, "schema accept") {
		t.Errorf("a dry run: exit code %d\n%s", code, text)
	}
	policy("on_change: {breaking: evolve}\n")
	replay("the policy of today", exitOK)
	policy("on_change: {breaking: hold}\n")
	replay("hold", exitFailed, refused("breaking", "hold")...)
	shop.commit(prefix, nil, false, told(5, schema.FromConfiguration, schema.ClassBackward))
	replay("let through by a newer one", exitOK)
	policy("on_change: {backward: quarantine}\n")
	replay("backward", exitFailed, refused("backward", "quarantine")...)
	// That the registry refused it once says nothing about now, and it is asked.
	shop.commit(prefix, nil, false, told(6, schema.FromRegistry, schema.ClassFull))
	replay("refused, then not", exitFailed, refused("backward", "quarantine")...)

	// What can't be read is left out, and told; a replay does not take the risk that it is the word on its format.
	policy("")
	shop.commit(prefix, nil, false, told(7, schema.FromConfiguration, schema.ClassFull))
	replay("all can be read", exitOK)
	b := sink.NewBatch(1<<10, nil)
	b.Buf = append(b.Buf, "hello"...)
	b.Add(sink.Changes, at(7))
	if err := shop.sink.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := shop.sink.Commit(t.Context(), sink.Position("q")); err != nil {
		t.Fatal(err)
	}
	replay("a record of others", exitFailed, "1 records of ngxtap.schema-changes can't be read", "schema accept --site shop", "nothing was sent")
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"schema", "history", "-c", file}, stdio{strings.NewReader(""), &out, &errs}); code != exitOK ||
		strings.Count(out.String(), "\n20") != 7 || !strings.Contains(errs.String(), "1 records of ngxtap.schema-changes are left out") {
		t.Errorf("history: exit code %d\n%s%s", code, out.String(), errs.String())
	}

	if code, text := runIn(t, "schema", "accept", "--site", "shop", "-c", file); code != exitOK {
		t.Fatalf("accept: exit code %d\n%s", code, text)
	}
	replay("accepted", exitOK)
}

// formatIn returns the format of the one site of a configuration.
func formatIn(t *testing.T, file string) *pipeline.Format {
	t.Helper()
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	formats, _, err := formatsOf(&cfg.Sites[0])
	if err != nil {
		t.Fatal(err)
	}
	return formats[0]
}
