// evolve_test.go shows what a site does when the format of its log changes while it runs, while it is down, and when a session fails in
// between: every line is read by the format that wrote it, and every change is told once.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/sinktest"
)

const (
	v1 = `v1 $status "$http_x_id"`
	v2 = `v2 $status $request_time "$http_x_id"`
	v3 = `v3 $status $request_time $bytes_sent "$http_x_id"`
)

// An edit is told before the first line of the new format is there; then both formats come mixed, and the old one comes back.
func TestEditedWhileRunning(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	l.write(`v1 200 "a"`, `v1 201 "b"`)
	l.has("v1/200", "v1/201")
	l.edited(v2)
	l.has("v1/200", "v1/201", "change:full/evolve")
	l.write(`v2 202 0.5 "c"`, `v1 203 "old worker"`, `v2 204 0.5 "d"`)
	l.has("v1/200", "v1/201", "change:full/evolve", "v2/202", "v1/203", "v2/204")
	l.edited(v1)
	l.eventually("told", func() bool { return len(l.committed()) == 7 })
	l.write(`v1 205 "e"`)
	l.has("v1/200", "v1/201", "change:full/evolve", "v2/202", "v1/203", "v2/204", "change:full/evolve", "v1/205")
	n, last := l.site.Stats().Changes()
	if n[ChangeKind{schema.FromConfiguration, schema.ClassFull}] != 2 || !strings.Contains(last.Text, "log_format main (nginx.conf:7) has changed: full; ") {
		t.Errorf("%v %q", n, last.Text)
	}
	l.stop()
	if n := strings.Count(l.log.String(), "schema change"); n != 2 {
		t.Errorf("told %d times, want 2:\n%s", n, l.log.String())
	}
}

// The edit and the first line come at once: nothing is quarantined, for a line that fits nothing makes the site look again.
func TestEditedAtTheSameMoment(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	var want []string
	for i := range 5 {
		l.edited(fmt.Sprintf(`w%d $status "$http_x_id"`, i))
		l.write(fmt.Sprintf(`w%d %d "x"`, i, 200+i))
		want = append(want, "change:none/evolve", fmt.Sprintf("v1/%d", 200+i))
		l.has(want...)
	}
}

// Lines of three formats are unread when the daemon stops, and the configuration is edited while it is down.
func TestEditedWhileDown(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	l.write(`v1 200 "a"`)
	l.edited(v2)
	l.has("change:full/evolve", "v1/200")
	l.stop()
	l.write(`v1 201 "b"`, `v2 202 0.1 "c"`, `v1 203 "d"`, `v3 204 0.1 7 "e"`, `v2 205 0.1 "f"`, `v1 206 "g"`)
	l.cfg.Formats = l.formats(v3)
	l.start()
	l.has("change:full/evolve", "v1/200", "change:full/evolve", "v1/201", "v2/202", "v1/203", "v3/204", "v2/205", "v1/206")
	l.restart(v3) // nothing has changed
	l.write(`v1 207 "h"`)
	l.has("change:full/evolve", "v1/200", "change:full/evolve", "v1/201", "v2/202", "v1/203", "v3/204", "v2/205", "v1/206", "v1/207")
}

// Two columns of numbers change places: no line tells. What stood in the file before the edit is read by the format that wrote it.
func TestColumnsChangePlaces(t *testing.T) {
	const a, b = `$status $bytes_sent`, `$bytes_sent $status`
	for _, down := range []bool{false, true} {
		l := newLiving(t, a)
		l.start()
		l.write(`200 1`)
		l.has("v3/200")
		if down {
			l.stop()
			l.write(`201 2`, `202 3`)
			l.cfg.Formats = l.formats(b)
			l.start()
		} else {
			l.write(`201 2`, `202 3`)
			l.has("v3/200", "v3/201", "v3/202")
			l.edited(b)
		}
		l.eventually("change", func() bool { n, _ := l.site.Stats().Changes(); return len(n) > 0 })
		l.write(`4 203`, `5 204`)
		l.eventually("all", func() bool { return len(l.committed()) == 6 })
		got := slices.DeleteFunc(l.committed(), func(s string) bool { return strings.HasPrefix(s, "change") })
		if want := []string{"v3/200", "v3/201", "v3/202", "v3/203", "v3/204"}; !slices.Equal(got, want) {
			t.Errorf("down %v: %v", down, got)
		}
		if _, last := l.site.Stats().Changes(); !strings.Contains(last.Text, "lines of the old format fit the new one too") {
			t.Errorf("nobody is warned: %q", last.Text)
		}
		l.stop()
	}
}

func TestBrokenEditChangesNothing(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	l.set(func() { l.broken = errors.New("nginx.conf:3: unexpected end of file") })
	l.eventually("the problem", func() bool { return l.site.Stats().ConfigProblem() != "" })
	l.write(`v1 200 "a"`, `v1 201 "b"`)
	l.has("v1/200", "v1/201")
	l.edited(v1)
	l.eventually("no problem", func() bool { return l.site.Stats().ConfigProblem() == "" })
	l.write(`v1 202 "c"`)
	l.has("v1/200", "v1/201", "v1/202")
	l.stop()
	if n := strings.Count(l.log.String(), "unexpected end of file"); n != 1 {
		t.Errorf("told %d times, want once:\n%s", n, l.log.String())
	}
}

