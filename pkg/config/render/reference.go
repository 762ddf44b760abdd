package render

import (
	"fmt"
	"strings"

	"ngxtap/pkg/config"
)

const referenceHead = `<!-- Made by "make generate" from the comments in pkg/config/config.go. Do not edit. -->
# Configuration: every key

The daemon reads ` + "`/etc/ngxtap/ngxtap.yaml`" + ` and, beside it, one file for each site, ` + "`sites.d/*.yaml`" + `. Commented examples:
[ngxtap.yaml](../configs/ngxtap.yaml), [shop.yaml](../configs/sites.d/shop.yaml.example). No key needs to be set but ` + "`site` and\n`access_log.paths`" + ` of a site.
An unknown key is an error, with file and line. Relative paths start from the folder of the file that they stand in.

- **What is in force, and where it came from:** ` + "`ngxtap config`" + `, ` + "`ngxtap config kafka`" + ` for a part of it, ` + "`--json`" + ` for programs. The order:
  environment variable, file, default.
- **What a key means:** ` + "`ngxtap config explain kafka.sasl`" + `.
- **Environment:** ` + "`NGXTAP_`" + ` and the key in capitals, with ` + "`_`" + ` for the dot, overrides a key of ngxtap.yaml: ` + "`NGXTAP_KAFKA_COMMIT_INTERVAL=1s`" + `, lists with
  commas: ` + "`NGXTAP_KAFKA_BROKERS=a:9092,b:9092`" + `. An empty variable counts as none. Sites have no such variables.
- **Secrets** are written as ` + "`${VAR}`" + ` (an environment variable) or ` + "`file:PATH`" + ` (such as a systemd credential) and never print. A secret that itself
  stands in a file which everybody may read is warned of.
- **Durations** have a unit: ` + "`200ms`, `10s`, `5m`, `1h30m`. **Sizes** are bytes or have one: `65536`, `64KiB`, `1MiB`, `1GiB`" + `.
- **Editors** that know JSON Schema (by yaml-language-server: VS Code, Neovim, Emacs, Helix …) complete keys, show what they mean and mark
  mistakes. The examples name the schemas in their first line, as schema/ngxtap.schema.json and schema/site.schema.json below the folder of
  ngxtap.yaml; ` + "`ngxtap config schema daemon` and `ngxtap config schema site`" + ` print them. A text that looks like a number wants quotes there.

`

// Reference writes the page that lists every key.
func Reference() []byte {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, part := range []struct {
		file        config.File
		title, lead string
	}{
		{config.DaemonFile, "ngxtap.yaml", "The daemon. An empty file is valid: everything has a default."},
		{config.SiteFile, "sites.d/NAME.yaml", "One site."},
	} {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", part.title, part.lead)
		referenceSection(&b, config.Root(part.file))
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}

// referenceSection writes the values of a section as a table, then the sections below it.
func referenceSection(b *strings.Builder, section *config.Key) {
	if section.Path != "" {
		fmt.Fprintf(b, "### %s\n\n%s\n\n", section.Path, strings.Join(wrap(section.Doc, lineWidth), "\n"))
	}
	rows := 0
	for _, k := range section.Keys {
		if k.Kind == config.Section {
			continue
		}
		if rows == 0 {
			b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		}
		rows++
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", k.Name, cell(Value(k)), code(k), cell(meaning(k)))
	}
	if rows > 0 {
		b.WriteByte('\n')
	}
	for _, k := range section.Keys {
		if k.Kind == config.Section {
			referenceSection(b, k)
		}
	}
}

// cell writes a text so that it stays in its cell.
func cell(s string) string { return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`).Replace(s) }

// code is a default as YAML if it is fixed, else in words.
func code(k *config.Key) string {
	if k.HasDefault {
		return "`" + Default(k) + "`"
	}
	return cell(Default(k))
}

// Value says in words what a key may hold.
func Value(k *config.Key) string {
	s := string(k.Kind)
	switch {
	case k.Kind == config.Section && k.List:
		return "list of sections"
	case k.OneOf != nil:
		s = strings.Join(k.OneOf, ", ")
	}
	if k.List {
		s = "list: " + s
		if k.OneOf == nil && k.Kind == config.Text {
			s = "list"
		}
	}
	if r := bounds(k); r != "" {
		s += ", " + r
	}
	return s
}

// Default says what a key is if nobody sets it.
func Default(k *config.Key) string {
	switch {
	case k.HasDefault:
		return shown(k)
	case k.Otherwise != "":
		return k.Otherwise
	case k.Required != "":
		return "must be set"
	case k.List:
		return "[]"
	}
	return "none"
}

// meaning is what is said of a key, to be read behind its name.
func meaning(k *config.Key) string {
	rest := strings.TrimPrefix(k.Doc, k.Name+" ")
	for _, verb := range []string{"is ", "are ", "says "} {
		if s, ok := strings.CutPrefix(rest, verb); ok {
			return s
		}
	}
	return rest
}
