package main

import (
	"context"
	"fmt"
)

// compareProducers measures ways to send the lines of a log to Kafka, as they are. ADR 0001 rests on it.
func compareProducers(ctx context.Context, b *bench) error {
	if err := b.needKafka(); err != nil {
		return err
	}
	b.describeMachine()
	file, err := b.generate(ctx, "access.log", b.lines)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "log      %d lines, read in blocks and sent as they are; %d rounds; lz4, acks=all; a transaction is %d records\n\n", b.lines, b.runs, txnRecords)
	results, err := b.interleave(ctx, file, []contender{
		b.part("send-requests"), b.part("send-requests-txn"), b.part("send-async"), b.part("send-async-txn"), b.part("send-franz"),
	})
	if err != nil {
		return err
	}
	b.table(results)
	return nil
}
