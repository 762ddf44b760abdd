// Package render writes what the configuration's keys are and what they are set to: commented examples, JSON Schemas, the reference, and the
// values in force. Its promise: all of it comes from config.Root and is never written by hand, so it says what config.Load does.
package render

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// yamlValue writes a value of one line, as YAML reads it back in every version.
func yamlValue(v any) string {
	switch x := v.(type) {
	case []string:
		items := make([]string, len(x))
		for i, s := range x {
			items[i] = yamlText(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case string:
		return yamlText(x)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// words11 are texts that YAML 1.1 takes for something else.
var words11 = []string{"on", "off", "yes", "no", "y", "n"}

var numberLike = regexp.MustCompile(`^[-+.]?[0-9]`)

// yamlText writes a text plainly if it is read back as the same, also in a list, and in quotes otherwise.
func yamlText(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if s != "" && printable(s) && !slices.Contains(words11, strings.ToLower(s)) && !strings.Contains(s, "${") && readsBack(s, s) {
		return s
	}
	if quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"; s != "" && printable(s) && readsBack(quoted, s) {
		return quoted
	}
	text, err := json.Marshal(s) // YAML reads what JSON writes
	if err != nil {
		return `""` // no text is refused
	}
	var b strings.Builder
	for _, r := range strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text)) {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// readsBack says whether text is read as the string s, with a comment behind it as well as in a list.
func readsBack(text, s string) bool {
	if text == s && numberLike.MatchString(s) {
		var n yaml.Node // 1_000, 0o17, 12:30:00 are numbers to some
		if yaml.Unmarshal([]byte(s), &n) != nil || len(n.Content) != 1 || n.Content[0].Tag != "!!str" || strings.Trim(s, "0123456789_:.+-") == "" &&
			!strings.Contains(strings.TrimLeft(s, "0123456789"), ".") {
			return false
		}
	}
	for _, doc := range []string{"k: " + text + " # c\n", "k: [" + text + ", x]\n"} {
		var n yaml.Node
		if yaml.Unmarshal([]byte(doc), &n) != nil || len(n.Content) != 1 || len(n.Content[0].Content) != 2 {
			return false
		}
		v := n.Content[0].Content[1]
		if v.Kind == yaml.SequenceNode {
			if len(v.Content) != 2 {
				return false
			}
			v = v.Content[0]
		}
		if v.Kind != yaml.ScalarNode || v.Tag != "!!str" || v.Value != s {
			return false
		}
	}
	return true
}

// The columns of YAML that people read.
const (
	commentColumn = 41
	lineWidth     = 140
)

// commented writes one line of YAML and its comment, which goes on below itself where the line would be too long.
func commented(b *strings.Builder, line, comment string) {
	b.WriteString(line)
	if comment == "" {
		b.WriteByte('\n')
		return
	}
	pad := strings.Repeat(" ", commentColumn)
	if n := utf8.RuneCountInString(line); n < commentColumn {
		b.WriteString(pad[n:])
	} else {
		b.WriteString("\n" + pad)
	}
	for i, l := range wrap(comment, lineWidth-commentColumn-2) {
		if i > 0 {
			b.WriteString(pad)
		}
		b.WriteString("# " + l + "\n")
	}
}

// trailing writes one line of YAML and its comment, however long it is: tools search such lines.
func trailing(b *strings.Builder, line, comment string) {
	b.WriteString(line)
	if comment != "" {
		b.WriteString(strings.Repeat(" ", max(commentColumn-utf8.RuneCountInString(line), 1)) + "# " + comment)
	}
	b.WriteByte('\n')
}

// wrap breaks a text into lines of at most width runes, where its words allow.
func wrap(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}
