// data_test.go shows that a site tells what changes in its data, in the transaction of the position that remembers it.
package pipeline

import (
	"fmt"
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
