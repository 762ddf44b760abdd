package logformat

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFileCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nginx.conf")
	text := "http {\n open_log_file_cache max=1000 inactive=20s valid=1m30s min_uses=2;\n server {\n  open_log_file_cache off;\n  location / { open_log_file_cache max=1; }\n }\n}\n" +
		"stream {\n open_log_file_cache max=7;\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadConf(path, ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []FileCache{{Valid: 90 * time.Second, File: path, Line: 2}, {Off: true, File: path, Line: 4}, {File: path, Line: 5}}
	if len(c.FileCaches) != len(want) {
		t.Fatalf("got %+v", c.FileCaches)
	}
	for i, w := range want {
		if c.FileCaches[i] != w {
			t.Errorf("got %+v, want %+v", c.FileCaches[i], w)
		}
	}
}

func TestConfTime(t *testing.T) {
	for s, want := range map[string]time.Duration{"0": 0, "90": 90 * time.Second, "90s": 90 * time.Second, "1m30s": 90 * time.Second, "1m 30s": 90 * time.Second, "1h": time.Hour,
		"1d2h": 26 * time.Hour, "2w": 14 * 24 * time.Hour, "1M": 30 * 24 * time.Hour, "1m30": 90 * time.Second} {
		if got, ok := confTime(s); got != want || !ok {
			t.Errorf("%q: got %v, %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "s", "1x", "1s1m", "1s1s", "1ms", "-1", "99999999999999999999", "9999y", " 1s"} {
		if got, ok := confTime(s); ok {
			t.Errorf("%q: got %v", s, got)
		}
	}
}
