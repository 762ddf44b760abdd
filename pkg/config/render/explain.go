package render

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ngxtap/pkg/config"
)

// FileNames are what the kinds of files are called.
var FileNames = map[config.File]string{config.DaemonFile: "ngxtap.yaml", config.SiteFile: "sites.d/NAME.yaml"}

// Explain says what a key means, for a person with a terminal of so many columns.
func Explain(k *config.Key, columns int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (in %s)\n", k.Path, FileNames[k.File])
	for _, l := range wrap(k.Doc, max(columns-2, 30)) {
		b.WriteString("  " + l + "\n")
	}
	row := func(name, text string) {
		if text == "" {
			return
		}
		for i, l := range wrap(text, max(columns-16, 30)) {
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(&b, "  %-13s %s\n", name, l)
		}
	}
	if k.Kind != config.Section {
		row("value:", Value(k))
		row("default:", Default(k))
		if k.File == config.DaemonFile && !strings.Contains(k.Path, "[]") {
			row("environment:", config.EnvName(k.Path))
		}
	}
	row("example:", k.Example)
	if k.Keys != nil {
		b.WriteByte('\n')
		list(&b, k, columns)
	}
	return b.String()
}

// List names every key of a file, each with its first sentence.
func List(file config.File, columns int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", FileNames[file])
	list(&b, config.Root(file), columns)
	return b.String()
}

func list(b *strings.Builder, section *config.Key, columns int) {
	const indent = 34
	section.Walk(func(k *config.Key) {
		line := "  " + k.Path
		if n := utf8.RuneCountInString(line); n < indent-1 {
			line += strings.Repeat(" ", indent-n)
		} else {
			line += "\n" + strings.Repeat(" ", indent)
		}
		b.WriteString(line + strings.Join(wrap(k.Brief, max(columns-indent, 30)), "\n"+strings.Repeat(" ", indent)) + "\n")
	})
}
