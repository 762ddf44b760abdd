package oracle

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Source says where to read a site's records. The names are those of the defaults where they are empty.
type Source struct {
	Brokers  []string
	Instance string
	Site     string
	Topic    string // default: nginx.<site>.access
	State    string // default: ngxtap.state
	Schemas  string // default: ngxtap.schemas; used without Registry
	Registry string // URL of the registry's API; empty: single-object framing
	Dial     []kgo.Opt
}

// Record is one record of the site's topic or of its quarantine.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64 // in Kafka
	Quarantine bool
	Host       string
	Site       string
	File       string // generation id
	At         int64  // offset of the line in the file
	Length     int64  // of the line without its newline
	CRC        uint32 // of those bytes, Castagnoli
	Value      map[string]any
}

// Commit is one committed state record that holds a position.
type Commit struct {
	Partition int32
	Offset    int64
	Seq       int64
	Nonce     string
	Host      string
	Counts    map[string]Count
}

// Count is what the site says became of the bytes of one generation.
type Count struct {
	Read        int64 `json:"read"`
	Events      int64 `json:"events"`
	Quarantined int64 `json:"quarantined"`
	Blank       int64 `json:"blank"`
	Lost        int64 `json:"lost"`
	Uncounted   int64 `json:"uncounted"` // how often bytes were declared lost without a number
}

// Shipment is everything a read_committed reader finds of a site.
type Shipment struct {
	Records []Record // by topic and partition in the order of Kafka
	Commits []Commit // in the order of Kafka
}

// Read reads everything that is committed of a site. It fails if a value can't be decoded, or if a transaction is left open when ctx
// ends: then the end can't be read.
func Read(ctx context.Context, src Source) (*Shipment, error) {
	src.complete()
	s := &Shipment{}
	dec := &decoder{src: src, registry: strings.TrimSuffix(src.Registry, "/"), codecs: map[string]*goavro.Codec{}}
	for i, topic := range []string{src.Topic, src.Topic + ".quarantine"} {
		records, err := readTopic(ctx, src, topic)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			rec, err := dec.record(ctx, r)
			if err != nil {
				return nil, fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
			}
			if rec == nil {
				continue
			}
			rec.Quarantine = i == 1
			s.Records = append(s.Records, *rec)
		}
	}
	states, err := readTopic(ctx, src, src.State)
	if err != nil {
		return nil, err
	}
	key := "v1/" + src.Instance + "/" + src.Site
	for _, r := range states {
		if string(r.Key) != key || r.Value == nil {
			continue
		}
		c, err := parseCommit(r)
		if err != nil {
			return nil, fmt.Errorf("%s/%d@%d: %w", r.Topic, r.Partition, r.Offset, err)
		}
		s.Commits = append(s.Commits, *c)
	}
	return s, nil
}

func (src *Source) complete() {
	or := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	or(&src.Topic, "nginx."+src.Site+".access")
	or(&src.State, "ngxtap.state")
	or(&src.Schemas, "ngxtap.schemas")
}

func parseCommit(r *kgo.Record) (*Commit, error) {
	var v struct {
		Seq      int64  `json:"seq"`
		Nonce    string `json:"nonce"`
		Host     string `json:"host"`
		Position struct {
			Counts map[string]Count `json:"counts"`
		} `json:"position"`
	}
	if err := json.Unmarshal(r.Value, &v); err != nil {
		return nil, fmt.Errorf("state record: %w", err)
	}
	return &Commit{r.Partition, r.Offset, v.Seq, v.Nonce, v.Host, v.Position.Counts}, nil
}

// readTopic reads a topic from its beginning to the end of what is replicated, committed records only. A topic that does not exist is
// empty.
func readTopic(ctx context.Context, src Source, topic string) ([]*kgo.Record, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(src.Brokers...), kgo.ConsumeTopics(topic), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond)}, src.Dial...)...)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	defer client.Close()
	ends, err := endOffsets(ctx, client, topic)
	if err != nil {
		return nil, fmt.Errorf("ask for the end of %s: %w", topic, err)
	}
	var all []*kgo.Record
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("read %s: its end was not reached, is a transaction open? left: %v: %w", topic, ends, err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				end, open := ends[p.Partition]
				if !open {
					continue
				}
				if r.Offset < end && !r.Attrs.IsControl() {
					all = append(all, r)
				}
				// What stood at the end may have been aborted since: then the first that comes is behind it.
				if r.Offset >= end-1 {
					delete(ends, p.Partition)
				}
			}
		})
	}
	return all, nil
}

