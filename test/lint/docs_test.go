package main

// Shows: a document that names a test which is not there is found, and so is a row of the table of faults that is missing or has no test.

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDocs(t *testing.T) {
	dir := t.TempDir()
	var files []string
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	put("go.mod", "module ngxtap\n")
	put("pkg/tail/a_test.go", "package tail\n\nfunc TestThere(t *testing.T) {}\n")
	put("docs/guide.md", "See `pkg/tail TestThere/sub` and `pkg/tail TestGone`.\n")
	var table strings.Builder
	for n := 1; n <= faults; n++ {
		switch n {
		case 3: // left out
		case 7:
			table.WriteString("| 7 | a fault | an outcome | we believe so |\n")
		default:
			fmt.Fprintf(&table, "| %d | a fault | an outcome | `pkg/tail TestThere` |\n", n)
		}
	}
	put(faultsFile, table.String())
	vs, err := checkDocs(dir, files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range vs {
		got = append(got, v.String())
	}
	want := []string{"docs/guide.md:1: there is no TestGone in pkg/tail", "docs/faults.md:6: row 7 names no test that shows it",
		"docs/faults.md:1: fault 3 has no row"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
