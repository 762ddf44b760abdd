package main

// Shows that a quarantine topic is listed and replayed whatever else stands in it: records of others, of a schema that no registry has,
// and half ones; and that a site which never rejected a line is nothing that stops the list of the others.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

func TestQuarantineWithForeignRecords(t *testing.T) {
	f, dir := farSide(t), t.TempDir()
	file := siteIn(t, dir, f.daemon)
	site := func(format string) {
		t.Helper()
		text := fmt.Sprintf("site: shop\naccess_log: {paths: [../access.log], log_format: '%s'}\nheaders: {secrets: drop}\n", format)
		if err := os.WriteFile(filepath.Join(dir, "sites.d/shop.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	quarantine := func(want int, args []string, words ...string) {
		t.Helper()
		code, text := runIn(t, append([]string{"quarantine", "-c", file}, args...)...)
		if code != want {
			t.Errorf("%v: exit code %d, want %d\n%s", args, code, want, text)
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%v: %q is missing in\n%s", args, w, text)
			}
		}
	}
	quarantine(exitOK, []string{"list"}, "there is no such topic", ": 0 lines")
	quarantine(exitUsage, []string{"list", "-n", "-1"}, "want a number")
	quarantine(exitUsage, []string{"replay", "--site", "shop", "--limit", "-1"}, "want a number")

	site("$status $bytes_sent")
	if code, text := runIn(t, "run", "--once", "-c", file); code != exitRejected {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	quarantine(exitOK, []string{"list"}, ": 1 lines, 0 of them replayed")

	// By the sink of another site, for the offsets must be those of this topic.
	registry, err := schema.NewRegistry(schema.RegistryConfig{URLs: []string{f.RegistryURL()}})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	id, err := registry.Register(t.Context(), "nginx.shop.access.quarantine-value", schema.QuarantinedLine)
	if err != nil {
		t.Fatal(err)
	}
	other := newSinkTo(t, f.Brokers()[0], "api", "nginx.shop.access")
	b := sink.NewBatch(1<<10, nil)
	for _, value := range [][]byte{
		[]byte("hello"), {0}, append(schema.AppendConfluent(nil, 65535), 1, 2), append(schema.AppendSingleObject(nil, 42), 1, 2),
		append(schema.AppendConfluent(nil, id.Number), 1, 2),
	} {
		b.Buf = append(b.Buf, value...)
		b.Add(sink.Quarantine, at(1))
	}
	if err := other.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := other.Commit(t.Context(), sink.Position("p")); err != nil {
		t.Fatal(err)
	}
	quarantine(exitOK, []string{"list"}, ": 1 lines, 0 of them replayed", "5 records", "65535", "000000000000002a")
	site("$status")
	quarantine(exitOK, []string{"replay", "--site", "shop"}, "1 replayed", "5 records", "65535", "000000000000002a")
	quarantine(exitOK, []string{"list", "--all"}, ": 1 lines, 1 of them replayed", "(replayed)")
	quarantine(exitOK, []string{"replay", "--site", "shop"}, "0 replayed", "1 were replayed before")

	// A registry that is away is no such case.
	f.Close()
	file = siteIn(t, dir, strings.ReplaceAll(f.daemon, f.RegistryURL(), "http://127.0.0.1:1"))
	site("$status")
	quarantine(exitFailed, []string{"list"})
}
