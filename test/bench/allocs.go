package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
	"ngxtap/pkg/tail"
)

// The straight line runs over a short log and a longer one; what it allocates for the difference is what it allocates in steady state.
const (
	allocsShort = 100_000
	allocsLong  = 500_000
)

// measureAllocations prints how many memory allocations the straight line makes for a line: with a sink that drops everything, which leaves
// reading, splitting, encoding and batching, and with the Kafka sink, where what sarama allocates for a request is spread over its lines.
func measureAllocations(ctx context.Context, b *bench) error {
	if err := b.needKafka(); err != nil {
		return err
	}
	var logs [2]string
	lengths := [2]int{allocsShort, allocsLong}
	for i, lines := range lengths {
		var err error
		if logs[i], err = b.generate(ctx, fmt.Sprintf("allocs-%d.log", lines), lines); err != nil {
			return err
		}
	}
	straight, err := b.allocsPerLine(ctx, logs, lengths, func(string) func() (sink.Sink, error) {
		return func() (sink.Sink, error) { return dropped{}, nil }
	})
	if err != nil {
		return err
	}
	whole, err := b.allocsPerLine(ctx, logs, lengths, b.kafkaSink)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s  allocations per line in steady state, read, split, encode, batch: %.4f (reach: 0, that is under %v)\n",
		verdict(straight < reachAllocs), max(0, straight), reachAllocs)
	fmt.Fprintf(b.out, "      with the Kafka sink: %.4f, which sarama allocates for each request, not for each line\n", whole)
	return nil
}

// allocsPerLine ships both logs through a sink and returns the allocations per line of what the second is longer.
func (b *bench) allocsPerLine(ctx context.Context, logs [2]string, lines [2]int, open func(topic string) func() (sink.Sink, error)) (float64, error) {
	var mallocs [2]float64
	for i, file := range logs {
		topic, err := b.newTopic("allocs")
		if err != nil {
			return 0, err
		}
		n, err := allocationsOf(ctx, filepath.Join(b.corpus(), "nginx.conf"), file, lines[i], open(topic))
		b.kafka.admin.DeleteTopic(topic)
		if err != nil {
			return 0, fmt.Errorf("run the straight line: %w", err)
		}
		mallocs[i] = float64(n)
	}
	return (mallocs[1] - mallocs[0]) / float64(lines[1]-lines[0]), nil
}

// kafkaSink returns what opens ngxtap's Kafka sink for a topic.
func (b *bench) kafkaSink(topic string) func() (sink.Sink, error) {
	owner := kafka.NewOwner()
	return func() (sink.Sink, error) {
		return kafka.New(kafka.Config{Brokers: b.kafka.brokers, Instance: topic, Site: "bench", Topic: topic, CreateTopics: true, Owner: owner})
	}
}

// allocationsOf ships a file of so many lines once by the straight line of one site and returns how many memory allocations that took.
func allocationsOf(ctx context.Context, nginxConf, file string, lines int, open func() (sink.Sink, error)) (uint64, error) {
	conf, err := logformat.ReadConf(nginxConf, logformat.ConfOptions{})
	if err != nil {
		return 0, err
	}
	def, err := conf.Format("bench")
	if err != nil {
		return 0, err
	}
	compiled, err := logformat.Compile(def, logformat.Options{})
	if err != nil {
		return 0, err
	}
	format, err := pipeline.NewFormat(compiled, schema.Options{Site: "bench"})
	if err != nil {
		return 0, err
	}
	site, err := pipeline.New(pipeline.Config{
		Site: "bench", Instance: "bench", Tail: tail.Config{Paths: []string{file}}, Formats: []*pipeline.Format{format},
		CommitInterval: commitInterval, Once: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Open: open,
		Frame: func(context.Context, sink.Stream, string, string) (*pipeline.Frame, error) {
			return &pipeline.Frame{}, nil
		},
	})
	if err != nil {
		return 0, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = site.Run(ctx)
	runtime.ReadMemStats(&after)
	if n := site.Stats().Events.Load(); err == nil && n != int64(lines) {
		err = fmt.Errorf("%d events of the %d lines of %s", n, lines, file)
	}
	return after.Mallocs - before.Mallocs, err
}

// dropped is a sink that drops everything and remembers nothing.
type dropped struct{}

func (dropped) Recover(context.Context) (sink.Position, error) { return nil, nil }
func (dropped) Write(_ context.Context, b *sink.Batch) error   { b.Release(); return nil }
func (dropped) Commit(context.Context, sink.Position) error    { return nil }
func (dropped) Close() error                                   { return nil }
