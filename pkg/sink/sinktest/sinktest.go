// Package sinktest holds the suite that every sink passes, and a sink in memory that fails on command.
//
// The promise: a sink that passes RunSink keeps the contract of package sink as far as one process can see it: order, atomicity,
// position, ownership, and what is left after an error. Kafka's own faults are tested where Kafka is known.
package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ngxtap/pkg/sink"
)

// Record is a committed record as a reader of the far side sees it. It owns its bytes.
type Record struct {
	Stream     sink.Stream
	Key, Value []byte
	Time       int64        // microseconds since the Unix epoch, as exact as the far side keeps it (Kafka: milliseconds)
	Header     *sink.Header // nil: none
}

// Process is one run of the program, as far as ownership is concerned. Sessions opened with equal Processes belong to the same run.
type Process struct {
	Run      string // distinguishes runs on one host
	Host     string
	Takeover bool // the operator said --takeover
}

// Target is the far side under test: one site, empty at first.
type Target struct {
	// Open makes the sink of one session. The suite closes it.
	Open func(p Process) sink.Sink
	// Committed reads what is visible to a careful reader, in order within each stream. It does not wait for what is open.
	Committed func() []Record
	// Limit makes the far side refuse events of about limit bytes and more from now on; the suite calls it after a session has
	// recovered. nil: it takes every size.
	Limit func(limit int)
	// NoOwnership is for sinks that are on one host by nature: the suite leaves out fencing and takeover.
	NoOwnership bool
	// NoStreams is for sinks that take the events stream only.
	NoStreams bool
}

// The processes of the suite.
var (
	first   = Process{Run: "first", Host: "host-a"}
	restart = Process{Run: "restart", Host: "host-a"}
	foreign = Process{Run: "foreign", Host: "host-b"}
)

// Timeout is how long one step of the suite may take. It is no part of what is tested; it only turns a hang into a failure.
const Timeout = 30 * time.Second

// RunSink runs the suite. target is called once for each test and gives a far side that nothing was written to.
func RunSink(t *testing.T, target func(t *testing.T) Target) {
	tests := []struct {
		name      string
		run       func(t *testing.T, tg Target)
		ownership bool
	}{
		{"NothingCommittedIsNil", nothingCommitted, false},
		{"CommitMakesVisibleInOrder", commitInOrder, false},
		{"UncommittedIsGoneAfterReopen", uncommittedIsGone, false},
		{"CloseDropsWhatWasNotCommitted", closeDrops, false},
		{"EmptyCommitMovesThePosition", emptyCommit, false},
		{"PositionComesBackByteForByte", positionExact, false},
		{"ManySessionsOneSequence", manySessions, false},
		{"AllStreamsInOneCommit", allStreams, false},
		{"KeysTimesAndHeadersArrive", recordFields, false},
		{"LargeBatch", largeBatch, false},
		{"TooLargeSaysWhatFits", tooLarge, false},
		{"BatchIsReleasedAlsoOnFailure", releasedOnFailure, false},
		{"CloseTwiceAndAtAnyTime", closeTwice, false},
		{"CancelledRecoverMayBeRepeated", cancelledRecover, false},
		{"SecondOwnerFencesFirst", secondFencesFirst, true},
		{"ForeignHostIsRefused", foreignRefused, true},
		{"ForeignHostMayTakeAReleasedSite", foreignAfterRelease, true},
		{"TakeoverStopsTheOldOwner", takeover, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tg := target(t)
			if tt.ownership && tg.NoOwnership {
				t.Skip("this sink has no owners")
			}
			tt.run(t, tg)
		})
	}
}

// session is an open sink that fails the test at the first unexpected error.
type session struct {
	t *testing.T
	sink.Sink
	batches int // batches given to the sink
	freed   int // batches it released
}

func open(t *testing.T, tg Target, p Process) *session {
	t.Helper()
	s := &session{t: t, Sink: tg.Open(p)}
	t.Cleanup(func() { s.Close() })
	return s
}

func stepContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	t.Cleanup(cancel)
	return ctx
}

func (s *session) recover() sink.Position {
	s.t.Helper()
	pos, err := s.Recover(stepContext(s.t))
	if err != nil {
		s.t.Fatalf("recover: %v", err)
	}
	return pos
}

func (s *session) batch(recs ...Record) *sink.Batch {
	s.batches++
	b := sink.NewBatch(1024, func(*sink.Batch) { s.freed++ })
	for _, r := range recs {
		b.Buf = append(b.Buf, r.Key...)
		b.EndKey()
		b.Buf = append(b.Buf, r.Value...)
		b.Header = r.Header
		b.Add(r.Stream, r.Time)
	}
	return b
}

func (s *session) write(recs ...Record) {
	s.t.Helper()
	if err := s.Write(stepContext(s.t), s.batch(recs...)); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

func (s *session) commit(pos string) {
	s.t.Helper()
	if err := s.Commit(stepContext(s.t), sink.Position(pos)); err != nil {
		s.t.Fatalf("commit: %v", err)
	}
	if s.freed != s.batches {
		s.t.Errorf("after commit %d of %d batches were released", s.freed, s.batches)
	}
}

func (s *session) close() {
	s.t.Helper()
	if err := s.Close(); err != nil {
		s.t.Fatalf("close: %v", err)
	}
}

// event returns n events "<prefix>0", "<prefix>1" ….
func events(prefix string, n int) []Record {
	recs := make([]Record, n)
	for i := range recs {
		recs[i] = Record{Stream: sink.Events, Value: fmt.Appendf(nil, "%s%d", prefix, i), Time: 1_700_000_000_000_000 + int64(i)*1000}
	}
	return recs
}

// expect fails the test unless exactly these records are visible, in this order within each stream.
func expect(t *testing.T, tg Target, want []Record) {
	t.Helper()
	got := committed(t, tg, len(want))
	for s := range sink.NumStreams {
		g, w := valuesOf(got, s), valuesOf(want, s)
		if !slices.Equal(g, w) {
			t.Fatalf("%v: want %d records %.200q, got %d %.200q", s, len(w), w, len(g), g)
		}
	}
}

// committed reads until n records are visible, or more than should be: a commit is durable when it returns, but a far side may
// show it to readers a moment later.
func committed(t *testing.T, tg Target, n int) []Record {
	t.Helper()
	for deadline := time.Now().Add(Timeout); ; {
		got := tg.Committed()
		if len(got) >= n || time.Now().After(deadline) {
			return got
		}
	}
}

func valuesOf(recs []Record, s sink.Stream) (values []string) {
	for _, r := range recs {
		if r.Stream == s {
			values = append(values, string(r.Value))
		}
	}
	return values
}

func expectPosition(t *testing.T, got sink.Position, want string) {
	t.Helper()
	if !bytes.Equal(got, []byte(want)) {
		t.Fatalf("want position %q, got %q", want, got)
	}
}

// expectError runs a step that must fail, with target if it is not nil.
func expectError(t *testing.T, what string, err, target error) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: want an error, got none", what)
	}
	if target != nil && !errors.Is(err, target) {
		t.Fatalf("%s: want %q in the chain, got: %v", what, target, err)
	}
}
