package main

// Shows: in every page for people each link leads somewhere, and each command line of ngxtap is one that the program takes.

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// pages returns the text of all pages, by their path from the top of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2:
			return filepath.SkipDir
		case d.IsDir() && (d.Name() == "dist" || d.Name() == "bin" || d.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".md"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			all[strings.TrimPrefix(path, "../../")] = string(text)
		}
		return nil
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

// prose is a page without its blocks and pieces of code.
func prose(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "```") {
			line = "\n"
		}
		b.WriteString(line)
	}
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(b.String(), "")
}

// anchors returns what a page's headings are called in links, as GitHub makes it.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				b.WriteRune(r)
			}
		}
		all[b.String()] = true
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	n := 0
	for page, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(prose(text), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") || strings.HasPrefix(path, "mailto:") {
				continue
			}
			n++
			target := page
			if path != "" {
				target = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(filepath.Join("../..", target)); err != nil {
				t.Errorf("%s: link to %s: there is no %s", page, m[1], target)
			} else if anchor != "" && !anchors(all[target])[anchor] {
				t.Errorf("%s: link to %s: %s has no such heading", page, m[1], target)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d links were found: are they written in another way now?", n)
	}
}

// commandLine finds ngxtap at the beginning of a command, in a block or a piece of code.
var commandLine = regexp.MustCompile(`^(?:sudo )?(?:(?:-u \S+ )?)(?:bin/)?ngxtap ([a-z-].*)$`)

// commandLines returns the command lines of ngxtap in a page, as it has them.
func commandLines(text string) []string {
	var code []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			line, _, _ = strings.Cut(line, " #")
			code = append(code, line)
		}
	}
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(text, -1) {
		code = append(code, m[1])
	}
	var all []string
	for _, c := range code {
		for _, part := range regexp.MustCompile(` \| | && | ; |\$\(|<\(| >`).Split(strings.ReplaceAll(c, `\|`, "¦"), -1) {
			if m := commandLine.FindStringSubmatch(strings.TrimSpace(part)); m != nil {
				all = append(all, m[1])
			}
		}
	}
	return all
}

// takes returns an error if the program would not take a command line. [PARTS] may be there or not; a|b stands for either.
func takes(line string) error {
	line = strings.NewReplacer("[", " ", "]", " ", "…", " ", " FLAGS", "", " …", "").Replace(line)
	line = regexp.MustCompile(`(^| )N( |$)`).ReplaceAllString(line, "${1}1$2") // a number
	rest := regexp.MustCompile(`'[^']*'|[^\s']+(?:'[^']*')?`).FindAllString(line, -1)
	for i, word := range rest {
		if strings.Contains(word, "¦") || regexp.MustCompile(`^[a-z]+(\|[a-z]+)+$`).MatchString(word) {
			either := strings.FieldsFunc(word, func(r rune) bool { return r == '¦' || r == '|' })
			for _, w := range either {
				args := append(append(append([]string{}, rest[:i]...), w), rest[i+1:]...)
				if err := takesArgs(args); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return takesArgs(rest)
}

func takesArgs(args []string) error {
	found, rest, err := rootCommand().Find(args)
	if err == nil {
		err = found.ParseFlags(rest)
	}
	if err != nil && strings.HasPrefix(err.Error(), "flag needs an argument") { // a sentence that only names it
		return nil
	}
	return err
}

func TestCommandLinesInPagesAreValid(t *testing.T) {
	n := 0
	for page, text := range pages(t) {
		for _, line := range commandLines(text) {
			n++
			if err := takes(line); err != nil {
				t.Errorf("%s: ngxtap %s: %v", page, line, err)
			}
		}
	}
	if n < 80 {
		t.Errorf("only %d command lines were found", n)
	}
}
