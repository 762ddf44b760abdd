package main

// Shows when `ngxtap schema check` takes a configuration file for its own: not merely because there is one on the host.

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheckConfig(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	full := put("full/ngxtap.yaml", "instance: a\n")
	put("full/sites.d/shop.yaml", "site: shop\naccess_log: {paths: [a]}\n")
	wrong := put("wrong/ngxtap.yaml", "instanz: a\n")
	put("wrong/sites.d/shop.yaml", "site: shop\naccess_log: {paths: [a]}\n")
	alone := put("alone/ngxtap.yaml", "instance: a\n")
	none := filepath.Join(dir, "nothere.yaml")
	f := func(file string, given, named bool, site string, want int, fails bool) {
		t.Helper()
		cfg, err := (&app{configFile: file}).checkConfig(given, named, site)
		got := -1
		if cfg != nil {
			got = len(cfg.Sites)
		}
		if (err != nil) != fails || err == nil && got != want {
			t.Errorf("%s (given %v, named %v, site %s): %d sites, %v; want %d, an error: %v", file, given, named, site, got, err, want, fails)
		}
	}
	const unused = -1
	// -c says that it counts
	f(full, true, false, "site", 1, false)
	f(alone, true, false, "site", 0, false)
	f(wrong, true, false, "site", 0, true)
	f(none, true, false, "site", 0, true)
	// the default file counts only for a site that it configures
	f(full, false, true, "shop", 1, false)
	f(full, false, true, "other", unused, false)
	f(full, false, false, "site", unused, false)
	f(none, false, true, "shop", unused, false)
	f(wrong, false, true, "shop", 0, true)
	f(wrong, false, false, "site", unused, false)
}
