package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

type trialField struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	Filled  float64 `json:"filled"`            // share of the events that have a value
	Example string  `json:"example,omitempty"` // JSON, cut, with secrets hidden
}

type trialHeader struct {
	Side   string  `json:"side"`
	Name   string  `json:"name"`
	Share  float64 `json:"share"`  // of the events that have it
	Hidden bool    `json:"hidden"` // at least one value would be hidden, in full or in part
}

type trialHidden struct {
	Place  string `json:"place"` // a field, request_headers.NAME, or a parameter or cookie in one: "query token="
	Events int    `json:"events"`
}

// lookAt is how many events are looked at value by value, spread over the sample.
const lookAt = 5000

// look decodes events and finds what is in them, and what is hidden: that is where they differ from events with all in clear text.
func (t *trial) look(s *trialLog, o *tryOptions) error {
	secrets, err := newSecrets(&o.site, nil)
	if err != nil {
		return err
	}
	rules := headerRules(&o.site)
	if err := t.main.Prepare(avro.Options{Secrets: secrets, Headers: rules}); err != nil {
		return err
	}
	clear, err := avro.NewEncoder(t.main.LogFormat(), t.main.Event(), avro.Options{Headers: rules})
	if err != nil {
		return err
	}
	host, _ := os.Hostname()
	t.origin = avro.Origin{Site: o.site.Site, Host: host, File: "0123456789abcdef", ReadTime: time.Now().UnixMicro()}
	v := &viewer{main: t.main, clear: clear, origin: t.origin, hidden: map[string]int{}, headers: map[string]map[string]int{}, filled: map[string]int{}, example: map[string]string{}}
	if err := v.meter.setUp(); err != nil {
		return err
	}
	if err := v.all(t, s); err != nil {
		return err
	}
	return v.tell(t)
}

// viewer looks at events.
type viewer struct {
	main    *pipeline.Format
	clear   *avro.Encoder
	origin  avro.Origin
	decoder avro.Decoder
	meter   meter
	spans   []logformat.Span
	event   []byte
	text    []byte

	events    int
	jsonBytes int64
	packed    int64
	block     []byte
	filled    map[string]int
	example   map[string]string
	headers   map[string]map[string]int // by side and name
	hidden    map[string]int            // by place
}

// all looks at lookAt events, and takes those out of the sample whose values do not fit their types.
func (v *viewer) all(t *trial, s *trialLog) error {
	var ok []sampleLine
	step := max(1, len(t.fitting)/lookAt)
	for i, l := range t.fitting {
		at, err := v.line(s, l, i%step == 0)
		var m *logformat.Misfit
		if errors.As(err, &m) {
			t.Lines.Fit--
			t.Lines.Refused++
			t.refuse(m.Error(), s.where(l, m.Offset+1))
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.where(l, 1), err)
		}
		ok = append(ok, l)
		if t.hasTime() {
			if t.first == 0 || at < t.first {
				t.first = at
			}
			t.last = max(t.last, at)
		}
	}
	if t.fitting = ok; len(ok) == 0 {
		return errors.New("no line can be encoded: " + t.Refused[0].Reason)
	}
	if t.first != 0 {
		t.From, t.To = time.UnixMicro(t.first).UTC().Format(time.RFC3339), time.UnixMicro(t.last).UTC().Format(time.RFC3339)
	}
	return nil
}

// hasTime tells whether lines say when they were written.
func (t *trial) hasTime() bool {
	for _, f := range t.main.Event().Fields() {
		if f.Source == schema.EventTime {
			return len(f.Columns) > 0
		}
	}
	return false
}

func (t *trial) refuse(reason, where string) {
	for i := range t.Refused {
		if t.Refused[i].Reason == reason {
			t.Refused[i].Lines++
			return
		}
	}
	t.Refused = append(t.Refused, trialRefused{reason, 1, where})
}

// line encodes a line, and looks at its event if that is asked for.
func (v *viewer) line(s *trialLog, l sampleLine, look bool) (at int64, err error) {
	text := s.of(l)
	if v.spans, err = v.main.LogFormat().Split(v.spans[:0], text); err != nil {
		return 0, err
	}
	o := v.origin
	o.Offset = int64(l.start)
	if v.event, at, err = v.main.Encoder().AppendEvent(v.event[:0], text, v.spans, &o); err != nil || !look {
		return at, err
	}
	shown, err := v.decode()
	if err != nil {
		return at, err
	}
	v.jsonBytes += int64(len(v.text)) + 1
	if v.block = append(append(v.block, v.text...), '\n'); len(v.block) > block {
		if err := v.flush(); err != nil {
			return at, err
		}
	}
	if v.event, _, err = v.clear.AppendEvent(v.event[:0], text, v.spans, &o); err != nil {
		return at, err
	}
	whole, err := v.decode()
	if err != nil {
		return at, err
	}
	v.events++
	for name, value := range shown {
		v.field(name, value)
		for place := range hiddenIn(name, value, whole[name]) {
			v.hidden[place]++
		}
	}
	return at, nil
}

func (v *viewer) flush() error {
	n, err := v.meter.pack(v.block)
	v.packed += n
	v.block = v.block[:0]
	return err
}

