package pipeline

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/tail"
)

// knownFormat is a format that the site has, or had. It is part of the committed position: what was written in a format is read by it
// also after a restart, and a change is told from what was there before, whatever happened to files and hosts in between.
type knownFormat struct {
	Name        string `json:"name"`
	Escape      string `json:"escape,omitempty"`
	Text        string `json:"text"`
	Recipe      string `json:"recipe,omitempty"` // see Format.Recipe
	Fingerprint string `json:"schema"`           // of the derived schema, 16 hexadecimal digits
	Where       string `json:"where,omitempty"`  // file:line
	Class       string `json:"class,omitempty"`  // of the change that brought it; empty: it was there from the beginning
	Accepted    bool   `json:"accepted,omitempty"`
	Refused     bool   `json:"refused,omitempty"` // that the registry refuses it has been told
	Retired     int64  `json:"retired,omitempty"` // since when it is not in the configuration any more, Unix seconds; 0: it is
	// Fence is where the known files ended when it was retired: what stands before was written in it, or in an older one.
	Fence map[string]int64 `json:"fence,omitempty"`
}

const (
	keepRetired    = 8                  // retired formats that are remembered though all before their fences is read
	keepUnread     = 64                 // retired formats that are remembered at most
	keepBytes      = 256 << 10          // about what retired formats may take in the committed position, which must fit a record
	keepRetiredFor = 7 * 24 * time.Hour // how long Nginx's old workers may write in one, once all files before it are read
)

func known(f *Format) knownFormat {
	d := f.split.Definition()
	k := knownFormat{Name: d.Name, Escape: d.Escape.String(), Text: d.Text, Recipe: f.Recipe, Fingerprint: fingerprintText(f.Fingerprint())}
	if d.File != "" {
		k.Where = fmt.Sprintf("%s:%d", d.File, d.Line)
	}
	return k
}

func fingerprintText(fp uint64) string { return fmt.Sprintf("%016x", fp) }

// is reports whether k is this format, as it stands now.
func (k *knownFormat) is(o *knownFormat) bool {
	return k.Name == o.Name && k.Escape == o.Escape && k.Text == o.Text && k.Recipe == o.Recipe && k.Fingerprint == o.Fingerprint
}

func (k *knownFormat) clone() knownFormat {
	c := *k
	c.Fence = nil
	for id, end := range k.Fence {
		c.fence(id, end)
	}
	return c
}

func (k *knownFormat) fence(id string, end int64) {
	if k.Fence == nil {
		k.Fence = map[string]int64{}
	}
	k.Fence[id] = end
}

// passed forgets the fences behind which there is nothing left to read.
func (k *knownFormat) passed(p *tail.Position) {
	for id, end := range k.Fence {
		at := slices.IndexFunc(p.Files, func(f tail.FileState) bool { return f.ID == id })
		if at < 0 || p.Files[at].Done || p.Files[at].Offset >= end {
			delete(k.Fence, id)
		}
	}
}

func (k *knownFormat) definition() (*logformat.Definition, error) {
	esc, err := logformat.ParseEscape(k.Escape)
	if err != nil {
		return nil, err
	}
	return &logformat.Definition{Name: k.Name, Escape: esc, Text: k.Text}, nil
}

// action is what to do with lines in this format, as far as the class of its change says.
func (k *knownFormat) action(p *Policy) schema.Action {
	if k.Accepted || k.Class == "" {
		return schema.Evolve
	}
	c, err := schema.ParseClass(k.Class)
	if err != nil {
		return schema.Hold // a newer ngxtap wrote it
	}
	return p.For(c)
}

// Policy says what a site does about a change, by its class: evolve, quarantine or hold. The zero value of a field means its default.
type Policy struct {
	Full, Backward, Forward schema.Action // default: evolve
	Breaking                schema.Action // default: quarantine
	Refused                 schema.Action // the registry refuses the schema; quarantine (default) or hold
	Away                    schema.Action // no registry gave an id yet; hold (default) or quarantine
}

// For returns what is done about a change of a class.
func (p *Policy) For(c schema.Class) schema.Action {
	switch c {
	case schema.ClassFull:
		return cmp.Or(p.Full, schema.Evolve)
	case schema.ClassBackward:
		return cmp.Or(p.Backward, schema.Evolve)
	case schema.ClassForward:
		return cmp.Or(p.Forward, schema.Evolve)
	case schema.ClassBreaking:
		return cmp.Or(p.Breaking, schema.QuarantineThem)
	}
	return schema.Evolve
}

