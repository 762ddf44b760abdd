package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// Frame marks a value with the schema that it was written with.
type Frame struct {
	Prefix   []byte       // put before the value
	Header   *sink.Header // put beside it; nil: none
	Announce bool         // the schema is to be written to the schemas stream, because no registry keeps it
}

// Own are the records whose schemas are ngxtap's own, by the stream that they go to.
var own = map[sink.Stream]struct{ record, schema string }{
	sink.Quarantine: {"ngxtap.QuarantinedLine", schema.QuarantinedLine},
	sink.Changes:    {"ngxtap.SchemaChange", schema.SchemaChange},
}

// registration is how far a schema has come with the registry. It goes on in the background, for a registry may take its time.
type registration struct {
	mu      sync.Mutex
	frame   *Frame // guarded by mu; nil: not there yet
	err     error  // guarded by mu: why not; nil: nothing is known yet
	refused bool   // guarded by mu: err is the registry's refusal
}

// refusedFactor times Config.RetryAfter is how long a registry that refused a schema is left alone: somebody has to change its mind.
const refusedFactor = 10

// state returns the frame, or why there is none; both are nil while nothing is known.
func (r *registration) state() (f *Frame, refused bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frame, r.refused, r.err
}

// set notes an outcome and reports whether it is another than before.
func (r *registration) set(f *Frame, err error) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := errors.Is(err, schema.ErrRefused)
	news = r.err == nil || r.refused != refused || f != nil
	r.frame, r.err, r.refused = f, err, refused
	return news
}

// register has a schema registered, and tries for as long as it takes: until it is, or ctx ends.
func (s *Site) register(ctx context.Context, stream sink.Stream, record, text string) *registration {
	r := &registration{}
	s.background.Go(func() {
		wait := newBackoff(s.cfg.RetryAfter)
		for {
			f, err := s.cfg.Frame(ctx, stream, record, text)
			if err != nil && ctx.Err() != nil {
				return
			}
			d := wait.next()
			if errors.Is(err, schema.ErrRefused) {
				wait = newBackoff(s.cfg.RetryAfter)
				d = refusedFactor * wait.after
			}
			news := r.set(f, err)
			switch {
			case news && errors.Is(err, schema.ErrRefused):
				s.log.Error("the registry refuses a schema; it is asked again now and then", "record", record, "error", err, "retry_in", d.String())
			case err != nil && (news || d >= maxBackoff):
				s.log.Warn("the registry gives no id for the schema yet; waiting, nothing is lost", "record", record, "error", err, "retry_in", d.String())
			}
			if err == nil || !sleep(ctx, d) {
				return
			}
		}
	})
	return r
}

// frames gets what the site's own records need. They are the same for every version of every format, so this waits only where ngxtap
// itself is new to the registry.
func (s *Site) frames(ctx context.Context) error {
	for stream, o := range own {
		r := s.register(ctx, stream, o.record, o.schema)
		for s.frame[stream] == nil {
			s.cfg.Pulse.at(doIDs)
			f, refused, err := r.state()
			if refused {
				return err
			}
			s.frame[stream] = f
			if f == nil && !sleep(ctx, 10*time.Millisecond) {
				return ctx.Err()
			}
		}
	}
	return nil
}

// prepare compiles the encoder of f, whose values are marked by frame, for a site.
func (f *Format) prepare(frame *Frame, cfg *Config) error {
	if err := f.Prepare(avro.Options{Prefix: frame.Prefix, Secrets: cfg.Secrets, Headers: cfg.Headers}); err != nil {
		return err
	}
	f.frame = frame
	return nil
}
