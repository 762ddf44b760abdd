package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	hpcloud "github.com/hpcloud/tail"

	"ngxtap/pkg/tail"
)

// compareReaders measures ways to read a log file, and counts what they lose when it is rotated as Nginx rotates. ADR 0002 rests on it.
func compareReaders(ctx context.Context, b *bench) error {
	b.describeMachine()
	file, err := b.generate(ctx, "access.log", b.lines)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "log      %d lines, read to the end; %d rounds\n\n", b.lines, b.runs)
	var all []contender
	for _, name := range []string{"read-blocks", "read-ngxtap", "read-hpcloud"} {
		all = append(all, contender{name: name, command: func(file, topic string) ([]string, error) { return b.partArgs(name, file, topic), nil }})
	}
	results, err := b.interleave(ctx, file, all)
	if err != nil {
		return err
	}
	b.table(results)
	return compareAtRotations(ctx, b)
}

// How the log is rotated: after each rename the writer goes on in the old file for as long as an Nginx worker may take to see USR1.
const (
	rotations   = 5
	betweenThem = 300 * time.Millisecond
	oldFileFor  = 50 * time.Millisecond
	lineEvery   = time.Millisecond
)

// compareAtRotations lets hpcloud/tail and pkg/tail follow one log through rotations and prints what each missed.
func compareAtRotations(ctx context.Context, b *bench) error {
	fmt.Fprintf(b.out, "%d rotations with %v between them, the old file written for %v after each rename:\n", rotations, betweenThem, oldFileFor)
	for round := range b.runs {
		path := filepath.Join(b.dir, fmt.Sprintf("rotated-%d.log", round))
		readers := []*follower{{name: "hpcloud/tail, ReOpen", follow: followHpcloud}, {name: "ngxtap pkg/tail", follow: followNgxtap}}
		written, err := rotateUnder(ctx, path, readers)
		if err != nil {
			return fmt.Errorf("follow a log through rotations: %w", err)
		}
		for _, f := range readers {
			lost, doubled := f.missing(written)
			fmt.Fprintf(b.out, "round %d  %-20s  %4d of %d lines lost, %d doubled", round+1, f.name, lost, written, doubled)
			if f.err != nil {
				fmt.Fprintf(b.out, "; it stopped: %s", strings.ReplaceAll(f.err.Error(), b.dir+"/", ""))
			}
			fmt.Fprintln(b.out)
		}
	}
	return nil
}

// rotateUnder writes and rotates a log that the followers read, and gives them time to read it to its end.
func rotateUnder(ctx context.Context, path string, all []*follower) (written int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := os.WriteFile(path, []byte("line first\n"), 0o644); err != nil {
		return 0, err
	}
	var wait sync.WaitGroup
	done := make(chan struct{})
	for _, f := range all {
		f.ready, f.ended, f.times = make(chan struct{}), make(chan struct{}), map[int]int{}
		wait.Go(func() {
			defer close(f.ended)
			f.err = f.follow(path, f, done)
		})
	}
	for _, f := range all {
		select {
		case <-f.ready:
		case <-f.ended:
			err = f.err
		case <-ctx.Done():
			err = fmt.Errorf("%s does not read the first line: %w", f.name, ctx.Err())
		}
	}
	if err == nil {
		written, err = writeAndRotate(path)
	}
	for _, f := range all {
		f.wait(ctx, written, 5*time.Second)
	}
	close(done)
	wait.Wait()
	return written, err
}

// writeAndRotate writes numbered lines and rotates the log, and returns how many it wrote.
func writeAndRotate(path string) (int, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return 0, err
	}
	defer func() { f.Close() }()
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	n := 0
	writeFor := func(d time.Duration) error {
		for end := time.Now().Add(d); time.Now().Before(end); n++ {
			<-tick.C
			if _, err := fmt.Fprintf(f, "line %d\n", n); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range rotations {
		if err := writeFor(betweenThem); err != nil {
			return n, err
		}
		if err := os.Rename(path, fmt.Sprintf("%s.%d", path, i+1)); err != nil {
			return n, err
		}
		if err := writeFor(oldFileFor); err != nil {
			return n, err
		}
		f.Close()
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644); err != nil {
			return n, err
		}
	}
	return n, writeFor(betweenThem)
}

// follower is a reader that follows the log.
type follower struct {
	name   string
	follow func(path string, f *follower, done <-chan struct{}) error // calls got with each line, until done is closed
	ready  chan struct{}                                              // closed by got at the first line
	ended  chan struct{}                                              // closed when follow has returned
	err    error                                                      // what follow returned; read after ended

	mu    sync.Mutex
	times map[int]int // guarded by mu: how often each numbered line was read
}

// got counts a line.
func (f *follower) got(line string) {
	line = strings.TrimSpace(line)
	if line == "line first" {
		close(f.ready)
		return
	}
	var n int
	if _, err := fmt.Sscanf(line, "line %d", &n); err != nil {
		return // half a line: its number counts as lost
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times[n]++
}

// missing returns how many of the lines below n were never read, and how many more than once.
func (f *follower) missing(n int) (lost, doubled int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		switch {
		case f.times[i] == 0:
			lost++
		case f.times[i] > 1:
			doubled++
		}
	}
	return lost, doubled
}

// wait returns when all n lines were read, or when the follower has ended, or after the time given.
func (f *follower) wait(ctx context.Context, n int, longest time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if lost, _ := f.missing(n); lost == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-f.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// followHpcloud follows the log by hpcloud/tail, with the setting that its manual gives for rotated logs. It may end with an error of
// its own: at a rename it waits for the new file on a watch that another goroutine of it may close meanwhile.
func followHpcloud(path string, f *follower, done <-chan struct{}) error {
	t, err := hpcloud.TailFile(path, hpcloud.Config{Follow: true, ReOpen: true, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return err
	}
	defer t.Cleanup()
	for {
		select {
		case line := <-t.Lines:
			if line == nil {
				return t.Wait()
			}
			f.got(line.Text)
		case <-done:
			t.Stop() // its error only says that it was stopped while it waited for something
			return nil
		}
	}
}

// followNgxtap follows the log by pkg/tail.
func followNgxtap(path string, f *follower, done <-chan struct{}) error {
	t, err := tail.Open(tail.Config{Paths: []string{path}}, nil)
	if err != nil {
		return err
	}
	defer t.Close()
	for {
		select {
		case <-done:
			return nil
		default:
		}
		c, err := t.Read(context.Background(), 50*time.Millisecond)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(c.Data) {
			f.got(string(line))
		}
	}
}
