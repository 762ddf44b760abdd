package pipeline

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// The kinds of differences that data make, beside schema.KindAdded and schema.KindRemoved for headers.
const (
	kindMisfit  schema.Kind = "misfit"  // of a column
	kindRejects schema.Kind = "rejects" // of the site
)

// window is what the sentences say of a window.
type window struct {
	lines int64
	took  time.Duration
}

// changeEvent puts differences into one event, or returns nil if there are none and nothing else to say. Differences beyond maxDiffs are
// only counted.
func changeEvent(now time.Time, diffs []schema.Diff, also string) *schema.ChangeEvent {
	if len(diffs) == 0 && also == "" {
		return nil
	}
	e := &schema.ChangeEvent{Time: now.UnixMicro(), Source: schema.FromData, Class: schema.ClassNone, Action: schema.Notice, Offset: -1}
	e.Diffs = diffs[:min(len(diffs), maxDiffs)]
	var texts []string
	for i := range e.Diffs {
		texts = append(texts, e.Diffs[i].Text)
	}
	if more := len(diffs) - len(e.Diffs); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	if also != "" {
		texts = append(texts, also)
	}
	e.Text = strings.Join(texts, "; ")
	return e
}

// orNone returns the file and the offset of an example, as a ChangeEvent spells them.
func (p place) orNone() (file string, offset int64) {
	if p.file == "" {
		return "", -1
	}
	return p.file, p.offset
}

// rejectDiffs appends what is to be told of the site's lines in quarantine, and notes that it is.
func (d *drift) rejectDiffs(diffs []schema.Diff, w *window) []schema.Diff {
	some, most := &d.rejects[0], &d.rejects[1]
	if some.on == some.told && most.on == most.told {
		return diffs
	}
	share := percent(d.refused, w.lines)
	limit := percentOf(d.cfg.RejectShare)
	diff := schema.Diff{Path: ".", Kind: kindRejects, New: share}
	switch {
	case most.on && !most.told:
		diff.Old = "less than " + percentOf(max(nearlyAll, d.cfg.RejectShare))
		diff.Text = fmt.Sprintf("nearly all lines go to quarantine: %s of %d in %s (%s); no format of the site fits what is written", share, w.lines, w.took, d.reasons())
	case some.on && !some.told:
		diff.Old = "at most " + limit
		diff.Text = fmt.Sprintf("%s of %d lines in %s went to quarantine (%s); more than %s is told", share, w.lines, w.took, d.reasons(), limit)
	case !some.on && some.told:
		diff.Old = "more than " + limit
		diff.Text = fmt.Sprintf("back to normal: %s of %d lines in %s went to quarantine", share, w.lines, w.took)
	default:
		diff.Old = "more than " + percentOf(max(nearlyAll, d.cfg.RejectShare))
		diff.Text = fmt.Sprintf("no longer nearly all lines go to quarantine, but still %s of %d in %s", share, w.lines, w.took)
	}
	some.told, most.told = some.on, most.on
	return append(diffs, diff)
}

// reasons says how many lines of the window went to quarantine for which reason.
func (d *drift) reasons() string {
	var parts []string
	for i, n := range d.byReason {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", reasons[i], n))
		}
	}
	return strings.Join(parts, ", ")
}

// misfitDiff says that a column has begun, or ceased, to hold values that are not of its type.
func misfitDiff(m *misfitColumn, w *window) schema.Diff {
	share := percent(m.count, w.lines)
	diff := schema.Diff{Path: fieldPath(m.variable), Kind: kindMisfit, New: share}
	if m.on {
		diff.Text = fmt.Sprintf("%s of %d lines do not fit at $%s, and went to quarantine", share, w.lines, m.variable)
	} else {
		diff.Text = fmt.Sprintf("back to normal: %s of %d lines do not fit at $%s", share, w.lines, m.variable)
	}
	return diff
}

// fieldPath returns the field of the event that a variable feeds. Where several do, it is the one that all of them are about.
func fieldPath(variable string) string {
	v := logformat.LookupVariable(variable)
	switch v.Kind {
	case logformat.Msec, logformat.TimeISO, logformat.TimeLocal:
		return "event_time"
	case logformat.Headers:
		if strings.Contains(variable, "response") {
			return familyField(logformat.ResponseHeader)
		}
		return familyField(logformat.RequestHeader)
	}
	if family, header, ok := v.Header(); ok {
		return familyField(family) + "." + header
	}
	return variable
}

func familyField(f logformat.Family) string {
	switch f {
	case logformat.RequestHeader:
		return "request_headers"
	case logformat.ResponseHeader:
		return "response_headers"
	}
	return "upstream_headers"
}

// diff says what is new about a header, or about the room for them.
func (h *headerWatch) diff(n headerNews) schema.Diff {
	field := familyField(n.side)
	if n.header == nil {
		full := &h.sides[n.side].full
		if full.on {
			return schema.Diff{Path: field, Kind: schema.KindAdded, Text: fmt.Sprintf(
				"%s have more frequent names than ngxtap remembers: %d are known, and no further one is told until some have gone", field, n.names)}
		}
		return schema.Diff{Path: field, Kind: schema.KindRemoved, Text: "there is room for new names of " + field + " again"}
	}
	d := schema.Diff{Path: field + "." + n.name, Kind: schema.KindAdded, New: "new"}
	switch {
	case !n.header.on:
		d.Kind, d.Old, d.New = schema.KindRemoved, "known", ""
		d.Text = fmt.Sprintf("%s is gone: hardly any event of the last %d windows has it", d.Path, n.header.away)
	case n.header.exp > 0:
		d.New = "back"
		d.Text = d.Path + " is back" + n.header.inShare()
	default:
		d.Text = d.Path + " is new" + n.header.inShare()
	}
	return d
}

// inShare says in how many events a header is.
func (k *knownHeader) inShare() string {
	if k.share == 0 {
		return "" // a restart came between
	}
	return " in " + percentOf(k.share) + " of the sampled events"
}

// also says what no difference tells.
func (h *headerWatch) also() string {
	var parts []string
	if h.passed > 0 {
		parts = append(parts, fmt.Sprintf("%d header names came and went since the last event", h.passed))
	}
	if h.storm {
		parts = append(parts, "header names change so often that only one event an hour tells of them")
	}
	return strings.Join(parts, "; ")
}

// percent is n of total, in per cent.
func percent(n, total int64) string { return percentOf(float64(n) / float64(max(total, 1))) }

// percentOf rounds down, so that only all is 100 %.
func percentOf(share float64) string {
	p := math.Floor(share*1e4+1e-6) / 1e2
	if p == 0 && share > 0 {
		return "less than 0.01 %"
	}
	return strconv.FormatFloat(p, 'f', -1, 64) + " %"
}
