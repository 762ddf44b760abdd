package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"time"

	hpcloud "github.com/hpcloud/tail"

	"ngxtap/pkg/tail"
)

// readBlocks reads a log in blocks and finds its lines: the least that a reader does.
func readBlocks(_ context.Context, p part) error {
	n, err := eachBatch(p.file, func([][]byte) error { return nil })
	fmt.Fprintln(p.out, n)
	return err
}

// readHpcloud reads a log to its end by hpcloud/tail.
func readHpcloud(_ context.Context, p part) error {
	t, err := hpcloud.TailFile(p.file, hpcloud.Config{MustExist: true, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return err
	}
	n := 0
	for range t.Lines {
		n++
	}
	fmt.Fprintln(p.out, n)
	return t.Wait() // Err may still say that it is alive
}

// readNgxtap reads a log to its end by pkg/tail and finds its lines.
func readNgxtap(ctx context.Context, p part) error {
	t, err := tail.Open(tail.Config{Paths: []string{p.file}}, nil)
	if err != nil {
		return err
	}
	defer t.Close()
	n := 0
	for {
		c, err := t.Read(ctx, 10*time.Millisecond)
		if err != nil {
			return err
		}
		for rest := c.Data; len(rest) > 0; n++ {
			rest = rest[bytes.IndexByte(rest, '\n')+1:]
		}
		if c.Empty() && t.AtEnd() {
			fmt.Fprintln(p.out, n)
			return nil
		}
	}
}
