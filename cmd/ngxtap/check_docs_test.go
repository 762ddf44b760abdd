package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCheckIsDocumented: docs/check.md has a row for each word that a finding may have, and no other; and each word is used.
func TestCheckIsDocumented(t *testing.T) {
	read := func(pattern string) (text string) {
		t.Helper()
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text += string(data) + "\n"
		}
		return text
	}
	constant := regexp.MustCompile(`(?m)^\t(what\w+|Check\w+)\s.*?= "([a-z_.]+)"`)
	var words []string
	for ids, code := range map[string]string{"check_ids.go": "*.go", "../../pkg/sink/kafka/check.go": "../../pkg/sink/kafka/*.go"} {
		source := read(code)
		for _, m := range constant.FindAllStringSubmatch(read(ids), -1) {
			words = append(words, m[2])
			if n := len(regexp.MustCompile(`\b`+m[1]+`\b`).FindAllString(source, -1)); n < 2 {
				t.Errorf("%s (%s) is never used", m[1], m[2])
			}
		}
	}
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \\| ").FindAllStringSubmatch(read("../../docs/check.md"), -1) {
		for _, word := range strings.Split(row[1], ", ") {
			rows = append(rows, strings.Trim(word, "`"))
		}
	}
	for _, field := range []string{"level", "what", "sites", "file", "line", "text", "fix"} { // those of the JSON have a table too
		if i := slices.Index(rows, field); i < 0 {
			t.Errorf("docs/check.md has no row for the field %s", field)
		} else {
			rows = slices.Delete(rows, i, i+1)
		}
	}
	if len(words) < 60 {
		t.Errorf("only %d words found: %v", len(words), words)
	}
	slices.Sort(words)
	slices.Sort(rows)
	if d := slices.Compact(slices.Clone(words)); len(d) != len(words) {
		t.Error("two constants are one word")
	}
	for _, w := range words {
		if !slices.Contains(rows, w) {
			t.Errorf("docs/check.md has no row for %s", w)
		}
	}
	for _, w := range rows {
		if !slices.Contains(words, w) {
			t.Errorf("docs/check.md has a row for %s, which no finding is", w)
		}
	}
}