// A key that the new format does not have would send its events elsewhere: such an edit is not used, and its lines can be replayed.
func TestEditWithoutTheKey(t *testing.T) {
	l := newLiving(t, v2)
	l.cfg.PartitionBy = "request_time"
	l.start()
	l.edited(v1)
	l.eventually("the problem", func() bool { return strings.Contains(l.site.Stats().ConfigProblem(), "partition_by") })
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`)
	l.has(`q:v1 200 "a"`, "v2/201")
}

func TestHoldAndAccept(t *testing.T) {
	l := newLiving(t, v1)
	l.cfg.OnChange.Full = schema.Hold
	l.start()
	l.write(`v1 200 "a"`)
	l.has("v1/200")
	l.edited(v2)
	l.has("v1/200", "change:full/hold")
	l.write(`v1 201 "b"`, `v2 202 0.1 "c"`, `v1 203 "d"`)
	l.state("held: ")
	l.has("v1/200", "change:full/hold", "v1/201")
	st, err := decodeState(l.far.Position())
	if err != nil {
		t.Fatal(err)
	}
	if at, want := st.Tail.Files[len(st.Tail.Files)-1].Offset, int64(len("v1 200 \"a\"\n"+"v1 201 \"b\"\n")); at != want {
		t.Errorf("held at %d, want %d", at, want)
	}
	l.restart(v2) // the same in another life
	l.state("held: the change to log_format main is full, and on_change.full is hold")
	fp := l.formats(v2)[0].Fingerprint()
	l.set(func() { l.accepted[fp] = true })
	l.has("v1/200", "change:full/hold", "v1/201", "v2/202", "v1/203")
	l.state(StateRunning)
	l.set(func() { l.accepted[fp] = false }) // it is in the committed position now
	l.restart(v2)
	l.write(`v2 204 0.1 "e"`)
	l.has("v1/200", "change:full/hold", "v1/201", "v2/202", "v1/203", "v2/204")
	l.set(func() {
		if l.asked[fp] == 0 {
			t.Error("never registered")
		}
	})
}

// Without an operator's word another policy clears the way, and a held schema is not even registered.
func TestHoldEndsWithThePolicy(t *testing.T) {
	l := newLiving(t, v1)
	l.cfg.OnChange.Full = schema.Hold
	l.start()
	l.edited(v2)
	l.write(`v2 202 0.1 "c"`)
	l.state("held: ")
	fp := l.formats(v2)[0].Fingerprint()
	l.set(func() {
		if l.asked[fp] > 0 {
			t.Error("a schema was registered that on_change holds")
		}
	})
	l.cfg.OnChange.Full = schema.Evolve
	l.restart(v2)
	l.has("change:full/hold", "v2/202")
}

func TestOnceEndsWhereItIsHeld(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	l.write(`v1 200 "a"`)
	l.has("v1/200")
	l.stop()
	l.write(`v1 201 "b"`, `v2 202 0.1 "c"`)
	l.cfg.OnChange.Full, l.cfg.Once, l.cfg.Formats = schema.Hold, true, l.formats(v2)
	s, err := New(l.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, errHeld) || !strings.Contains(err.Error(), "on_change.full is hold") {
		t.Errorf("got %v", err)
	}
	l.site = s
	l.has("v1/200", "change:full/hold", "v1/201")
}

func TestQuarantinePolicy(t *testing.T) {
	l := newLiving(t, v1)
	l.cfg.OnChange.Full = schema.QuarantineThem
	l.start()
	l.edited(v2)
	l.write(`v1 200 "a"`, `v2 201 0.1 "b"`, `v1 202 "c"`)
	l.has("change:full/quarantine", "v1/200", `q:v2 201 0.1 "b"`, "v1/202")
	if n := l.site.Stats().ByReason()[ReasonChange]; n != 1 {
		t.Errorf("%d lines for that reason", n)
	}
	// The next edit is compared with what readers have, which is still v1.
	l.edited(v3)
	l.eventually("two changes", func() bool {
		n, _ := l.site.Stats().Changes()
		return n[ChangeKind{schema.FromConfiguration, schema.ClassFull}] == 2
	})
	if _, last := l.site.Stats().Changes(); len(last.Diffs) != 2 {
		t.Errorf("%d differences, want request_time and bytes_sent: %s", len(last.Diffs), last.Text)
	}
}

// The registry refuses the new schema, that is told once, also over restarts; then it changes its mind.
func TestRegistryRefuses(t *testing.T) {
	for _, hold := range []bool{false, true} {
		l := newLiving(t, v1)
		fp := l.formats(v2)[0].Fingerprint()
		l.answer = func(f uint64) error {
			if f == fp {
				return fmt.Errorf("incompatible: %w", schema.ErrRefused)
			}
			return nil
		}
		if hold {
			l.cfg.OnChange.Refused = schema.Hold
		}
		l.start()
		l.edited(v2)
		l.eventually("two changes", func() bool { return len(l.committed()) == 2 })
		l.write(`v1 200 "a"`, `v2 201 0.1 "b"`, `v1 202 "c"`)
		if hold {
			l.has("change:full/evolve", "change:breaking/hold", "v1/200")
			l.state("held: the registry refused")
			l.restart(v2)
			l.state("held: the registry refused")
			l.has("change:full/evolve", "change:breaking/hold", "v1/200")
			l.set(func() { l.answer = nil })
			l.has("change:full/evolve", "change:breaking/hold", "v1/200", "v2/201", "v1/202")
		} else {
			l.has("change:full/evolve", "change:breaking/quarantine", "v1/200", `q:v2 201 0.1 "b"`, "v1/202")
			l.restart(v2)
			l.set(func() { l.answer = nil })
			l.eventually("asked again", func() bool {
				l.write(`v2 203 0.1 "d"`)
				all := l.committed() // once: it grows
				return strings.HasPrefix(all[len(all)-1], "v2")
			})
		}
		if n, _ := l.site.Stats().Changes(); len(n) > 0 {
			t.Errorf("told again after the restart: %v", n)
		}
		l.stop()
	}
}

// No registry answers when the format changes: known formats go on, the new one waits or is quarantined.
func TestRegistryAway(t *testing.T) {
	for _, policy := range []schema.Action{"", schema.QuarantineThem} {
		l := newLiving(t, v1)
		fp := l.formats(v2)[0].Fingerprint()
		l.answer = func(f uint64) error {
			if f == fp {
				return errors.New("connection refused")
			}
			return nil
		}
		l.cfg.OnChange.Away = policy
		l.start()
		l.edited(v2)
		l.eventually("asked", func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.asked[fp] > 1 })
		l.write(`v1 200 "a"`, `v2 201 0.1 "b"`, `v1 202 "c"`)
		want := []string{"change:full/evolve", "v1/200", "v2/201", "v1/202"}
		if policy == "" {
			l.state("held: the registry gives no id")
			l.has(want[:2]...)
		} else {
			want[2] = `q:v2 201 0.1 "b"`
			l.has(want...)
		}
		l.set(func() { l.answer = nil })
		l.has(want...)
		l.stop()
	}
}

// A site that starts for the first time is compared with what the registry has: another host may have shipped the same log before.
func TestFirstStartIsComparedWithTheRegistry(t *testing.T) {
	for _, tt := range []struct{ registered, want string }{{v1, "change:full/hold"}, {v2, ""}, {"", ""}, {"no schema", ""}} {
		l := newLiving(t, v2)
		l.cfg.OnChange.Full = schema.Hold
		l.cfg.Registered = func(context.Context, string) (string, error) {
			if strings.Contains(tt.registered, "$") {
				return l.formats(tt.registered)[0].Schema(), nil
			}
			return tt.registered, nil
		}
		l.write(`v2 201 0.1 "b"`)
		l.start()
		if tt.want != "" {
			l.state("held: ")
			l.has(tt.want)
			l.restart(v2) // told once
			l.state("held: ")
			l.has(tt.want)
		} else {
			l.has("v2/201")
		}
		l.stop()
	}
}

// Sessions fail at every kind of moment while formats change: each change is told once, each line arrives once.
func TestChangeIsToldOnceWhateverFails(t *testing.T) {
	for op := range sinktest.Op(3) {
		for after := range 6 {
			l := newLiving(t, v1)
			l.far.Fail(op, after, after%2 == 0, errors.New("the far side breaks"))
			l.start()
			l.write(`v1 200 "a"`)
			l.edited(v2)
			l.write(`v2 201 0.1 "b"`, `v1 202 "c"`)
			l.eventually("all", func() bool { return len(l.committed()) >= 4 })
			l.stop()
			var events, changes []string
			for _, s := range l.committed() {
				if strings.HasPrefix(s, "change") {
					changes = append(changes, s)
				} else {
					events = append(events, s)
				}
			}
			if !slices.Equal(events, []string{"v1/200", "v2/201", "v1/202"}) || len(changes) != 1 {
				t.Errorf("op %v after %d: %v %v", op, after, events, changes)
			}
		}
	}
}

// A configuration that is edited time and again does not fill memory, nor the committed position.
func TestStormOfEdits(t *testing.T) {
	l := newLiving(t, v1)
	l.start()
	for i := range 3 * keepRetired {
		l.edited(fmt.Sprintf(`w%d $status "$http_x_id" $arg_a%d`, i, i))
		l.eventually("the edit", func() bool {
			n, _ := l.site.Stats().Changes()
			return n[ChangeKind{schema.FromConfiguration, schema.ClassFull}] > int64(i)
		})
	}
	l.stop()
	st, err := decodeState(l.far.Position())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(st.Formats); n != 1+keepRetired {
		t.Errorf("%d formats are remembered, want %d", n, 1+keepRetired)
	}
	if n := len(l.site.compiled); n != 1+keepRetired {
		t.Errorf("%d formats are compiled, want %d", n, 1+keepRetired)
	}
}
