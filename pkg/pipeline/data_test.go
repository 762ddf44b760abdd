// data_test.go shows that a site tells what changes in its data, in the transaction of the position that remembers it.
package pipeline

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/schema"
)

// watching returns a site whose windows are short enough for a test.
func watching(t *testing.T, formats ...string) *living {
	l := newLiving(t, formats...)
	l.cfg.Drift = &Drift{window: time.Millisecond, minLines: 10}
	return l
}

func (l *living) told(path string, kind schema.Kind) {
	l.t.Helper()
	l.eventually(fmt.Sprintf("%s %s", path, kind), func() bool {
		_, last := l.site.Stats().Changes()
		if last == nil || last.Source != schema.FromData {
			return false
		}
		for _, d := range last.Diffs {
			if d.Path == path && d.Kind == kind {
				return true
			}
		}
		return false
	})
}

// A column stops fitting: that is told once, names the column and a line, and not again after a restart.
func TestDataMisfitIsTold(t *testing.T) {
	l := watching(t, `$status "$http_x_id"`)
	l.start()
	for range 30 {
		l.write(`200 "a"`, `200 "b"`)
	}
	half := strings.Split(strings.TrimSuffix(strings.Repeat("x200 \"secret\"\n200 \"a\"\n", 50), "\n"), "\n")
	l.write(half...)
	l.told("status", "misfit")
	_, last := l.site.Stats().Changes()
	if last.File == "" || last.Action != schema.Notice || strings.Contains(fmt.Sprint(*last), "secret") {
		t.Errorf("%+v", *last)
	}
	l.restart(`$status "$http_x_id"`)
	l.write(half...)
	l.eventually("all read", func() bool { return l.site.Stats().Quarantined.Load() == 50 })
	if n, _ := l.site.Stats().Changes(); len(n) > 0 {
		t.Errorf("told again: %v", n)
	}
}

// A header in one of 300 events is told when it came again and again, names a line, and is not told again after a restart; one that came once
// is in the census and is not told.
func TestDataRareHeaderIsTold(t *testing.T) {
	const format = `$status "$ngxtap_request_headers"`
	l := watching(t, format)
	l.cfg.CensusFile = l.path + ".census"
	began := newCensus("shop", "", nil)
	began.began -= 2 * rareLearn.Microseconds()
	if err := writeCensus(l.cfg.CensusFile, began.copy()); err != nil {
		t.Fatal(err)
	}
	l.start()
	round := func(n int, headers string) {
		for range n {
			before := l.site.Stats().Events.Load()
			lines := slices.Repeat([]string{`200 "Host=a"`}, 299)
			l.write(append(lines, fmt.Sprintf(`200 "%s"`, headers))...)
			l.eventually("300 lines", func() bool { return l.site.Stats().Events.Load() == before+300 })
		}
	}
	round(12, "Host=a")
	round(1, "X-Once=1")
	if n, _ := l.site.Stats().Changes(); len(n) > 0 {
		t.Errorf("told: %v", n)
	}
	last, rounds := (*schema.ChangeEvent)(nil), 0
	for ; last == nil && rounds < 50; rounds++ {
		round(1, "Host=a&X-Rare=hunter2")
		_, last = l.site.Stats().Changes()
	}
	l.told("request_headers.x-rare", schema.KindAdded)
	_, last = l.site.Stats().Changes()
	text, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), `200 "Host=a&X-Rare`)
	if len(last.Diffs) != 1 || last.Diffs[0].New != "rare" || last.File == "" || last.Offset != int64(at) || strings.Contains(fmt.Sprint(*last), "hunter2") {
		t.Errorf("%+v", *last)
	}
	l.restart(format)
	round(12, "Host=a&X-Rare=hunter2")
	if n, last := l.site.Stats().Changes(); len(n) > 0 {
		t.Errorf("told again: %+v", last)
	}
	if got := l.site.Stats().Census().counts("request"); got["x-once"] != 1 || got["x-rare"] != int64(rounds+12) {
		t.Errorf("%v", got)
	}
	l.stop()
}
