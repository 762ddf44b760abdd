package main

// Shows that each rule finds what it is for, and lets go what it is not for.

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fixture unpacks an archive of testdata and returns its directory and its comment.
func fixture(t *testing.T, name string) (dir, comment string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	// The txtar format: a comment, then each file after a line with its name.
	comment, rest, _ := strings.Cut(string(b), "-- ")
	dir = t.TempDir()
	for f := range strings.SplitSeq(rest, "\n-- ") {
		name, content, _ := strings.Cut(f, " --\n")
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, comment
}

func lintOut(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestGood(t *testing.T) {
	dir, _ := fixture(t, "good.txtar")
	if code, out, errs := lintOut(t, dir); code != 0 || out != "" || errs != "" {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
}

func TestBad(t *testing.T) {
	dir, want := fixture(t, "bad.txtar")
	code, out, errs := lintOut(t, dir)
	if code != 1 || errs != "" {
		t.Errorf("exit code %d, %s", code, errs)
	}
	if out != want {
		t.Errorf("got\n%s\nwant\n%s", out, want)
	}
}

func TestLongFiles(t *testing.T) {
	lines := strings.Repeat("\n", maxLines-1)
	for _, tt := range []struct {
		name, src string
		ok        bool
	}{
		{"at the limit", "package tail" + lines + "\n", true},
		{"beyond it", "package tail" + lines + "\n\n", false},
		{"beyond it, with the reason", "package tail\n\n// long: one table\n" + lines, true},
		{"beyond it, with the words in a string", "package tail\n\nconst s = `\n// long: no\n`\n" + lines, false},
	} {
		if got := checkGo("pkg/tail/x.go", []byte(tt.src)); (len(got) == 0) != tt.ok {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"a", "b"}, {t.TempDir()}} {
		if code, _, errs := lintOut(t, args...); code != 2 || errs == "" {
			t.Errorf("lint %v: exit code %d, %q", args, code, errs)
		}
	}
}

// TestGitFiles shows that ignored and deleted files don't count, and that new ones do before they are added.
func TestGitFiles(t *testing.T) {
	dir, _ := fixture(t, "good.txtar")
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("see /home/"+"me/x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q")
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("ignored\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ignored", "deleted", "new", "added"} {
		write(name)
	}
	git("add", "deleted", "added")
	if err := os.Remove(filepath.Join(dir, "deleted")); err != nil {
		t.Fatal(err)
	}
	_, out, errs := lintOut(t, dir)
	const want = "added:1: the path /home/" + "me exists on one machine only\nnew:1: the path /home/" + "me exists on one machine only\n"
	if out != want || errs != "" {
		t.Errorf("got\n%s%s\nwant\n%s", out, errs, want)
	}
}
