// Shows that what is given back comes again, exactly, also by a restart, and that no file is missed while nothing is read.
package tail

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

func TestUnread(t *testing.T) {
	const text = "one\ntwo\n\nthree is longer than the mark of nothing\nfour\n"
	for _, before := range []string{"", "earlier\n", strings.Repeat(strings.Repeat("m", 99)+"\n", 30)} {
		for at := 0; at < len(text); at++ {
			dir := t.TempDir()
			w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
			r := newRig(t, dir, Config{}, "a.log")
			w.Write(0, before)
			r.drain()
			w.Write(0, text)
			c, err := r.Read(t.Context(), 0)
			if err != nil || string(c.Data) != text {
				t.Fatalf("%q, %v", c.Data, err)
			}
			line := strings.Count(text[:at], "\n")
			err = r.Unread(c.Offset + int64(at))
			if startsLine := at == 0 || text[at-1] == '\n'; (err == nil) != startsLine {
				t.Fatalf("unread from %d: %v", at, err)
			}
			if err != nil {
				continue
			}
			offset := int64(len(before) + at)
			for range 2 { // the second time after a restart
				c, err = r.Read(t.Context(), 0)
				if err != nil || string(c.Data) != text[at:] || c.Offset != offset || c.Line != int64(strings.Count(before, "\n")+line) {
					t.Fatalf("after unread from %d: %q at %d, line %d, %v", at, c.Data, c.Offset, c.Line, err)
				}
				if err := r.Unread(offset); err != nil {
					t.Fatal(err)
				}
				r.start(r.stop())
			}
		}
	}
}

func TestUnreadOnlyWhatWasJustRead(t *testing.T) {
	dir := t.TempDir()
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{}, "a.log")
	w.Write(0, "one\n")
	r.drain()
	for _, at := range []int64{-1, 0, 4, 5} {
		if err := r.Unread(at); err == nil {
			t.Errorf("unread from %d: want an error", at)
		}
	}
}

// While a site is held nothing is read, for hours perhaps: rotations go on, and old files are deleted.
func TestWaitFollowsNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	w := testkit.NewRotatingWriter(t, path, 1)
	r := newRig(t, dir, Config{}, "a.log")
	var want []string
	for i := range 6 {
		line := fmt.Sprintf("line of file %d\n", i)
		want = append(want, line)
		w.Write(0, line)
		if err := r.Wait(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		w.Rename(fmt.Sprint(".", i))
		w.Reopen(0)
		if i > 0 {
			if err := os.Remove(path + fmt.Sprint(".", i-1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.after(time.Minute)
	r.want(want...)
	r.wantLost()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r.Wait(ctx, time.Hour) != context.Canceled {
		t.Error("a wait does not end with its context")
	}
	if err := r.Close(); err != nil || r.Wait(t.Context(), 0) == nil {
		t.Errorf("a closed tailer waits: %v", err)
	}
}
