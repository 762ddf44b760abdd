package pipeline

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// Rules for a side that is full.
const (
	censusRare  = atLeast                                  // a name that was seen less often than this may go for a new one
	censusYoung = int64(24 * time.Hour / time.Microsecond) // one that came less than so long ago goes first,
	youngRoom   = 128                                      // if there are so many of them
	censusAway  = 7 * censusYoung                          // a name that is not rare may go after being away for so long
)

// admit takes new names into the list. When it is full, a new name takes the place of one that was rarely seen and came in the last day, by
// chance, so that a flood of invented names eats itself, and one that comes again and again gets in all the same. If there are few of those
// it takes the place of the rare name that has been away longest, and then of one that has been away for a week. Names that are seen often
// never go for new ones. It reports whether a name went, or one was not taken.
func (s *censusSide) admit(newcomers []*censusName, m moment) (left bool) {
	var out *victims
	if len(s.names)+len(newcomers) > censusNames {
		slices.SortStableFunc(newcomers, func(a, b *censusName) int { return cmp.Compare(b.seen.count, a.seen.count) })
		out = s.victims(newcomers)
	}
	for _, n := range newcomers {
		if len(s.names) >= censusNames {
			left = true
			v := out.next()
			if v == nil {
				s.lost.add(n.seen)
				continue
			}
			delete(s.names, v.name)
			v.kept = false
			s.lost.add(v.total)
		}
		n.kept = true
		n.take(m)
		s.names[n.name] = n
		if out != nil && n.total.count < censusRare {
			out.young = append(out.young, n)
		}
	}
	return left
}

// victims are names that may go, see admit.
type victims struct {
	young []*censusName // in no order
	old   []*censusName // in the order in which they go
}

func (s *censusSide) victims(newcomers []*censusName) *victims {
	newest := int64(0)
	for _, n := range newcomers {
		newest = max(newest, n.seen.last)
	}
	for _, n := range s.names {
		newest = max(newest, n.total.last)
	}
	out := &victims{}
	for _, n := range s.names {
		rare := n.total.count < censusRare
		switch {
		case n.name == oddName:
		case rare && n.total.first > newest-censusYoung:
			out.young = append(out.young, n)
		case rare || n.total.last < newest-censusAway:
			out.old = append(out.old, n)
		}
	}
	slices.SortFunc(out.old, func(a, b *censusName) int {
		return cmp.Or(cmp.Compare(common(a), common(b)), cmp.Compare(a.total.last, b.total.last), byName(a, b))
	})
	return out
}

// common is 1 for a name that is not rare.
func common(n *censusName) int {
	if n.total.count < censusRare {
		return 0
	}
	return 1
}

func byName(a, b *censusName) int { return cmp.Compare(a.name, b.name) }

// next returns the next name that is to go, nil if none may.
func (v *victims) next() *censusName {
	switch {
	case len(v.young) >= youngRoom || len(v.old) == 0 && len(v.young) > 0:
		i, end := rand.IntN(len(v.young)), len(v.young)-1
		n := v.young[i]
		v.young[i] = v.young[end]
		v.young = v.young[:end]
		return n
	case len(v.old) > 0:
		n := v.old[0]
		v.old = v.old[1:]
		return n
	}
	return nil
}