func (p *Policy) refused() schema.Action { return cmp.Or(p.Refused, schema.QuarantineThem) }
func (p *Policy) away() schema.Action    { return cmp.Or(p.Away, schema.Hold) }

// reconciliation finds out what has become of the formats of a site.
type reconciliation struct {
	known  []knownFormat // current ones in the order of the configuration, then the retired, newest first
	events []schema.ChangeEvent
	policy *Policy
	build  func(*knownFormat) (*Format, error) // compiles a known format
	ends   map[string]int64                    // of the files, by generation id
	now    time.Time
	// registered is the newest schema that the registry has; it counts only where nothing was known before.
	registered string
}

// reconcile compares what was known with what the configuration says now. The result holds copies, so that a session that fails leaves
// what was known as it is.
func reconcile(before []knownFormat, now []*Format, r reconciliation) reconciliation {
	var old []knownFormat // current until now, and not any more
	var retired []knownFormat
	taken := make([]bool, len(now))
	for i := range before {
		k := before[i].clone()
		at := slices.IndexFunc(now, func(f *Format) bool { n := known(f); return n.is(&k) })
		switch {
		case k.Retired != 0:
			retired = append(retired, k)
		case at >= 0:
			taken[at] = true
		default:
			old = append(old, k)
		}
	}
	first := len(before) == 0
	var added []int
	for i, f := range now {
		n := known(f)
		if taken[i] {
			b := before[slices.IndexFunc(before, func(k knownFormat) bool { return k.Retired == 0 && k.is(&n) })].clone()
			b.Where = n.Where
			n = b
		} else if !first {
			added = append(added, i)
		}
		if first && i == 0 && r.registered != "" {
			r.differs(&n, f)
		}
		r.known = append(r.known, n)
	}
	// A format that is gone and one that is new are one change if they bear one name, or if there is just one of each.
	partner := map[int]int{} // by index in now: index in old
	for _, i := range added {
		if at := slices.IndexFunc(old, func(k knownFormat) bool { return k.Name == r.known[i].Name }); at >= 0 {
			partner[i] = at
		}
	}
	if len(added) == 1 && len(old) == 1 {
		partner[added[0]] = 0
	}
	replaced := make([]bool, len(old))
	for _, i := range added {
		at, ok := partner[i]
		if ok {
			replaced[at] = true
			r.changed(&r.known[i], now[i], r.baseline(&old[at], retired), &old[at])
			continue
		}
		r.changed(&r.known[i], now[i], r.oneBefore(taken, old, retired), nil)
	}
	for i := range old {
		if !replaced[i] {
			r.removed(&old[i])
		}
		old[i].Retired = r.now.Unix()
		for id, end := range r.ends {
			old[i].fence(id, end)
		}
	}
	r.known = append(r.known, r.remembered(append(old, retired...))...)
	return r
}

// remembered returns those of the retired formats, newest first, that are worth it.
func (r *reconciliation) remembered(retired []knownFormat) []knownFormat {
	var keep []knownFormat
	var size int
	for i := range retired {
		k := &retired[i]
		if len(k.Fence) == 0 {
			same := func(o knownFormat) bool { return o.is(k) }
			if len(keep) >= keepRetired || r.now.Sub(time.Unix(k.Retired, 0)) > keepRetiredFor || slices.ContainsFunc(r.known, same) || slices.ContainsFunc(keep, same) {
				continue // one that came back was here for the stretches of the files before its older fences
			}
		}
		more := len(k.Text) + len(k.Recipe) + 32*len(k.Fence)
		if len(keep) > 0 && (len(keep) == keepUnread || size+more > keepBytes) {
			break
		}
		size += more
		keep = append(keep, *k)
	}
	return keep
}

// oneBefore returns a format whose events readers have, for one that takes no other's place: of those that stay the first; else of
// those that go, or went.
func (r *reconciliation) oneBefore(taken []bool, old, retired []knownFormat) *knownFormat {
	var all []*knownFormat
	for i := range taken {
		if taken[i] {
			all = append(all, &r.known[i])
		}
	}
	for _, formats := range [][]knownFormat{old, retired} {
		for i := range formats {
			all = append(all, &formats[i])
		}
	}
	at := slices.IndexFunc(all, func(k *knownFormat) bool { return k.action(r.policy) == schema.Evolve && !k.Refused })
	return all[max(at, 0)]
}

// baseline returns the newest format of the name of k whose events were let through: what was never accepted is not what readers have.
func (r *reconciliation) baseline(k *knownFormat, retired []knownFormat) *knownFormat {
	if k.action(r.policy) == schema.Evolve && !k.Refused {
		return k
	}
	for i := range retired {
		if o := &retired[i]; o.Name == k.Name && o.action(r.policy) == schema.Evolve && !o.Refused {
			return o
		}
	}
	return k
}

