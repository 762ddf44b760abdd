package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"ngxtap/pkg/sink"
)

func nothingCommitted(t *testing.T, tg Target) {
	s := open(t, tg, first)
	if pos := s.recover(); pos != nil {
		t.Fatalf("want no position, got %q", pos)
	}
	s.close()
	// Being owner once must not look like a position.
	if pos := open(t, tg, restart).recover(); pos != nil {
		t.Fatalf("after an empty session: want no position, got %q", pos)
	}
	expect(t, tg, nil)
}

func commitInOrder(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	var all []Record
	for i := range 3 { // three batches in the first transaction, then two more transactions
		recs := events(fmt.Sprintf("a%d-", i), 10)
		s.write(recs...)
		all = append(all, recs...)
	}
	s.commit("p1")
	for i := range 2 {
		recs := events(fmt.Sprintf("b%d-", i), 10)
		s.write(recs...)
		s.commit(fmt.Sprintf("p%d", i+2))
		all = append(all, recs...)
	}
	expect(t, tg, all)
	s.close()
	expectPosition(t, open(t, tg, restart).recover(), "p3")
}

// uncommittedIsGone is the crash: the first session is never closed before the second one starts.
func uncommittedIsGone(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	kept := events("kept", 5)
	s.write(kept...)
	s.commit("p1")
	s.write(events("lost", 5)...)

	next := open(t, tg, restart)
	expectPosition(t, next.recover(), "p1")
	expect(t, tg, kept)
	again := events("again", 5)
	next.write(again...)
	next.commit("p2")
	expect(t, tg, append(kept, again...))
}

func closeDrops(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	s.write(events("lost", 5)...)
	s.close()
	if s.freed != s.batches {
		t.Errorf("after close %d of %d batches were released", s.freed, s.batches)
	}
	expect(t, tg, nil)
	if pos := open(t, tg, restart).recover(); pos != nil {
		t.Fatalf("want no position, got %q", pos)
	}
}

func emptyCommit(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	s.commit("p1")
	s.commit("p2")
	s.write() // a batch without records is no error
	s.commit("p3")
	s.close()
	expectPosition(t, open(t, tg, restart).recover(), "p3")
	expect(t, tg, nil)
}

func positionExact(t *testing.T, tg Target) {
	positions := []string{
		`{"files":[{"id":"x","offset":12}]}`, ` { "a" : "<&>" }`, `{"a":1}` + "\n", "[1,2]", "null", "7", `"text"`, "\x00\xff\xfe",
		"plain words", `{"u":"\u2028","dup":1,"dup":2}`, string(bytes.Repeat([]byte("long "), 5000)),
	}
	for i, want := range positions {
		s := open(t, tg, Process{Run: fmt.Sprint("run", i), Host: "host-a"})
		s.recover()
		s.commit(want)
		s.close()
		expectPosition(t, open(t, tg, Process{Run: fmt.Sprint("look", i), Host: "host-a"}).recover(), want)
	}
}

func manySessions(t *testing.T, tg Target) {
	var all []Record
	want := ""
	for i := range 6 {
		s := open(t, tg, first)
		expectPosition(t, s.recover(), want)
		recs := events(fmt.Sprintf("s%d-", i), 3)
		s.write(recs...)
		if i%2 == 0 { // every other session ends without a commit
			want = fmt.Sprint("p", i)
			s.commit(want)
			all = append(all, recs...)
		}
		s.close()
	}
	expect(t, tg, all)
}

func allStreams(t *testing.T, tg Target) {
	if tg.NoStreams {
		t.Skip("this sink takes events only")
	}
	s := open(t, tg, first)
	s.recover()
	var recs []Record
	for i := range 20 {
		for st := range sink.NumStreams {
			r := Record{Stream: st, Value: fmt.Appendf(nil, "%v%d", st, i), Time: 1_700_000_000_000_000}
			if st == sink.Schemas {
				r.Key = fmt.Appendf(nil, "fingerprint%d", i%3)
			}
			recs = append(recs, r)
		}
	}
	s.write(recs...)
	expect(t, tg, nil)
	s.commit("p1")
	got := committed(t, tg, len(recs))
	for st := range sink.NumStreams {
		if n := len(valuesOf(got, st)); n != 20 {
			t.Errorf("%v: want 20 records, got %d", st, n)
		}
	}
	// Order holds within a stream and key.
	last := map[string]string{}
	for _, r := range got {
		k := fmt.Sprint(r.Stream, string(r.Key))
		if v := fmt.Sprintf("%12s", r.Value); v < last[k] {
			t.Errorf("%s: %s comes after %s", k, v, last[k])
		} else {
			last[k] = v
		}
	}
}

func recordFields(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	h := &sink.Header{Name: "__value_schema_id", Value: []byte{1, 2, 3}}
	want := Record{Stream: sink.Events, Key: []byte("the key"), Value: []byte{0, 0xC3, 1, '\n'}, Time: 1_712_345_678_901_000, Header: h}
	s.write(want)
	s.commit("p1")
	got := committed(t, tg, 1)
	if len(got) != 1 {
		t.Fatalf("want 1 record, got %d", len(got))
	}
	g := got[0]
	if !bytes.Equal(g.Key, want.Key) || !bytes.Equal(g.Value, want.Value) || g.Time != want.Time {
		t.Errorf("want %+v, got %+v", want, g)
	}
	if g.Header == nil || g.Header.Name != h.Name || !bytes.Equal(g.Header.Value, h.Value) {
		t.Errorf("want header %+v, got %+v", h, g.Header)
	}
}

