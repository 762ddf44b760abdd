package render

import (
	"strings"

	"ngxtap/pkg/config"
)

// heads are what the examples begin with.
var heads = map[config.File]string{
	config.DaemonFile: `# yaml-language-server: $schema=schema/ngxtap.schema.json
# ngxtap.yaml: the daemon. Belongs to /etc/ngxtap/ngxtap.yaml, with one file per site in sites.d/ beside it.
# Every key is here, with its default or, behind "#", an example; none needs to be set. An unknown key is an error.
# Keys can be overridden from the environment: NGXTAP_KAFKA_COMMIT_INTERVAL=1s. Secrets are given as ${VAR} (environment) or file:PATH.
# Relative paths start from this file's folder. ` + "`ngxtap config` shows what is in force and where it came from, `ngxtap config explain KEY`" + `
# says more of a key.
`,
	config.SiteFile: `# yaml-language-server: $schema=../schema/site.schema.json
# One site: copy to sites.d/NAME.yaml. Only ` + "`site` and `access_log.paths`" + ` must be given. Every key is here, with its default or, behind "#",
# an example. ` + "`ngxtap config explain KEY`" + ` says more of a key.
`,
}

// Example writes a commented file with every key: at its default, or as a comment with an example where there is no fixed one.
func Example(file config.File) []byte {
	var b strings.Builder
	b.WriteString(heads[file])
	if file == config.DaemonFile {
		b.WriteByte('\n')
	}
	exampleKeys(&b, config.Root(file), "", file == config.DaemonFile)
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}

// exampleKeys writes the keys of a section. With airy there is an empty line around sections of the top.
func exampleKeys(b *strings.Builder, section *config.Key, indent string, airy bool) {
	for i, k := range section.Keys {
		if airy && i > 0 && (k.Kind == config.Section || section.Keys[i-1].Kind == config.Section) {
			b.WriteByte('\n')
		}
		switch {
		case k.Kind == config.Section && k.List:
			exampleItem(b, section, k, indent)
		case k.Kind == config.Section:
			commented(b, indent+k.Name+":", k.Brief)
			exampleKeys(b, k, indent+"  ", false)
		case k.HasDefault || k.Required != "":
			commented(b, indent+k.Name+": "+shown(k), brief(section, k))
		default:
			commented(b, indent+"# "+k.Name+": "+shown(k), brief(section, k))
		}
	}
}

// exampleItem writes a list of sections with one item, as a comment.
func exampleItem(b *strings.Builder, section, k *config.Key, indent string) {
	commented(b, indent+"# "+k.Name+":", brief(section, k))
	for i, below := range k.Keys {
		dash := "  "
		if i == 0 {
			dash = "- "
		}
		commented(b, indent+"#   "+dash+below.Name+": "+shown(below), brief(k, below))
	}
}

// shown is what the example shows of a key: its default or else an example.
func shown(k *config.Key) string {
	switch {
	case k.HasDefault && k.List:
		return yamlValue(strings.Split(k.Default, ","))
	case k.HasDefault && (k.Kind == config.Text || k.Kind == config.Hidden):
		return yamlText(k.Default)
	case k.HasDefault:
		return k.Default
	case k.Example != "" && (k.Kind == config.Text || k.Kind == config.Hidden) && !k.List && !strings.HasPrefix(k.Example, "'"):
		return yamlText(k.Example)
	}
	return k.Example
}

// brief is a key in one sentence, with the values that it may have, unless its section says them, and what it is by default where the
// example does not show that.
func brief(section, k *config.Key) string {
	s := k.Brief
	if !names(s, k.OneOf) && !names(section.Brief, k.OneOf) {
		s += ": " + orList(k.OneOf)
	}
	if k.Otherwise != "" {
		s += "; default: " + k.Otherwise
	}
	return s
}

// names says whether a text has all words in it.
func names(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// orList writes "a, b or c".
func orList(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}
