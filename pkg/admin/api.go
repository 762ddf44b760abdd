package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// CacheFor is how old an answer may be: however many ask, the daemon makes two a second for each span.
const CacheFor = 500 * time.Millisecond

// cache makes a Status and keeps it for a moment.
type cache struct {
	make func(Span) *Status
	now  func() time.Time

	mu   sync.Mutex
	kept map[Span]cached // guarded by mu
}

type cached struct {
	at     time.Time
	status *Status // complete, sorted, with totals; not to be modified
}

func newCache(status func(Span) *Status) *cache {
	return &cache{make: status, now: time.Now, kept: map[Span]cached{}}
}

func (c *cache) get(span Span) *Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if k, ok := c.kept[span]; ok && now.Sub(k.at) < CacheFor {
		return k.status
	}
	st := c.make(span)
	st.finish()
	c.kept[span] = cached{now, st}
	return st
}

// finish sorts the sites and sums them up. Lists are empty rather than null.
func (st *Status) finish() {
	st.API = 1
	var histories []*History
	st.Totals = Totals{Sites: len(st.Sites)}
	t := &st.Totals
	for i := range st.Sites {
		s := &st.Sites[i]
		if s.State == StateRunning {
			t.Running++
		}
		if s.trouble() == 2 {
			t.Trouble++
		}
		t.Rates.Lines, t.Rates.Bytes, t.Rates.Rejects = t.Rates.Lines+s.Rates.Lines, t.Rates.Bytes+s.Rates.Bytes, t.Rates.Rejects+s.Rates.Rejects
		t.LagBytes += s.LagBytes
		t.Counters.add(&s.Counters)
		histories = append(histories, s.History)
		s.Attention = orEmpty(s.Attention)
		for k := range s.Changes {
			s.Changes[k].Diffs = orEmpty(s.Changes[k].Diffs)
		}
	}
	t.Rates.Lines, t.Rates.Bytes, t.Rates.Rejects = roundTo4(t.Rates.Lines), roundTo4(t.Rates.Bytes), roundTo4(t.Rates.Rejects)
	t.History = sum(histories)
	st.Brokers, st.Registry, st.Attention, st.Sites = orEmpty(st.Brokers), orEmpty(st.Registry), orEmpty(st.Attention), orEmpty(st.Sites)
	slices.SortStableFunc(st.Sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.trouble(), a.trouble()), cmp.Compare(a.Name, b.Name))
	})
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (c *Counters) add(o *Counters) {
	c.Events += o.Events
	c.Quarantined += o.Quarantined
	c.Blank += o.Blank
	c.Losses += o.Losses
	c.Sessions += o.Sessions
	c.ReadBytes += o.ReadBytes
	c.EventBytes += o.EventBytes
	c.QuarBytes += o.QuarBytes
	c.BlankBytes += o.BlankBytes
	c.LostBytes += o.LostBytes
}

// view answers with the status, as JSON or as a page.
type view struct{ status *cache }

// span reads the parameter history of a request.
func span(r *http.Request) (Span, error) {
	s := Span(cmp.Or(r.URL.Query().Get("history"), string(SpanMinutes)))
	if s != SpanNone && s != SpanMinutes && s != SpanHour {
		return "", fmt.Errorf("history is none, 5m or 1h")
	}
	return s, nil
}

// api is GET /api/v1/status[?site=NAME][&history=none|5m|1h].
func (v *view) api(w http.ResponseWriter, r *http.Request) {
	span, err := span(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	st := v.status.get(span)
	if name := r.URL.Query().Get("site"); name != "" {
		at := slices.IndexFunc(st.Sites, func(s Site) bool { return s.Name == name })
		if at < 0 {
			http.Error(w, "there is no such site here", http.StatusNotFound)
			return
		}
		one := *st
		one.Sites, one.Omitted = st.Sites[at:at+1], len(st.Sites)-1
		st = &one
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(st.bounded()); err != nil { // can't be: a Status holds nothing that JSON has not
		http.Error(w, "the status can't be written: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(b.Bytes()) // a client that left needs no answer
}
