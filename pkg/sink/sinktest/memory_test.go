// memory_test.go shows that the sink in memory passes the suite, and that its injected faults leave what they say they leave.
package sinktest

import (
	"testing"

	"ngxtap/pkg/sink"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	RunSink(t, func(*testing.T) Target {
		m := NewMemory()
		return Target{Open: m.Open, Committed: m.Records, Limit: func(n int) { m.Limit(sink.Events, n) }}
	})
}

func TestMemoryFaults(t *testing.T) {
	for _, tt := range []struct {
		name      string
		op        Op
		persist   bool
		wantPos   string
		wantCount int
	}{
		{"write fails", OpWrite, false, "p1", 1},
		{"commit fails and is not done", OpCommit, false, "p1", 1},
		{"commit fails and is done", OpCommit, true, "p2", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := NewMemory()
			m.Fail(tt.op, 1, tt.persist, nil)
			s := open(t, Target{Open: m.Open}, first)
			s.recover()
			s.write(events("a", 1)...)
			s.commit("p1")
			err := s.Write(t.Context(), s.batch(events("b", 1)...))
			if err == nil {
				err = s.Commit(t.Context(), sink.Position("p2"))
			}
			expectError(t, "faulted step", err, ErrInjected)
			expectError(t, "the step after it", s.Commit(t.Context(), sink.Position("p3")), ErrInjected)
			s.close()
			expectPosition(t, open(t, Target{Open: m.Open}, first).recover(), tt.wantPos)
			if n := len(m.Records()); n != tt.wantCount {
				t.Errorf("want %d records, got %d", tt.wantCount, n)
			}
		})
	}
}
