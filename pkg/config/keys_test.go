package config

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Every key has a comment that begins with its name, tags that make sense together, and a default that its own rules take.
func TestEveryKeyIsDocumented(t *testing.T) {
	n := 0
	for _, file := range []File{DaemonFile, SiteFile} {
		Root(file).Walk(func(k *Key) {
			n++
			if len(k.Brief) < 8 || !strings.HasPrefix(k.Doc, k.Name+" ") {
				t.Errorf("%s: its field in config.go needs a comment that begins with the field's name and says what the key is (then: make generate)", k.Path)
			}
			if left := regexp.MustCompile(`\b[A-Z][a-z]+[A-Z][A-Za-z]*|Default:`).FindString(k.Doc); left != "" && left != "JavaScript" {
				t.Errorf("%s: people would read %q: %s", k.Path, left, k.Doc)
			}
			if k.Kind == Section {
				return
			}
			if k.HasDefault && (k.Otherwise != "" || k.Example != "") {
				t.Errorf("%s: a default is said once, by the tag: neither %q nor %q", k.Path, k.Otherwise, k.Example)
			}
			if !k.HasDefault && k.Example == "" {
				t.Errorf("%s: without a default it needs an example to be shown", k.Path)
			}
			var v any
			if err := yaml.Unmarshal([]byte(k.Example), &v); err != nil {
				t.Errorf("%s: example: %v", k.Path, err)
			}
		})
	}
	if n < 70 {
		t.Errorf("only %d keys are known", n)
	}
}

// A slip in a tag is found by reading all of them, and by checking the defaults against their own bounds.
func TestTagsAreValid(t *testing.T) {
	known := []string{"yaml", "default", "oneof", "min", "max", "above", "form", "required", "example"}
	tagName := regexp.MustCompile(`([a-z_]+):"`)
	var walk func(reflect.Type)
	walk = func(rt reflect.Type) {
		for i := range rt.NumField() {
			f := rt.Field(i)
			item := f.Type
			if item.Kind() == reflect.Slice {
				item = item.Elem()
			}
			if item.Kind() == reflect.Struct && keyName(f) != "" {
				walk(item)
			}
			for _, m := range tagName.FindAllStringSubmatch(string(f.Tag), -1) {
				if _, ok := f.Tag.Lookup(m[1]); ok && !contains(known, m[1]) {
					t.Errorf("%s.%s: there is no tag %s", rt.Name(), f.Name, m[1])
				}
			}
			if name := f.Tag.Get("form"); name != "" && forms[name].re == nil {
				t.Errorf("%s.%s: there is no form %s", rt.Name(), f.Name, name)
			}
			for _, tag := range []string{"min", "max", "above"} {
				if text := f.Tag.Get(tag); text != "" {
					parseTag(text, f.Type)
				}
			}
		}
	}
	walk(reflect.TypeFor[Daemon]())
	walk(reflect.TypeFor[Site]())
	d, s := daemonDefaults(), siteDefaults()
	k := &checker{file: "x", pos: newPlaces()}
	k.tags("", reflect.ValueOf(d))
	s.Site, s.AccessLog.Paths = "shop", []string{"/x"}
	k.tags("", reflect.ValueOf(s))
	for _, err := range k.errs {
		t.Error(err)
	}
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

func TestFind(t *testing.T) {
	for path, want := range map[string]string{
		"kafka": "kafka", "kafka.sasl.password": "kafka.sasl.password", "access_log.types[3].name": "access_log.types[].name", "access_log.types.name": "access_log.types[].name",
	} {
		k, err := Find(path)
		if err != nil || k.Path != want {
			t.Errorf("%s: %v, %v", path, k, err)
		}
	}
	for path, want := range map[string]string{
		"kafka.broker":       "unknown key kafka.broker; did you mean brokers?",
		"kafak.brokers":      "unknown key kafak.brokers; did you mean kafka?",
		"commit_interval":    "did you mean kafka.commit_interval?",
		"instance.x":         "instance has no keys of its own",
		"on_change.broken":   "known here: backward, breaking",
		"":                   "unknown key ",
		"zzz":                "known here: ",
		"headers.max_value.": "no keys of its own",
	} {
		if _, err := Find(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}
