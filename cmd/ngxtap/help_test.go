package main

// Shows: every command says in its help what it does and how it is called, and every page of the manual is well made.

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func rootCommand() *cobra.Command { return (&app{}).root() }

func TestEveryCommandHelps(t *testing.T) {
	n := 0
	eachCommand(rootCommand(), func(c *cobra.Command) {
		n++
		name := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || len(c.Short) > 110 {
			t.Errorf("%s: Short is one short phrase without a full stop: %q", name, c.Short)
		}
		if len(c.Long) < 60 {
			t.Errorf("%s: Long says in a sentence or two what it does: %q", name, c.Long)
		}
		if !strings.Contains(c.Example, "  ngxtap ") && !strings.Contains(c.Example, "(ngxtap ") {
			t.Errorf("%s: Example shows at least one command line: %q", name, c.Example)
		}
		for _, text := range []string{c.Long, c.Example} {
			for l := range strings.SplitSeq(text, "\n") {
				if len([]rune(l)) > 150 || strings.HasSuffix(l, " ") {
					t.Errorf("%s: a line is too long, or ends in a blank: %q", name, l)
				}
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if len(f.Usage) < 4 {
				t.Errorf("%s: --%s says nothing of itself", name, f.Name)
			}
			if _, ok := c.GetFlagCompletionFunc(f.Name); !ok && f.Value.Type() != "bool" && f.Name != "help" && !f.Hidden {
				t.Errorf("%s: the value of --%s is completed with any file", name, f.Name)
			}
		})
	})
	if n < 18 {
		t.Errorf("only %d commands", n)
	}
}

// The command lines in the examples are such as cobra takes: every flag and sub-command that they name is there.
func TestExamplesAreValid(t *testing.T) {
	word := regexp.MustCompile(`'[^']*'|\S+`)
	eachCommand(rootCommand(), func(c *cobra.Command) {
		for line := range strings.SplitSeq(c.Example, "\n") {
			for part := range strings.SplitSeq(strings.Trim(line, " )"), "|") {
				part = strings.Replace(" "+part, "<(", " ", 1)
				at := strings.LastIndex(part, " ngxtap ") // sudo -u ngxtap ngxtap …
				if at < 0 {
					continue
				}
				part, _, _ = strings.Cut(part[at+len(" ngxtap "):], " >")
				args := word.FindAllString(part, -1)
				found, rest, err := rootCommand().Find(args)
				if err == nil {
					err = found.ParseFlags(rest)
				}
				if err == nil && found.Args != nil {
					err = found.Args(found, found.Flags().Args())
				}
				if err != nil {
					t.Errorf("%s: example %q: %v", c.CommandPath(), line, err)
				}
			}
		}
	})
}

func TestRootHelpNamesExitCodes(t *testing.T) {
	for _, e := range exitCodes {
		if !strings.Contains(rootCommand().Long, e.meaning) {
			t.Errorf("%d is not explained", e.code)
		}
	}
}

func TestManPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1790000000")
	dir := filepath.Join(t.TempDir(), "man")
	if err := writeMan(rootCommand(), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := os.ReadDir(dir)
	if err != nil || len(pages) < 18 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for name, wants := range map[string][]string{
		"ngxtap.1":             {`.TH NGXTAP 1 "2026-09-21"`, ".SH EXIT STATUS", "can\\(aqt cure it", ".BR ngxtap\\-run (1)", "/etc/ngxtap/ngxtap.yaml", "NGXTAP_"},
		"ngxtap-schema-diff.1": {".SH EXAMPLES", "\\-\\-json", ".BR ngxtap\\-schema (1),"},
		"ngxtap.yaml.5":        {".B kafka.commit_interval", "from 10ms to 10s", ".B access_log.types[].name", "${VAR}"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if strings.Contains(string(text), "cpuprofile") {
			t.Errorf("%s tells of what is hidden", name)
		}
	}
	t.Run("mandoc", func(t *testing.T) { lintMan(t, dir, pages, "mandoc", "-Tlint") })
	t.Run("man", func(t *testing.T) { lintMan(t, dir, pages, "man", "--warnings=w", "-l") })
}

// longLine is what mandoc says of texts that we don't break as it likes.
var longLine = regexp.MustCompile(`(?m)^.*STYLE: input text line longer than 80 bytes.*\n?`)

func lintMan(t *testing.T, dir string, pages []os.DirEntry, tool string, args ...string) {
	t.Helper()
	require(t, tool)
	for _, p := range pages {
		cmd := exec.Command(tool, append(args, filepath.Join(dir, p.Name()))...)
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANPAGER=cat", "MANWIDTH=120")
		var errs strings.Builder
		out, err := cmd.Output()
		if e, ok := err.(*exec.ExitError); ok {
			errs.Write(e.Stderr)
		}
		if tool == "mandoc" {
			errs.Write(out)
		} else if len(out) < 300 {
			t.Errorf("%s shows nothing of %s: %v", tool, p.Name(), err)
		}
		if said := strings.TrimSpace(longLine.ReplaceAllString(errs.String(), "")); said != "" {
			t.Errorf("%s on %s: %s", tool, p.Name(), said)
		}
	}
}

// require skips a test whose tool is not there, except in a CI, which has them all (test/components/setup.sh).
func require(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there: run test/components/setup.sh", tool)
		}
		t.Skipf("%s is not there: run test/components/setup.sh", tool)
	}
}
