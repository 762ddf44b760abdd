package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ngxtap/pkg/logformat"
)

// Derive returns the schema of the events of a format. The fields are, in this order: the envelope (event_time, site, origin); one
// field for each variable in the order of the line, where $request stands for method, path, query, protocol and request;
// request_headers, response_headers and, if the format names any, upstream_headers; the promoted headers; invalid_utf8; cut.
//
// Names. The namespace is "ngxtap." and the site's name with every byte outside A-Z a-z 0-9 replaced by "_", and with "_" before a
// leading digit. A variable's field bears its name, with "_" before a leading digit ($1 is _1). The names that ngxtap itself uses are
// always its own, whether the format needs them or not: a variable of such a name becomes var_NAME, and a header that is promoted
// under a name that is taken becomes header_NAME. If that is taken too, _2, _3 … follows. A variable that stands in the format
// twice has one field, of its first column: Nginx writes the same value both times.
func Derive(f *logformat.Format, o Options) (*Event, error) {
	if o.Site == "" {
		return nil, errors.New("derive the event schema: the site has no name")
	}
	d := deriver{columns: f.Columns(), seen: map[string]bool{}, taken: map[string]bool{}}
	for _, name := range ownNames {
		d.taken[name] = true
	}
	d.envelope()
	d.variables()
	d.headers()
	if err := d.promoted(o.Promote); err != nil {
		return nil, err
	}
	d.add(Field{Name: "invalid_utf8", Source: InvalidUTF8}, `{"type":"array","items":"string"}`, "[]",
		"Names of the fields whose bytes were not UTF-8, where U+FFFD stands for what was not; header values as request_headers.NAME.")
	d.add(Field{Name: "cut", Source: Cut}, `{"type":"array","items":"string"}`, "[]",
		"Names of the fields that are not there in full: header values that were cut as request_headers.NAME, and request_headers where headers were left out.")
	e := &Event{namespace: "ngxtap." + avroName(o.Site), fields: d.fields}
	e.json = d.record(e.namespace)
	var err error
	if e.fingerprint, err = Fingerprint(e.json); err != nil {
		return nil, fmt.Errorf("derive the event schema of format %q: %w", f.Definition().Name, err)
	}
	return e, nil
}

// ownNames are the fields that ngxtap derives itself. They are taken even where a format lacks them, so that adding $request to
// a format never renames the field of another variable.
var ownNames = []string{
	"event_time", "site", "origin", "request", "method", "path", "query", "protocol",
	"request_headers", "response_headers", "upstream_headers", "invalid_utf8", "cut",
}

// Names of the variables of our njs kit that hold all headers.
const (
	kitRequestHeaders  = "ngxtap_request_headers"
	kitResponseHeaders = "ngxtap_response_headers"
)

type deriver struct {
	columns []logformat.Column
	seen    map[string]bool // variables whose column is used
	taken   map[string]bool // names of fields
	fields  []Field
	json    []string // of each field

	headerColumns [logformat.UpstreamHeader + 1][]int // by family
}

// add appends a field. typ and def (the default, or empty) are JSON.
func (d *deriver) add(f Field, typ, def, doc string) {
	s := `{"name":` + quote(f.Name) + `,"type":` + typ + `,"doc":` + quote(doc)
	if def != "" {
		s += `,"default":` + def
	}
	d.fields = append(d.fields, f)
	d.json = append(d.json, s+"}")
}

func (d *deriver) record(namespace string) string {
	return `{"type":"record","name":"` + recordName + `","namespace":` + quote(namespace) +
		`,"doc":"One request, from one line of an Nginx access log.","fields":[` + strings.Join(d.json, ",") + `]}`
}

func (d *deriver) envelope() {
	var times []int
	for _, kind := range []logformat.Kind{logformat.Msec, logformat.TimeISO, logformat.TimeLocal} {
		for i, c := range d.columns {
			if c.Kind == kind && !d.seen[c.Name] {
				d.seen[c.Name] = true
				times = append(times, i)
			}
		}
	}
	d.add(Field{Name: "event_time", Source: EventTime, Columns: times}, `{"type":"long","logicalType":"timestamp-micros"}`, "",
		"When Nginx logged the request: from $msec, else $time_iso8601, else $time_local, else the time of reading.")
	d.add(Field{Name: "site", Source: Site}, `"string"`, "", "The site whose log holds the line.")
	d.add(Field{Name: "origin", Source: Origin}, originType, "", "Where the line is; (file, offset) identifies the event.")
}

// variables adds the fields of all columns that are no headers, and sorts the others by family.
func (d *deriver) variables() {
	for i, c := range d.columns {
		if d.seen[c.Name] {
			continue
		}
		d.seen[c.Name] = true
		if family, ok := headerFamily(c.Variable); ok {
			d.headerColumns[family] = append(d.headerColumns[family], i)
			continue
		}
		if c.Kind == logformat.Request {
			d.request(i)
			continue
		}
		f := Field{Name: d.name("var_", avroName(c.Name)), Source: Value, Columns: []int{i}}
		d.add(f, valueType(c.Kind), "null", docOf(c.Variable))
	}
}

