// evolve_hostile_test.go shows that no edit of nginx.conf, however odd, stops a site, goes round its policy or has lines read wrongly.
package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// wide is a format with as many variables as a format may have, each with a long name.
func wide(word string) string {
	var b strings.Builder
	b.WriteString(word + ` $status "$http_x_id"`)
	for i := range 1000 {
		fmt.Fprintf(&b, ` "$arg_%s_%s_%d"`, word, strings.Repeat("x", 90), i)
	}
	return b.String()
}

// Formats with a thousand columns follow each other: what is told and remembered of them fits a record, or the site would stand for good.
func TestChangeOfHugeFormats(t *testing.T) {
	l := newLiving(t, wide("a"))
	l.far.Limit(sink.Changes, recordLimit)
	l.start()
	for i := range 10 {
		l.edited(wide(fmt.Sprint("b", i)))
		l.eventually("the change", func() bool {
			n, _ := l.site.Stats().Changes()
			return n[ChangeKind{schema.FromConfiguration, schema.ClassFull}] > int64(i)
		})
	}
	for _, r := range l.far.Records() {
		if n := len(r.Key) + len(r.Value); n > recordLimit {
			t.Errorf("a record of %v of %d bytes", r.Stream, n)
		}
	}
	if n := len(l.far.Position()); n > recordLimit {
		t.Errorf("a position of %d bytes", n)
	}
}

// The topic of changes takes short records only: what matters is told, and the site goes on.
func TestChangeThatTheFarSideRefuses(t *testing.T) {
	l := newLiving(t, v1)
	l.far.Limit(sink.Changes, 1000)
	l.start()
	l.edited(v2)
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`)
	l.has("change:full/evolve", "v1/200", "v2/201")
	if _, last := l.site.Stats().Changes(); !strings.Contains(last.Text, "log_format main (nginx.conf:7) has changed: full") || last.New.Fingerprint == 0 {
		t.Errorf("told: %+v", last)
	}
}

// The edit is taken back while its lines hold the site: nginx.conf has another format by then, so the reason names the schema to accept.
func TestHeldByAnEditThatWasTakenBack(t *testing.T) {
	l := newLiving(t, v1)
	l.cfg.OnChange.Full = schema.Hold
	l.start()
	l.edited(v2)
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`, `v1 202 "c"`)
	l.state("held: ")
	l.edited(v1)
	l.has("change:full/hold", "v1/200", "change:none/evolve")
	if _, last := l.site.Stats().Changes(); !strings.Contains(last.Text, "compared with what was let through last") {
		t.Errorf("told: %s", last.Text)
	}
	fp := l.formats(v2)[0].Fingerprint()
	if state, _ := l.site.Stats().State(); !strings.Contains(state, fmt.Sprintf("`ngxtap schema accept --site shop %016x`", fp)) {
		t.Errorf("the site is %q", state)
	}
	l.set(func() { l.accepted[fp] = true })
	l.has("change:full/hold", "v1/200", "change:none/evolve", "v2/201", "v1/202")
}

// reconcileAll edits the configuration time and again; no line is read meanwhile. Edit i is noticed when file f ends at 100*i.
func reconcileAll(t *testing.T, p Policy, edits ...[]string) (reconciliation, *Site) {
	t.Helper()
	l, s := &living{t: t}, &Site{}
	var r reconciliation
	for i, texts := range edits {
		now := l.formats(texts...)
		s.compiled = append(s.compiled, candidatesOf(now)...)
		r = reconcile(r.known, now, reconciliation{policy: &p, build: s.build, ends: map[string]int64{"f": int64(100 * i)}, now: time.Unix(int64(i+1), 0)})
	}
	return r, s
}

// A format goes, another comes, the first comes back, and no line was read meanwhile: each stretch of the file is read by its own.
func TestFormatComesBackBeforeItsLinesAreRead(t *testing.T) {
	const a, b = `$status $bytes_sent`, `$bytes_sent $status`
	r, s := reconcileAll(t, Policy{}, []string{a}, []string{b}, []string{a}, []string{b})
	all := s.candidates(r.known)
	for offset, want := range map[int64]string{0: a, 99: a, 100: b, 199: b, 200: a, 299: a, 300: b} {
		got, until := order(nil, r.known, all, "f", offset)
		if got[0].id.Text != want || len(got) != 2 {
			t.Errorf("at %d: %q first of %d, want %q", offset, got[0].id.Text, len(got), want)
		}
		if end := offset/100*100 + 100; offset < 300 && until != end {
			t.Errorf("at %d: holds until %d, want %d", offset, until, end)
		}
	}
}

// While a site is held its configuration is edited more often than formats are remembered: those with unread lines are kept.
func TestUnreadFormatsAreRemembered(t *testing.T) {
	var edits [][]string
	for i := range 3 * keepRetired {
		edits = append(edits, []string{fmt.Sprintf(`w%d $status`, i)})
	}
	r, s := reconcileAll(t, Policy{}, edits...)
	for i := range edits {
		got, _ := order(nil, r.known, s.candidates(r.known), "f", int64(100*i))
		if got[0].id.Text != edits[i][0] {
			t.Errorf("the lines at %d are read by %q, not %q", 100*i, got[0].id.Text, edits[i][0])
		}
	}
}

// A change is durable before its schema is registered: after a crash in between the registry would have a schema that nobody announced.
func TestChangeIsToldBeforeItsSchemaIsRegistered(t *testing.T) {
	l := newLiving(t, v1)
	l.cfg.CommitInterval = 200 * time.Millisecond
	fp := l.formats(v2)[0].Fingerprint()
	l.answer = func(f uint64) error { // is called with l.mu held
		if f == fp && !slices.ContainsFunc(l.far.Records(), func(r sinktest.Record) bool { return r.Stream == sink.Changes }) {
			t.Error("registered before it was told")
		}
		return nil
	}
	l.start()
	l.edited(v2)
	l.eventually("registered", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.asked[fp] > 0 })
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`)
	l.has("change:full/evolve", "v1/200", "v2/201")
}

// A policy is about changes to come: what readers have already is not held when it becomes stricter.
func TestStricterPolicyLeavesWhatReadersHave(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	l.edited(v2)
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`)
	l.has("change:full/evolve", "v1/200", "v2/201")
	l.cfg.OnChange.Full = schema.Hold
	l.restart(v2)
	l.write(`v2 202 0.1 "c"`, `v1 203 "d"`)
	l.has("change:full/evolve", "v1/200", "v2/201", "v2/202", "v1/203")
	l.edited(v3)
	l.write(`v3 204 0.1 7 "e"`)
	l.has("change:full/evolve", "v1/200", "v2/201", "v2/202", "v1/203", "change:full/hold")
	l.state("held: ")
}
