package logformat

// Shows which files an include reads, in which order, and what it says where it can't.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestIncludeReadsWhatGlobFinds(t *testing.T) {
	m := confMemory{
		"/n/a/x.conf": "", "/n/a-b/x.conf": "", "/n/a/y.conf": "", "/n/a/.z.conf": "", "/n/a/B.conf": "", "/n/a/c.txt": "",
		"/n/w/[x].conf": "", "/n/w/10.conf": "", "/n/w/9.conf": "", "/s/s.conf": "",
	}
	for _, c := range []struct{ pattern, want, dirs string }{
		{"a/*.conf", "/n/a/B.conf /n/a/x.conf /n/a/y.conf", "/n/a"},
		{"a*/x.conf", "/n/a-b/x.conf /n/a/x.conf", "/n"}, // by bytes of the whole path, not by directory
		{"*/x.conf", "/n/a-b/x.conf /n/a/x.conf", "/n"},
		{"a/.*.conf", "/n/a/.z.conf", "/n/a"},
		{"a/?.conf", "/n/a/B.conf /n/a/x.conf /n/a/y.conf", "/n/a"},
		{"a/[!xB].conf", "/n/a/y.conf", "/n/a"},
		{"a/[a-xz].conf", "/n/a/x.conf", "/n/a"},
		{"a/[", "", "/n/a"},
		{"w/*", "/n/w/10.conf /n/w/9.conf /n/w/[x].conf", "/n/w"},
		{`w/\[x]*`, "/n/w/[x].conf", "/n/w"},
		{"w/[x].conf", "", "/n/w"},
		{"none/*", "", "/n/none"},
		{"a/x.conf/*", "", "/n/a/x.conf"},
		{"/s/*", "/s/s.conf", "/s"},
		{"a/x.conf", "/n/a/x.conf", ""},
		{"./a/x.conf", "/n/./a/x.conf", ""},
	} {
		m["/n/nginx.conf"] = `include "` + c.pattern + `";`
		conf, err := confRead(m, "/n/nginx.conf", ConfOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := strings.Join(conf.Files[1:], " "); got != c.want {
			t.Errorf("%s: got %s, want %s", c.pattern, got, c.want)
		}
		if got := strings.Join(conf.Dirs, " "); got != c.dirs {
			t.Errorf("%s: directories %s, want %s", c.pattern, got, c.dirs)
		}
	}
}

func TestFnmatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"*", ".a", false}, {".*", ".a", true}, {`\.a`, ".a", true}, {"?a", ".a", false}, {"[.]a", ".a", false},
		{"a*b*c", "axxbxxc", true}, {"a*b*c", "axxbxx", false}, {"*.conf", "a.conf.bak", false}, {"*aab", "aaab", true}, {"**", "x", true},
		{"[]x]", "]", true}, {"[!]x]", "]", false}, {"[!]x]", "y", true}, {"[a-]", "-", true}, {"[a-c]", "b", true}, {"[c-a]", "b", false},
		{`[\]]`, "]", true}, {`[a\-c]`, "b", false}, {"[^a]", "b", true}, {"[a", "[a", true}, {"[", "[", true}, {`\`, `\`, true}, {`\*`, "*", true}, {`\*`, "x", false},
		{"a", "", false}, {"", "a", false}, {"a?", "a", false},
	} {
		if got := confFnmatch(c.pattern, c.name); got != c.want {
			t.Errorf("%q %q: got %t", c.pattern, c.name, got)
		}
	}
}

func TestIncludeRefuses(t *testing.T) {
	for _, c := range []struct {
		fs   confMemory
		want string
		is   error
	}{
		{confMemory{"/n/nginx.conf": "\ninclude x.conf;"},
			"/n/nginx.conf:2: include /n/x.conf: no such file or directory; create it or correct the path", fs.ErrNotExist},
		{confMemory{"/n/nginx.conf": "include d/*;", "/n/d/x": syscall.EACCES},
			"/n/nginx.conf:1: include /n/d/x: permission denied; let the user that ngxtap runs as read it (Nginx reads it as root)", fs.ErrPermission},
		{confMemory{"/n/nginx.conf": "include d/*;", "/n/d": syscall.EACCES},
			`/n/nginx.conf:1: include "d/*": open /n/d/: permission denied; let the user that ngxtap runs as read it (Nginx reads it as root)`, fs.ErrPermission},
		{confMemory{"/n/nginx.conf": "include d;", "/n/d": syscall.EISDIR},
			"/n/nginx.conf:1: include /n/d: is a directory; see that it is a readable file", syscall.EISDIR},
		{confMemory{"/n/nginx.conf": "include a.conf;", "/n/a.conf": "\n\ninclude b.conf;", "/n/b.conf": "include *.conf;"},
			`/n/b.conf:1: include "*.conf" closes a loop: /n/a.conf -> /n/b.conf -> /n/a.conf; remove one of these includes`, nil},
		{confMemory{"/n/nginx.conf": "include nginx.conf;"},
			`/n/nginx.conf:1: include "nginx.conf" closes a loop: /n/nginx.conf -> /n/nginx.conf; remove one of these includes`, nil},
		{confMemory{"/n/nginx.conf": "http { include a.conf; }", "/n/a.conf": "server { listen 80; }\n}"},
			`/n/a.conf:2: unexpected "}"; remove it, or open its block in this file`, nil},
		{confMemory{"/n/nginx.conf": "http { include a.conf; }", "/n/a.conf": "server { listen 80;"},
			`/n/a.conf:1: unexpected end of file, expecting "}"; close the block "server" opened at line 1`, nil},
		{confMemory{"/n/nginx.conf": "include [[:alpha:]];"},
			`/n/nginx.conf:1: include "[[:alpha:]]" has a character class, which ngxtap does not know; write the characters out`, nil},
		{confMemory{"/n/nginx.conf": "include a\x00b;"}, `/n/nginx.conf:1: include "a\x00b" holds a NUL byte; remove it`, nil},
		{confMemory{"/n/nginx.conf": "\xFF\xFEh\x00"}, "/n/nginx.conf:1: the file is UTF-16, which Nginx can't read; save it as UTF-8", nil},
	} {
		_, err := confRead(c.fs, "/n/nginx.conf", ConfOptions{})
		if err == nil || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v:\n got %v\nwant %s", c.fs, err, c.want)
		}
	}
}

func TestIncludesAreBounded(t *testing.T) {
	// Each file includes the next one twice: 2^n files, of which none is a loop.
	m := confMemory{}
	for c := 'a'; c < 'z'; c++ {
		m["/n/"+string(c)] = "include " + string(c+1) + "; include " + string(c+1) + ";"
	}
	m["/n/z"] = ""
	r := newConfReader(m, "/n/a", ConfOptions{})
	r.maxIncludes = 1000
	_, err := r.read("/n/a")
	if err == nil || !strings.Contains(err.Error(), "more than 1000 files are included") {
		t.Errorf("got %v", err)
	}

	m = confMemory{}
	for i := range 100 {
		m["/n/"+strings.Repeat("x", i+1)] = "include " + strings.Repeat("x", i+2) + ";"
	}
	_, err = confRead(m, "/n/x", ConfOptions{})
	if err == nil || !strings.Contains(err.Error(), "more than 64 files include one another") {
		t.Errorf("got %v", err)
	}
}

func TestIncludedTwiceIsReadOnce(t *testing.T) {
	conf, err := confRead(confMemory{
		"/n/nginx.conf": "http { server { server_name a; include log; } server { include log; server_name b; } }",
		"/n/log":        "\xEF\xBB\xBFaccess_log /x;",
	}, "/n/nginx.conf", ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var where []string
	for _, a := range conf.AccessLogs {
		where = append(where, a.Context)
	}
	if !slices.Equal(where, []string{"server a", "server b"}) || len(conf.Files) != 2 || len(conf.Warnings) != 1 {
		t.Errorf("contexts %q, files %q, warnings %q", where, conf.Files, conf.Warnings)
	}
}

func TestIncludeOfUnreadableFilesOnDisk(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte("include d/*;"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConf(filepath.Join(dir, "nginx.conf"), ConfOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestIncludeOfDanglingLinkOnDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte("include */x;\ninclude [s]/x;"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "s"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConf(filepath.Join(dir, "nginx.conf"), ConfOptions{}); err != nil {
		t.Errorf("nothing matches, yet: %v", err)
	}
	if err := os.Symlink("gone", filepath.Join(dir, "s/x")); err != nil {
		t.Fatal(err)
	}
	_, err := ReadConf(filepath.Join(dir, "nginx.conf"), ConfOptions{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "nginx.conf:1: include "+dir+"/s/x: ") {
		t.Errorf("Nginx refuses a dangling link in sites-enabled; got %v", err)
	}
}