// largeBatch crosses every limit inside a sink: several megabytes in one batch, one record of nearly a megabyte.
func largeBatch(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	var recs []Record
	for i := range 6000 {
		recs = append(recs, Record{Stream: sink.Events, Value: fmt.Appendf(nil, "%06d%0500d", i, i), Time: 1_700_000_000_000_000})
	}
	recs = append(recs, Record{Stream: sink.Events, Value: bytes.Repeat([]byte("x"), 950_000), Time: 1_700_000_000_000_000})
	recs = append(recs, events("after", 1)...)
	s.write(recs...)
	s.commit("p1")
	expect(t, tg, recs)
}

// tooLarge: a record that is refused for its size takes nothing with it and can't come back for ever: the limit that the error names is
// below the record, and what is within the limit is taken.
func tooLarge(t *testing.T, tg Target) {
	if tg.Limit == nil {
		t.Skip("this sink takes records of every size")
	}
	s := open(t, tg, first)
	s.recover()
	s.commit("p1")
	tg.Limit(100_000)
	const size = 300_000
	random := func(n int) Record { // compressing must not help
		b := make([]byte, n)
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return Record{Stream: sink.Events, Value: b, Time: 1_700_000_000_000_000}
	}
	var large *sink.TooLargeError
	var err error
	for range 20 { // a sink may learn first that it must send less at a time
		err = s.Write(stepContext(t), s.batch(append(events("lost", 3), random(size))...))
		if err == nil {
			err = s.Commit(stepContext(t), sink.Position("wrong"))
		}
		s.close()
		if err == nil || errors.As(err, &large) {
			break
		}
		s = open(t, tg, first)
		expectPosition(t, s.recover(), "p1")
	}
	if large == nil || large.Stream != sink.Events || large.Limit <= 0 || large.Limit >= size {
		t.Fatalf("want a sink.TooLargeError for events below %d bytes, got %v", size, err)
	}
	s = open(t, tg, first)
	expectPosition(t, s.recover(), "p1")
	kept := append(events("kept", 3), random(large.Limit))
	s.write(kept...)
	s.commit("p2")
	expect(t, tg, kept)
}

func releasedOnFailure(t *testing.T, tg Target) {
	s := open(t, tg, first)
	s.recover()
	s.close()
	err := s.Write(stepContext(t), s.batch(events("late", 3)...))
	expectError(t, "write after close", err, nil)
	if s.freed != 1 {
		t.Errorf("a failed write must release its batch; released %d", s.freed)
	}
	expectError(t, "commit after close", s.Commit(stepContext(t), sink.Position("p")), nil)
	expect(t, tg, nil)
}

func closeTwice(t *testing.T, tg Target) {
	fresh := open(t, tg, first) // never recovered
	fresh.close()
	fresh.close()
	s := open(t, tg, first)
	s.recover()
	s.write(events("x", 1)...)
	s.close()
	s.close()
}

func cancelledRecover(t *testing.T, tg Target) {
	s := open(t, tg, first)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Recover(ctx)
	expectError(t, "cancelled recover", err, context.Canceled)
	s.recover()
	s.commit("p1")
}

func secondFencesFirst(t *testing.T, tg Target) {
	one := open(t, tg, first)
	one.recover()
	kept := events("kept", 2)
	one.write(kept...)
	one.commit("p1")
	one.write(events("lost", 2)...)

	two := open(t, tg, restart)
	expectPosition(t, two.recover(), "p1")
	expectError(t, "commit of the fenced owner", one.Commit(stepContext(t), sink.Position("wrong")), nil)
	more := events("more", 2)
	two.write(more...)
	two.commit("p2")
	expect(t, tg, append(kept, more...))

	// The fenced run must not fence back.
	one.close()
	_, err := open(t, tg, first).Recover(stepContext(t))
	expectError(t, "recover of the fenced run", err, sink.ErrNotOwner)
	two.commit("p3")
}

func foreignRefused(t *testing.T, tg Target) {
	one := open(t, tg, first)
	one.recover()
	one.commit("p1")
	_, err := open(t, tg, foreign).Recover(stepContext(t))
	expectError(t, "recover on a foreign host", err, sink.ErrNotOwner)
	kept := events("kept", 2) // and the owner was not harmed
	one.write(kept...)
	one.commit("p2")
	expect(t, tg, kept)
}

func foreignAfterRelease(t *testing.T, tg Target) {
	one := open(t, tg, first)
	one.recover()
	one.commit("p1")
	one.write(events("lost", 1)...)
	one.close()
	two := open(t, tg, foreign)
	expectPosition(t, two.recover(), "p1")
	two.commit("p2")
	// Now the site is there: the first host is foreign.
	_, err := open(t, tg, restart).Recover(stepContext(t))
	expectError(t, "recover on the first host", err, sink.ErrNotOwner)
}

func takeover(t *testing.T, tg Target) {
	one := open(t, tg, Process{Run: "old", Host: "host-a", Takeover: true})
	one.recover()
	one.commit("p1")
	two := open(t, tg, Process{Run: "new", Host: "host-b", Takeover: true})
	expectPosition(t, two.recover(), "p1")
	expectError(t, "commit of the old owner", one.Commit(stepContext(t), sink.Position("wrong")), nil)
	one.close()
	// The permission to take over is for the start only; used again, two owners would fence each other for ever.
	_, err := open(t, tg, Process{Run: "old", Host: "host-a", Takeover: true}).Recover(stepContext(t))
	expectError(t, "recover of the old owner", err, sink.ErrNotOwner)
	two.commit("p2")
}
