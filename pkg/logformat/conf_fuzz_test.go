package logformat

// Shows that no bytes make the reader of nginx.conf panic or hang, and that errors say where they are.

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var confErrorForm = regexp.MustCompile(`(?s)\A/n/[a-z/.]+(:[1-9][0-9]*)?: .`)

func FuzzReadConf(f *testing.F) {
	err := filepath.WalkDir("testdata/conf", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(path, ".golden") {
			return err
		}
		data, err := os.ReadFile(path)
		f.Add(string(data), "")
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, http := range nginxHTTP {
		f.Add("http { "+http+" }", "log_format b '$status' x; include d/*;")
	}
	f.Add("http { include d/*; include d/*; include b.conf; }", "server { access_log /x; }")
	f.Add("include *.conf;", "x_by_lua_block { '}' }")

	f.Fuzz(func(t *testing.T, main, included string) {
		m := confMemory{"/n/nginx.conf": main, "/n/b.conf": included, "/n/d/c.conf": included, "/n/d/d.conf": main}
		r := newConfReader(m, "/n/nginx.conf", ConfOptions{})
		r.maxIncludes = 100
		c, err := r.read("/n/nginx.conf")
		if err != nil {
			if !confErrorForm.MatchString(err.Error()) {
				t.Errorf("an error that does not say where: %v", err)
			}
			return
		}
		names := map[string]bool{}
		for _, d := range c.Formats {
			if names[d.Name] {
				t.Errorf("two formats %q", d.Name)
			}
			names[d.Name] = true
			if found, err := c.Format(d.Name); err != nil || found != d {
				t.Errorf("format %q finds %v, %v", d.Name, found, err)
			}
		}
		for _, a := range c.AccessLogs {
			if !a.Off && !names[a.Format] || a.Line < 1 || a.Context == "" {
				t.Errorf("access_log %+v", a)
			}
			if path := a.Path; strings.HasPrefix(path, "/") && !a.Variables && !a.Syslog && len(c.FormatsFor(path)) == 0 {
				t.Errorf("access_log %+v is not found by its path", a)
			}
		}
		for _, w := range c.Warnings {
			if !confErrorForm.MatchString(w) {
				t.Errorf("a warning that does not say where: %s", w)
			}
		}
	})
}
