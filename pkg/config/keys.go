package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"time"
)

// File is one of the two kinds of files.
type File string

// The kinds of files.
const (
	DaemonFile File = "daemon" // ngxtap.yaml
	SiteFile   File = "site"   // sites.d/NAME.yaml
)

// Kind is what a key holds.
type Kind string

// The kinds of keys.
const (
	Section  Kind = "section" // keys of its own
	Text     Kind = "text"
	Bool     Kind = "true or false"
	Number   Kind = "number" // whole
	Fraction Kind = "fraction"
	Duration Kind = "duration"
	Bytes    Kind = "size"
	Hidden   Kind = "secret"
)

// Key is one key of the configuration, as its struct field documents it.
type Key struct {
	File File
	Path string // kafka.sasl.mechanism; below a list of sections access_log.types[].name; of a whole file ""
	Name string // the last part of Path
	Kind Kind   // of a list, of each of its items
	List bool
	// Bits is the width of a Number.
	Bits int
	// Default in YAML, of a list its items; HasDefault says whether there is one.
	Default    string
	HasDefault bool
	Otherwise  string // what it is if nobody sets it, in words, where that must be found out
	OneOf      []string
	Min, Max   string         // bounds, in the units of the key
	Above      string         // a lower bound that is not itself allowed
	Pattern    *regexp.Regexp // of a text
	Required   string         // what to do if it is empty
	Example    string         // in YAML
	Doc        string         // whole sentences, the first begins with Name
	Brief      string         // the first sentence, to be read behind Name: no full stop
	Keys       []*Key         // of a section
}

// Root returns all keys of a kind of file, as a section without name. It is the same each time: do not change it.
func Root(file File) *Key { return roots()[file] }

var roots = sync.OnceValue(func() map[File]*Key {
	out := map[File]*Key{}
	for file, t := range map[File]reflect.Type{DaemonFile: reflect.TypeFor[Daemon](), SiteFile: reflect.TypeFor[Site]()} {
		root := &Key{File: file, Kind: Section, Doc: sentence(keyDocs[t.Name()])}
		root.Keys = keysBelow(root, t)
		out[file] = root
	}
	return out
})

// Walk calls f for every key below k, sections before their keys.
func (k *Key) Walk(f func(*Key)) {
	for _, below := range k.Keys {
		f(below)
		below.Walk(f)
	}
}

// Find returns the key of a path, in which numbers of items do not matter: access_log.types[3].name. The error of a path that there is not
// names the key that was probably meant.
func Find(path string) (*Key, error) {
	var tried error
	for _, file := range []File{DaemonFile, SiteFile} {
		k, err := Root(file).find(path)
		if err == nil {
			return k, nil
		}
		if first, _, _ := strings.Cut(path, "."); tried == nil || fieldNamed(Root(file), first) != nil {
			tried = err
		}
	}
	if k := nearest(path); k != nil && !strings.Contains(tried.Error(), "did you mean") {
		tried = fmt.Errorf("unknown key %s; did you mean %s?", path, k.Path)
	}
	return nil, tried
}

var itemNumber = regexp.MustCompile(`\[[0-9]*\]`)

func (k *Key) find(path string) (*Key, error) {
	at := k
	for part := range strings.SplitSeq(itemNumber.ReplaceAllString(path, ""), ".") {
		next := fieldNamed(at, part)
		if next == nil {
			var have []string
			for _, b := range at.Keys {
				have = append(have, b.Name)
			}
			if len(have) == 0 {
				return nil, fmt.Errorf("unknown key %s: %s has no keys of its own", path, at.Path)
			}
			return nil, fmt.Errorf("unknown key %s%s", path, suggest(part, have))
		}
		at = next
	}
	return at, nil
}

