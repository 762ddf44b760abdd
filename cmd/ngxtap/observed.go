package main

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// observed is what a process has done since it started, whatever is configured anew meanwhile: counters that went back at a reload would
// hide what came after the last scrape. A nil one notes nothing.
type observed struct {
	logs     logCounts
	registry schema.RegistryStats

	mu       sync.Mutex
	sites    map[string]*pipeline.Stats // guarded by mu; by site
	brokers  map[string]*kafka.Stats    // guarded by mu; by site
	reloaded time.Time                  // guarded by mu; when the configuration in force was read
	refused  bool                       // guarded by mu; the last attempt to read it anew failed
}

func newObserved() *observed {
	return &observed{sites: map[string]*pipeline.Stats{}, brokers: map[string]*kafka.Stats{}, reloaded: time.Now()}
}

// site returns the counters of a site.
func (o *observed) site(name string) (*pipeline.Stats, *kafka.Stats) {
	if o == nil {
		return nil, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sites[name] == nil {
		o.sites[name], o.brokers[name] = pipeline.NewStats(), &kafka.Stats{}
	}
	return o.sites[name], o.brokers[name]
}

// registryStats returns the counters of the registry.
func (o *observed) registryStats() *schema.RegistryStats {
	if o == nil {
		return nil
	}
	return &o.registry
}

// reload notes that the configuration was read anew, or could not be.
func (o *observed) reload(err error) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refused = err != nil; err == nil {
		o.reloaded = time.Now()
	}
}

// lastReload reports whether the last attempt to read the configuration succeeded, and when one last did.
func (o *observed) lastReload() (ok bool, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.refused, o.reloaded
}

// logCounts counts messages of the log by level.
type logCounts [4]atomic.Int64

// logLevels are the levels of messages, as the labels of metrics have them, and in the order of logCounts.
var logLevels = [...]string{"debug", "info", "warn", "error"}

func (c *logCounts) add(l slog.Level) {
	at := 0
	for at < len(c)-1 && l >= slog.Level(4*at) { // Info is 0, Warn 4, Error 8
		at++
	}
	c[at].Add(1)
}

// countingHandler counts what another handler writes.
type countingHandler struct {
	slog.Handler
	counts *logCounts
}

// Handle implements slog.Handler.
func (h countingHandler) Handle(ctx context.Context, r slog.Record) error {
	h.counts.add(r.Level)
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h countingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countingHandler{h.Handler.WithAttrs(attrs), h.counts}
}

// WithGroup implements slog.Handler.
func (h countingHandler) WithGroup(name string) slog.Handler {
	return countingHandler{h.Handler.WithGroup(name), h.counts}
}
