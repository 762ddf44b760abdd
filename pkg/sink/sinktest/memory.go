package sinktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"ngxtap/pkg/sink"
)

// Op is a step of a sink that can be made to fail.
type Op uint8

// The steps.
const (
	OpRecover Op = iota
	OpWrite
	OpCommit
)

// ErrInjected is in the chain of every error that Memory returns because a test asked for it.
var ErrInjected = errors.New("injected fault")

// Memory is a far side in memory for tests of whatever uses a sink. It keeps the whole contract, ownership too, and fails on
// command. It may be used from several goroutines.
type Memory struct {
	mu       sync.Mutex
	records  []Record
	pos      sink.Position
	seq      int64
	owner    Process
	owned    bool
	seen     map[string]bool // runs that were owner once
	epoch    int
	faults   []fault
	limit    [sink.NumStreams]int // the longest record that is taken, 0: any
	onCommit func(pos sink.Position, recs []Record)
}

type fault struct {
	op      Op
	after   int // how many such steps pass before
	persist bool
	err     error
}

// NewMemory returns an empty far side.
func NewMemory() *Memory { return &Memory{seen: map[string]bool{}} }

// Fail makes the step op fail after `after` more such steps have gone through. With persist the step is done all the same, as
// when a reply is lost on its way; that matters for OpCommit only. err may be nil.
func (m *Memory) Fail(op Op, after int, persist bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fault{op: op, after: after, persist: persist, err: err})
}

// Limit makes it refuse records of a stream, key and value, that are longer than limit bytes.
func (m *Memory) Limit(s sink.Stream, limit int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit[s] = limit
}

// OnCommit has f called within every commit that persists, with the position and the records of that commit. f may not keep recs'
// slice and may not call m.
func (m *Memory) OnCommit(f func(pos sink.Position, recs []Record)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onCommit = f
}

// Records returns what was committed, in order. The records' bytes are shared and may not be changed.
func (m *Memory) Records() []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.records)
}

// Position returns the last committed position, nil if there is none.
func (m *Memory) Position() sink.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.pos)
}

// Commits returns how many commits persisted.
func (m *Memory) Commits() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seq
}

// Open returns the sink of one session of process p.
func (m *Memory) Open(p Process) sink.Sink { return &memorySink{m: m, p: p} }

// inject returns the fault for this step, if there is one. The caller holds m.mu.
func (m *Memory) inject(op Op) (persist bool, err error) {
	for i := range m.faults {
		f := &m.faults[i]
		if f.op != op {
			continue
		}
		if f.after > 0 {
			f.after--
			continue
		}
		err = ErrInjected
		if f.err != nil {
			err = fmt.Errorf("%w: %w", ErrInjected, f.err)
		}
		persist = f.persist
		m.faults = slices.Delete(m.faults, i, i+1)
		return persist, err
	}
	return false, nil
}

// memorySink is one session.
type memorySink struct {
	m      *Memory
	p      Process
	epoch  int // 0: not recovered
	buf    []Record
	err    error
	closed bool
}

var errClosed = errors.New("the sink is closed")

func (s *memorySink) Recover(ctx context.Context) (sink.Position, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("recover: %w", err)
	}
	if _, err := s.m.inject(OpRecover); err != nil {
		s.err = fmt.Errorf("recover: %w", err)
		return nil, s.err
	}
	m := s.m
	if m.owned && m.owner.Run != s.p.Run {
		switch {
		case m.seen[s.p.Run]:
			return nil, fmt.Errorf("recover: taken over by run %q on %s: %w", m.owner.Run, m.owner.Host, sink.ErrNotOwner)
		case m.owner.Host != s.p.Host && !s.p.Takeover:
			return nil, fmt.Errorf("recover: owned by %s: %w", m.owner.Host, sink.ErrNotOwner)
		}
	}
	m.owner, m.owned = s.p, true
	m.seen[s.p.Run] = true
	m.epoch++
	s.epoch, s.buf, s.err = m.epoch, nil, nil
	return slices.Clone(m.pos), nil
}

// usable says whether the session may go on. The caller holds m.mu.
func (s *memorySink) usable() error {
	switch {
	case s.closed:
		return errClosed
	case s.err != nil:
		return s.err
	case s.epoch == 0:
		return errors.New("not recovered")
	case s.epoch != s.m.epoch:
		s.err = errors.New("fenced by a newer session")
		return s.err
	}
	return nil
}

func (s *memorySink) Write(ctx context.Context, b *sink.Batch) error {
	defer b.Release()
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := ctx.Err(); err != nil {
		s.err = fmt.Errorf("write: %w", err)
		return s.err
	}
	if _, err := s.m.inject(OpWrite); err != nil {
		s.err = fmt.Errorf("write: %w", err)
		return s.err
	}
	for i := range b.Records {
		r := &b.Records[i]
		if limit := s.m.limit[r.Stream]; limit > 0 && int(r.End-r.Key) > limit {
			s.err = fmt.Errorf("write: %w", &sink.TooLargeError{Stream: r.Stream, Limit: limit})
			return s.err
		}
		s.buf = append(s.buf, Record{Stream: r.Stream, Key: slices.Clone(b.KeyOf(r)), Value: slices.Clone(b.ValueOf(r)), Time: r.Time, Header: r.Header})
	}
	return nil
}

func (s *memorySink) Commit(ctx context.Context, pos sink.Position) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if err := s.usable(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := ctx.Err(); err != nil {
		s.err = fmt.Errorf("commit: %w", err)
		return s.err
	}
	persist, err := s.m.inject(OpCommit)
	if err == nil || persist {
		s.m.records = append(s.m.records, s.buf...)
		s.m.pos = slices.Clone(pos)
		s.m.seq++
		if s.m.onCommit != nil {
			s.m.onCommit(s.m.pos, s.buf)
		}
		s.buf = nil
	}
	if err != nil {
		s.err = fmt.Errorf("commit: %w", err)
		return s.err
	}
	return nil
}

func (s *memorySink) Close() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.closed && s.err == nil && s.epoch != 0 && s.epoch == s.m.epoch {
		s.m.owned = false
	}
	s.closed = true
	return nil
}
