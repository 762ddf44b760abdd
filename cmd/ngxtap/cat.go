package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

func (a *app) catCmd() *cobra.Command {
	var follow bool
	var n int
	var from string
	cmd := &cobra.Command{
		Use:   "cat TOPIC",
		Short: "Print the events of a topic as JSON lines",
		Long: `Read a topic as a read_committed consumer and print every event as one JSON object, whatever its framing: Confluent (schema by id from the
registry), header (schema by id or GUID of the record header, from the registry) or single-object (schema by fingerprint from the
schemas topic). Ends at what was the end when it started, unless -f.`,
		Example: `  ngxtap cat nginx.shop.access -n 5
  ngxtap cat nginx.shop.access -f --from end
  ngxtap cat nginx.shop.access.quarantine --from 2026-01-31T08:00:00Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			start, err := parseFrom(from)
			if err != nil {
				return err
			}
			return failed(a.cat(c.Context(), args[0], start, n, follow))
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what arrives later")
	cmd.Flags().IntVarP(&n, "lines", "n", 0, "stop after this many events; 0: no limit")
	cmd.Flags().StringVar(&from, "from", "beginning", "beginning, end, an offset, or a time such as 2026-01-31T08:00:00Z")
	return cmd
}

func parseFrom(s string) (kafka.From, error) {
	switch s {
	case "beginning":
		return kafka.Beginning(), nil
	case "end":
		return kafka.End(), nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return kafka.Offset(n), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return kafka.From{}, fmt.Errorf("--from %q: want beginning, end, an offset, or a time such as 2026-01-31T08:00:00Z", s)
	}
	return kafka.Timestamp(t), nil
}

// consumer reaches for what a command needs that reads topics of all sites. The caller closes the daemon.
func (a *app) consumer(ctx context.Context, log *slog.Logger) (*daemon, kafka.Config, error) {
	cfg, err := config.LoadDaemon(a.configFile)
	if err != nil {
		return nil, kafka.Config{}, configError(err)
	}
	d, err := a.newDaemon(ctx, cfg, log) // it may put the embedded servers into cfg
	if err != nil {
		return nil, kafka.Config{}, err
	}
	kc, err := kafkaConfig(cfg, nil, log)
	if err != nil {
		return nil, kc, errors.Join(configError(err), d.close())
	}
	return d, kc, nil
}

func (a *app) cat(ctx context.Context, topic string, from kafka.From, n int, follow bool) (err error) {
	log := a.logger()
	d, kc, err := a.consumer(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	r, err := kafka.NewReader(ctx, kc, topic, kafka.ReaderOptions{From: from, Follow: follow})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	dec := newMessageDecoder(d, kc)
	var out []byte
	line := a.counting("events")
	defer line.end()
	for printed := 0; n == 0 || printed < n; printed++ {
		line.show(time.Now(), int64(printed), int64(n), "")
		m, err := r.Next(ctx)
		switch {
		case err == io.EOF || ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read %s: %w", topic, err)
		}
		out, err = dec.appendJSON(ctx, out[:0], m)
		if err != nil {
			return fmt.Errorf("%s, partition %d, offset %d: %w", topic, m.Partition, m.Offset, err)
		}
		if _, err := a.out.Write(append(out, '\n')); err != nil {
			return nil // the reader of our output went away: head, less
		}
	}
	return nil
}

// messageDecoder decodes Kafka records of every framing.
type messageDecoder struct {
	d       *daemon
	kc      kafka.Config
	avro    *avro.Decoder
	schemas map[uint64]string // from the schemas topic, by fingerprint
}

func newMessageDecoder(d *daemon, kc kafka.Config) *messageDecoder {
	return &messageDecoder{d: d, kc: kc, avro: &avro.Decoder{}}
}

func (m *messageDecoder) appendJSON(ctx context.Context, dst []byte, msg kafka.Message) ([]byte, error) {
	kind, id, fp, body, err := unframe(&msg)
	if err != nil {
		return dst, fmt.Errorf("%w; ngxtap cat reads topics that ngxtap writes", err)
	}
	text, err := m.schema(ctx, kind, id, fp)
	if err != nil {
		return dst, err
	}
	return m.avro.AppendJSON(dst, text, body)
}

// schema returns the writer's schema of a record, by what unframe says.
func (m *messageDecoder) schema(ctx context.Context, kind schema.Framing, id schema.ID, fp uint64) (string, error) {
	switch {
	case kind == schema.SingleObject:
		return m.byFingerprint(ctx, fp)
	case m.d.registry == nil:
		return "", fmt.Errorf("the event has schema id %s of a registry, but none is configured: set registry.url", id)
	case id.HasGUID:
		return m.d.registry.SchemaByGUID(ctx, id.GUID)
	}
	return m.d.registry.Schema(ctx, id.Number)
}

// unframe finds the id or the fingerprint of a record's schema, and the Avro datum. As Confluent's readers do, it takes the last header
// of the name if it has a value, and else looks at the value.
func unframe(msg *kafka.Message) (kind schema.Framing, id schema.ID, fp uint64, body []byte, err error) {
	for _, h := range slices.Backward(msg.Headers) {
		if h.Key != schema.HeaderName {
			continue
		}
		if h.Value == nil {
			break
		}
		id, err = schema.ParseHeader(h.Value)
		return schema.Header, id, 0, msg.Value, err
	}
	kind, id.Number, fp, body, err = schema.Unframe(msg.Value)
	return kind, id, fp, body, err
}

// byFingerprint looks a schema up in the schemas topic, which is read again when a fingerprint is new.
func (m *messageDecoder) byFingerprint(ctx context.Context, fp uint64) (string, error) {
	if s, ok := m.schemas[fp]; ok {
		return s, nil
	}
	all, err := kafka.FetchCompacted(ctx, m.kc, m.d.cfg.Kafka.SchemasTopic)
	if err != nil && !errors.Is(err, kafka.ErrNoTopic) {
		return "", fmt.Errorf("look for schema %016x: %w", fp, err)
	}
	m.schemas = make(map[uint64]string, len(all))
	for _, value := range all {
		text := string(value)
		if got, err := schema.Fingerprint(text); err == nil {
			m.schemas[got] = text
		}
	}
	s, ok := m.schemas[fp]
	if !ok {
		return "", fmt.Errorf("%w: none with fingerprint %016x in topic %s", schema.ErrNotFound, fp, m.d.cfg.Kafka.SchemasTopic)
	}
	return s, nil
}
