// Shows what arrives here and what at hpcloud/tail when a file is rotated as Nginx and logrotate do it.
package tail_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	hpcloud "github.com/hpcloud/tail"

	"ngxtap/pkg/tail"
	"ngxtap/pkg/testkit"
)

// rival is hpcloud/tail following a log. It may lose any line, hang, or never end, so nothing waits for it without a limit.
type rival struct {
	tail     *hpcloud.Tail
	lines    int // that arrived
	patience time.Duration
}

func newRival(t *testing.T, path string) *rival {
	t.Helper()
	tl, err := hpcloud.TailFile(path, hpcloud.Config{Follow: true, ReOpen: true, Poll: true, Logger: hpcloud.DiscardingLogger})
	if err != nil {
		t.Fatal(err)
	}
	return &rival{tail: tl, patience: 5 * time.Second}
}

// until reads up to the line s, which gives the rival the time to keep up. Where s does not come it has lost it.
func (r *rival) until(s string) {
	late := time.After(r.patience)
	for {
		select {
		case l, ok := <-r.tail.Lines:
			if !ok {
				return
			}
			if r.lines++; l.Text == s {
				return
			}
		case <-late:
			return
		}
	}
}

// stop reads what is left. hpcloud/tail ends only while somebody takes its lines, and not always then.
func (r *rival) stop() {
	ended := make(chan struct{})
	go func() {
		_ = r.tail.Stop() // what it complains of when it is stopped is not our matter
		close(ended)
	}()
	late := time.After(r.patience)
	for {
		select {
		case _, ok := <-r.tail.Lines:
			if !ok {
				return
			}
			r.lines++
		case <-ended:
			return
		case <-late:
			return
		}
	}
}

// After each rename a worker goes on writing to the old file for a while, as Nginx does until it is told to reopen. Every line
// must arrive here; how many arrive at hpcloud/tail is printed.
func TestLateLinesComparedWithHpcloud(t *testing.T) {
	const rotations, late = 3, 100
	w := testkit.NewRotatingWriter(t, filepath.Join(t.TempDir(), "a.log"), 2)
	other := newRival(t, w.Path())
	ours, err := tail.Open(tail.Config{Paths: []string{w.Path()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()

	wrote := 0
	line := func(worker int, s string) {
		w.Write(worker, s+"\n")
		wrote++
	}
	line(0, "begin")
	other.until("begin")
	for i := range rotations {
		w.Rename(fmt.Sprintf(".%d", i+1))
		w.Reopen(0)
		first := fmt.Sprintf("first of file %d", i+1)
		line(0, first)
		other.until(first)
		for j := range late {
			line(1, fmt.Sprintf("late %d %d", i, j))
		}
		w.Reopen(1)
	}
	line(0, "end")
	other.until("end")
	other.stop()

	got := 0
	for !ours.AtEnd() {
		c, err := ours.Read(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got += strings.Count(string(c.Data), "\n")
	}
	if got != wrote {
		t.Errorf("read %d of %d lines", got, wrote)
	}
	t.Logf("%d lines were written; %d arrived here, %d at hpcloud/tail", wrote, got, other.lines)
}
