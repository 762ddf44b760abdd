package main

// Shows: counters of the process go on over reloads; messages are counted by level; the limit on memory is the smallest of all groups.

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestLogMessagesAreCounted(t *testing.T) {
	var c logCounts
	log := slog.New(countingHandler{slog.NewTextHandler(t.Output(), nil), &c}).With("a", 1).WithGroup("g")
	log.Debug("not written, not counted")
	log.Info("i")
	log.Warn("w")
	log.Warn("w")
	log.Error("e")
	log.Log(t.Context(), slog.LevelError+4, "e")
	got := [...]int64{c[0].Load(), c[1].Load(), c[2].Load(), c[3].Load()}
	if want := [...]int64{0, 1, 2, 2}; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	c.add(slog.LevelDebug)
	c.add(slog.LevelDebug - 4)
	if c[0].Load() != 2 {
		t.Errorf("debug: %d", c[0].Load())
	}
}

func TestObservedOutlivesReloads(t *testing.T) {
	o := newObserved()
	a, k := o.site("shop")
	if b, l := o.site("shop"); a != b || k != l {
		t.Error("a site has new counters")
	}
	ok, first := o.lastReload()
	if !ok || first.IsZero() {
		t.Error("the start counts as a reload")
	}
	o.reload(errors.New("no"))
	if ok, at := o.lastReload(); ok || !at.Equal(first) {
		t.Errorf("after a failure: %v, %v", ok, at)
	}
	o.reload(nil)
	if ok, at := o.lastReload(); !ok || at.Equal(first) {
		t.Errorf("after success: %v, %v", ok, at)
	}
	var none *observed
	none.reload(nil)
	if s, k := none.site("x"); s != nil || k != nil || none.registryStats() != nil {
		t.Error("other commands note something")
	}
}

func TestMemoryLimit(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cgroup", "1:cpu:/x\n0::/system.slice/ngxtap.service\n")
	limit := func() (int64, bool) { return memoryLimit(filepath.Join(root, "cgroup"), filepath.Join(root, "fs")) }
	if n, ok := limit(); ok {
		t.Errorf("nothing limits it, but %d", n)
	}
	write("fs/system.slice/ngxtap.service/memory.max", "max\n")
	if n, ok := limit(); ok {
		t.Errorf("max is no limit, but %d", n)
	}
	write("fs/system.slice/memory.max", "1000\n")
	write("fs/memory.max", "2000\n")
	if n, ok := limit(); !ok || n != 1000 {
		t.Errorf("%d %v, want that of the slice", n, ok)
	}
	write("fs/system.slice/ngxtap.service/memory.max", "500\n")
	if n, _ := limit(); n != 500 {
		t.Errorf("%d, want its own", n)
	}
	write("cgroup", "0::/../../etc\n")
	if n, _ := limit(); n != 2000 {
		t.Errorf("%d, want that of the root", n)
	}
	if _, ok := memoryLimit(filepath.Join(root, "none"), root); ok {
		t.Error("a limit from nowhere")
	}
}
