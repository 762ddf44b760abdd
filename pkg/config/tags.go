package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// form is what a text must look like: the values of the tag form.
type form struct {
	re *regexp.Regexp
	// say is the error of what does not match; a %q in it is the text. Empty: check.go looks itself, closer than re does.
	say string
}

const words = `letters, digits, ".", "_" and "-"`

// forms are names that go into transactional ids, topic names and Avro namespaces, addresses, and lists of names. Their expressions stand
// in the JSON Schemas too, so they are such as Go and ECMAScript read alike.
var forms = map[string]form{
	"name":       {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`), "%q: use " + words},
	"topic":      {regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`), "%q is not a topic name: " + words + ", at most 249"}, // Kafka: Topic.validate
	"site_topic": {regexp.MustCompile(`^[A-Za-z0-9._-]{1,238}$`), "%q is not a topic name that leaves room for .quarantine: " + words},
	"field":      {regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`), "%q is neither none nor host nor a field name"},
	"variable":   {regexp.MustCompile(`^[A-Za-z0-9_]+$`), `%q is not the name of a variable: letters, digits and "_", without "$"`}, // ngx_http_log_compile_format
	"hostport":   {regexp.MustCompile(`^([^:\[\]@]+|\[[^\[\]@]+\]):[^:\[\]@]+$`), "%q is not host:port"},
	"listen":     {regexp.MustCompile(`^(off|unix:.+|([^:\[\]]*|\[[^\[\]]*\]):[^:\[\]]+)$`), "%q is not host:port, such as 127.0.0.1:9464, nor unix:PATH, nor off"},
	"url":        {regexp.MustCompile(`^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+([/?#].*)?$`), ""},
	"path":       {regexp.MustCompile(`.`), ""},
	"folder":     {regexp.MustCompile(`.`), "an empty name is no folder"},
	"kept":       {regexp.MustCompile(`.`), "an empty name keeps nothing"},
	"header": {regexp.MustCompile(`^(\*|\*?[^* \t:]+\*?)$`),
		`%q is not the name of a header, such as user-agent; "*" may be its first or last character`},
	"promoted": {regexp.MustCompile(`^[^* \t]+$`), `%q is not the name of a header, such as x-request-id; name each by itself, "*" stands for nothing here`},
}

// fill sets every key of a struct to the default that its tag names.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		text, ok := f.Tag.Lookup("default")
		switch {
		case keyName(f) == "":
		case f.Type.Kind() == reflect.Struct:
			fill(v.Field(i))
		case ok && f.Type.Kind() == reflect.Slice:
			v.Field(i).Set(reflect.ValueOf(strings.Split(text, ",")))
		case ok:
			v.Field(i).Set(parseTag(text, f.Type))
		}
	}
}

// parseTag reads the value of a tag as one of type t. One that can't be read is a slip in config.go, which every test finds.
func parseTag(text string, t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	var err error
	switch {
	case t == reflect.TypeFor[time.Duration]():
		var d time.Duration
		d, err = time.ParseDuration(text)
		v.SetInt(int64(d))
	case t == reflect.TypeFor[Size]():
		err = v.Addr().Interface().(*Size).UnmarshalText([]byte(text))
	case t.Kind() == reflect.String:
		v.SetString(text)
	case t.Kind() == reflect.Bool:
		var b bool
		b, err = strconv.ParseBool(text)
		v.SetBool(b)
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, t.Bits())
		v.SetInt(n)
	case v.CanFloat():
		var x float64
		x, err = strconv.ParseFloat(text, 64)
		v.SetFloat(x)
	default:
		err = fmt.Errorf("no tag can give a value to it")
	}
	if err != nil {
		panic(fmt.Sprintf("the tag %q of a key of type %v: %v", text, t, err))
	}
	return v
}

// tags checks every key of a struct by its tags. An optional text that is empty is not set.
func (k *checker) tags(path string, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if keyName(f) == "" {
			continue
		}
		key, val := join(path, keyName(f)), v.Field(i)
		if say := f.Tag.Get("required"); say != "" && (val.IsZero() || val.Kind() == reflect.Slice && val.Len() == 0) {
			k.fail(key, "%s", say)
			continue
		}
		switch {
		case val.Kind() == reflect.Struct:
			k.tags(key, val)
		case val.Kind() == reflect.Slice && val.Type().Elem().Kind() == reflect.Struct:
			for n := range val.Len() {
				k.tags(fmt.Sprintf("%s[%d]", key, n), val.Index(n))
			}
		case val.Kind() == reflect.Slice:
			for _, text := range val.Interface().([]string) {
				k.text(key, text, f.Tag)
			}
		case val.Kind() == reflect.String:
			if _, set := f.Tag.Lookup("default"); set || val.Len() > 0 {
				k.text(key, val.String(), f.Tag)
			}
		default:
			k.bounds(key, val, f.Tag)
		}
	}
}

func (k *checker) text(key, text string, tag reflect.StructTag) {
	if all := tag.Get("oneof"); all != "" {
		if allowed := strings.Split(all, "|"); !slices.Contains(allowed, text) {
			k.fail(key, "%q is not one of %s", text, strings.Join(allowed, ", "))
		}
	}
	name := tag.Get("form")
	if name == "" {
		return
	}
	switch fm := forms[name]; {
	case fm.say == "" || fm.re.MatchString(text):
	case name == "hostport" && strings.Contains(text, "@"): // not repeated: there may be a password before it
		k.fail(key, "keep user and password out of the addresses: use kafka.sasl")
	case strings.Contains(fm.say, "%q"):
		k.fail(key, fm.say, text)
	default:
		k.fail(key, "%s", fm.say)
	}
}

func (k *checker) bounds(key string, v reflect.Value, tag reflect.StructTag) {
	low, high, above := tag.Get("min"), tag.Get("max"), tag.Get("above")
	under := low != "" && compare(v, parseTag(low, v.Type())) < 0
	over := high != "" && compare(v, parseTag(high, v.Type())) > 0
	switch {
	case above != "" && (over || !(compare(v, parseTag(above, v.Type())) > 0)):
		k.fail(key, "%v is not a share: use a number above %s and up to %s", v, above, high)
	case low != "" && high != "" && (under || over):
		k.fail(key, "%v is not between %v and %v", v, parseTag(low, v.Type()), parseTag(high, v.Type()))
	case under:
		k.fail(key, "%v is less than %v", v, parseTag(low, v.Type()))
	case over:
		k.fail(key, "%v is more than %v", v, parseTag(high, v.Type()))
	}
}

// compare orders two numbers of one type; what is no number is below all.
func compare(a, b reflect.Value) int {
	if a.CanFloat() {
		return cmp.Compare(a.Float(), b.Float())
	}
	if a.CanInt() {
		return cmp.Compare(a.Int(), b.Int())
	}
	return 0
}
