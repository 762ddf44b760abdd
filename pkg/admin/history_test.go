package admin

// Shows: plots tell what was, a host that slept leaves a gap and no spike, and the past takes the same memory whatever happens.

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// play lets n seconds pass at a recorder of one site that ships 10 lines of 100 bytes a second.
func play(r *Recorder, now *time.Time, n int) {
	for range n {
		*now = now.Add(time.Second)
		r.sample(*now)
	}
}

func newPlayed() (*Recorder, *Reading, *time.Time) {
	state, now := &Reading{}, then
	r := NewRecorder(1, func(int) Reading {
		state.Lines += 10
		state.Bytes += 1000
		return *state
	})
	r.sample(now)
	return r, state, &now
}

func TestHistory(t *testing.T) {
	r, state, now := newPlayed()
	if got := r.Rates(0); got != (Rates{}) {
		t.Errorf("rates before the first second: %+v", got)
	}
	if h := r.History(0, SpanMinutes); len(h.Lines) != 150 || h.Lines[149] == h.Lines[149] {
		t.Errorf("a past before the first second: %v", h.Lines)
	}
	play(r, now, 11)
	state.Lag, state.Slowest = 5000, 30*time.Millisecond
	play(r, now, 1)
	state.Lag, state.Slowest = 100, 2*time.Millisecond
	play(r, now, 1)
	if got := r.Rates(0); got.Lines != 10 || got.Bytes != 1000 || got.Rejects != 0 {
		t.Errorf("rates: %+v", got)
	}
	h := r.History(0, SpanMinutes)
	if h.Step != 2 || !h.End.Equal(now.Add(-time.Second)) { // of 13 seconds the last waits for its partner
		t.Errorf("step %v, end %v, now %v", h.Step, h.End, now)
	}
	if h.Lines[149] != 10 || h.Lines[144] != 10 || h.Lines[143] == h.Lines[143] || h.Lag[149] != 5000 || h.Commit[149] != 0.03 || h.Commit[148] != 0 {
		t.Errorf("points: %v\n%v\n%v", h.Lines[140:], h.Lag[140:], h.Commit[140:])
	}
	// Peaks stand where they are.
	play(r, now, 2)
	if later := r.History(0, SpanMinutes); later.Lag[148] != 5000 || later.Lag[149] != 100 {
		t.Errorf("later: %v", later.Lag[145:])
	}
	hour := r.History(0, SpanHour)
	if len(hour.Lines) != 180 || hour.Step != 20 || hour.Lines[179] == hour.Lines[179] {
		t.Errorf("15 s are no point of an hour: %d, step %v, %v", len(hour.Lines), hour.Step, hour.Lines[175:])
	}
	play(r, now, 2*3600)
	hour = r.History(0, SpanHour)
	if slices.ContainsFunc(hour.Lines, func(v float32) bool { return v != 10 }) {
		t.Errorf("an hour: %v", hour.Lines)
	}
	if r.History(0, SpanNone) != nil {
		t.Error("none is something")
	}
}

func TestHistoryOfAHostThatSlept(t *testing.T) {
	r, state, now := newPlayed()
	play(r, now, 20)
	state.Lines += 1_000_000
	*now = now.Add(time.Minute - time.Second)
	play(r, now, 1)
	play(r, now, 19)
	h := r.History(0, SpanMinutes)
	known := 0
	for _, v := range h.Lines {
		if v == v {
			known++
		}
		if v > 20_000 {
			t.Errorf("a spike of %v lines a second", v)
		}
	}
	if known != 20 || h.Lines[150-15] == h.Lines[150-15] {
		t.Errorf("%d points are known: %v", known, h.Lines[100:])
	}
	// A busy host reads late and loses nothing.
	r, _, now = newPlayed()
	play(r, now, 20)
	*now = now.Add(2 * time.Second)
	play(r, now, 1)
	if h := r.History(0, SpanMinutes); h.Lines[149] != h.Lines[149] || h.Lines[148] != h.Lines[148] {
		t.Errorf("late: %v", h.Lines[140:])
	}
	// A clock that goes back, and counters that do, are not taken for work.
	*now = now.Add(-time.Hour)
	play(r, now, 5)
	if got := r.Rates(0); got.Lines < 0 || got.Lines > 11 {
		t.Errorf("rates after the clock went back: %+v", got)
	}
	*now = now.Add(100 * 24 * time.Hour)
	play(r, now, 5)
}

// A site that goes on over a reload keeps its past; one that is new has none, and its first second is no spike.
func TestHistoryOverAReload(t *testing.T) {
	r, state, now := newPlayed()
	play(r, now, 20)
	both := [2]*Reading{{Lines: 5_000_000}, state}
	next := NewRecorder(2, func(i int) Reading {
		both[i].Lines += 10
		return *both[i]
	})
	next.Continue(1, r, 0)
	play(next, now, 3)
	old, young := next.History(1, SpanMinutes), next.History(0, SpanMinutes)
	if old.Lines[149] != 10 || old.Lines[142] != 10 || young.Lines[149] != 10 || young.Lines[147] == young.Lines[147] {
		t.Errorf("old %v\nyoung %v", old.Lines[135:], young.Lines[135:])
	}
	if got := next.Rates(0); got.Lines != 10 {
		t.Errorf("rates of the new site: %+v", got)
	}
}

func TestSumOfHistories(t *testing.T) {
	a := &History{Step: 2, Lines: Series{nan, 1, 2}, Bytes: Series{nan, 1, 2}, Rejects: Series{nan, 1, 2}, Lag: Series{nan, 1, 2}, Commit: Series{nan, 1, 2}}
	b := &History{Step: 2, Lines: Series{nan, nan, 3}, Bytes: Series{nan, nan, 3}, Rejects: Series{nan, nan, 3}, Lag: Series{nan, nan, 3}, Commit: Series{nan, nan, 3}}
	got := sum([]*History{nil, a, b})
	if s := fmt.Sprint(got.Lines, got.Lag, got.Commit); s != "[NaN 1 5] [NaN 1 5] [NaN 1 3]" || sum(nil) != nil {
		t.Errorf("got %s", s)
	}
}

func TestRecorderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	read := make(chan int, 10)
	r := NewRecorder(1, func(i int) Reading { read <- i; return Reading{} })
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	<-read
	cancel()
	<-done
}

func TestSparks(t *testing.T) {
	s := newSpark("Lag", Series{nan, 0, 5, nan, 10, nan}, HumanCount)
	if s.Label != "Lag: lowest 0, highest 10, now 10" || s.Max != "10" || s.Line != "M30,30.5L60,16.5M120,2.5 h.01" || s.Area != "M30,30.5L60,16.5L60,32 L30,32ZM120,2.5L120,32 L120,32Z" {
		t.Errorf("%+v", s)
	}
	if s = newSpark("Lag", Series{nan, nan}, HumanCount); s.Line != "" || s.Label != "Lag: not known yet" {
		t.Errorf("nothing known: %+v", s)
	}
	if s = newSpark("Lag", Series{0, 0}, HumanCount); s.Line != "M0,30.5L150,30.5" {
		t.Errorf("zero: %+v", s)
	}
}
