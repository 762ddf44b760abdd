package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

func (a *app) quarantineCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine list|replay",
		Short: "Look at rejected lines, and send them again after a fix",
		Long: `A line that fits no format, or whose schema was refused, goes to the quarantine topic of its site with the reason. list shows these lines,
replay sends those that fit now to the site's topic, each once.`,
		Example: `  ngxtap quarantine list --site shop -n 5
  ngxtap quarantine replay --site shop --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(a.quarantineListCmd(), a.quarantineReplayCmd())
	return cmd
}

// siteNamed returns the site of that name; what it is called wrongly is wrong usage.
func siteNamed(cfg *config.Config, name string) (*config.Site, error) {
	var names []string
	for i := range cfg.Sites {
		if cfg.Sites[i].Site == name {
			return &cfg.Sites[i], nil
		}
		names = append(names, cfg.Sites[i].Site)
	}
	return nil, &exitError{exitUsage, fmt.Errorf("--site %q: no such site is configured; there are: %s", name, strings.Join(names, ", "))}
}

// firstly joins errors where an exit code that has been explained already must stay what it is.
func firstly(err, closing error) error {
	if closing == nil {
		return err
	}
	return errors.Join(err, closing)
}

// quarantineReader reads quarantine topics. It belongs to one goroutine.
type quarantineReader struct {
	kc    kafka.Config
	dec   *messageDecoder
	log   *slog.Logger
	kinds map[schemaMark]recordKind
	keys  sealKeys
	told  bool // that a record of ngxtap can't be read
}

// schemaMark is what a record tells of its schema.
type schemaMark struct {
	framing     schema.Framing
	id          schema.ID
	fingerprint uint64
}

// recordKind is what a record of a quarantine topic is.
type recordKind uint8

const (
	foreignRecord recordKind = iota
	lineRecord
	doneRecord
)

func newQuarantineReader(d *daemon, kc kafka.Config, log *slog.Logger) (*quarantineReader, error) {
	keys, err := newSealKeys(d.cfg)
	if err != nil {
		return nil, configError(err)
	}
	return &quarantineReader{kc: kc, dec: newMessageDecoder(d, kc), log: log, kinds: map[schemaMark]recordKind{}, keys: keys}, nil
}

// read is pipeline.ReplayConfig.Read for a topic.
func (r *quarantineReader) read(ctx context.Context, topic string, wait bool, f func(*pipeline.QuarantineRecord) error) (err error) {
	in, err := kafka.NewReader(ctx, r.kc, topic, kafka.ReaderOptions{From: kafka.Beginning(), Decided: !wait})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	slow := time.AfterFunc(quietFor, func() {
		r.log.Info("waiting for the broker, or for a transaction that is open in the topic to end", "topic", topic)
	})
	defer slow.Stop()
	line := &avro.Quarantined{}
	for {
		m, err := in.Next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", topic, err)
		}
		slow.Reset(quietFor)
		rec := pipeline.QuarantineRecord{Partition: m.Partition, Offset: m.Offset}
		if err := r.decode(ctx, &rec, line, &m); err != nil {
			return fmt.Errorf("%s, partition %d, offset %d: %w", topic, m.Partition, m.Offset, err)
		}
		if err := f(&rec); err != nil {
			return err
		}
	}
}

// quietFor is how long nothing may come before that is said.
const quietFor = 10 * time.Second

// decode fills rec with what m holds. One that nobody of ours wrote is left out, as is one that can never be read: were it a record of what
// was replayed, pipeline.Ledger would notice that it is missing. What can't be read for now, or by this ngxtap, is an error.
func (r *quarantineReader) decode(ctx context.Context, rec *pipeline.QuarantineRecord, line *avro.Quarantined, m *kafka.Message) error {
	var w schemaMark
	var body []byte
	var err error
	if w.framing, w.id, w.fingerprint, body, err = unframe(m); err != nil {
		return nil
	}
	kind, known := r.kinds[w]
	if !known {
		text, err := r.dec.schema(ctx, w.framing, w.id, w.fingerprint)
		if err == nil {
			kind, err = kindOf(text)
		}
		switch {
		case errors.Is(err, schema.ErrNotFound):
			kind = foreignRecord
			r.log.Warn("records with a schema that nobody has are left out", "partition", m.Partition, "offset", m.Offset, "error", err)
		case err != nil:
			return err
		}
		r.kinds[w] = kind
	}
	switch kind {
	case lineRecord:
		var raw []byte
		if raw, err = avro.ReadQuarantined(line, body); err == nil {
			rec.Line = line
			rec.Raw, rec.Sealed = r.keys.open(raw, line)
		}
	case doneRecord:
		rec.Done, err = avro.ReadReplayed(body)
	}
	if err != nil {
		rec.Line, rec.Done = nil, nil
		if !r.told {
			r.told = true
			r.log.Warn("records that can't be read are left out; this is the first", "partition", m.Partition, "offset", m.Offset, "error", err)
		}
	}
	return nil
}

// kindOf tells what is written with a schema. Fingerprints leave out docs, so a registry may give the schema back in other words.
func kindOf(text string) (recordKind, error) {
	got, err := schema.Fingerprint(text)
	if err != nil {
		return 0, err
	}
	for own, kind := range map[string]recordKind{schema.QuarantinedLine: lineRecord, schema.QuarantinedLine1: lineRecord, schema.QuarantineReplayed: doneRecord} {
		if fp, err := schema.Fingerprint(own); err != nil || fp == got {
			return kind, err
		}
	}
	var named struct{ Namespace, Name string }
	if json.Unmarshal([]byte(text), &named) == nil {
		switch full := strings.TrimPrefix(named.Namespace+"."+named.Name, "."); full {
		case "ngxtap.QuarantinedLine", recordReplayed:
			return 0, fmt.Errorf("a %s of another version of ngxtap: use the newest that is in use here", full)
		}
	}
	return foreignRecord, nil
}

// recordReplayed is the full name of records that say what was replayed.
const recordReplayed = "ngxtap.QuarantineReplayed"
