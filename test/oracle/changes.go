package oracle

import (
	"context"
	"fmt"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// Change is one record of the topic of schema changes, as far as tests look at it; Value has the rest.
type Change struct {
	Partition int32
	Offset    int64 // in Kafka
	ID        string
	Source    string
	Class     string
	Action    string
	Format    string
	Text      string
	Value     map[string]any
}

// Changes returns what is committed of a site in the topic of schema changes, in the order of Kafka. A topic that does not exist is
// empty.
func Changes(ctx context.Context, src Source, topic string) ([]Change, error) {
	src.complete()
	records, err := readTopic(ctx, src, topic)
	if err != nil {
		return nil, err
	}
	dec := &decoder{src: src, registry: strings.TrimSuffix(src.Registry, "/"), codecs: map[string]*goavro.Codec{}}
	var all []Change
	for _, r := range records {
		where := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
		codec, body, err := dec.codec(ctx, r.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		native, rest, err := codec.NativeFromBinary(body)
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("%s: decode: %d bytes are left, %w", where, len(rest), err)
		}
		v, _ := native.(map[string]any)
		text := func(name string) string { s, _ := v[name].(string); return s }
		if text("site") != src.Site {
			continue
		}
		all = append(all, Change{r.Partition, r.Offset, text("id"), text("source"), text("class"), text("action"), text("format"), text("text"), v})
	}
	return all, nil
}