// decode returns the fields of the event in hand, and leaves its JSON in text.
func (v *viewer) decode() (map[string]any, error) {
	var err error
	if v.text, err = v.decoder.AppendJSON(v.text[:0], v.main.Schema(), v.event); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(v.text))
	d.UseNumber()
	var m map[string]any
	return m, d.Decode(&m)
}

func (v *viewer) field(name string, value any) {
	if value == nil {
		return
	}
	if m, ok := value.(map[string]any); ok && name != "origin" {
		if v.headers[name] == nil {
			v.headers[name] = map[string]int{}
		}
		for header := range m {
			if _, known := v.headers[name][header]; known || len(v.headers[name]) < maxTryNames {
				v.headers[name][header]++
			}
		}
		if len(m) == 0 {
			return
		}
	}
	if list, ok := value.([]any); ok && len(list) == 0 {
		return
	}
	if v.filled[name]++; v.example[name] == "" {
		v.example[name] = asExample(value)
	}
}

// maxTryNames bounds how many header names of one side are kept: clients invent them.
const maxTryNames = 1000

// asExample is a value as JSON, short enough for a table.
func asExample(value any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(value) != nil { // it came from JSON
		return ""
	}
	return short(strings.TrimSpace(b.String()), 48)
}

// short cuts a text to n characters.
func short(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// hiddenIn returns the places at which a value of an event differs from the one in clear text.
func hiddenIn(name string, shown, whole any) map[string]bool {
	places := map[string]bool{}
	if name != "origin" {
		compare(name, shown, whole, places)
	}
	return places
}

func compare(place string, shown, whole any, places map[string]bool) {
	switch w := whole.(type) {
	case map[string]any:
		s, _ := shown.(map[string]any)
		for key, v := range w {
			compare(place+"."+key, s[key], v, places)
		}
	case []any:
		s, _ := shown.([]any)
		for i, v := range w {
			if i >= len(s) {
				places[place] = true
				continue
			}
			compare(place, s[i], v, places)
		}
	case string:
		if s, _ := shown.(string); s != w {
			names := hashed.FindAllStringSubmatch(s, -1)
			if len(names) == 0 {
				places[place] = true
			}
			for _, m := range names {
				places[place+" "+short(m[1], 64)+"="] = true
			}
		}
	}
}

// hashed finds the names of parameters and cookies whose values are hashes.
var hashed = regexp.MustCompile(`([^=&;?#\s"]+)=hmac-sha256:`)

// tell puts what was seen into the trial.
func (v *viewer) tell(t *trial) error {
	types, err := fieldTypes(v.main.Schema())
	if err != nil {
		return err
	}
	for _, f := range v.main.Event().Fields() {
		t.Fields = append(t.Fields, trialField{f.Name, types[f.Name], float64(v.filled[f.Name]) / float64(v.events), v.example[f.Name]})
	}
	for side, names := range v.headers {
		for name, n := range names {
			t.Headers = append(t.Headers, trialHeader{side, name, float64(n) / float64(v.events), v.hides(side + "." + name)})
		}
	}
	slices.SortFunc(t.Headers, func(a, b trialHeader) int {
		return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(b.Share, a.Share), cmp.Compare(a.Name, b.Name))
	})
	for place, n := range v.hidden {
		t.Hidden = append(t.Hidden, trialHidden{place, n})
	}
	slices.SortFunc(t.Hidden, func(a, b trialHidden) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Place, b.Place))
	})
	if n := v.filled["invalid_utf8"]; n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%.1f %% of the events have bytes that are not UTF-8; U+FFFD stands for them, and invalid_utf8 names the fields", 100*float64(n)/float64(v.events)))
	}
	if n := v.filled["cut"]; n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%.1f %% of the events have headers beyond headers.max_headers or headers.max_value; cut names them", 100*float64(n)/float64(v.events)))
	}
	if !t.hasTime() {
		t.Notes = append(t.Notes, "the format has no time: event_time is when ngxtap reads a line; add $msec or $time_iso8601")
	}
	if err := v.flush(); err != nil {
		return err
	}
	t.LookedAt = v.events
	t.Bytes.JSON, t.Bytes.JSONLZ4 = float64(v.jsonBytes)/float64(v.events), float64(v.packed)/float64(v.events)
	return nil
}

func (v *viewer) hides(place string) bool {
	for p := range v.hidden {
		if p == place || strings.HasPrefix(p, place+" ") {
			return true
		}
	}
	return false
}

// fieldTypes returns the types of the fields of a record, for people.
func fieldTypes(schemaJSON string) (map[string]string, error) {
	var r struct {
		Fields []struct {
			Name string
			Type any
		}
	}
	if err := json.Unmarshal([]byte(schemaJSON), &r); err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	types := map[string]string{}
	for _, f := range r.Fields {
		types[f.Name] = typeText(f.Type)
	}
	return types, nil
}

// typeText says an Avro type in words. All of ngxtap's unions are of null and something.
func typeText(t any) string {
	switch t := t.(type) {
	case string:
		return t
	case []any:
		var all []string
		for _, b := range t {
			if s := typeText(b); s != "null" {
				all = append(all, s)
			}
		}
		return strings.Join(all, " or ")
	case map[string]any:
		if l, ok := t["logicalType"].(string); ok {
			return l
		}
		switch t["type"] {
		case "array":
			return "array of " + typeText(t["items"])
		case "map":
			return "map of " + typeText(t["values"])
		}
		return typeText(t["type"])
	}
	return fmt.Sprint(t)
}
