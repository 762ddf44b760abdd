package pipeline

import (
	"fmt"
	"slices"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink"
)

// Explained is what a site makes of one line.
type Explained struct {
	Blank    bool      // it is passed over
	Refused  []Attempt // by the formats that were tried and did not take it, in order
	Format   *Format   // that takes it; nil: none does
	Spans    []logformat.Span
	Key      []byte // of the record; nil: none
	Value    []byte // of the record, with its framing
	Header   *sink.Header
	Time     int64  // event_time, microseconds since the Unix epoch
	Reason   string // a Reason constant, where it goes to quarantine
	Judgment Attempt
}

// Attempt is why a format does not take a line.
type Attempt struct {
	Format   *Format
	Text     string // for people; holds no byte of the line
	Column   int    // bytes from the start of the line, -1 where that is not known
	Variable string
}

// Explain takes one line, without its newline, through the same code that a running site does, with the formats of the configuration as
// they are now. frame gives the framing of a format's events; nothing is asked, registered or sent. Of cfg the fields Site, Instance,
// Formats, PartitionBy, Secrets and Headers count.
func Explain(cfg *Config, frame func(*Format) *Frame, raw []byte, o avro.Origin) (*Explained, error) {
	if blank(raw) {
		return &Explained{Blank: true}, nil
	}
	s, err := New(*cfg)
	if err != nil {
		return nil, err
	}
	l := &line{site: s, batch: sink.NewBatch(len(raw), nil), origin: o}
	var all []*candidate
	for _, f := range cfg.Formats {
		key, err := newKeyer(f, cfg.PartitionBy, cfg.Instance, cfg.Secrets)
		if err != nil {
			return nil, fmt.Errorf("site %s: %w", cfg.Site, err)
		}
		if err := f.prepare(frame(f), cfg); err != nil {
			return nil, err
		}
		all = append(all, &candidate{Format: f, key: key, verdict: toEvents}) // announced already, as far as it knows
	}
	out := &Explained{}
	for _, c := range all {
		l.order = []*candidate{c}
		rej := l.event(raw)
		if rej.reason == ReasonMisfit {
			out.Refused = append(out.Refused, attempt(rej))
			continue
		}
		out.Format, out.Spans = c.Format, slices.Clone(l.spans)
		if rej.reason != "" {
			out.Reason, out.Judgment = rej.reason, attempt(rej)
			return out, nil
		}
		r := &l.batch.Records[0]
		out.Key, out.Value, out.Header, out.Time = l.batch.KeyOf(r), l.batch.ValueOf(r), r.Header, r.Time
		return out, nil
	}
	l.order = all
	rej := l.event(raw)
	out.Reason, out.Judgment = rej.reason, attempt(rej)
	return out, nil
}

func attempt(r rejection) Attempt { return Attempt{r.format, r.text, r.column, r.variable} }