func (d *deriver) request(column int) {
	for _, p := range []struct {
		name   string
		source Source
		doc    string
	}{
		{"method", Method, "Method of the request line, from $request."},
		{"path", Path, "Target of the request line up to the first question mark, as the client sent it, from $request."},
		{"query", Query, "What follows the first question mark of the target, from $request; null without one."},
		{"protocol", Protocol, "Protocol of the request line such as HTTP/1.1, from $request; null in HTTP/0.9."},
		{"request", RequestLine, "The whole of $request where it is not an HTTP request line, otherwise null."},
	} {
		d.add(Field{Name: p.name, Source: p.source, Columns: []int{column}}, `["null","string"]`, "null", p.doc)
	}
}

func (d *deriver) headers() {
	for _, m := range []struct {
		family    logformat.Family
		name, doc string
		always    bool
	}{
		{logformat.RequestHeader, "request_headers", "Headers of the request that the format logs: values by lower-case name, repeated headers in order.", true},
		{logformat.ResponseHeader, "response_headers", "Headers of the response that the format logs: values by lower-case name, repeated headers in order.", true},
		{logformat.UpstreamHeader, "upstream_headers", "Headers of the upstream's response that the format logs: values by lower-case name.", false},
	} {
		columns := d.headerColumns[m.family]
		if m.always || len(columns) > 0 {
			d.add(Field{Name: m.name, Source: HeaderMap, Family: m.family, Columns: columns},
				`{"type":"map","values":{"type":"array","items":"string"}}`, "{}", m.doc)
		}
	}
}

func (d *deriver) promoted(names []string) error {
	done := map[string]bool{}
	for _, full := range names {
		full = strings.ToLower(full)
		if done[full] {
			continue
		}
		done[full] = true
		family, prefix, where := logformat.RequestHeader, "", "request"
		header := full
		if side, rest, ok := strings.Cut(full, ":"); ok {
			header, where = rest, side
			switch side {
			case "request":
			case "response":
				family, prefix = logformat.ResponseHeader, "response_"
			case "upstream":
				family, prefix, where = logformat.UpstreamHeader, "upstream_", "upstream's response"
			default:
				return fmt.Errorf("promote header %q: %q is not request, response or upstream", full, side)
			}
		}
		if !isHeaderName(header) {
			return fmt.Errorf("promote header %q: that is not a name that a header can have", full)
		}
		f := Field{Name: d.name("header_", avroName(prefix+header)), Source: Promoted, Family: family, Header: header}
		for _, i := range d.headerColumns[family] {
			_, name, _ := d.columns[i].Header()
			if d.columns[i].Kind == logformat.Headers || name == header {
				f.Columns = append(f.Columns, i)
			}
		}
		d.add(f, `["null","string"]`, "null", "Header "+header+" of the "+where+"; several values are joined by comma and space.")
	}
	return nil
}

// name returns a name that is not taken yet, and takes it.
func (d *deriver) name(prefix, name string) string {
	if d.taken[name] {
		name = prefix + name
	}
	for base, n := name, 2; d.taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	d.taken[name] = true
	return name
}

// headerFamily tells whose headers a variable holds, all of them or one.
func headerFamily(v logformat.Variable) (logformat.Family, bool) {
	if v.Kind == logformat.Headers {
		if v.Name == kitResponseHeaders {
			return logformat.ResponseHeader, true
		}
		return logformat.RequestHeader, v.Name == kitRequestHeaders
	}
	family, _, ok := v.Header()
	return family, ok
}

func valueType(k logformat.Kind) string {
	switch k {
	case logformat.Int:
		return `["null","int"]`
	case logformat.Long:
		return `["null","long"]`
	case logformat.Double:
		return `["null","double"]`
	case logformat.IntList:
		return `["null",{"type":"array","items":["null","int"]}]`
	case logformat.LongList:
		return `["null",{"type":"array","items":["null","long"]}]`
	case logformat.DoubleList:
		return `["null",{"type":"array","items":["null","double"]}]`
	case logformat.TextList:
		return `["null",{"type":"array","items":["null","string"]}]`
	}
	return `["null","string"]`
}

// docOf says what a variable means, for readers of the schema.
func docOf(v logformat.Variable) string {
	doc := v.Doc
	if doc == "" {
		doc = "Nginx variable $" + v.Name + "."
	}
	if v.Unit != "" && !strings.Contains(doc, v.Unit) {
		doc += " Unit: " + v.Unit + "."
	}
	return doc
}

// avroName makes a name that the Avro specification accepts.
func avroName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !isAlnum(c) {
			b[i] = '_'
		}
	}
	if len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		b = slices.Insert(b, 0, '_')
	}
	return string(b)
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// isHeaderName tells whether s is a token (RFC 9110, section 5.6.2).
func isHeaderName(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(s[i])) {
			return false
		}
	}
	return s != ""
}

const hexDigits = "0123456789abcdef"

// quote writes s as a JSON string. It is not encoding/json's, whose escaping of < > & may change a schema's bytes.
func quote(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(strings.ToValidUTF8(s, "\uFFFD")) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
