package pipeline

// Shows: what a site's log was when the daemon started counts as the first start, however long it then takes until the sink answers:
// nothing that is rotated away meanwhile is taken for older.

import (
	"context"
	"os"
	"testing"
	"time"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

func TestRotatedBeforeTheSinkFirstAnswers(t *testing.T) {
	before, during, after := linesOf(0, 10), linesOf(100, 10), linesOf(200, 10)
	rename := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	add := func(t *testing.T, path, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	tests := []struct {
		name  string
		start tail.StartAt
		setup func(t *testing.T, path string)
		away  func(t *testing.T, path string) // while the sink is away
		want  string
	}{
		{"rotated", tail.Beginning, func(t *testing.T, path string) { add(t, path, before) }, func(t *testing.T, path string) {
			add(t, path, during)
			rename(t, path, path+".1")
			add(t, path, after)
		}, before + during + after},
		{"rotated twice", tail.Beginning, func(t *testing.T, path string) { add(t, path, before) }, func(t *testing.T, path string) {
			rename(t, path, path+".1")
			add(t, path, during)
			rename(t, path+".1", path+".2")
			rename(t, path, path+".1")
			add(t, path, after)
		}, before + during + after},
		{"rotated, from the end", tail.End, func(t *testing.T, path string) { add(t, path, before) }, func(t *testing.T, path string) {
			add(t, path, during)
			rename(t, path, path+".1")
			add(t, path, after)
		}, during + after},
		{"made and rotated", tail.Beginning, func(t *testing.T, path string) {}, func(t *testing.T, path string) {
			add(t, path, during)
			rename(t, path, path+".1")
			add(t, path, after)
		}, during + after},
		{"with older ones", tail.Beginning, func(t *testing.T, path string) {
			add(t, path+".2", linesOf(900, 10))
			add(t, path+".1", linesOf(800, 10))
			add(t, path, before)
		}, func(t *testing.T, path string) {
			rename(t, path+".2", path+".3")
			rename(t, path+".1", path+".2")
			rename(t, path, path+".1")
			add(t, path, after)
		}, before + after},
		{"only older ones", tail.Beginning, func(t *testing.T, path string) { add(t, path+".1", linesOf(800, 10)) }, func(t *testing.T, path string) {
			add(t, path, after)
		}, after},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := t.TempDir() + "/access.log"
			tt.setup(t, path)
			far := sinktest.NewMemory()
			far.Fail(sinktest.OpRecover, 0, false, nil)
			cfg := config(t, far, path)
			cfg.Once, cfg.Tail.StartAt = false, tt.start
			asked, answer := make(chan struct{}), make(chan struct{})
			open, first := cfg.Open, true
			cfg.Open = func() (sink.Sink, error) {
				if first { // called by one goroutine
					first = false
					close(asked)
					<-answer
				}
				return open()
			}
			s, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx) }()
			<-asked
			tt.away(t, path)
			close(answer)
			for s.Stats().Bytes().Read < int64(len(tt.want)) && ctx.Err() == nil {
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond):
				}
			}
			if ctx.Err() != nil {
				t.Errorf("%d of %d bytes arrived", s.Stats().Bytes().Read, len(tt.want))
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			var got string
			for _, a := range read(t, far, cfg.Formats[0]) {
				for id := range a.Headers {
					got += "200 \"" + a.Headers[id][0] + "\"\n"
				}
			}
			if got != tt.want {
				t.Errorf("arrived:\n%swant:\n%s", got, tt.want)
			}
		})
	}
}
