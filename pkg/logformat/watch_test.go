// watch_test.go shows that every edit of a configuration is noticed, and that nothing is noticed where there was none.
package logformat

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// watched is a configuration on disk. Its clock is ahead of the file system's, so that no file looks as if it had just been written.
func watched(t *testing.T) (dir string, w *Watch) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "nginx.conf", "http { include conf.d/*.conf; include one.conf; include link.conf; access_log logs/a.log main; }")
	put(t, dir, "one.conf", "log_format main '$status';")
	put(t, dir, "there.conf", "log_format other '$status $request_time';")
	if err := os.Symlink("there.conf", filepath.Join(dir, "link.conf")); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "conf.d/x.conf", "# nothing")
	w = NewWatch(filepath.Join(dir, "nginx.conf"), ConfOptions{})
	w.now = func() time.Time { return time.Now().Add(time.Hour) }
	return dir, w
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWatchNoticesEveryEdit(t *testing.T) {
	edits := map[string]func(t *testing.T, dir string){
		"main file":   func(t *testing.T, dir string) { put(t, dir, "nginx.conf", "http { }") },
		"included":    func(t *testing.T, dir string) { put(t, dir, "one.conf", "log_format main '$request';") },
		"same size":   func(t *testing.T, dir string) { put(t, dir, "one.conf", "log_format main '$server';") },
		"behind link": func(t *testing.T, dir string) { put(t, dir, "there.conf", "# gone") },
		"link switched": func(t *testing.T, dir string) {
			put(t, dir, "new.conf", "# new")
			os.Remove(filepath.Join(dir, "link.conf"))
			if err := os.Symlink("new.conf", filepath.Join(dir, "link.conf")); err != nil {
				t.Fatal(err)
			}
		},
		"file added":   func(t *testing.T, dir string) { put(t, dir, "conf.d/y.conf", "# new") },
		"file removed": func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "conf.d/x.conf")) },
		"replaced by a file of the same content and times": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "one.conf")
			st, _ := os.Stat(path)
			put(t, dir, "tmp", "log_format main '$status';")
			os.Chtimes(filepath.Join(dir, "tmp"), st.ModTime(), st.ModTime())
			os.Rename(filepath.Join(dir, "tmp"), path)
		},
		"times set back": func(t *testing.T, dir string) {
			path := filepath.Join(dir, "one.conf")
			st, _ := os.Stat(path)
			put(t, dir, "one.conf", "log_format main '$server';")
			os.Chtimes(path, st.ModTime(), st.ModTime())
		},
		"deleted": func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "one.conf")) },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			dir, w := watched(t)
			if _, err := w.Read(); err != nil {
				t.Fatal(err)
			}
			if w.Changed() {
				t.Fatal("a change before there was one")
			}
			edit(t, dir)
			if !w.Changed() {
				t.Fatal("the edit was not noticed")
			}
			_, _ = w.Read() // some of the edits break the configuration
			if w.Changed() {
				t.Error("the same edit was noticed twice")
			}
		})
	}
}

// A configuration that is broken is watched: its repair is noticed wherever it is made.
func TestWatchNoticesTheRepair(t *testing.T) {
	dir, w := watched(t)
	put(t, dir, "conf.d/broken.conf", "log_format main '$status")
	if _, err := w.Read(); err == nil {
		t.Fatal("want an error")
	}
	put(t, dir, "conf.d/broken.conf", "# mended")
	if !w.Changed() {
		t.Fatal("the repair was not noticed")
	}
	if _, err := w.Read(); err != nil {
		t.Fatal(err)
	}
}

// What was written a moment ago may be written again without leaving a trace in the file's times: it is looked at once more.
func TestWatchLooksAgainAtWhatIsNew(t *testing.T) {
	_, w := watched(t)
	now := time.Now()
	w.now = func() time.Time { return now }
	if _, err := w.Read(); err != nil {
		t.Fatal(err)
	}
	if w.Changed() {
		t.Fatal("looked again at once")
	}
	now = now.Add(time.Hour)
	if !w.Changed() {
		t.Fatal("never looked again")
	}
	if _, err := w.Read(); err != nil || w.Changed() {
		t.Fatalf("looked a third time: %v", err)
	}
}

func TestWatchOfNothing(t *testing.T) {
	dir := t.TempDir()
	w := NewWatch(filepath.Join(dir, "nginx.conf"), ConfOptions{})
	w.now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := w.Read(); err == nil || w.Changed() {
		t.Fatalf("%v, changed %v", err, w.Changed())
	}
	put(t, dir, "nginx.conf", "http { }")
	if !w.Changed() {
		t.Fatal("its appearance was not noticed")
	}
}
