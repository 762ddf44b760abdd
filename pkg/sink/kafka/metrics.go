package kafka

import "github.com/rcrowley/go-metrics"

// noMetrics is the registry we give to sarama: it takes every metric and keeps none. The library's own costs a lock and a sample
// at each request and a ticking goroutine. Fetch requests pass it by in sarama 1.61 (they register a meter by topic in the default
// registry of go-metrics while they are being measured), so a process that has read something has that one goroutine all the same.
type noMetrics struct{}

func (noMetrics) Each(func(string, any))            {}
func (noMetrics) Get(string) any                    { return nil }
func (noMetrics) GetAll() map[string]map[string]any { return nil }
func (noMetrics) Register(string, any) error        { return nil }
func (noMetrics) RunHealthchecks()                  {}
func (noMetrics) Unregister(string)                 {}
func (noMetrics) UnregisterAll()                    {}
func (noMetrics) GetOrRegister(name string, metric any) any {
	switch metric.(type) {
	case func() metrics.Meter:
		return metrics.NilMeter{}
	case func() metrics.Histogram:
		return metrics.NilHistogram{}
	case func() metrics.Counter:
		return metrics.NilCounter{}
	}
	return metric
}
