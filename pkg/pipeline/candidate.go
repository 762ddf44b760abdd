package pipeline

import (
	"context"
	"fmt"
	"math"
	"slices"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/failpoint"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// candidate is a format that lines may have, and what becomes of those that do.
type candidate struct {
	*Format
	id     knownFormat // identifies it
	key    *keyer      // how to find the record's key; nil where there is none
	reg    *registration
	cancel context.CancelFunc // ends reg

	verdict verdict
	reason  string // a Reason constant, where verdict is toQuarantine
	text    string // why it is not toEvents, for people
	passing bool   // toHold, but only until the registry has answered for the first time
	lasting bool   // toHold until somebody does something
	session int64  // whose records hold its schema
	names   *avro.HeaderNames
}

// verdict says what becomes of the lines of a format.
type verdict uint8

const (
	toEvents verdict = iota
	toQuarantine
	toHold
)

// candidates returns what is compiled for the known formats, in their order. What can't be compiled any more is left out, and said. Each
// format is compiled once in the life of the site; those that are forgotten are let go.
func (s *Site) candidates(formats []knownFormat) []*candidate {
	var out []*candidate
	for i := range formats {
		k := &formats[i]
		c, err := s.candidate(k)
		if err != nil {
			s.log.Error("a format that this log had before can't be used any more; its lines go to quarantine", "format", k.Name, "log_format", k.Text, "error", err)
			continue
		}
		if !slices.Contains(out, c) { // one that came back is also among the retired
			out = append(out, c)
		}
	}
	s.compiled = slices.DeleteFunc(s.compiled, func(c *candidate) bool {
		gone := !slices.Contains(out, c)
		if gone && c.cancel != nil {
			c.cancel()
		}
		return gone
	})
	return out
}

func (s *Site) candidate(k *knownFormat) (*candidate, error) {
	for _, c := range s.compiled {
		if c.id.is(k) {
			return c, nil
		}
	}
	f, err := s.build(k)
	if err != nil {
		return nil, err
	}
	key, err := newKeyer(f, s.cfg.PartitionBy, s.cfg.Instance, s.cfg.Secrets)
	if err != nil {
		return nil, err
	}
	c := &candidate{Format: f, id: k.clone(), key: key, session: -1, verdict: toHold, passing: true}
	s.compiled = append(s.compiled, c)
	return c, nil
}

// build returns the format that k describes: of the present configuration, or compiled before, or now.
func (s *Site) build(k *knownFormat) (*Format, error) {
	for _, f := range s.current {
		if id := known(f); id.is(k) {
			return f, nil
		}
	}
	for _, c := range s.compiled {
		if c.id.is(k) {
			return c.Format, nil
		}
	}
	def, err := k.definition()
	if err != nil {
		return nil, err
	}
	if s.cfg.Compile == nil {
		return nil, fmt.Errorf("log_format %s is not in the configuration any more", k.Name)
	}
	return s.cfg.Compile(def, k.Recipe)
}

// judge finds out what is to become of the lines of c, as things stand now. A schema is registered only when its events may be sent, and
// when no change waits for its commit.
func (s *Site) judge(c *candidate, k *knownFormat, told bool) {
	p := &s.cfg.OnChange
	c.passing, c.lasting = false, true
	switch action := k.action(p); action {
	case schema.Hold, schema.QuarantineThem:
		c.decide(action, ReasonChange, fmt.Sprintf("the change to log_format %s is %s, and on_change.%s is %s; "+
			"`ngxtap schema accept --site %s %s` lets it through", k.Name, k.Class, k.Class, action, s.cfg.Site, k.Fingerprint))
		return
	}
	if c.reg == nil && !told {
		c.decide(schema.Hold, "", "the change is not committed yet")
		c.passing, c.lasting = true, false
		return
	}
	if c.reg == nil {
		ctx, cancel := context.WithCancel(s.base)
		c.cancel = cancel
		c.reg = s.register(ctx, sink.Events, c.event.FullName(), c.Schema())
	}
	f, refused, err := c.reg.state()
	switch {
	case f != nil && c.frame == nil:
		err := c.prepare(f, &s.cfg)
		if err == nil {
			c.names, err = avro.NewHeaderNames(c.event, len(f.Prefix))
		}
		if err != nil {
			c.decide(schema.Hold, "", err.Error())
			return
		}
		failpoint.Hit(failpoint.SchemaReady)
		c.verdict = toEvents
	case f != nil:
		c.verdict = toEvents
	case refused:
		c.decide(p.refused(), ReasonRefused, "the registry refused the schema of this format: "+err.Error())
	case err != nil:
		c.lasting = false
		c.decide(p.away(), ReasonAway, "the registry gives no id for the schema of this format: "+err.Error())
	default:
		c.decide(schema.Hold, "", "the registry has not answered yet")
		c.passing, c.lasting = true, false
	}
}

func (c *candidate) decide(a schema.Action, reason, text string) {
	c.verdict, c.reason, c.text = toQuarantine, reason, text
	if a == schema.Hold {
		c.verdict = toHold
	}
}

// order appends the candidates to dst in the order in which they are tried on the line at offset of a file, and returns up to where
// that order holds. What was written before a format was retired is tried with that format first, oldest first; then come the formats of
// the configuration, in its order, and then the retired ones, newest first. known and all belong together, item by item.
func order(dst []*candidate, known []knownFormat, all []*candidate, file string, offset int64) (_ []*candidate, until int64) {
	until = math.MaxInt64
	find := func(k *knownFormat) *candidate {
		for _, c := range all {
			if c.id.is(k) {
				return c
			}
		}
		return nil
	}
	for i := len(known) - 1; i >= 0; i-- {
		if end := known[i].Fence[file]; end > offset {
			if c := find(&known[i]); c != nil {
				until = min(until, end)
				if !slices.Contains(dst, c) {
					dst = append(dst, c)
				}
			}
		}
	}
	for _, c := range all {
		if !slices.Contains(dst, c) {
			dst = append(dst, c)
		}
	}
	return dst, until
}
