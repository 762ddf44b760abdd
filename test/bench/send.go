package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"
)

// sendRequests sends every line as a record by sarama's requests.
func sendRequests(_ context.Context, p part) (err error) {
	out, err := newRequester(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	_, err = eachBatch(p.file, out.send)
	return err
}

// sendRequestsTxn does the same in transactions of txnRecords.
func sendRequestsTxn(_ context.Context, p part) (err error) {
	out, err := newRequester(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	if err := out.useTransactions(p.topic); err != nil {
		return err
	}
	_, err = eachBatch(p.file, func(lines [][]byte) error {
		if out.txn.records == 0 {
			if err := out.begin(); err != nil {
				return err
			}
		}
		if err := out.send(lines); err != nil {
			return err
		}
		if out.txn.records < txnRecords {
			return nil
		}
		return out.commit()
	})
	if err == nil && out.txn.records > 0 {
		err = out.commit()
	}
	return err
}

// asyncConfig is how the textbook build and sendAsync use sarama's AsyncProducer.
func asyncConfig() *sarama.Config {
	c := clientConfig()
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1 // sarama's condition for Idempotent
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = 100 * time.Millisecond // larger batches: without it a slow caller makes one of every few messages
	return c
}

// drain counts what an AsyncProducer reports until it is closed.
type drain struct {
	done   chan struct{}
	sent   int   // read after done
	failed error // the first error; read after done
}

// drainProducer starts to read both channels of a producer, which must be read or it stops.
func drainProducer(p sarama.AsyncProducer) *drain {
	d := &drain{done: make(chan struct{})}
	errs := make(chan struct{})
	go func() {
		defer close(errs)
		for e := range p.Errors() {
			if d.failed == nil {
				d.failed = e.Err
			}
		}
	}()
	go func() {
		defer close(d.done)
		for range p.Successes() {
			d.sent++
		}
		<-errs
	}()
	return d
}

// closeAndWait ends the producer after everything it has was sent, and returns how many messages were acknowledged.
func (d *drain) closeAndWait(p sarama.AsyncProducer) (int, error) {
	p.AsyncClose()
	<-d.done
	if d.failed != nil {
		return d.sent, fmt.Errorf("send by AsyncProducer: %w", d.failed)
	}
	return d.sent, nil
}

// sendAsync sends every line as a message of sarama's AsyncProducer.
func sendAsync(_ context.Context, p part) error { return sendByProducer(p, asyncConfig()) }

// sendAsyncTxn does the same in transactions of txnRecords.
func sendAsyncTxn(_ context.Context, p part) error {
	conf := asyncConfig()
	conf.Producer.Transaction.ID = p.topic
	return sendByProducer(p, conf)
}

func sendByProducer(p part, conf *sarama.Config) error {
	producer, err := sarama.NewAsyncProducer(p.brokers, conf)
	if err != nil {
		return fmt.Errorf("start an AsyncProducer: %w", err)
	}
	acks := drainProducer(producer)
	open := 0 // records in the open transaction
	lines, err := eachBatch(p.file, func(lines [][]byte) error {
		if producer.IsTransactional() && open == 0 && len(lines) > 0 {
			if err := producer.BeginTxn(); err != nil {
				return err
			}
		}
		for _, line := range lines {
			producer.Input() <- &sarama.ProducerMessage{Topic: p.topic, Value: sarama.ByteEncoder(bytes.Clone(line))}
		}
		open += len(lines)
		if !producer.IsTransactional() || open < txnRecords {
			return nil
		}
		open = 0
		return producer.CommitTxn()
	})
	if err == nil && producer.IsTransactional() && open > 0 {
		err = producer.CommitTxn()
	}
	sent, closeErr := acks.closeAndWait(producer)
	if err = errors.Join(err, closeErr); err != nil {
		return err
	}
	if sent != lines {
		return fmt.Errorf("%d of %d messages were acknowledged", sent, lines)
	}
	return nil
}

// sendFranz sends every line as a record of franz-go, the other good client, without transactions.
func sendFranz(ctx context.Context, p part) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.DefaultProduceTopic(p.topic), kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(txnRecords))
	if err != nil {
		return fmt.Errorf("start franz-go: %w", err)
	}
	defer client.Close()
	sent := 0 // written by one goroutine of franz-go at a time; read after Flush
	var failed error
	done := func(_ *kgo.Record, err error) {
		if err != nil {
			failed = err
			return
		}
		sent++
	}
	lines, err := eachBatch(p.file, func(lines [][]byte) error {
		for _, line := range lines {
			client.Produce(ctx, &kgo.Record{Value: bytes.Clone(line)}, done)
		}
		return nil
	})
	if err = errors.Join(err, client.Flush(ctx)); err != nil {
		return err
	}
	if failed != nil || sent != lines {
		return fmt.Errorf("%d of %d records were acknowledged: %w", sent, lines, failed)
	}
	return nil
}
