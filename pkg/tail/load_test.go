// Shows rotations under load with the clock, the inotify and the races of real life.
package tail

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestRotationUnderLoad(t *testing.T) {
	const workers, rounds, perRound = 3, 60, 300
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), workers)
	tl := real(t, Config{Paths: []string{w.Path()}, RotateGrace: 20 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	out := newOutput()
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := make(map[string]bool)
		for len(seen) < workers*rounds*perRound {
			c, err := tl.Read(ctx, time.Second)
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
				t.Errorf("%d lines came, %d were written", len(seen), workers*rounds*perRound)
				return
			}
			if c.Lost != nil || c.NoNewline {
				t.Errorf("chunk %+v, lost %+v", c, c.Lost)
				return
			}
			for b := c.Data; len(b) > 0; b = b[lineLen:] {
				if s := string(b[:lineLen]); seen[s] {
					t.Errorf("%q came twice", s)
				} else {
					seen[s] = true
				}
			}
			if !c.Empty() {
				out.take(t, c)
			}
		}
	})
	for i := range rounds {
		for j := range perRound {
			for k := range workers {
				w.Write(k, fmt.Sprintf("worker %02d line %06d\n", k, i*perRound+j))
			}
			if j%100 == 50 { // workers reopen one after the other, with lines in between
				w.Reopen((i + j/100) % workers)
			}
		}
		w.Shift(2 * rounds)
	}
	w.ReopenAll()
	wg.Wait()
}

const lineLen = len("worker 00 line 000000\n")
