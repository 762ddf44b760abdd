// known_test.go shows what becomes of the formats of a site when its configuration is edited, and which changes are told.
package pipeline

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/schema"
)

func TestReconcile(t *testing.T) {
	l := &living{t: t}
	const a, b, c = `a $status`, `b $status $request_time`, `c $status $bytes_sent`
	for _, tt := range []struct {
		name   string
		edits  [][]string // the configuration, one after the other
		known  []string   // at the end: NAME, or NAME- where it is retired
		events []string   // of the last edit
	}{
		{"the first start tells nothing", [][]string{{a, "other=" + b}}, []string{"main", "other"}, nil},
		{"nothing edited", [][]string{{a}, {a}}, []string{"main"}, nil},
		{"a field more", [][]string{{a}, {b}}, []string{"main", "main-"}, []string{"full: log_format main (nginx.conf:7) has changed"}},
		{"a word more", [][]string{{a}, {"word " + a}}, []string{"main", "main-"}, []string{"none: log_format main (nginx.conf:7) has changed: none; the events stay as they are"}},
		{"another name", [][]string{{a}, {"new=" + b}}, []string{"new", "main-"}, []string{"full: log_format new (nginx.conf:7) takes the place of main"}},
		{"the name only", [][]string{{a}, {"new=" + a}}, []string{"new", "main-"}, []string{"none: log_format new (nginx.conf:7) takes the place of main"}},
		{"a second format", [][]string{{a}, {a, "new=" + b}}, []string{"main", "new"}, []string{"full: log_format new (nginx.conf:7) is written to this log from now on too"}},
		{"one of two goes", [][]string{{a, "new=" + b}, {"new=" + b}}, []string{"new", "main-"}, []string{"full: log_format main is not written to this log any more"}},
		{"both change", [][]string{{a, "new=" + b}, {c, "new=x " + b}}, []string{"main", "new", "main-", "new-"},
			[]string{"full: log_format main", "none: log_format new"}},
		{"they change places", [][]string{{a, "new=" + b}, {"new=" + b, a}}, []string{"new", "main"}, nil},
		{"it comes back", [][]string{{a}, {b}, {a}}, []string{"main", "main-", "main-"}, []string{"full: log_format main"}},
		{"a second format, written first", [][]string{{a}, {"new=word " + a, a}}, []string{"new", "main"}, []string{"none: log_format new (nginx.conf:7) is written to this log from now on too"}},
		{"newest retired first", [][]string{{a}, {b}, {c}}, []string{"main", "main-", "main-"}, []string{"full: log_format main"}},
		{"two for one", [][]string{{a}, {"x=" + b, "y=" + c}}, []string{"x", "y", "main-"},
			[]string{"full: log_format x (nginx.conf:7) is written to this log from now on too: full; field request_time", "full: log_format y", "full: log_format main is not written"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r reconciliation
			s := &Site{}
			for i, texts := range tt.edits {
				now := l.formats(texts...)
				s.compiled = append(s.compiled, candidatesOf(now)...)
				r = reconcile(r.known, now, reconciliation{policy: &Policy{}, build: s.build, ends: map[string]int64{"f": int64(100 * (i + 1))}, now: time.Unix(int64(i+1), 0)})
			}
			var names, events []string
			for _, k := range r.known {
				name := k.Name
				if k.Retired > 0 {
					name += "-"
					if want := map[string]int64{"f": 100 * k.Retired}; !reflect.DeepEqual(k.Fence, want) {
						t.Errorf("%s: fence %v, want %v", k.Name, k.Fence, want)
					}
				}
				names = append(names, name)
			}
			for _, e := range r.events {
				events = append(events, fmt.Sprintf("%s: %s", e.Class, e.Text))
			}
			if !reflect.DeepEqual(names, tt.known) {
				t.Errorf("known %v, want %v", names, tt.known)
			}
			if len(events) != len(tt.events) {
				t.Fatalf("events %q, want %q", events, tt.events)
			}
			for i := range events {
				if !strings.HasPrefix(events[i], tt.events[i]) {
					t.Errorf("event %q, want %q", events[i], tt.events[i])
				}
			}
		})
	}
}

func candidatesOf(formats []*Format) []*candidate {
	var out []*candidate
	for _, f := range formats {
		out = append(out, &candidate{Format: f, id: known(f)})
	}
	return out
}

// What was not let through is not what the next edit is compared with.
func TestReconcileComparesWithWhatReadersHave(t *testing.T) {
	l := &living{t: t}
	s := &Site{}
	var r reconciliation
	for i, text := range []string{`a $status`, `b $status $request_time`, `c $status $request_time $bytes_sent`} {
		now := l.formats(text)
		s.compiled = append(s.compiled, candidatesOf(now)...)
		r = reconcile(r.known, now, reconciliation{policy: &Policy{Full: schema.Hold}, build: s.build, now: time.Unix(int64(i+1), 0)})
	}
	if n := len(r.events[0].Diffs); n != 2 || r.events[0].Action != schema.Hold {
		t.Errorf("%d differences, %s: %s", n, r.events[0].Action, r.events[0].Text)
	}
}

func TestRetiredFormatsAreForgotten(t *testing.T) {
	l := &living{t: t}
	s := &Site{}
	at := func(before []knownFormat, text string, ends map[string]int64, when time.Duration) []knownFormat {
		now := l.formats(text)
		s.compiled = append(s.compiled, candidatesOf(now)...)
		return reconcile(before, now, reconciliation{policy: &Policy{}, build: s.build, ends: ends, now: time.Unix(0, 0).Add(when)}).known
	}
	two := at(at(nil, `a $status`, nil, time.Second), `b $status`, nil, 2*time.Second)
	if n := len(at(two, `b $status`, nil, keepRetiredFor)); n != 2 {
		t.Errorf("forgotten early: %d", n)
	}
	if n := len(at(two, `b $status`, nil, keepRetiredFor+time.Hour)); n != 1 {
		t.Errorf("remembered for ever: %d", n)
	}
	// What is still unread keeps it, however long that takes.
	fenced := at(at(nil, `a $status`, nil, time.Second), `b $status`, map[string]int64{"f": 7}, 2*time.Second)
	if n := len(at(fenced, `b $status`, nil, 10*keepRetiredFor)); n != 2 {
		t.Errorf("forgotten with unread lines: %d", n)
	}
}