func fieldNamed(k *Key, name string) *Key {
	for _, b := range k.Keys {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// nearest returns the key whose last part is the path, or nearly so; nil if there is none or more than one.
func nearest(path string) *Key {
	var found *Key
	n, last := 0, path[strings.LastIndexByte(path, '.')+1:]
	for _, file := range []File{DaemonFile, SiteFile} {
		Root(file).Walk(func(k *Key) {
			if len(last) > 2 && distance(strings.ToLower(last), k.Name) <= 1 {
				found, n = k, n+1
			}
		})
	}
	if n != 1 {
		return nil
	}
	return found
}

func keysBelow(parent *Key, t reflect.Type) []*Key {
	var out []*Key
	for i := range t.NumField() {
		f := t.Field(i)
		if keyName(f) == "" {
			continue
		}
		at := parent.Path
		if parent.List {
			at += "[]"
		}
		k := &Key{File: parent.File, Path: join(at, keyName(f)), Name: keyName(f), List: f.Type.Kind() == reflect.Slice}
		item := f.Type
		if k.List {
			item = item.Elem()
		}
		k.Kind, k.Bits = kindOf(item)
		k.Default, k.HasDefault = f.Tag.Lookup("default")
		if all := f.Tag.Get("oneof"); all != "" {
			k.OneOf = strings.Split(all, "|")
		}
		k.Min, k.Max, k.Above = f.Tag.Get("min"), f.Tag.Get("max"), f.Tag.Get("above")
		k.Pattern = forms[f.Tag.Get("form")].re
		k.Required, k.Example = f.Tag.Get("required"), f.Tag.Get("example")
		k.document(t, f, item)
		if k.Kind == Section {
			k.Keys = keysBelow(k, item)
		}
		out = append(out, k)
	}
	return out
}

func kindOf(t reflect.Type) (Kind, int) {
	switch {
	case t.Kind() == reflect.Struct:
		return Section, 0
	case t == reflect.TypeFor[Secret]():
		return Hidden, 0
	case t == reflect.TypeFor[Size]():
		return Bytes, 0
	case t == reflect.TypeFor[time.Duration]():
		return Duration, 0
	case t.Kind() == reflect.Bool:
		return Bool, 0
	case t.Kind() == reflect.Float64:
		return Fraction, 0
	case t.Kind() == reflect.String:
		return Text, 0
	}
	return Number, t.Bits()
}

// document takes what the comment of the field says, or else that of the section's type.
func (k *Key) document(t reflect.Type, f reflect.StructField, item reflect.Type) {
	name := f.Name
	text := keyDocs[t.Name()+"."+name]
	if text == "" && k.Kind == Section {
		name = item.Name()
		text = keyDocs[name]
	}
	rest, ok := strings.CutPrefix(text, name+" ")
	if !ok { // no such comment, which a test finds
		return
	}
	rest = yamlNames(t, rest)
	rest, k.Otherwise = cutDefault(rest)
	k.Doc = k.Name + " " + rest
	k.Brief = strings.TrimSuffix(firstSentence(rest), ".")
	for _, verb := range []string{"is ", "are ", "says "} {
		if s, ok := strings.CutPrefix(k.Brief, verb); ok {
			k.Brief = s
			break
		}
	}
}

var (
	sentenceEnd = regexp.MustCompile("\\. [A-Z`]")
	defaultIs   = regexp.MustCompile(` ?Default: (.*?)\.( |$)`)
	goName      = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]+\b`)
	twoHumps    = regexp.MustCompile(`[a-z][A-Z]|[A-Z][A-Z][a-z]|^URLs$`)
)

func firstSentence(s string) string {
	if at := sentenceEnd.FindStringIndex(s); at != nil {
		return s[:at[0]]
	}
	return s
}

// cutDefault splits a comment into what it says and the default that it ends with, if it does.
func cutDefault(s string) (text, otherwise string) {
	m := defaultIs.FindStringSubmatchIndex(s)
	if m == nil {
		return s, ""
	}
	text = strings.TrimSpace(s[:m[0]] + " " + strings.TrimSpace(s[m[1]:]))
	return text, s[m[2]:m[3]]
}

// yamlNames puts the names that people write into their files where a comment has the names of struct fields: those of values of the same
// struct, unless they begin a sentence, and any that can't be a word.
func yamlNames(t reflect.Type, s string) string {
	var b strings.Builder
	at := 0
	for _, m := range goName.FindAllStringIndex(s, -1) {
		word := s[m[0]:m[1]]
		b.WriteString(s[at:m[0]])
		at = m[1]
		if twoHumps.MatchString(word) {
			if y, ok := fieldNames()[word]; ok {
				word = y
			}
		} else if f, ok := t.FieldByName(word); ok && keyName(f) != "" && f.Type.Kind() != reflect.Struct && strings.ToUpper(word) != word &&
			!strings.HasSuffix(s[:m[0]], ". ") {
			word = keyName(f)
		}
		b.WriteString(word)
	}
	b.WriteString(s[at:])
	return b.String()
}

// fieldNames are the keys of all struct fields.
var fieldNames = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	var walk func(t reflect.Type)
	walk = func(t reflect.Type) {
		for i := range t.NumField() {
			f := t.Field(i)
			if keyName(f) == "" {
				continue
			}
			out[f.Name] = keyName(f)
			item := f.Type
			if item.Kind() == reflect.Slice {
				item = item.Elem()
			}
			if item.Kind() == reflect.Struct {
				walk(item)
			}
		}
	}
	walk(reflect.TypeFor[Daemon]())
	walk(reflect.TypeFor[Site]())
	return out
})

// sentence returns a type's comment without the name of the type.
func sentence(doc string) string {
	_, rest, _ := strings.Cut(doc, " ")
	return strings.TrimPrefix(rest, "is ")
}
