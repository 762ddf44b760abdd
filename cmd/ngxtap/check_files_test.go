// Shows what `ngxtap check` says of log folders in which somebody can swap files, and of files that are no logs of Nginx.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/pkg/config"
)

// checked returns what check says of the files of a site.
func checked(t *testing.T, change func(a *config.AccessLog), paths ...string) (int, string) {
	t.Helper()
	s := config.SiteDefaults("shop")
	s.AccessLog.LogFormat, s.AccessLog.Paths = "$status", paths
	if change != nil {
		change(&s.AccessLog)
	}
	formats, _, err := formatsOf(&s)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	r := &report{}
	for _, p := range paths {
		checkLog(t.Context(), r, &s, p, formats)
	}
	checkFolders(r, &s)
	r.print(escaper{&out})
	return r.code, out.String()
}

func TestCheckWarnsOfTheFolder(t *testing.T) {
	f := func(name string, mode os.FileMode, uid, gid int, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "a.log"), []byte("200\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(dir, uid, gid); err != nil {
				t.Skip("only root can give files away: ", err)
			}
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			code, out := checked(t, nil, filepath.Join(dir, "*.log"))
			if code != exitOK || !strings.Contains(out, "ok       site shop: "+dir+"/a.log: all of the first 1 lines fit") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if want == "" {
				if strings.Contains(out, "warning") {
					t.Errorf("a warning without a reason:\n%s", out)
				}
			} else if strings.Count(out, "warning") != 1 || !strings.Contains(out, want) || !strings.Contains(out, "chown root:adm "+dir) {
				t.Errorf("%s\nlacks %q", out, want)
			}
		})
	}
	f("mine", 0o755, -1, -1, "")
	f("everyone's", 0o777, -1, -1, "can be written by everyone")
	f("sticky", 0o777|os.ModeSticky, -1, -1, "can be written by everyone")
	f("the web user's", 0o755, 54321, 0, "belongs to user 54321")
	f("the web group's", 0o775, 0, 54321, "can be written by the group 54321")
	f("readable by a group", 0o750, 0, 54321, "")
}

func TestCheckOfWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	must(os.WriteFile(at("real"), []byte("200\n"), 0o600), os.Link(at("real"), at("hard.log")), os.Symlink("real", at("link.log")), os.Mkdir(at("sub"), 0o755),
		os.Symlink("/etc/passwd", at("out.log")), syscall.Mkfifo(at("fifo.log"), 0o600), os.Mkdir(at("dir.log"), 0o755), syscall.Mkfifo(at("good.log.1"), 0o600),
		os.WriteFile(at("good.log"), []byte("200\n404\n"), 0o600), os.WriteFile(at("open.log"), []byte("200\n"), 0o600), os.Chmod(at("open.log"), 0o666))
	follow := func(a *config.AccessLog) { a.FollowSymlinks = true }
	links := func(a *config.AccessLog) { a.AllowHardLinks = true }
	for _, tt := range []struct {
		path   string
		change func(*config.AccessLog)
		code   int
		want   string
	}{
		{"good.log", nil, exitOK, "ok       site shop: " + at("good.log") + ": all of the first 2 lines fit"},
		{"good.log", nil, exitOK, "warning  site shop: " + at("good.log.1") + " is not a regular file but a named pipe"},
		{"hard.log", nil, exitOK, "access_log.allow_hard_links"},
		{"real", links, exitOK, "all of the first 1 lines fit"},
		{"link.log", nil, exitConfig, "is a symbolic link; name the file itself, or set access_log.follow_symlinks"},
		{"out.log", follow, exitConfig, "leads to /etc/passwd, outside of the log's folder: allow that folder, or name the file itself; the key is access_log.symlink_roots"},
		{"fifo.log", nil, exitConfig, "is not a regular file but a named pipe"},
		{"dir.log", nil, exitConfig, "is not a regular file but a directory"},
		{"none.log", nil, exitOK, "does not exist yet; run waits for it"},
		{"n*.log", nil, exitOK, "does not exist yet; run waits for it"},
		{"f*.log", nil, exitOK, "warning  site shop: " + at("fifo.log") + " is not a regular file but a named pipe"},
		{"open.log", nil, exitOK, "can be written by everyone: anybody can forge lines in it"},
	} {
		if code, out := checked(t, tt.change, at(tt.path)); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, want %d, and %q in\n%s", tt.path, code, tt.code, tt.want, out)
		}
	}
	if err := os.Chown(at("good.log"), 54321, -1); err != nil {
		t.Skip("only root can give files away: ", err)
	}
	if code, out := checked(t, nil, at("good.log")); code != exitOK || !strings.Contains(out, "belongs to user 54321, not to root nor to a user that Nginx runs as") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
