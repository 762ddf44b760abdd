package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/IBM/sarama"
)

// The delay is measured so long, at this rate, with ngxtap's default commit interval.
const (
	delayFor       = 20 * time.Second
	delayRate      = 1000 // lines a second
	commitInterval = 200 * time.Millisecond
	reachDelay     = commitInterval + 100*time.Millisecond
)

// stampMark stands before the time in the X-Request-Id of a line.
const stampMark = "bench-ns-"

// stampDigits is how many digits a time has, in nanoseconds since the epoch.
const stampDigits = 19

// measureDelay appends lines to a log that ngxtap follows and prints how long after its write a read_committed reader has a line.
func measureDelay(ctx context.Context, b *bench) error {
	binary, err := b.binary()
	if err != nil {
		return err
	}
	if err := b.needKafka(); err != nil {
		return err
	}
	topic, err := b.newTopic("delay")
	if err != nil {
		return err
	}
	defer b.kafka.admin.DeleteTopic(topic)
	writer, err := b.newStampedLog()
	if err != nil {
		return err
	}
	defer writer.file.Close()
	conf, err := b.configure(writer.file.Name(), topic)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, delayFor+time.Minute)
	defer stop()
	daemon := exec.CommandContext(ctx, binary, "run", "-c", conf)
	var stderr bytes.Buffer
	daemon.Stderr = &stderr
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	daemon.Cancel = func() error { return daemon.Process.Signal(syscall.SIGTERM) }
	daemon.WaitDelay = 15 * time.Second
	if err := daemon.Start(); err != nil {
		return fmt.Errorf("start ngxtap: %w", err)
	}
	delays, err := b.readStamps(ctx, topic, writer)
	daemon.Process.Signal(syscall.SIGTERM)
	if waitErr := daemon.Wait(); err != nil || waitErr != nil {
		return fmt.Errorf("measure the delay: %w\n%s", errors.Join(err, waitErr), excerpt(stderr.Bytes()))
	}
	b.printDelays(delays)
	return nil
}

func (b *bench) printDelays(delays []time.Duration) {
	slices.Sort(delays)
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	p99 := quantile(delays, 0.99)
	fmt.Fprintf(b.out, "delay from write to read_committed reader, %d lines at %d a second, commit interval %v: p50 %.0f ms, p90 %.0f ms, p99 %.0f ms, max %.0f ms\n",
		len(delays), delayRate, commitInterval, ms(quantile(delays, 0.5)), ms(quantile(delays, 0.9)), ms(p99), ms(quantile(delays, 1)))
	fmt.Fprintf(b.out, "%s  p99 of the delay: %.0f ms (reach: under %v)\n", verdict(p99 < reachDelay), ms(p99), reachDelay)
}

// readStamps reads the topic while writer writes, and returns the delays of all lines of the measured time. Lines written before the
// first one arrived do not count: ngxtap was starting.
func (b *bench) readStamps(ctx context.Context, topic string, writer *stampedLog) ([]time.Duration, error) {
	ctx, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	writeErr := make(chan error, 1)
	wait.Go(func() { writeErr <- writer.run(ctx) })
	var delays []time.Duration
	var from time.Time // when the first line arrived
	var bad error
	err := b.kafka.consume(ctx, topic, sarama.OffsetOldest, func(m *sarama.ConsumerMessage) bool {
		now := time.Now()
		at, err := stampOf(m.Value)
		if err != nil {
			bad = err
			return false
		}
		if from.IsZero() {
			from = now
		}
		if at.After(from) {
			delays = append(delays, now.Sub(at))
		}
		return at.Sub(from) < delayFor
	})
	stop()
	return delays, errors.Join(bad, err, <-writeErr)
}

// stampOf finds the time in an event. The name and the value of a header stand in Avro as they are, so no decoder is needed.
func stampOf(value []byte) (time.Time, error) {
	i := bytes.Index(value, []byte(stampMark))
	if i < 0 || i+len(stampMark)+stampDigits > len(value) {
		return time.Time{}, fmt.Errorf("a record of %d bytes holds no %q: it is not an event of the log that was written", len(value), stampMark)
	}
	i += len(stampMark)
	ns, err := strconv.ParseInt(string(value[i:i+stampDigits]), 10, 64)
	return time.Unix(0, ns), err
}

// stampedLog is a log file that bears the time of writing in each line.
type stampedLog struct {
	file  *os.File
	lines [][]byte // of the corpus, whose ids are replaced
	buf   []byte
	n     int
}

// newStampedLog makes an empty log in the temporary folder.
func (b *bench) newStampedLog() (*stampedLog, error) {
	corpus, err := os.ReadFile(filepath.Join(b.corpus(), "access.log"))
	if err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(b.dir, "delay.access.log"))
	if err != nil {
		return nil, err
	}
	return &stampedLog{file: f, lines: slices.Collect(bytes.Lines(corpus))}, nil
}

// run writes delayRate lines a second until ctx ends.
func (w *stampedLog) run(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for due := int(time.Since(start) * delayRate / time.Second); w.n < due; {
			if err := w.write(); err != nil {
				return err
			}
		}
	}
}

// write appends one line, as Nginx does: one write for a line.
func (w *stampedLog) write() error {
	line := w.lines[w.n%len(w.lines)]
	w.n++
	// The id is the value of 32 hex digits after the host: the first after `" "shop.example" "`.
	const before = `" "shop.example" "`
	i := bytes.Index(line, []byte(before)) + len(before)
	w.buf = append(append(w.buf[:0], line[:i]...), stampMark...)
	w.buf = strconv.AppendInt(w.buf, time.Now().UnixNano(), 10)
	w.buf = append(w.buf, line[i+32:]...)
	if _, err := w.file.Write(w.buf); err != nil {
		return fmt.Errorf("append to the log: %w", err)
	}
	return nil
}
