package main

import (
	"cmp"
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ngxtap/pkg/pipeline"
)

// family is a metric with all its labels. Label values are names of the configuration and fixed words, never anything from log data.
type family struct {
	name, help string
	kind       string // counter, gauge, histogram
	labels     []string
	desc       *prometheus.Desc
}

// families is every metric of ours, by name: the table in docs/metrics.md is made of it.
var families = map[string]*family{}

func newFamily(kind, name, help string, labels ...string) *family {
	f := &family{name: "ngxtap_" + name, help: help, kind: kind, labels: labels}
	f.desc = prometheus.NewDesc(f.name, help, labels, nil)
	families[f.name] = f
	return f
}

// siteCounter, siteGauge and siteHistogram have the label site, and then the given ones.
func siteCounter(name, help string, labels ...string) *family {
	return newFamily("counter", name, help, append([]string{"site"}, labels...)...)
}

func siteGauge(name, help string, labels ...string) *family {
	return newFamily("gauge", name, help, append([]string{"site"}, labels...)...)
}

func siteHistogram(name, help string) *family { return newFamily("histogram", name, help, "site") }

// scrape is one collection under way.
type scrape chan<- prometheus.Metric

func (ch scrape) set(f *family, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.kind == "counter" {
		kind = prometheus.CounterValue
	}
	ch <- prometheus.MustNewConstMetric(f.desc, kind, v, labels...)
}

func (ch scrape) histogram(f *family, b pipeline.Buckets, labels ...string) {
	counts := make(map[float64]uint64, len(b.Bounds))
	for i, le := range b.Bounds {
		counts[le] = b.Cumulative[i]
	}
	ch <- prometheus.MustNewConstHistogram(f.desc, b.Count, b.Sum, counts, labels...)
}

// state sets one of several fixed words to 1 and the others to 0.
func state[W ~string](ch scrape, f *family, site string, now W, words []W) {
	for _, w := range words {
		ch.set(f, asNumber(w == now), site, string(w))
	}
}

// Of the process.
var (
	famBuild      = newFamily("gauge", "build_info", "1, with what this binary was built from.", "version", "commit", "goversion")
	famEmbedded   = newFamily("gauge", "embedded", "1 if broker and registry run in this process (--embedded), which is not for production.")
	famReloadOK   = newFamily("gauge", "config_last_reload_successful", "1 if the last attempt to read the configuration (start or SIGHUP) succeeded; after 0 the one before stays in force.")
	famReloadAt   = newFamily("gauge", "config_last_reload_success_timestamp_seconds", "When the configuration in force was read.")
	famStateDir   = newFamily("gauge", "state_dir_writable", "1 if state_dir can be written to, 0 if not: the daemon goes on without, /healthz says why.")
	famLogs       = newFamily("counter", "log_messages_total", "Messages that ngxtap wrote to its own log, by level.", "level")
	famMemory     = newFamily("gauge", "memory_limit_bytes", "The smallest memory.max of the control groups that the process is in; absent where there is none.")
	famRegistryUp = newFamily("gauge", "registry_up", "1 if the last request to the schema registry got an answer that is of use; absent without a registry, and before the first request.")
	famRegistryAt = newFamily("gauge", "registry_last_answer_timestamp_seconds", "When the schema registry last gave an answer that is of use; 0 if it never did.")
	famRegistryN  = newFamily("counter", "registry_requests_total", "Requests to the schema registry, by how they ended; one that was repeated counts once.", "outcome")
)

// processMetrics is the state of the whole process.
type processMetrics struct {
	seen     *observed
	stateDir string
	registry bool // one is configured
	embedded bool
}

// Describe implements prometheus.Collector.
func (m *processMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *processMetrics) Collect(out chan<- prometheus.Metric) {
	ch := scrape(out)
	ch.set(famBuild, 1, version, cmp.Or(commit, buildCommit()), runtime.Version())
	ch.set(famEmbedded, asNumber(m.embedded))
	ok, at := m.seen.lastReload()
	ch.set(famReloadOK, asNumber(ok))
	ch.set(famReloadAt, float64(at.UnixMilli())/1e3)
	ch.set(famStateDir, asNumber(stateDirProblem(m.stateDir) == nil))
	for i, level := range logLevels {
		ch.set(famLogs, float64(m.seen.logs[i].Load()), level)
	}
	if limit, ok := memoryLimit("/proc/self/cgroup", "/sys/fs/cgroup"); ok {
		ch.set(famMemory, float64(limit))
	}
	if !m.registry {
		return
	}
	r := m.seen.registryStats()
	if up, asked := r.Up(); asked {
		ch.set(famRegistryUp, asNumber(up))
	}
	ch.set(famRegistryAt, unixSeconds(r.LastAnswer()))
	for outcome, n := range r.Requests() {
		ch.set(famRegistryN, float64(n), string(outcome))
	}
}

// newMetrics makes what /metrics shows of a daemon and its sites.
func newMetrics(d *daemon, sites []*pipeline.Site) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(&siteMetrics{sites: slices.Clone(sites), seen: d.seen},
		&processMetrics{seen: d.seen, stateDir: d.cfg.StateDir, registry: d.registry != nil, embedded: d.servers != nil},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// asNumber is 1 for true and 0 for false, as metrics have it.
func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
