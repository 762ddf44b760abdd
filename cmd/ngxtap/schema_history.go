package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// schemaHistory is the work of one `ngxtap schema history`.
type schemaHistory struct {
	site   string // only changes of this one; empty: all
	last   int    // how many of them; 0: all
	asJSON bool
	follow bool
	out    io.Writer
	seen   map[string]bool // ids of changes; two records of one id are one change
	left   int             // records that may be changes and can't be read
	log    *slog.Logger
}

func (a *app) schemaHistoryCmd() *cobra.Command {
	h := &schemaHistory{seen: map[string]bool{}}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the schema changes that were noticed, oldest first",
		Long: `history reads the topic of schema changes: what changed, who noticed it and where, how it was classified, what was done about it, and the
fingerprints of the schemas before and after.`,
		Example: `  ngxtap schema history --site shop -n 3
  ngxtap schema history -f --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if h.last < 0 {
				return fmt.Errorf("-n %d: want a number of changes, or 0 for all", h.last)
			}
			h.out = a.out
			return failed(a.schemaHistory(c.Context(), h))
		},
	}
	f := cmd.Flags()
	f.StringVar(&h.site, "site", "", "only changes of this site")
	f.IntVarP(&h.last, "lines", "n", 0, "only the newest so many; 0: all")
	f.BoolVar(&h.asJSON, "json", false, "print one JSON object for each change, with the formats and the schemas")
	f.BoolVarP(&h.follow, "follow", "f", false, "go on with what arrives later")
	return cmd
}

func (a *app) schemaHistory(ctx context.Context, h *schemaHistory) (err error) {
	log := a.logger()
	h.log = log
	d, kc, err := a.consumer(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	dec := newMessageDecoder(d, kc)
	var past []change
	err = h.read(ctx, kc, dec, false, func(c change) error {
		past = append(past, c)
		return nil
	})
	if err == nil {
		if h.left > 0 {
			fmt.Fprintf(a.err, "ngxtap: %d records of %s are left out, for they can't be read\n", h.left, kafka.DefaultChangesTopic)
		}
		if len(past) == 0 && !h.follow && h.left == 0 {
			fmt.Fprintln(a.err, "ngxtap: no change was noticed so far")
		}
		err = h.print(past)
	}
	if err == nil && h.follow {
		err = h.read(ctx, kc, dec, true, func(c change) error { return h.print([]change{c}) })
	}
	if ctx.Err() != nil {
		return nil // it was ended
	}
	return err
}

// read hands over the changes that were not handed over before: those that are there, or those that arrive, too, without an end.
func (h *schemaHistory) read(ctx context.Context, kc kafka.Config, dec *messageDecoder, follow bool, take func(change) error) (err error) {
	r, err := openChanges(ctx, kc, follow)
	if r == nil || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		m, err := r.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", kafka.DefaultChangesTopic, err)
		}
		c, passing, err := decodeChange(ctx, dec, &m)
		switch {
		case err != nil && passing:
			return fmt.Errorf("%s, partition %d, offset %d: %w", kafka.DefaultChangesTopic, m.Partition, m.Offset, err)
		case err != nil:
			if h.left++; h.left == 1 {
				h.log.Warn("records that can't be read as schema changes are left out; this is the first", "topic", kafka.DefaultChangesTopic,
					"partition", m.Partition, "offset", m.Offset, "error", err)
			}
			continue
		}
		if h.site != "" && c.Site != h.site || h.seen[c.ID] {
			continue
		}
		h.seen[c.ID] = true
		if err := take(c); err != nil {
			return err
		}
	}
}

// decodeChange reads a record. Nearly all are of the schema that this ngxtap knows, and are read without asking anybody: hosts with a
// registry and without share the topic, and a registry that was wiped gives ids a new meaning. Others are read by the schema of their
// writer. If that fails, passing says whether it may go better later: the schema can't be had now.
func decodeChange(ctx context.Context, dec *messageDecoder, m *kafka.Message) (c change, passing bool, err error) {
	kind, id, fp, body, err := unframe(m)
	if err != nil {
		return c, false, err
	}
	if text, err := dec.avro.AppendJSON(nil, schema.SchemaChange, body); err == nil {
		if c, err = newChange(text); err == nil {
			return c, false, nil
		}
	}
	writer, err := dec.schema(ctx, kind, id, fp)
	if err != nil {
		asked := kind == schema.SingleObject || dec.d.registry != nil
		return c, asked && !errors.Is(err, schema.ErrNotFound), err
	}
	text, err := dec.avro.AppendJSON(nil, writer, body)
	if err == nil {
		c, err = newChange(text)
	}
	return c, false, err
}

// openChanges returns nil if the topic does not exist: nothing was ever noticed then. With follow it waits for the topic.
func openChanges(ctx context.Context, kc kafka.Config, follow bool) (*kafka.Reader, error) {
	for {
		r, err := kafka.NewReader(ctx, kc, kafka.DefaultChangesTopic, kafka.ReaderOptions{From: kafka.Beginning(), Follow: follow})
		switch {
		case !errors.Is(err, kafka.ErrNoTopic):
			return r, err
		case !follow:
			return nil, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// print sorts changes, for partitions and hosts know no common order, and writes the newest of them.
func (h *schemaHistory) print(changes []change) error {
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(a.Time, b.Time) })
	if h.last > 0 && len(changes) > h.last {
		changes = changes[len(changes)-h.last:]
	}
	for i := range changes {
		text := append(changes[i].json, '\n')
		if !h.asJSON {
			text = changes[i].text()
		}
		if _, err := h.out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// change is a record of schema.SchemaChange as our own JSON has it. All times have the same form and length, so they sort as texts.
type change struct {
	Time      string  `json:"event_time"`
	Site      string  `json:"site"`
	Host      string  `json:"host"`
	ID        string  `json:"id"`
	Source    string  `json:"source"`
	Class     string  `json:"class"`
	Action    string  `json:"action"`
	Format    string  `json:"format"`
	DefinedAt *string `json:"defined_at"`
	Text      string  `json:"text"`
	Old       *writer `json:"old"`
	New       *writer `json:"new"`
	Diffs     []struct {
		Kind  string `json:"kind"`
		Class string `json:"class"`
		Text  string `json:"text"`
	} `json:"diffs"`
	File   *string `json:"file"`
	Offset *int64  `json:"offset"`

	json []byte
}

type writer struct {
	Fingerprint string `json:"fingerprint"`
}

func newChange(text []byte) (change, error) {
	c := change{json: text}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("not a schema change: %w", err)
	}
	if c.ID == "" {
		return c, errors.New("not a schema change: it has no id")
	}
	return c, nil
}

// text tells a person, with nothing in it that a terminal could obey: a line of words for grep, and what belongs to it, indented.
func (c *change) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s site=%s host=%s source=%s class=%s action=%s", oneLine(c.Time), word(c.Site), word(c.Host), word(c.Source), word(c.Class), word(c.Action))
	if c.Format != "" {
		fmt.Fprintf(&b, " format=%s", word(c.Format))
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "  %s\n", oneLine(c.Text))
	if c.DefinedAt != nil {
		fmt.Fprintf(&b, "  defined at %s\n", oneLine(*c.DefinedAt))
	}
	switch {
	case c.Old != nil && c.New != nil:
		fmt.Fprintf(&b, "  schema %s, before %s\n", oneLine(c.New.Fingerprint), oneLine(c.Old.Fingerprint))
	case c.New != nil:
		fmt.Fprintf(&b, "  schema %s\n", oneLine(c.New.Fingerprint))
	case c.Old != nil:
		fmt.Fprintf(&b, "  schema before %s\n", oneLine(c.Old.Fingerprint))
	}
	if c.File != nil && c.Offset != nil {
		fmt.Fprintf(&b, "  first seen at %s:%d\n", oneLine(*c.File), *c.Offset)
	}
	for _, d := range c.Diffs {
		fmt.Fprintf(&b, "    %-8s %-8s %s\n", oneLine(d.Kind), oneLine(d.Class), oneLine(d.Text))
	}
	return b.Bytes()
}

// word returns s as one word: in quotes where it could be taken for several.
func word(s string) string {
	if s == "" || strings.ContainsAny(s, " \"=") {
		s = strconv.Quote(s)
	}
	return oneLine(s)
}
