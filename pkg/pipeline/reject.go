package pipeline

import (
	"context"
	"errors"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/tail"
)

// rejection is why a line did not become an event.
type rejection struct {
	hold     *candidate // the site may not go past the line; nothing else is set then
	reason   string     // one of the Reason constants
	text     string     // for people; holds no byte of the line
	format   *Format    // that came furthest
	column   int        // bytes from the start of the line, -1 where that says nothing
	variable string
}

func misfit(format *Format, err error) rejection {
	var m *logformat.Misfit
	if errors.As(err, &m) {
		return rejection{reason: ReasonMisfit, text: m.Error(), format: format, column: m.Offset, variable: m.Variable}
	}
	return rejection{reason: ReasonMisfit, text: err.Error(), format: format, column: -1}
}

// worse keeps the rejection of the format that came further into the line: it is the likelier one, so its reason helps more.
func worse(a, b rejection) rejection {
	if a.reason == "" || b.column > a.column {
		return b
	}
	return a
}

// quarantineHead is how much of a refused line goes into quarantine where all of it would be too long a record, in bytes.
const quarantineHead = 1024

// reject appends a line to the quarantine stream. raw is without its newline.
func (l *line) reject(raw []byte, off int64, r rejection) {
	l.quarantine(raw, off, &avro.Quarantined{}, r)
}

func (l *line) quarantine(raw []byte, off int64, q *avro.Quarantined, r rejection) {
	f, frame := r.format, l.site.frame[sink.Quarantine]
	if f == nil {
		f = l.formats[0].Format
	}
	q.Origin = l.origin
	q.Origin.Offset = off
	q.Time = time.Now().UnixMicro()
	q.Reason, q.Column, q.Variable = r.text, r.column, r.variable
	q.Format, q.Fingerprint = f.Name(), f.Fingerprint()
	q.Seal, q.NoSum = l.seal, l.site.cfg.Secrets.HidesSum()
	if !l.quarKnown {
		l.quarKnown = true
		l.schema(frame.Announce, quarantineFingerprint(), schema.QuarantinedLine)
	}
	b := l.batch
	before := len(b.Buf)
	b.Buf = append(b.Buf, frame.Prefix...)
	b.Buf = avro.AppendQuarantined(b.Buf, raw, q)
	if len(b.Buf)-before > l.site.limit[sink.Quarantine] && q.Whole == nil {
		b.Undo()
		q.MaxRaw = quarantineHead
		b.Buf = append(b.Buf, frame.Prefix...)
		b.Buf = avro.AppendQuarantined(b.Buf, raw, q)
	}
	b.Header = frame.Header
	b.Add(sink.Quarantine, q.Time)
	l.tally.reject(r.reason)
	l.noteReject(off, q.Time, f, &r)
	if l.drift != nil {
		l.drift.rejected(r.reason, r.variable, l.fileID, off)
	}
}

// oversize quarantines a line that was longer than max_line, of which the reader kept only the head.
func (l *line) oversize(ctx context.Context, c *tail.Chunk) error {
	o := c.Oversize
	r := rejection{reason: ReasonOversize, text: "the line is longer than max_line", column: -1}
	if c.NoNewline {
		r.text += "; the file ended without a newline after it"
	}
	l.quarantine(o.Head, c.Offset, &avro.Quarantined{Whole: &avro.Whole{Length: o.Length, CRC32C: o.CRC32C, SHA256: o.SHA256}}, r)
	size := o.Length + 1
	if c.NoNewline {
		size--
	}
	l.count.Read += size
	l.count.Quarantined += size
	return l.flush(ctx, false)
}

// lose counts bytes that are gone, and says so as loudly as a log can.
func (l *line) lose(c *tail.Chunk) {
	if n := c.Lost.Bytes; n != tail.UnknownBytes {
		l.count.Read += n
		l.count.Lost += n
	} else {
		l.count.Uncounted++
	}
	l.tally.losses++
	l.noteLoss(c)
	l.site.log.Error("log data is lost", "file", c.File.Path, "generation", c.File.ID, "offset", c.Offset, "bytes", c.Lost.Bytes, "why", c.Lost.Reason)
}