// changed notes a format that is new or that replaces one. base is what it is compared with, replaced what it takes the place of, nil
// if there is none.
func (r *reconciliation) changed(k *knownFormat, f *Format, base, replaced *knownFormat) {
	e := schema.ChangeEvent{Source: schema.FromConfiguration, Format: k.Name, Where: k.Where, New: writer(f), Offset: -1}
	place := cmp.Or(k.Where, "the site's configuration")
	class, text := schema.ClassBreaking, ""
	old, err := r.build(base)
	if err == nil {
		var change *schema.Change
		if change, err = schema.Compare(old.Schema(), f.Schema()); err == nil {
			class, e.Diffs = change.Class, change.Diffs
		}
	}
	if err != nil {
		text = fmt.Sprintf("; it can't be compared with the one before: %v", err)
	}
	switch {
	case replaced == nil:
		e.Text = fmt.Sprintf("log_format %s (%s) is written to this log from now on too", k.Name, place)
	case replaced.Name != k.Name:
		e.Text = fmt.Sprintf("log_format %s (%s) takes the place of %s", k.Name, place, replaced.Name)
	default:
		e.Text = fmt.Sprintf("log_format %s (%s) has changed", k.Name, place)
	}
	if replaced != nil {
		if base != replaced {
			text += "; compared with what was let through last, not with what was written last"
		}
		if e.Old = r.writerOf(replaced); e.Old != nil && old != nil && replaced.Text != k.Text && logformat.Confusable(old.split, f.split) {
			text += "; beware: lines of the old format fit the new one too, so those that old workers still write may be read by the new; " +
				"put a word of its own into each version of the log_format"
		}
	}
	e.Text += ": " + class.String() + sentences(e.Diffs) + text
	k.Class = class.String()
	e.Class, e.Action = class, k.action(r.policy)
	r.add(e)
}

// differs notes that the first format of a site is not what the registry has for it.
func (r *reconciliation) differs(k *knownFormat, f *Format) {
	change, err := schema.Compare(r.registered, f.Schema())
	if err != nil || change.Class == schema.ClassNone {
		return // what is registered is of no kind that can be compared: the registry has the last word on it
	}
	fp, _ := schema.Fingerprint(r.registered) // it could be compared, so it has one
	k.Class = change.Class.String()
	r.add(schema.ChangeEvent{
		Source: schema.FromConfiguration, Class: change.Class, Action: k.action(r.policy), Format: k.Name, Where: k.Where, Diffs: change.Diffs, Offset: -1,
		Old: &schema.Writer{Schema: r.registered, Fingerprint: fp}, New: writer(f),
		Text: fmt.Sprintf("log_format %s (%s) is new here and is not what the registry has for this topic: %s%s", k.Name,
			cmp.Or(k.Where, "the site's configuration"), change.Class, sentences(change.Diffs)),
	})
}

// removed notes a format that the configuration does not write any more.
func (r *reconciliation) removed(k *knownFormat) {
	r.add(schema.ChangeEvent{
		Source: schema.FromConfiguration, Class: schema.ClassFull, Action: schema.Evolve, Format: k.Name, Old: r.writerOf(k), Offset: -1,
		Text: fmt.Sprintf("log_format %s is not written to this log any more", k.Name),
	})
}

func (r *reconciliation) add(e schema.ChangeEvent) { r.events = append(r.events, e) }

// writerOf describes a known format; nil if it can't be compiled any more.
func (r *reconciliation) writerOf(k *knownFormat) *schema.Writer {
	f, err := r.build(k)
	if err != nil {
		return nil
	}
	return writer(f)
}

func writer(f *Format) *schema.Writer {
	d := f.split.Definition()
	return &schema.Writer{LogFormat: d.Text, Escape: d.Escape.String(), Schema: f.Schema(), Fingerprint: f.Fingerprint()}
}

// maxSentences is how many differences are told in the text of a change; all are in its diffs.
const maxSentences = 3

func sentences(diffs []schema.Diff) string {
	var b strings.Builder
	for i, d := range diffs {
		if i == maxSentences {
			fmt.Fprintf(&b, "; and %d more", len(diffs)-i)
			break
		}
		b.WriteString("; ")
		b.WriteString(d.Text)
	}
	if b.Len() == 0 {
		return "; the events stay as they are"
	}
	return b.String()
}

// changeID returns a name for a change that no other has.
func changeID() string { return rand.Text()[:16] }
