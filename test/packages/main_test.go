// Package packages shows what people get who install ngxtap: the unit and what it allows, the deb from the first installation to the purge,
// the rpm, the list of parts, that the same commit makes the same bytes, and that what is in configs/ for containers fits the program.
package packages

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/test/components"
)

// shared holds the Kafka of this package's tests.
var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ngxtap-packages-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // the user of the service runs what is in it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the packages:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	work = dir
	return shared.Run(m)
}

// work is a folder for all tests of this run.
var work string

// release is what `make package` made of a copy of the tree.
type release struct {
	tree, binary, dist string
}

func (r release) deb(t testing.TB) string  { return r.only(t, "*.deb") }
func (r release) rpm(t testing.TB) string  { return r.only(t, "*.rpm") }
func (r release) sbom(t testing.TB) string { return r.only(t, "*.cdx.json") }

func (r release) only(t testing.TB, glob string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.dist, glob))
	if err != nil || len(found) != 1 {
		t.Fatalf("make package left %d files %s in %s", len(found), glob, r.dist)
	}
	return found[0]
}

// The releases that tests share, each built when a test first asks: the present tree, the same from another folder and with other times, and a
// later version whose example configuration has changed.
var (
	present = sync.OnceValues(func() (release, error) { return build("a", "v0.9.0", time.Unix(1_700_000_000, 0), nil) })
	again   = sync.OnceValues(func() (release, error) {
		return build("another/folder", "v0.9.0", time.Unix(1_600_000_000, 0), nil)
	})
	later = sync.OnceValues(func() (release, error) {
		return build("later", "v0.10.0", time.Unix(1_700_000_000, 0), func(tree string) error {
			return appendTo(filepath.Join(tree, "configs/ngxtap.yaml"), "# A line that the version before did not have.\n")
		})
	})
)

func built(t testing.TB, r func() (release, error)) release {
	t.Helper()
	made, err := r()
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// build copies the tree into a folder of that name, gives all files that time, changes it, and makes the packages there. Without the
// profile: that takes a minute and changes nothing that is shown here.
func build(name, version string, at time.Time, change func(tree string) error) (release, error) {
	tree := filepath.Join(work, name)
	r := release{tree: tree, binary: filepath.Join(tree, "bin/ngxtap"), dist: filepath.Join(tree, "dist")}
	if err := copyTree(tree, at); err != nil {
		return r, err
	}
	if change != nil {
		if err := change(tree); err != nil {
			return r, err
		}
	}
	cmd := exec.Command("make", "--no-print-directory", "-C", tree, "package", "PROFILE=off", "VERSION="+version, "COMMIT=0123456789ab", "EPOCH=1790000000")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return r, fmt.Errorf("make package: %w\n%s", err, out)
	}
	return r, nil
}

// copyTree copies what `make package` needs.
func copyTree(to string, at time.Time) error {
	root, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	for _, part := range []string{"go.mod", "go.sum", "Makefile", "LICENSE", "cmd", "pkg", "configs", "docs", "nginx", "testdata"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			dest := filepath.Join(to, rel)
			if e.IsDir() {
				return os.MkdirAll(dest, 0o755)
			}
			st, err := e.Info()
			if err != nil || !st.Mode().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(dest, data, st.Mode().Perm()); err != nil {
				return err
			}
			return os.Chtimes(dest, at, at)
		})
		if err != nil {
			return fmt.Errorf("copy %s: %w", part, err)
		}
	}
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// output runs a program and returns what it prints, on both outputs.
func output(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// contains fails the test for each part that text lacks.
func contains(t testing.TB, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, text)
		}
	}
}
