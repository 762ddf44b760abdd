package logformat

// Shows what is refused and how the message reads, what is only warned of, and which formats a log file has.

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// confMemory is a file system in memory: content by absolute path. A content that is an error is met when the file is read or
// the directory listed.
type confMemory map[string]any

func (m confMemory) readFile(name string) ([]byte, error) {
	switch c := m[path.Clean(name)].(type) {
	case string:
		return []byte(c), nil
	case error:
		return nil, &fs.PathError{Op: "open", Path: name, Err: c}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
}

func (m confMemory) readDir(name string) ([]string, error) {
	if err, ok := m[path.Clean(name)].(error); ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	var names []string
	prefix := strings.TrimSuffix(path.Clean(name), "/") + "/"
	for f := range m {
		if rest, ok := strings.CutPrefix(f, prefix); ok {
			first, _, _ := strings.Cut(rest, "/")
			if !slices.Contains(names, first) {
				names = append(names, first)
			}
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	}
	return names, nil
}

func (m confMemory) exists(name string) (bool, error) {
	_, ok := m[path.Clean(name)]
	return ok, nil
}

// readHTTP reads an http block; its first line is line 1.
func readHTTP(http string) (*Conf, error) {
	return confRead(confMemory{"/n/nginx.conf": "http { " + http + "\n}"}, "/n/nginx.conf", ConfOptions{})
}

func TestReadConfRefuses(t *testing.T) {
	for _, c := range []struct{ http, want string }{
		{"log_format a;", `/n/nginx.conf:1: invalid number of arguments in "log_format" directive; give a name and a string`},
		{"\nlog_format a escape=yes x;", `/n/nginx.conf:2: unknown log format escaping "yes"; Nginx has default, json and none`},
		{"log_format a x;\nlog_format\na y;", `/n/nginx.conf:2: duplicate "log_format" name "a", which is defined at /n/nginx.conf:1 already; give this one another name`},
		{"log_format combined y;", `/n/nginx.conf:1: duplicate "log_format" name "combined", which is predefined by Nginx already; give this one another name`},
		{"log_format a '$status $';", `/n/nginx.conf:1: log_format a: invalid parameter "$": no variable's name follows the "$"; Nginx can't log a "$" but from a variable`},
		{"log_format a '${status' '}';", `/n/nginx.conf:1: log_format a: the closing bracket in "status" variable is missing; write ${name}`},
		{"log_format a 'x'\n'y'", `/n/nginx.conf:3: unexpected "}"; end the directive "log_format" of line 1 with ";"`},
		{"log_format a {", `/n/nginx.conf:1: directive "log_format" is not terminated by ";"; write one, or quote the brace`},
		{"server { log_format a x; }", `/n/nginx.conf:1: "log_format" directive is not allowed here; move it to http { }`},
		{"access_log;", `/n/nginx.conf:1: invalid number of arguments in "access_log" directive; give a path or "off"`},
		{"log_format a x;\n\naccess_log /x main;", `/n/nginx.conf:3: unknown log format "main"; correct the name, or define the format above this line; there are: combined (predefined), a (/n/nginx.conf:1)`},
		{"access_log /x main; log_format main x;", `/n/nginx.conf:1: unknown log format "main"; correct the name, or define the format above this line; there are: combined (predefined)`},
		{"access_log /x if=$ok;", `/n/nginx.conf:1: unknown log format "if=$ok"; name the format before the parameters; there are: combined (predefined)`},
		{"access_log /x\x00y;", `/n/nginx.conf:1: access_log "/x\x00y" holds a NUL byte; remove it`},
		{"server { if ($x) { access_log /x; } }", `/n/nginx.conf:1: "access_log" directive is not allowed here; use the if= parameter of access_log, or an if in a location`},
		{"map $a $b { x { } }", `/n/nginx.conf:1: unexpected "{" after "x"; there are no blocks in "map $a $b"`},
		{"location /;", `/n/nginx.conf:1: directive "location" has no opening "{"; write its block`},
		{"server;", `/n/nginx.conf:1: directive "server" has no opening "{"; write its block`},
		{"}", `/n/nginx.conf:2: unexpected "}"; remove it, or open its block in this file`},
		{"server {", `/n/nginx.conf:2: unexpected end of file, expecting "}"; close the block "http" opened at line 1`},
		{"gzip on;;", `/n/nginx.conf:1: unexpected ";"; remove it, or write the directive before it`},
		{"add_header X\n'it", `/n/nginx.conf:2: unexpected end of file: the quote (') opened here is never closed; close it`},
		{`add_header "a"b;`, `/n/nginx.conf:1: unexpected "b" after the closing quote ("); put a space or ";" between, or write \" for a quote inside the string`},
		{"x " + strings.Repeat("y", 5000) + ";", `/n/nginx.conf:1: too long parameter "` + strings.Repeat("y", 40) + `…", Nginx takes 4095 bytes; close its quote, or split the string into several`},
		{"include;", `/n/nginx.conf:1: invalid number of arguments in "include" directive; give one path or pattern, in quotes if it has spaces`},
		{"content_by_lua_block {\n x = [[", `/n/nginx.conf:2: unexpected end of file: the Lua long bracket opened here is never closed; close it with ]]`},
		{"\ncontent_by_lua_block {\n { -- }", `/n/nginx.conf:2: unexpected end of file: the Lua block opened here is never closed; check its braces, quotes and long brackets`},
		{strings.Repeat("a { ", 600), `/n/nginx.conf:1: more than 512 blocks within one another; remove some`},
	} {
		if _, err := readHTTP(c.http); err == nil || err.Error() != c.want {
			t.Errorf("%.80q:\n got %v\nwant %s", c.http, err, c.want)
		}
	}
}

func TestReadConfWarns(t *testing.T) {
	for _, c := range []struct{ http, want string }{
		{"log_format a '';", "log_format a has no text: its lines are empty"},
		{"log_format Combined x;", `log_format "Combined" is never used: access_log compares names without case and finds "combined" (predefined) first; give it another name`},
		{`access_log "";`, `access_log "" logs to stderr, where ngxtap can't read; give a path`},
		{"access_log off main;", `Nginx refuses parameters after "access_log off"; remove them`},
		{"access_log /x combined buffer=0;", `Nginx refuses this access_log: invalid buffer size "0"`},
		{"access_log /x combined buffer=1x;", `Nginx refuses this access_log: invalid buffer size "1x"`},
		{"access_log /x combined flush=1s;", "Nginx refuses this access_log: flush= needs buffer="},
		{"access_log /x combined ratio=1;", `Nginx refuses this access_log: invalid parameter "ratio=1"`},
		{"access_log /$host combined buffer=1k;", "Nginx refuses this access_log: buffered logs cannot have variables in name"},
		{"access_log syslog:server=x combined buffer=1k;", "Nginx refuses this access_log: logs to syslog cannot be buffered"},
		{"access_log /x combined buffer=1k; access_log /x combined buffer=2k;", "Nginx refuses this access_log: /x is defined already with conflicting parameters"},
		{"access_log /x combined gzip;", "access_log /x is compressed by Nginx as it writes, so its lines can't be followed; remove gzip"},
		{"access_log x;", "access_log x is relative and taken for /n/x; write it in full, or give ngxtap the prefix that nginx -V shows"},
		{"upstream u { access_log /x; }", `"access_log" directive is ignored inside of "upstream u"`},
		{"set $a \x00;", "a NUL byte, at which Nginx cuts names; remove it"},
		{"#" + strings.Repeat("x", 4096), "a comment of 4097 bytes, Nginx refuses more than 4095; cut the line"},
		// No warning.
		{"access_log /x combined buffer=1K flush=1s; access_log /x combined buffer=1k flush=1s; access_log /x;", ""},
		{"server_name # it's\n x;", ""},
	} {
		conf, err := readHTTP(c.http)
		if err != nil {
			t.Errorf("%.80q: %v", c.http, err)
			continue
		}
		got := strings.TrimPrefix(strings.Join(conf.Warnings, "\n"), "/n/nginx.conf:1: ")
		if got != c.want {
			t.Errorf("%.80q:\n got %s\nwant %s", c.http, got, c.want)
		}
	}
}

func TestReadConfWarnsOfStrangersInTheFile(t *testing.T) {
	conf, err := confRead(confMemory{"/n/nginx.conf": "stream { access_log /x main; access_log off; access_log /y main; }\nhttp { access_log /x; }"},
		"/n/nginx.conf", ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "/n/nginx.conf:2: access_log /x is also written from outside of http (/n/nginx.conf:1), in a format that ngxtap does not read; give that one its own file"
	if len(conf.Warnings) != 1 || conf.Warnings[0] != want {
		t.Errorf("got %q\nwant %q", conf.Warnings, want)
	}
}

func TestReadConfJoinsStringsWithoutJoiningVariables(t *testing.T) {
	for _, c := range []struct{ parts, want string }{
		{`'$status' 'ms'`, "${status}ms"},
		{`'$status' ' ms'`, "$status ms"},
		{`'$status' '' 'ms'`, "${status}ms"},
		{`'$status' '$status' '_x'`, "$status${status}_x"},
		{`'${status}' 'ms'`, "${status}ms"},
		{`$status$ { `, ""},
		{`"a\"b" 'c\'d' e\ f "\$status"`, `a"bc'de\ f\$status`},
		{`'\t\r\n\q\\'`, "\t\r\n\\q\\"},
	} {
		conf, err := readHTTP("log_format a " + c.parts + ";")
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: taken as %q", c.parts, conf.Formats[1].Text)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.parts, err)
		} else if got := conf.Formats[1].Text; got != c.want {
			t.Errorf("%s: got %q, want %q", c.parts, got, c.want)
		}
	}
}

func TestReadConfPrefix(t *testing.T) {
	for _, c := range []struct {
		conf, prefix, want string
		warnings           int
	}{
		{"/opt/nginx/conf/nginx.conf", "", "/opt/nginx/x", 0},
		{"/etc/nginx/nginx.conf", "", "/etc/nginx/x", 1},
		{"/etc/nginx/nginx.conf", "/usr/share/nginx/", "/usr/share/nginx/x", 0},
	} {
		conf, err := confRead(confMemory{c.conf: "http { access_log x; }"}, c.conf, ConfOptions{Prefix: c.prefix})
		if err != nil {
			t.Fatal(err)
		}
		if got := conf.AccessLogs[0].Path; got != c.want || len(conf.Warnings) != c.warnings {
			t.Errorf("%s, prefix %q: got %s, want %s; warnings %q", c.conf, c.prefix, got, c.want, conf.Warnings)
		}
	}
}

func TestConfFormat(t *testing.T) {
	conf, err := readHTTP("log_format main a; log_format Main b;")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"main": "a", "Main": "b", "MAIN": "a", "Combined": confCombined} {
		if d, err := conf.Format(name); err != nil || d.Text != want {
			t.Errorf("%s: got %v, %v, want %q", name, d, err, want)
		}
	}
	_, err = conf.Format("other")
	if want := `unknown log format "other"; there are: combined (predefined), main (/n/nginx.conf:1), Main (/n/nginx.conf:1)`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestFormatsFor(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"log", "log/sub"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("log", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log/a.log"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.log", filepath.Join(dir, "log/also.log")); err != nil {
		t.Fatal(err)
	}
	http := `
		log_format one 1; log_format two 2; log_format three 3; log_format four 4;
		access_log DIR/log/a.log two;
		access_log DIR/log/$host.log three;
		access_log DIR/log/${host}_$1/x.log four;
		access_log syslog:server=x four;
		access_log off;
		server { access_log DIR/log/../log//a.log one; access_log DIR/link/a.log TWO; }`
	conf, err := readHTTP(strings.ReplaceAll(http, "DIR", dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"log/a.log", "two one"},
		{"./log/../log/a.log", "two one"},
		{"link/a.log", "two one"},
		{"log/also.log", "two one"},
		{"log/shop.example.log", "three"},
		{"link/shop.example.log", "three"},
		{"log/.log", ""},
		{"log/sub/shop.log", ""},
		{"log/h_1/x.log", "four"},
		{"log/h1/x.log", ""},
		{"log/none.txt", ""},
	} {
		var names []string
		for _, d := range conf.FormatsFor(dir + "/" + c.path) {
			names = append(names, d.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.path, got, c.want)
		}
	}
	if got := len(conf.AccessLogsFor(dir + "/log/a.log")); got != 3 {
		t.Errorf("%d access_log directives for a.log, want 3", got)
	}
}

func TestReadConfFromDisk(t *testing.T) {
	t.Chdir("testdata/conf/snippet/etc/nginx/conf.d")
	conf, err := ReadConf("shop.conf", ConfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if wd, _ := os.Getwd(); len(conf.Files) != 1 || conf.Files[0] != filepath.Join(wd, "shop.conf") {
		t.Errorf("files %q", conf.Files)
	}
	_, err = ReadConf("none.conf", ConfOptions{})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), "/none.conf: no such file or directory; create it or correct the path") {
		t.Errorf("got %v", err)
	}
	if _, err = ReadConf(".", ConfOptions{}); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("got %v", err)
	}
	if conf, err = ReadConf(os.DevNull, ConfOptions{}); err != nil || len(conf.Formats) != 1 {
		t.Errorf("a device is empty for Nginx; got %v, %v", conf, err)
	}
}
