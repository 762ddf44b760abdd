package main

// Shows: /healthz tells in words what an operator should look at, stays good for what a restart would not mend, and never prints a
// control character.

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/pipeline"
)

func TestHealthTellsOfStateDir(t *testing.T) {
	dir := t.TempDir()
	if ok, text := health(nil, dir, ""); !ok || text != "" {
		t.Errorf("a good folder: %v %q", ok, text)
	}
	gone := filepath.Join(dir, "gone\x1b[31m\n")
	ok, text := health(nil, gone, "")
	if !ok || !strings.Contains(text, "no such file or directory") || !strings.Contains(text, "Kafka knows the positions") {
		t.Errorf("a folder that is gone: %v %q", ok, text)
	}
	if strings.ContainsAny(text, "\x1b\n") || !strings.Contains(text, `gone\u001b[31m\n`) {
		t.Errorf("control characters are printed as they are: %q", text)
	}
	if os.Getuid() == 0 {
		return // may write everywhere
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if ok, text = health(nil, dir, ""); !ok || !strings.Contains(text, "permission denied") {
		t.Errorf("a folder of somebody else: %v %q", ok, text)
	}
}

func TestReadyAndAlive(t *testing.T) {
	stats := pipeline.NewStats()
	site, err := pipeline.New(pipeline.Config{Site: "shop", Stats: stats})
	if err != nil {
		t.Fatal(err)
	}
	if ok, text := readyz([]*pipeline.Site{site}); ok || !strings.HasPrefix(text, "not ready: 1 of 1 sites\nsite shop: starting since 20") {
		t.Errorf("a site that starts: %v %q", ok, text)
	}
	if ok, text := readyz(nil); !ok || text != "ready" {
		t.Errorf("all run: %v %q", ok, text)
	}
	if ok, text := livez(nil); !ok || text != "alive" {
		t.Errorf("nothing hangs: %v %q", ok, text)
	}
	if ok, text := livez([]string{"a\x1b", "b"}); ok || !strings.HasPrefix(text, `site a\u001b hangs: `) || !strings.Contains(text, "\nsite b hangs: ") {
		t.Errorf("two hang: %v %q", ok, text)
	}
}

// Whoever has no systemd sees on the admin port, too, that the last reload was refused, and why, until one is not.
func TestARefusedReloadIsTold(t *testing.T) {
	d, sites := shippedSite(t, "")
	d.manager = newManager(d.log)
	tells := func() (bool, string, []string) {
		ok, text := health(sites, d.cfg.StateDir, d.manager.refusedBecause())
		return ok, text, newStatus(d, newPast(sites, nil))(admin.SpanMinutes).Attention
	}
	was, before, none := tells()
	d.manager.refused(errors.New("a.yaml:2: unknown key\nmore"))
	ok, text, attention := tells()
	if want := refusedText + "a.yaml:2: unknown key"; ok != was || !strings.Contains(text, want) || !slices.Contains(attention, want) {
		t.Errorf("%v %q %q", ok, text, attention)
	}
	d.manager.ready()
	if _, text, attention = tells(); text != before || len(attention) != len(none) {
		t.Errorf("after a good one: %q %q", text, attention)
	}
}
