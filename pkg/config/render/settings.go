package render

import (
	"fmt"
	"strings"

	"ngxtap/pkg/config"
)

// YAML writes settings as a file that config.Load reads as the same, secrets apart, with the origin of each value behind it.
func YAML(settings []config.Setting) []byte {
	var b strings.Builder
	yamlKeys(&b, settings, "", "")
	return []byte(b.String())
}

// yamlKeys writes the keys of a section; first stands before the first of them, instead of the indent.
func yamlKeys(b *strings.Builder, settings []config.Setting, first, indent string) {
	lead := indent
	if first != "" {
		lead = first
	}
	for _, s := range settings {
		switch {
		case s.Kind == config.Section && s.List && len(s.Items) == 0:
			trailing(b, lead+s.Name+": []", oneLine(s.Origin.String()))
		case s.Kind == config.Section && s.List:
			trailing(b, lead+s.Name+":", oneLine(s.Origin.String()))
			for _, item := range s.Items {
				yamlKeys(b, item, indent+"  - ", indent+"    ")
			}
		case s.Kind == config.Section:
			trailing(b, lead+s.Name+":", "")
			yamlKeys(b, s.Items[0], "", indent+"  ")
		default:
			trailing(b, lead+s.Name+": "+yamlValue(s.Value), oneLine(s.Origin.String()))
		}
		lead = indent
	}
}

// oneLine keeps the name of a file from ending the comment.
func oneLine(s string) string {
	if printable(s) {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// Values are settings as one JSON object of their values, nested as in the file.
func Values(settings []config.Setting) any {
	o := object{}
	for _, s := range settings {
		switch {
		case s.Kind == config.Section && s.List:
			items := []any{}
			for _, item := range s.Items {
				items = append(items, Values(item))
			}
			o.set(s.Name, items)
		case s.Kind == config.Section:
			o.set(s.Name, Values(s.Items[0]))
		default:
			o.set(s.Name, s.Value)
		}
	}
	return o
}

// Origins are where the values of settings came from, as one JSON object by the paths of the keys.
func Origins(settings []config.Setting) any {
	o := object{}
	origins(&o, settings, "")
	return o
}

func origins(o *object, settings []config.Setting, below string) {
	for _, s := range settings {
		at := below + s.Name
		if s.Kind != config.Section || s.List {
			o.set(at, s.Origin)
		}
		for i, item := range s.Items {
			if s.List {
				origins(o, item, fmt.Sprintf("%s[%d].", at, i))
			} else {
				origins(o, item, at+".")
			}
		}
	}
}

// Changed are the settings that are not at their default.
func Changed(settings []config.Setting) []config.Setting {
	return pick(settings, func(s config.Setting) bool { return s.Origin.From != config.FromDefault })
}

// Below are the settings of one key, with the sections around it; of a key in a list of sections, all of that list.
func Below(settings []config.Setting, k *config.Key) []config.Setting {
	return pick(settings, func(s config.Setting) bool {
		return s.Path == k.Path || strings.HasPrefix(s.Path, k.Path+".") || strings.HasPrefix(k.Path, s.Path+"[]")
	})
}

// pick returns the values that are wanted, and the sections that they stand in. Items of a list are never left out, or they would have
// other numbers.
func pick(settings []config.Setting, want func(config.Setting) bool) []config.Setting {
	var out []config.Setting
	for _, s := range settings {
		if s.Kind == config.Section && !s.List {
			if in := pick(s.Items[0], want); in != nil {
				s.Items = [][]config.Setting{in}
				out = append(out, s)
			}
		} else if want(s) {
			out = append(out, s)
		}
	}
	return out
}
