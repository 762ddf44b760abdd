package logrotate

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// conf writes files, the first of which is the configuration; DIR in their text is their folder.
func conf(t testing.TB, files ...string) (string, *Config) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(files[i+1], "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Read(filepath.Join(dir, files[0]))
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

// debian is how Debian has it.
const debian = `# see "man logrotate" for details

weekly
su root adm
rotate 4
create
#dateext
include DIR/logrotate.d
`

const nginx = `/var/log/nginx/*.log {
	daily
	missingok
	rotate 14
	compress
	delaycompress
	notifempty
	create 0640 www-data adm
	sharedscripts
	prerotate
		if [ -d /etc/logrotate.d/httpd-prerotate ]; then \
			run-parts /etc/logrotate.d/httpd-prerotate; \
		fi \
	endscript
	postrotate
		invoke-rc.d nginx rotate >/dev/null 2>&1
	endscript
}
`

func TestDebian(t *testing.T) {
	dir, c := conf(t, "logrotate.conf", debian, "logrotate.d/nginx", nginx, "logrotate.d/nginx.dpkg-old", "/var/log/nginx/*.log {\n}\n", "logrotate.d/apt", "/var/log/apt/*.log {\n monthly\n}\n")
	if len(c.Warnings) != 0 || len(c.Files) != 3 {
		t.Errorf("files %v, warnings %v", c.Files, c.Warnings)
	}
	found := c.For("/var/log/nginx/access.log")
	if len(found) != 1 || found[0].At() != dir+"/logrotate.d/nginx:1" {
		t.Fatalf("found %v", found)
	}
	s := found[0]
	for name, want := range map[string]string{"rotate": "14 4", "create": "0640 www-data adm 8", "su": "root adm 4", "delaycompress": " 6", "dateext": "", "nocompress": "", "copytruncate": ""} {
		o := s.Get(name)
		got := ""
		if o.Set() {
			got = fmt.Sprintf("%s %d", o.Arg, o.Line)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if w := s.When(); w.Name != "daily" || w.Line != 2 {
		t.Errorf("when: %+v", w)
	}
	if post := s.Get("postrotate"); !strings.Contains(post.Arg, "invoke-rc.d nginx rotate") || post.Line != 15 {
		t.Errorf("postrotate: %+v", post)
	}
	if s := c.For("/var/log/apt/x.log")[0]; s.When().Name != "monthly" || s.Get("rotate").Arg != "4" {
		t.Errorf("the options of one stanza count for another: %+v", s)
	}
	for _, path := range []string{"/var/log/nginx/access.log.1", "/var/log/nginx/sub/access.log", "/var/log/nginx/.access.log", "/var/log/nginx", "/other/access.log"} {
		if found := c.For(path); len(found) != 0 {
			t.Errorf("%s: found %v", path, found[0].At())
		}
	}
}

func TestStanzas(t *testing.T) {
	f := func(name, text string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			_, c := conf(t, "c", text)
			var got []string
			for _, s := range c.Stanzas {
				var all []string
				for _, o := range s.options {
					all = append(all, strings.TrimSpace(o.Name+" "+strings.ReplaceAll(o.Arg, "\n", "|")))
				}
				slices.Sort(all)
				got = append(got, fmt.Sprintf("%d %s {%s}", s.Line, strings.Join(s.Patterns, ","), strings.Join(all, "; ")))
			}
			for _, w := range c.Warnings {
				got = append(got, fmt.Sprintf("%d %s", w.Line, w.Text))
			}
			if !slices.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	f("empty", "")
	f("globs", "/a/*.log /b/x.log\n\"/with space/*.log\" '/q'\n{\n daily\n}\n", "3 /a/*.log,/b/x.log,/with space/*.log,/q {daily}")
	f("one line", "/a { daily\n rotate 3\n}\n/b{\n}", "1 /a {daily; rotate 3}", "4 /b {}")
	f("equals", "/a {\n size=100k\n rotate = 3\n}", "1 /a {rotate 3; size 100k}")
	f("the later counts", "compress\nweekly\n/a {\n nocompress\n size 1M\n daily\n}\nnocompress\n/b {\n compress\n}", "3 /a {daily; nocompress}", "9 /b {compress; weekly}")
	f("globals after", "/a {\n}\ndaily\n/b {\n}", "1 /a {}", "4 /b {daily}")
	f("quoted", "/a {\n olddir \"/x y\"\n compresscmd '/usr/bin/xz'\n}", "1 /a {compresscmd /usr/bin/xz; olddir /x y}")
	f("comments", "# /x {\n/a { # not read as one\n # daily\n rotate 2\n}\n", "2 /a {rotate 2}")
	f("comment among paths", "/a\n# x {\n/b {\n}", "3 /a,/b {}")
	f("braces in a script", "/a {\n postrotate\n  for i in ${x}; do { :; }; done\n }\n endscript\n daily\n}", "1 /a {daily; postrotate   for i in ${x}; do { :; }; done| }}")
	f("unknown", "dayly\n/a {\n rotat 3\n}", "2 /a {}", `1 unknown option "dayly"`, `3 unknown option "rotat"`)
	f("crlf", "/a {\r\n daily\r\n}\r\n", "1 /a {daily}")

	const over = "; logrotate passes over this file"
	f("nested", "/a {\n /b {\n }\n}", "2 a path or a brace inside of the braces of line 1"+over)
	f("nested brace", "/a {\n {\n }\n}", "2 a path or a brace inside of the braces of line 1"+over)
	f("not closed", "/a {\n daily\n", "1 /a {daily}", "1 the brace is not closed")
	f("not opened", "/a\n", "2 paths without braces after them"+over)
	f("closed twice", "/a {\n}\n}\n", "3 unexpected }"+over)
	f("no path", "{\n}\n", "1 a brace without a path before it"+over)
	f("quote", "\"/a {\n}\n", "1 the quote \" is not closed"+over)
	f("no endscript", "/a {\n postrotate\n x\n}\n", "5 postrotate without endscript"+over)
	f("a script outside", "postrotate\nendscript\n", "1 postrotate outside of braces"+over)
	f("include inside", "/a {\n include /x\n}", "2 include inside of braces"+over)
	f("text after a brace", "/a {\n} daily\n", `2 unexpected text after }: "daily"`+over)
}

// TestInclude: globals of an included file count for what comes after it; a file with an error counts for nothing.
func TestInclude(t *testing.T) {
	dir, c := conf(t, "c", "tabooext + .off\ninclude DIR/d\ninclude DIR/nothere\n/last {\n}\n",
		"d/a", "rotate 7\n/a {\n}\n", "d/b", "rotate 9\n/b {\n}\n}\n", "d/c.off", "/off {\n}\n", "d/z~", "/tilde {\n}\n")
	if err := os.Mkdir(dir+"/d/folder", 0o755); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Stanzas {
		got = append(got, s.Patterns[0]+" "+s.Get("rotate").Arg)
	}
	if want := []string{"/a 7", "/last 7"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(c.Warnings) != 2 || c.Warnings[0].File != dir+"/d/b" || !strings.Contains(c.Warnings[1].Text, "nothere") {
		t.Errorf("warnings %+v", c.Warnings)
	}
}

// TestLoop: files that include one another end.
func TestLoop(t *testing.T) {
	_, c := conf(t, "c", "include DIR/c\ninclude DIR\n/a {\n}\n")
	if len(c.Warnings) == 0 {
		t.Error("no warning")
	}
}

func TestMatches(t *testing.T) {
	f := func(pattern, path string, want bool) {
		t.Helper()
		if got := matches(pattern, path); got != want {
			t.Errorf("%s for %s: got %v", pattern, path, got)
		}
	}
	f("/var/log/*.log", "/var/log/a.log", true)
	f("/var//log/./*.log", "/var/log/a.log", true)
	f("/var/log/*", "/var/log/.a", false)
	f("/var/log/.*", "/var/log/.a", true)
	f("/var/log/[!a]*", "/var/log/b", true)
	f("/var/log/[!a]*", "/var/log/a", false)
	f("/var/*/a?.log", "/var/x/ab.log", true)
	f("/var/*/a.log", "/var/x/y/a.log", false)
	f("/var/log/a[.log", "/var/log/a[.log", true)
	f("/var/log/a[.log", "/var/log/ab.log", false)
	f(`/var/log/\*.log`, "/var/log/*.log", true)
	f(`/var/log/\*.log`, "/var/log/x.log", false)
}

// TestAgainstLogrotate compares with logrotate itself, where it is installed: which of the files it would handle.
func TestAgainstLogrotate(t *testing.T) {
	program, err := exec.LookPath("logrotate")
	if err != nil {
		t.Skip("logrotate is not installed")
	}
	dir, _ := conf(t, "c", "rotate 3\ninclude DIR/d\n", "d/1", "DIR/log/*.log DIR/log/with\\ space\n\"DIR/log/quoted x\"\n{\n size=1\n}\n", "d/2.bak", "DIR/log/taboo {\n}\n",
		"d/3", "DIR/log/[!b]at {\n postrotate\n  }\n endscript\n weekly\n}\n", "d/4", "DIR/log/broken {\n daily\n", "d/5", "DIR/log/sub/* {\n}\n",
		"log/a.log", "x", "log/.b.log", "x", "log/with space", "x", "log/quoted x", "x", "log/taboo", "x", "log/cat", "x", "log/bat", "x", "log/broken", "x", "log/sub/x", "x", "log/none", "x")
	out, _ := exec.Command(program, "-d", "-s", dir+"/state", dir+"/c").CombinedOutput()
	c, err := Read(dir + "/c")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.log", ".b.log", "with space", "quoted x", "taboo", "cat", "bat", "broken", "sub/x", "none"} {
		path := dir + "/log/" + name
		want := strings.Contains(string(out), "considering log "+path+"\n")
		if got := len(c.For(path)) > 0; got != want {
			t.Errorf("%s: got %v, logrotate says %v", name, got, want)
		}
	}
	if t.Failed() || !strings.Contains(string(out), "considering log") {
		t.Logf("logrotate -d:\n%s\n%+v", out, c.Warnings)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{debian, nginx, "/a {\n /b {\n}", "\"", "size=\n/x{}", "postrotate\nendscript", "/a\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &reader{conf: &Config{}, global: options{}, taboo: taboo, load: func(string) ([]byte, error) { return nil, os.ErrNotExist }}
		r.file("f", []byte(text))
		lines := strings.Count(text, "\n") + 1
		for _, s := range r.conf.Stanzas {
			if s.Line < 1 || s.Line > lines || len(s.Patterns) == 0 {
				t.Errorf("stanza %+v of %d lines", s, lines)
			}
			for _, o := range s.options {
				if o.Line < 1 || o.Line > lines || o.Name == "" {
					t.Errorf("option %+v of %d lines", o, lines)
				}
			}
			s.Matches("/var/log/x")
		}
		for _, w := range r.conf.Warnings {
			if w.Line < 0 || w.Line > lines || w.Text == "" {
				t.Errorf("warning %+v of %d lines", w, lines)
			}
		}
	})
}
