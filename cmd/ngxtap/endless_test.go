package main

// Shows: a log that has no end (a device, a pipe that nobody writes to) neither keeps `try` reading for good nor a command from being stopped.

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/pkg/config"
)

// unending reads as one byte again and again, and counts.
type unending struct {
	b    byte
	read int64
}

func (e *unending) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.b
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestTryReadsNoMoreThanItSays(t *testing.T) {
	for name, b := range map[string]byte{"one line without an end": 0, "blank lines": '\n', "short blank lines": '\r'} {
		in := &unending{b: b}
		s, err := (&app{stdio: stdio{in: in}}).readSample([]string{"-"}, 1000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if limit := int64(sampleBytes + 2*int(config.SiteDefaults("x").AccessLog.MaxLine) + 1<<16); in.read > limit || !s.more {
			t.Errorf("%s: %d bytes were read, more is %v", name, in.read, s.more)
		}
	}
	// A long line in the middle is passed over, and counted once.
	text := append(bytes.Repeat([]byte("x"), 3<<20), "\nshort\n"...)
	s, err := (&app{stdio: stdio{in: bufio.NewReader(bytes.NewReader(text))}}).readSample([]string{"-"}, 1000)
	if err != nil || s.long != 1 || len(s.lines) != 1 || s.more {
		t.Errorf("%d long, %d lines, more %v, %v", s.long, len(s.lines), s.more, err)
	}
}

func TestReadersOfLogsCanBeStopped(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets those that wait for a writer go
		for {
			f, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
			if err != nil { // nobody waits any more
				return
			}
			syscall.Close(f)
		}
	})
	for _, args := range [][]string{{"try", pipe}, {"parse", "--nginx-conf", "/dev/null", pipe}, {"import", "logstash", pipe}, {"import", "filebeat", pipe}} {
		ctx, stop := context.WithCancel(t.Context())
		code := make(chan int, 1)
		go func() { code <- run(ctx, args, stdio{bytes.NewReader(nil), io.Discard, io.Discard}) }()
		stop()
		if got := <-code; got != exitFailed {
			t.Errorf("%q: exit code %d", args, got)
		}
	}
}

func TestImportReadsConfigurationsOnly(t *testing.T) {
	for _, shipper := range []string{"logstash", "filebeat"} {
		var errs bytes.Buffer
		if code := run(t.Context(), []string{"import", shipper, "/dev/zero"}, stdio{bytes.NewReader(nil), io.Discard, &errs}); code != exitFailed ||
			!strings.Contains(errs.String(), "/dev/zero is larger than 16 MiB: that is no configuration") {
			t.Errorf("%s: exit code %d: %s", shipper, code, &errs)
		}
	}
}