// endOffsets returns for each partition that is not empty the offset after its last record, decided or not.
func endOffsets(ctx context.Context, client *kgo.Client, topic string) (map[int32]int64, error) {
	for {
		ends, err := tryEndOffsets(ctx, client, topic)
		if err == nil || ctx.Err() != nil {
			return ends, err
		}
		var ke *kerr.Error
		if !errors.As(err, &ke) || !ke.Retriable {
			return nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func tryEndOffsets(ctx context.Context, client *kgo.Client, topic string) (map[int32]int64, error) {
	meta := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = kmsg.StringPtr(topic)
	meta.Topics = append(meta.Topics, mt)
	mresp, err := meta.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(mresp.Topics[0].ErrorCode); errors.Is(err, kerr.UnknownTopicOrPartition) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	ends := map[int32]int64{}
	for at, sign := range map[int64]int64{-1: 1, -2: -1} { // the latest, and the earliest
		req := kmsg.NewPtrListOffsetsRequest()
		rt := kmsg.NewListOffsetsRequestTopic()
		rt.Topic = topic
		for _, p := range mresp.Topics[0].Partitions {
			rp := kmsg.NewListOffsetsRequestTopicPartition()
			rp.Partition, rp.Timestamp = p.Partition, at
			rt.Partitions = append(rt.Partitions, rp)
		}
		req.Topics = append(req.Topics, rt)
		resp, err := req.RequestWith(ctx, client)
		if err != nil {
			return nil, err
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, err
				}
				if sign > 0 {
					ends[p.Partition] += p.Offset
				} else if p.Offset > 0 && ends[p.Partition] == p.Offset {
					delete(ends, p.Partition) // nothing is left in it
				}
			}
		}
	}
	for p, end := range ends {
		if end == 0 {
			delete(ends, p)
		}
	}
	return ends, nil
}

// decoder decodes values by the schema that wrote them.
type decoder struct {
	src      Source
	registry string
	codecs   map[string]*goavro.Codec // by the bytes of the framing
}

// loadSchemas reads the schemas topic to its end as it is now: a schema is in it at the latest when its first event can be read.
func (d *decoder) loadSchemas(ctx context.Context) error {
	records, err := readTopic(ctx, d.src, d.src.Schemas)
	if err != nil {
		return err
	}
	for _, r := range records {
		codec, err := goavro.NewCodec(string(r.Value))
		if err != nil {
			return fmt.Errorf("schema %x: %w", r.Key, err)
		}
		d.codecs[hex.EncodeToString(r.Key)] = codec
	}
	return nil
}

// record decodes a framed value. It returns nil for one that is no line: a quarantine topic also holds records of which lines were replayed.
func (d *decoder) record(ctx context.Context, r *kgo.Record) (*Record, error) {
	codec, body, err := d.codec(ctx, r.Value)
	if err != nil {
		return nil, err
	}
	native, rest, err := codec.NativeFromBinary(body)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("decode: %d bytes are left, %w", len(rest), err)
	}
	v, _ := native.(map[string]any)
	o, _ := v["origin"].(map[string]any)
	if _, replayed := v["partitions"]; o == nil && replayed {
		return nil, nil
	}
	if o == nil {
		return nil, errors.New("it has no origin")
	}
	rec := &Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Value: v, At: number(o["offset"]),
		Length: number(o["length"]), CRC: uint32(number(o["crc32c"]))}
	rec.Host, _ = o["host"].(string)
	rec.File, _ = o["file"].(string)
	rec.Site, _ = v["site"].(string)
	if n, ok := v["line_length"]; ok {
		rec.Length = number(n)
	}
	return rec, nil
}

func number(v any) int64 {
	switch n := v.(type) {
	case int32:
		return int64(n)
	case int64:
		return n
	}
	return -1
}

func (d *decoder) codec(ctx context.Context, value []byte) (*goavro.Codec, []byte, error) {
	if d.registry == "" {
		if len(value) < 10 || value[0] != 0xC3 || value[1] != 0x01 {
			return nil, nil, fmt.Errorf("not a single object: %.20x", value)
		}
		key := hex.EncodeToString(value[2:10])
		if d.codecs[key] == nil {
			if err := d.loadSchemas(ctx); err != nil {
				return nil, nil, err
			}
		}
		if c := d.codecs[key]; c != nil {
			return c, value[10:], nil
		}
		return nil, nil, fmt.Errorf("nobody announced schema %x", value[2:10])
	}
	if len(value) < 5 || value[0] != 0 {
		return nil, nil, fmt.Errorf("not Confluent's framing: %.20x", value)
	}
	key := string(value[:5])
	if c := d.codecs[key]; c != nil {
		return c, value[5:], nil
	}
	url := fmt.Sprintf("%s/schemas/ids/%d", d.registry, binary.BigEndian.Uint32(value[1:5]))
	c, err := fetchSchema(ctx, url)
	if err != nil {
		return nil, nil, fmt.Errorf("get %s: %w", url, err)
	}
	d.codecs[key] = c
	return c, value[5:], nil
}

func fetchSchema(ctx context.Context, url string) (*goavro.Codec, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.200s: %w", resp.Status, body, err)
	}
	var s struct{ Schema string }
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, err
	}
	return goavro.NewCodec(s.Schema)
}
