package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pierrec/lz4/v4"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
)

// trial is what try found, and its JSON form.
type trial struct {
	Sample   trialSample     `json:"sample"`
	Format   trialFormat     `json:"format"`
	Formats  []formatShare   `json:"formats"`
	Lines    trialLines      `json:"lines"`
	Refused  []trialRefused  `json:"refused,omitempty"`
	From     string          `json:"from,omitempty"` // event times, RFC 3339
	To       string          `json:"to,omitempty"`
	LookedAt int             `json:"events_looked_at"` // of which shares and counts below are
	Fields   []trialField    `json:"fields"`
	Headers  []trialHeader   `json:"headers"`
	Hidden   []trialHidden   `json:"hidden"` // what would leave the host only as a hash
	Bytes    trialBytes      `json:"bytes_per_line"`
	Speed    trialSpeed      `json:"speed"`
	Day      *trialDay       `json:"day,omitempty"` // nil: the times in the sample don't tell
	Notes    []string        `json:"notes,omitempty"`
	Schema   json.RawMessage `json:"schema"`

	origin  avro.Origin      // of every event here
	main    *pipeline.Format // the format of most lines; nil if none fits
	fitting []sampleLine     // the lines that fit it
	first   int64            // event times, in microseconds
	last    int64
}

type trialSample struct {
	Files []string `json:"files"`
	Whole bool     `json:"whole"` // the files were read to their ends
}

func (s trialSample) names() string { return strings.Join(s.Files, ", ") }

type trialFormat struct {
	Name        string `json:"name"`
	Where       string `json:"where"`
	Why         string `json:"why"`
	Fingerprint string `json:"fingerprint"`
}

type formatShare struct {
	Name  string `json:"name"`
	Lines int    `json:"lines"`
}

type trialLines struct {
	Read    int   `json:"read"` // blank ones are not among them
	Fit     int   `json:"fit"`
	Refused int   `json:"refused"`
	Blank   int   `json:"blank"`
	Bytes   int64 `json:"bytes"`
}

type trialRefused struct {
	Reason string `json:"reason"`
	Lines  int    `json:"lines"`
	First  string `json:"first"` // FILE:LINE:COLUMN of one such line
}

type trialBytes struct {
	Raw     float64 `json:"raw"`
	JSON    float64 `json:"json"`
	Avro    float64 `json:"avro"`
	AvroLZ4 float64 `json:"avro_lz4"`
	JSONLZ4 float64 `json:"json_lz4"`
}

type trialSpeed struct {
	LinesPerSecond float64 `json:"lines_per_second"` // cut, encoded and compressed, by one core
	MicrosPerLine  float64 `json:"micros_per_line"`
}

type trialDay struct {
	Lines     float64 `json:"lines"`
	RawGB     float64 `json:"raw_gb"`
	JSONGB    float64 `json:"json_gb"`
	AvroGB    float64 `json:"avro_gb"`
	AvroLZ4GB float64 `json:"avro_lz4_gb"`
}

// fit tries the formats on each line, in order, as the daemon does.
func (t *trial) fit(s *trialLog, c *choice) {
	t.Lines = trialLines{Read: len(s.lines) + s.long, Blank: s.blank, Refused: s.long}
	per := make([][]sampleLine, len(c.formats))
	var reasons pipeline.Table
	firsts := map[string]string{}
	var spans []logformat.Span
	for _, l := range s.lines {
		t.Lines.Bytes += int64(l.end-l.start) + 1
		text := s.of(l)
		var furthest *logformat.Misfit
		found := false
		for i, f := range c.formats {
			var err error
			if spans, err = f.LogFormat().Split(spans[:0], text); err == nil {
				per[i] = append(per[i], l)
				found = true
				break
			}
			if m := (*logformat.Misfit)(nil); errors.As(err, &m) && (furthest == nil || m.Offset > furthest.Offset) {
				furthest = m
			}
		}
		if found {
			continue
		}
		t.Lines.Refused++
		reasons.Add(furthest.Error())
		for _, r := range reasons.Rows() { // a reason's first line is kept when its row is new
			if _, ok := firsts[r.Text]; !ok {
				firsts[r.Text] = s.where(l, furthest.Offset+1)
			}
		}
	}
	t.Lines.Fit = t.Lines.Read - t.Lines.Refused
	for _, r := range reasons.Rows() {
		t.Refused = append(t.Refused, trialRefused{r.Text, int(r.Count), firsts[r.Text]})
	}
	if s.long > 0 {
		t.Refused = append(t.Refused, trialRefused{fmt.Sprintf("longer than max_line, %d bytes", s.bounds.line), s.long, ""})
	}
	t.take(c, per)
}

