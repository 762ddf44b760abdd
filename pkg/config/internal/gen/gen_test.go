package main

// Shows that what `make generate` makes is what is committed, and that comments are read as they should be.

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	docs, err := keyDocs("../..")
	if err != nil {
		t.Fatal(err)
	}
	src, err := docsSource(docs)
	if err != nil {
		t.Fatal(err)
	}
	all := files()
	all["pkg/config/"+docsFile] = src
	for name, want := range all {
		got, err := os.ReadFile(filepath.Join("../../../..", name))
		if err != nil {
			t.Errorf("%v: run make generate", err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the comments and tags in pkg/config say: run make generate", name)
		}
	}
}

func TestCommentsOfKeys(t *testing.T) {
	dir := t.TempDir()
	const src = "package config\n\n// A is a section.\ntype A struct {\n\t// B is one\n\t// key. Default: 1.\n\tB, C string `yaml:\"b\"`\n" +
		"\tD string `yaml:\"d\"`\n\t// E is none.\n\tE string `yaml:\"-\"`\n\t// F too.\n\tF int\n}\n\n// G is no section.\ntype G struct{ H int }\n\ntype (\n\t// I is one.\n\tI struct {\n\t\t// J is its key.\n\t\tJ int `yaml:\"j\"`\n\t}\n)\n"
	for name, text := range map[string]string{"a.go": src, "a_test.go": "package config\n\n// X is none.\ntype X struct {\n\t// Y no.\n\tY int `yaml:\"y\"`\n}\n", docsFile: "not Go"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := keyDocs(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "A is a section.", "A.B": "B is one key. Default: 1.", "A.C": "B is one key. Default: 1.", "I": "I is one.", "I.J": "J is its key."}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q, want %q", name, got[name], text)
		}
	}
}
