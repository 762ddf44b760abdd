package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/IBM/sarama"
	"github.com/hpcloud/tail"
	"github.com/linkedin/goavro/v2"
)

// The schema of the events that ngxtap derives for testdata/bench/nginx.conf; a test compares them.
//
//go:embed textbook.avsc
var textbookSchema string

// textbookMark is the Confluent framing of schema id 1, as a registry would have given.
var textbookMark = []byte{0, 0, 0, 0, 1}

// textbook is the same job as a competent developer builds it from the usual libraries: hpcloud/tail, a regular expression with named
// groups, a map for goavro, sarama's AsyncProducer. It keeps no position.
func textbook(_ context.Context, p part) error {
	codec, err := goavro.NewCodec(textbookSchema)
	if err != nil {
		return fmt.Errorf("parse the schema: %w", err)
	}
	lines, err := tail.TailFile(p.file, tail.Config{MustExist: true, Logger: log.New(io.Discard, "", 0)})
	if err != nil {
		return fmt.Errorf("open %s: %w", p.file, err)
	}
	producer, err := sarama.NewAsyncProducer(p.brokers, asyncConfig())
	if err != nil {
		return fmt.Errorf("start an AsyncProducer: %w", err)
	}
	acks := drainProducer(producer)
	number, err := textbookSend(p, lines.Lines, codec, producer)
	sent, closeErr := acks.closeAndWait(producer)
	if err = errors.Join(err, closeErr); err != nil {
		return err
	}
	switch err := lines.Wait(); {
	case err != nil:
		return fmt.Errorf("read %s: %w", p.file, err)
	case sent != number:
		return fmt.Errorf("%d of %d messages were acknowledged", sent, number)
	}
	return nil
}

// textbookSend sends an event for each line and returns how many lines there were.
func textbookSend(p part, lines <-chan *tail.Line, codec *goavro.Codec, producer sarama.AsyncProducer) (number int, err error) {
	offset := int64(0)
	for line := range lines {
		number++
		event, err := textbookEvent(line.Text, offset)
		if err != nil {
			return number, fmt.Errorf("%s:%d: %w", p.file, number, err)
		}
		offset += int64(len(line.Text)) + 1
		value, err := codec.BinaryFromNative(append(make([]byte, 0, 1024), textbookMark...), event)
		if err != nil {
			return number, fmt.Errorf("%s:%d: encode: %w", p.file, number, err)
		}
		producer.Input() <- &sarama.ProducerMessage{Topic: p.topic, Value: sarama.ByteEncoder(value)}
	}
	return number, nil
}