// take makes the format of most lines the one that is looked at.
func (t *trial) take(c *choice, per [][]sampleLine) {
	for i, f := range c.formats {
		if len(per[i]) == 0 {
			continue
		}
		t.Formats = append(t.Formats, formatShare{f.Name(), len(per[i])})
		if len(per[i]) > len(t.fitting) {
			t.main, t.fitting = f, per[i]
		}
	}
	if t.main == nil {
		return
	}
	t.Format = trialFormat{t.main.Name(), place(t.main.LogFormat().Definition()), c.why, fmt.Sprintf("%016x", t.main.Fingerprint())}
	t.Schema = json.RawMessage(t.main.Schema())
	t.Notes = append(t.Notes, t.main.LogFormat().Warnings()...)
}

// block is how much is compressed at once, as a batch of the Kafka producer is.
const block = 900_000

// measure encodes the lines that fit as the daemon does, and takes the time of it. now is a clock.
func (t *trial) measure(s *trialLog, now func() time.Time) error {
	const enough = 300 * time.Millisecond
	var m meter
	if err := m.setUp(); err != nil {
		return err
	}
	var best time.Duration
	for began := now(); ; {
		start := now()
		if err := m.pass(t, s); err != nil {
			return err
		}
		took := now().Sub(start)
		if best == 0 || took < best {
			best = took
		}
		if now().Sub(began) > enough {
			break
		}
	}
	n := float64(len(t.fitting))
	t.Bytes.Raw = float64(m.raw) / n
	t.Bytes.Avro = float64(m.avro) / n
	t.Bytes.AvroLZ4 = float64(m.packed) / n
	if best > 0 {
		t.Speed = trialSpeed{n / best.Seconds(), best.Seconds() * 1e6 / n}
	}
	t.day()
	return nil
}

// meter is what a pass needs and finds.
type meter struct {
	spans             []logformat.Span
	event             []byte
	out               bytes.Buffer
	lz4               *lz4.Writer
	raw, avro, packed int64
}

func (m *meter) setUp() error {
	m.lz4 = lz4.NewWriter(nil)
	return m.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1)) // as pkg/sink/kafka has it
}

func (m *meter) pass(t *trial, s *trialLog) error {
	m.raw, m.avro, m.packed, m.event = 0, 0, 0, m.event[:0]
	o := t.origin
	for _, l := range t.fitting {
		text := s.of(l)
		var err error
		if m.spans, err = t.main.LogFormat().Split(m.spans[:0], text); err != nil {
			return err
		}
		o.Offset = int64(l.start)
		if m.event, _, err = t.main.Encoder().AppendEvent(m.event, text, m.spans, &o); err != nil {
			return fmt.Errorf("%s: %w", s.where(l, 1), err)
		}
		m.raw += int64(len(text)) + 1
		if len(m.event) > block {
			if err := m.flush(); err != nil {
				return err
			}
		}
	}
	return m.flush()
}

func (m *meter) flush() error {
	n, err := m.pack(m.event)
	m.avro += int64(len(m.event))
	m.packed += n
	m.event = m.event[:0]
	return err
}

// pack returns how long b is when compressed.
func (m *meter) pack(b []byte) (int64, error) {
	m.out.Reset()
	m.lz4.Reset(&m.out)
	_, err := m.lz4.Write(b)
	if err = errors.Join(err, m.lz4.Close()); err != nil {
		return 0, fmt.Errorf("compress a sample: %w", err)
	}
	return int64(m.out.Len()), nil
}

// day multiplies what a line takes by what comes in a day at the pace of the sample.
func (t *trial) day() {
	const shortest = time.Minute
	span := time.Duration(t.last-t.first) * time.Microsecond
	if t.first == 0 || span < shortest || len(t.fitting) < 100 {
		return
	}
	lines := float64(t.Lines.Read) / span.Hours() * 24
	gb := func(perLine float64) float64 { return lines * perLine / 1e9 }
	t.Day = &trialDay{lines, gb(t.Bytes.Raw), gb(t.Bytes.JSON), gb(t.Bytes.Avro), gb(t.Bytes.AvroLZ4)}
}
