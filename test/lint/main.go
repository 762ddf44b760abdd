// Command lint says where the repository breaks its own rules of form: which package may import which, how long a file may be, what
// needs a comment, what must not be in a committed file.
//
// Usage: go run ./test/lint [DIR]
//
// It prints one line for each violation, FILE:LINE: what is wrong, and exits with 1 if there is any, with 2 if it can't look. DIR is
// the root of the module, by default the current directory. In a git repository it looks at the files that git knows or would add,
// elsewhere at all files.
package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	dir := "."
	switch len(args) {
	case 0:
	case 1:
		dir = args[0]
	default:
		fmt.Fprintln(stderr, "usage: lint [DIR]")
		return 2
	}
	vs, err := lint(dir)
	if err != nil {
		fmt.Fprintln(stderr, "lint:", err)
		return 2
	}
	for _, v := range vs {
		fmt.Fprintln(stdout, v)
	}
	if len(vs) > 0 {
		return 1
	}
	return 0
}

// violation is a place where a rule is broken.
type violation struct {
	file string // slash-separated, from the root
	line int
	text string
}

func (v violation) String() string { return fmt.Sprintf("%s:%d: %s", v.file, v.line, v.text) }

// lint returns all violations in dir, by file and line.
func lint(dir string) ([]violation, error) {
	files, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	vs := checkFolders(files)
	for _, name := range files {
		if skipped(name) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		vs = append(vs, checkText(name, b)...)
		if strings.HasSuffix(name, ".go") {
			vs = append(vs, checkGo(name, b)...)
		}
	}
	docs, err := checkDocs(dir, files)
	if err != nil {
		return nil, err
	}
	vs = append(vs, docs...)
	slices.SortFunc(vs, func(a, b violation) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text))
	})
	return vs, nil
}

// skipped says whether a file breaks the rules on purpose: the fixtures of our own test.
func skipped(name string) bool { return strings.HasPrefix(name, "test/lint/testdata/") }

// listFiles returns the regular files in dir, slash-separated, sorted.
func listFiles(dir string) ([]string, error) {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return nil, fmt.Errorf("%s is not the root of a module: %w", dir, err)
	}
	var files []string
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		cmd := exec.Command("git", "-C", dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
			}
			return nil, fmt.Errorf("ask git for its files: %w", err)
		}
		for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			// A file may be deleted, or be a link out of the tree.
			if info, err := os.Lstat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
				files = append(files, name)
			}
		}
	} else if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, name)
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

// room returns the folder of a file that the import rules are written for: the longest entry of the table, else its first one or
// two elements.
func room(dir string) string {
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := mayImport[d]; ok {
			return d
		}
	}
	return dir
}
