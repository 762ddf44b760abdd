package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// checkServers asks the brokers and the registry, side by side, since one that does not answer takes all the time there is.
func (d *daemon) checkServers(ctx context.Context, r *report, formats map[string][]*pipeline.Format) {
	brokers, registry := &report{}, &report{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.checkRegistry(ctx, registry, formats)
	}()
	d.checkKafka(ctx, brokers)
	<-done
	r.take(brokers)
	r.take(registry)
}

// kafkaKeys says at which key a finding about Kafka is mended; the longest beginning counts.
var kafkaKeys = map[string]string{
	"kafka": "kafka", "kafka.broker": "kafka.brokers", "kafka.login": "kafka.sasl", "kafka.transactions": "kafka.delivery",
	"kafka.compression":         "kafka.compression",
	"kafka.transaction_timeout": "kafka.transaction_timeout", "kafka.state": "kafka.state_topic",
}

func (d *daemon) checkKafka(ctx context.Context, r *report) {
	cfg := d.cfg
	kc, err := d.kafkaConfig(&cfg.Sites[0])
	if err != nil {
		file, line := cfg.Where("kafka")
		r.misfit(explain(finding{What: whatKafka, File: file, Line: line, Text: err.Error()}))
		return
	}
	if t := cfg.Kafka.TLS; t.On() {
		c := &tlsCheck{r, cfg, t, "kafka.tls", whatKafkaTLS, whatKafkaClient, whatKafkaCA, time.Now()}
		c.own()
		if bad, seen := c.servers(ctx, cfg.Kafka.Brokers); bad > 0 && bad == seen {
			return // nobody can be asked, and the reason was said
		}
	}
	var sites []kafka.CheckSite
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		c := kafka.CheckSite{Name: s.Site, Topic: s.Topic, Quarantine: topicOf(s, 1), LongestLine: int(s.AccessLog.MaxLine), Keyed: s.PartitionBy != "none"}
		sites = append(sites, c)
	}
	for _, k := range kafka.Check(ctx, kc, sites) {
		f := finding{What: what(k.What), Text: k.Text, Fix: k.Fix}
		f.File, f.Line = d.kafkaPlace(k)
		if k.Site != "" {
			f.Sites = []string{k.Site}
		}
		if d.servers != nil {
			f.File, f.Line = "", 0 // nothing of it is configured
		}
		switch {
		case k.Level == kafka.OK:
			f.File, f.Line = "", 0
			r.ok(f)
		case k.Level == kafka.Warn:
			if d.servers == nil || f.What != what(kafka.CheckOneBroker) {
				r.warn(f)
			}
		default:
			r.fail(f)
		}
	}
}

// kafkaPlace returns where a finding is to be mended.
func (d *daemon) kafkaPlace(k kafka.Finding) (string, int) {
	for i := range d.cfg.Sites {
		if s := &d.cfg.Sites[i]; s.Site == k.Site {
			return s.Where("topic")
		}
	}
	for word := k.What; word != ""; word = word[:max(strings.LastIndexByte(word, '.'), 0)] {
		if key := kafkaKeys[word]; key != "" {
			return d.cfg.Where(key)
		}
	}
	return d.cfg.Where("kafka")
}

// checkRegistry asks the registry what it thinks of every site's schemas.
func (d *daemon) checkRegistry(ctx context.Context, r *report, formats map[string][]*pipeline.Format) {
	if d.registry == nil {
		r.ok(finding{What: whatRegistry, Text: "no registry; writer schemas go to " + d.cfg.Kafka.SchemasTopic})
		return
	}
	file, line := d.cfg.Where("registry")
	place := finding{What: whatRegistry, File: file, Line: line}
	strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject)
	if err != nil {
		place.File, place.Line = d.cfg.Where("registry.subject")
		place.Text = "registry.subject: " + err.Error()
		r.misfit(place)
		return
	}
	if !d.checkRegistryTLS(ctx, r) {
		return
	}
	for i := range d.cfg.Sites {
		s := &d.cfg.Sites[i]
		for _, f := range formats[s.Site] {
			subject := strategy.Subject(s.Topic, f.Event().FullName())
			known, err := d.registry.Try(ctx, subject, f.Schema())
			at := place.of(s.Site)
			switch {
			case errors.Is(err, schema.ErrRefused):
				at.What, at.Text = whatRegRefused, fmt.Sprintf("%v; lines of format %s would go %s", err, f.Name(), refusedTo(s))
				at.File, at.Line = s.Where("on_change.refused")
				at.Fix = "change the log_format back, or the compatibility level of the subject, or name another topic"
				r.fail(at)
			case err != nil:
				place.Text = fmt.Sprintf("%v: %v", strings.Join(d.cfg.Registry.URLs, ", "), err)
				r.fail(place)
				return // the other sites would be told the same
			default:
				at.File, at.Line = "", 0
				at.Text = "the registry will take the schema, subject " + subject
				if known {
					at.Text = "the registry knows the schema, subject " + subject
				}
				if readOnly, err := d.registry.ReadOnly(ctx, subject); err == nil && readOnly && !known {
					at.What, at.Text = whatRegMode, fmt.Sprintf("the registry is read-only for subject %s, and does not know the schema of format "+
						"%s: its lines would go %s", subject, f.Name(), refusedTo(s))
					at.File, at.Line, at.Fix = place.File, place.Line, "have its mode set to READWRITE, or the schema registered (ngxtap schema show prints it)"
					r.fail(at)
					continue
				}
				r.ok(at)
				d.checkLevel(ctx, r, s, subject)
			}
		}
	}
}

// refusedTo says what becomes of lines whose schema the registry does not take.
func refusedTo(s *config.Site) string {
	if s.OnChange.Refused == "hold" {
		return "nowhere: the site is held before the first of them"
	}
	return "to quarantine"
}

// checkRegistryTLS looks at certificates. It returns false if none of the addresses can be used.
func (d *daemon) checkRegistryTLS(ctx context.Context, r *report) bool {
	var addrs []string
	for _, raw := range d.cfg.Registry.URLs {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" {
			continue
		}
		addr := u.Host
		if u.Port() == "" {
			addr += ":443"
		}
		addrs = append(addrs, addr)
	}
	c := &tlsCheck{r, d.cfg, d.cfg.Registry.TLS, "registry.tls", whatRegTLS, whatRegClient, whatRegCA, time.Now()}
	c.own()
	bad, _ := c.servers(ctx, addrs)
	return bad == 0 || bad < len(d.cfg.Registry.URLs)
}

// checkLevel compares the registry's compatibility level with what the site does about changes.
func (d *daemon) checkLevel(ctx context.Context, r *report, s *config.Site, subject string) {
	level, err := d.registry.Level(ctx, subject)
	if err != nil {
		return // not every registry tells, and it is only good to know
	}
	f := finding{What: whatRegLevel, Sites: []string{s.Site}}
	f.File, f.Line = s.Where("on_change")
	if level == "NONE" {
		if s.OnChange.Breaking == "evolve" {
			f.Text, f.Fix = "neither the registry (level NONE) nor on_change.breaking stops a change that readers can't read",
				"set on_change.breaking to quarantine or hold, or another level"
			r.warn(f)
			return
		}
		f.Text = "the registry takes every change (level NONE); on_change alone decides"
	} else {
		f.Text = fmt.Sprintf("the registry's level is %s: what it refuses goes %s", level, refusedTo(s))
	}
	f.File, f.Line = "", 0
	r.ok(f)
}
