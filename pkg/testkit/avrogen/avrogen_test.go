package avrogen

// Shows that the generator is worth its name: most pairs are valid schemas for a parser that is not ours, every edit is used, and one
// seed always gives the same pairs.

import (
	"testing"

	"github.com/twmb/avro"
)

func TestPairs(t *testing.T) {
	const pairs = 2000
	g, again := New(7), New(7)
	valid, equal := 0, 0
	used := map[string]int{}
	for range pairs {
		old, new, names := g.Pair()
		if o, n, _ := again.Pair(); o != old || n != new {
			t.Fatal("the same seed gives another pair")
		}
		for _, e := range names {
			used[e]++
		}
		_, err1 := avro.Parse(old)
		_, err2 := avro.Parse(new)
		if err1 == nil && err2 == nil {
			valid++
		}
		if old == new {
			equal++
		}
	}
	if valid < pairs*8/10 || equal > pairs/4 {
		t.Errorf("of %d pairs %d are valid and %d did not change", pairs, valid, equal)
	}
	for _, e := range edits {
		if used[e.name] == 0 {
			t.Errorf("edit %q was never used", e.name)
		}
	}
}
