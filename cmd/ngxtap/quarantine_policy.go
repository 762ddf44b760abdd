package main

import (
	"context"
	"fmt"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// lets returns an error if on_change does not let events of one of these formats through, as a daemon that noticed the change would not,
// and nobody has accepted it. What daemons have noticed stands in the topic of changes; the newest word on a schema counts. A registry
// that refused a schema is asked anew by whoever registers it, so that is not looked up.
func (d *daemon) lets(ctx context.Context, kc kafka.Config, s *config.Site, formats []*pipeline.Format) error {
	newest := map[string]change{} // by fingerprint
	h := &schemaHistory{site: s.Site, seen: map[string]bool{}, log: d.log}
	err := h.read(ctx, kc, newMessageDecoder(d, kc), false, func(c change) error {
		if c.New == nil || c.Source != string(schema.FromConfiguration) || c.Time < newest[c.New.Fingerprint].Time {
			return nil
		}
		c.json = nil
		newest[c.New.Fingerprint] = c
		return nil
	})
	if err != nil {
		return fmt.Errorf("find out what on_change says about these formats: %w", err)
	}
	policy, accepted := policyOf(&s.OnChange), newAcceptance(d.cfg.StateDir, s.Site, d.log)
	for _, f := range formats {
		c, known := newest[fmt.Sprintf("%016x", f.Fingerprint())]
		switch {
		case accepted.has(f.Fingerprint()):
			continue
		case h.left > 0:
			return fmt.Errorf("log_format %s: %d records of %s can't be read, so nothing tells whether on_change lets it through: `ngxtap schema accept --site %s` first",
				oneLine(f.Name()), h.left, kafka.DefaultChangesTopic, s.Site)
		case !known:
			continue
		}
		action := schema.Hold // a newer ngxtap told of it
		if class, err := schema.ParseClass(c.Class); err == nil {
			action = policy.For(class)
		}
		if action != schema.Evolve {
			return fmt.Errorf("log_format %s: the change is %s and on_change.%s is %s: `ngxtap schema accept --site %s` first",
				oneLine(f.Name()), oneLine(c.Class), oneLine(c.Class), action, s.Site)
		}
	}
	return nil
}
