package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// shownBy is how a document names the test that shows what it says: its folder and its name, with the sub-test where that matters.
var shownBy = regexp.MustCompile("`([a-z0-9_/]+) ((?:Test|Fuzz)[A-Za-z0-9_]+)(/[^`]*)?`")

// faultRow is a row of the table in docs/faults.md.
var faultRow = regexp.MustCompile(`^\| *([0-9]+) *\|`)

// faultsFile holds the table of faults; faults is how many it must have, numbered from 1.
const (
	faultsFile = "docs/faults.md"
	faults     = 48
)

// checkDocs checks that every test that a document names exists, and that no row of the table of faults is without one.
func checkDocs(dir string, files []string) ([]violation, error) {
	var vs []violation
	tests := map[string]string{} // what the test files of a folder hold
	for _, name := range files {
		if path.Ext(name) != ".md" || !strings.HasPrefix(name, "docs/") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		rows := map[string]bool{}
		for i, line := range strings.Split(string(b), "\n") {
			found := shownBy.FindAllStringSubmatch(line, -1)
			if row := faultRow.FindStringSubmatch(line); name == faultsFile && row != nil {
				rows[row[1]] = true
				if len(found) == 0 {
					vs = append(vs, violation{name, i + 1, "row " + row[1] + " names no test that shows it"})
				}
			}
			for _, f := range found {
				if _, ok := tests[f[1]]; !ok {
					if tests[f[1]], err = testSource(dir, f[1], files); err != nil {
						return nil, err
					}
				}
				if !strings.Contains(tests[f[1]], "\nfunc "+f[2]+"(") {
					vs = append(vs, violation{name, i + 1, "there is no " + f[2] + " in " + f[1]})
				}
			}
		}
		if name == faultsFile {
			for n := 1; n <= faults; n++ {
				if !rows[fmt.Sprint(n)] {
					vs = append(vs, violation{name, 1, fmt.Sprintf("fault %d has no row", n)})
				}
			}
		}
	}
	return vs, nil
}

// testSource returns the test files of a folder, joined.
func testSource(dir, folder string, files []string) (string, error) {
	var all strings.Builder
	for _, name := range slices.Sorted(slices.Values(files)) {
		if path.Dir(name) != folder || !strings.HasSuffix(name, "_test.go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", fmt.Errorf("read: %w", err)
		}
		all.WriteString("\n")
		all.Write(b)
	}
	return all.String(), nil
}
