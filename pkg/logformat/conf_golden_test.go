package logformat

// Shows what is read from configurations as they are in use: testdata/conf/NAME is a file system, NAME.golden what is found.

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var updateConf = flag.Bool("update-conf", false, "write testdata/conf/*.golden anew")

// confUnder is a file system whose root is a directory of the machine's.
type confUnder string

func (d confUnder) readFile(name string) ([]byte, error)  { return confOS{}.readFile(string(d) + name) }
func (d confUnder) readDir(name string) ([]string, error) { return confOS{}.readDir(string(d) + name) }
func (d confUnder) exists(name string) (bool, error)      { return confOS{}.exists(string(d) + name) }

// confDump prints a Conf, a line for each thing.
func confDump(c *Conf) string {
	var b strings.Builder
	for _, f := range c.Files {
		fmt.Fprintf(&b, "file %s\n", f)
	}
	for _, d := range c.Dirs {
		fmt.Fprintf(&b, "dir %s\n", d)
	}
	for _, d := range c.Formats {
		fmt.Fprintf(&b, "format %s escape=%s (%s)\n\t%q\n", d.Name, d.Escape, confWhere(d), d.Text)
	}
	for _, a := range c.AccessLogs {
		fmt.Fprintf(&b, "log %q format=%q in %q (%s:%d)", a.Path, a.Format, a.Context, a.File, a.Line)
		for _, flag := range []struct {
			name string
			set  bool
		}{{"off", a.Off}, {"syslog", a.Syslog}, {"variables", a.Variables}, {"gzip", a.Gzip}, {"buffer=" + a.Buffer, a.Buffer != ""}, {"if=" + a.If, a.If != ""}} {
			if flag.set {
				b.WriteString(" " + flag.name)
			}
		}
		b.WriteByte('\n')
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	return b.String()
}

func TestReadConfGolden(t *testing.T) {
	var confs []string
	err := filepath.WalkDir("testdata/conf", func(path string, e fs.DirEntry, err error) error {
		if err == nil && (e.Name() == "nginx.conf" || e.Name() == "shop.conf") {
			confs = append(confs, path)
		}
		return err
	})
	if err != nil || len(confs) < 7 {
		t.Fatalf("found %v, %v", confs, err)
	}
	for _, conf := range confs {
		name := strings.Split(filepath.ToSlash(conf), "/")[2]
		t.Run(name, func(t *testing.T) {
			root := filepath.Join("testdata/conf", name)
			c, err := confRead(confUnder(root), strings.TrimPrefix(conf, root), ConfOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, golden := confDump(c), root+".golden"
			if *updateConf {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("not as in %s; if that is right, go test -run Golden -update-conf\n got:\n%s\nwant:\n%s", golden, got, want)
			}
		})
	}
}
