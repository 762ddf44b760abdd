package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// emitted is where the whole lines of the last chunk came from. They are still in Tailer.buf, behind the mark.
type emitted struct {
	g      *generation // nil: the last Read returned no lines
	offset int64
	lines  int64 // returned before
	mark   int   // bytes of the mark
	end    int   // of the lines in the buffer
}

// Unread takes back the lines from offset on of the chunk that the last Read returned: the next Read returns them again, and Position
// does not cover them. The offset is that of the beginning of a line in that chunk's Data.
func (t *Tailer) Unread(offset int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.last
	at := l.mark + int(offset-l.offset) // in buf
	if l.g == nil || at < l.mark || at >= l.end || at > l.mark && t.buf[at-1] != '\n' {
		return fmt.Errorf("unread from %d: the last chunk has no line there; this is a bug in ngxtap", offset)
	}
	l.g.offset, l.g.lines = offset, l.lines+int64(bytes.Count(t.buf[l.mark:at], newline))
	l.g.tailLen = copy(l.g.tail[:], t.buf[max(0, at-markMax):at])
	l.g.caught = l.g.earlier
	t.last.end = at
	return nil
}

// Wait lets time pass without reading: names are followed, so that no file is missed that comes and goes, and what is deleted stays open.
// It returns after d, or with the error of ctx when that is done.
func (t *Tailer) Wait(ctx context.Context, d time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = emitted{}
	t.tick = t.cfg.now()
	for end := t.tick.Add(d); ; {
		if t.closed {
			return errors.New("wait: the tailer is closed")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.pollDue || !t.tick.Before(t.next) {
			t.poll()
		}
		rest := end.Sub(t.tick)
		if rest <= 0 {
			return nil
		}
		t.sleep(ctx, rest)
	}
}
