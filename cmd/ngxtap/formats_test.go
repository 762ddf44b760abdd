// formats_test.go shows that a configuration that could not be read is read again, also where none of its files has changed, and that an
// operator's decision reaches a daemon of another user.
package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/pkg/config"
)

// What failed may have been the machine, not the file: too many open files, a network file system that was away.
func TestEditIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte("http { log_format main '$status'; access_log /l main; }"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &config.Site{Site: "shop", AccessLog: config.AccessLog{Paths: []string{"/l"}, NginxConf: conf}}
	w := newConfWatch(s)
	if f, _, err := w.read(); err != nil || len(f) != 1 {
		t.Fatal(f, err)
	}
	for end := time.Now().Add(30 * time.Second); w.watch.Changed(); { // a file that is new is read again for that
		if _, _, err := w.read(); err != nil || time.Now().After(end) {
			t.Fatal("never unchanged", err)
		}
	}
	s.AccessLog.Format = "away"
	w.failed, w.since = os.ErrDeadlineExceeded, time.Now()
	if f, err := w.edited(); f != nil || err != nil {
		t.Fatalf("in a hurry: %v %v", f, err)
	}
	w.since = time.Now().Add(-settle)
	if f, err := w.edited(); f != nil || err == nil || !strings.Contains(err.Error(), "away") {
		t.Fatalf("want that it fails still: %v %v", f, err)
	}
	s.AccessLog.Format = ""
	w.since = time.Now().Add(-settle)
	if f, err := w.edited(); len(f) != 1 || err != nil {
		t.Fatalf("never tried again: %v %v", f, err)
	}
	if f, err := w.edited(); f != nil || err != nil {
		t.Fatalf("nothing is new: %v %v", f, err)
	}
}

// An administrator's umask does not keep the decision from the daemon's user, and what can't be read is said.
func TestAcceptIsForTheDaemonToRead(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	var log strings.Builder
	acc := newAcceptance(t.TempDir(), "shop", slog.New(slog.NewTextHandler(&log, nil)))
	if err := acc.add([]uint64{7}); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(acc.file)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v", st.Mode())
	}
	if !acc.has(7) || acc.has(8) {
		t.Error("not what was accepted")
	}
	if err := os.Remove(acc.file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(acc.file, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if acc.has(7) {
			t.Error("accepted by a folder")
		}
	}
	if n := strings.Count(log.String(), "is a directory"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}
