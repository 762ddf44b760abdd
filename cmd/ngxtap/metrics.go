package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/tail"
)

// siteMetrics turns the counters of sites into metrics. Its only label values are site names and fixed words.
type siteMetrics []*pipeline.Site

var (
	descLines    = siteDesc("lines_total", "Lines committed since the start, by what became of them.", "outcome")
	descRejects  = siteDesc("quarantined_lines_total", "Lines committed to quarantine since the start, by reason.", "reason")
	descRead     = siteDesc("read_bytes_total", "Bytes of log files that the committed position moved past; the sum over all outcomes of ngxtap_bytes_total.")
	descBytes    = siteDesc("bytes_total", "Bytes of log files that the committed position moved past, by what became of them.", "outcome")
	descLosses   = siteDesc("losses_total", "How often log data was declared lost, also where nobody can say how many bytes.")
	descCuts     = siteDesc("cut_header_values_total", "Header values that are not in events in full since the start, because of headers.max_headers and headers.max_value.")
	descSkipped  = siteDesc("skipped_files", "Files in the log folders that have the name of a log but are not read, by reason.", "reason")
	descUnread   = siteDesc("unreadable_files", "Log files that can't be read at the moment; /healthz says why.")
	descHeld     = siteDesc("held_deleted_files", "Deleted log files that are held open because they may have unread lines.")
	descHeldSize = siteDesc("held_deleted_bytes", "Bytes that these files take on the disk, bounded by access_log.held_bytes.")
	descChanges  = siteDesc("schema_changes_total", "Schema changes committed since the start, by where they were noticed and by class.", "source", "class")
	descHeldBack = siteDesc("held", "1 if the site is stopped before a line that on_change or the registry does not let through; /healthz says why.")
	descProblem  = siteDesc("configuration_unusable", "1 if nginx.conf as it is now can't be used; the formats from before go on, /healthz says why.")
	descCommits  = siteDesc("commits_total", "Commits since the start.")
	descSessions = siteDesc("sessions_total", "Sessions begun since the start; each after the first is a recovery.")
	descLag      = siteDesc("lag_bytes", "Bytes in the log files that were not committed at the last commit.")
	descCommitAt = siteDesc("last_commit_timestamp_seconds", "When the last commit succeeded.")
	descNames    = siteDesc("census_names", "Header names in the list that `ngxtap headers` shows, by side.", "side")
	descNoRoom   = siteDesc("census_names_not_kept_total", "How often an event had a header name for which that list had no room, since the list began, by side.", "side")
	descCommit   = siteDesc("last_commit_duration_seconds", "How long the last commit took.")
)

func siteDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ngxtap_"+name, help, append([]string{"site"}, labels...), nil)
}

// Describe implements prometheus.Collector.
func (m siteMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m siteMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m {
		st := s.Stats()
		counter := func(d *prometheus.Desc, v int64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), append([]string{s.Name()}, labels...)...)
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Name())
		}
		counter(descLines, st.Events.Load(), "event")
		counter(descLines, st.Quarantined.Load(), "quarantined")
		counter(descLines, st.Blank.Load(), "blank")
		for reason, n := range st.ByReason() {
			counter(descRejects, n, reason)
		}
		b := st.Bytes()
		counter(descRead, b.Read)
		counter(descBytes, b.Events, "event")
		counter(descBytes, b.Quarantined, "quarantined")
		counter(descBytes, b.Blank, "blank")
		counter(descBytes, b.Lost, "lost")
		counter(descLosses, st.Losses.Load())
		counter(descCuts, st.Cuts.Load())
		skipped := st.Skipped()
		for _, why := range tail.Skips() {
			ch <- prometheus.MustNewConstMetric(descSkipped, prometheus.GaugeValue, float64(skipped[why]), s.Name(), string(why))
		}
		gauge(descUnread, float64(len(st.Unreadable())))
		files, held := st.Held()
		gauge(descHeld, float64(files))
		gauge(descHeldSize, float64(held))
		changes, _ := st.Changes()
		for _, source := range []schema.ChangeSource{schema.FromConfiguration, schema.FromRegistry, schema.FromData} {
			for class := schema.ClassNone; class <= schema.ClassBreaking; class++ {
				counter(descChanges, changes[pipeline.ChangeKind{Source: source, Class: class}], string(source), class.String())
			}
		}
		for _, size := range st.CensusSizes() {
			ch <- prometheus.MustNewConstMetric(descNames, prometheus.GaugeValue, float64(size.Names), s.Name(), size.Side)
			counter(descNoRoom, size.NotKept, size.Side)
		}
		gauge(descHeldBack, asNumber(st.HeldBack()))
		gauge(descProblem, asNumber(st.ConfigProblem() != ""))
		counter(descCommits, st.Commits.Load())
		counter(descSessions, st.Sessions.Load())
		gauge(descLag, float64(st.Lag()))
		gauge(descCommitAt, float64(st.LastCommit.Load())/1e6)
		gauge(descCommit, float64(st.CommitTime.Load())/1e6)
	}
}

// newMetrics makes what /metrics shows. stateDir is looked at with every scrape.
func newMetrics(sites []*pipeline.Site, stateDir string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(siteMetrics(sites), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ngxtap_state_dir_writable", Help: "1 if state_dir can be written to, 0 if not: the daemon goes on without, /healthz says why.",
	}, func() float64 {
		return asNumber(stateDirProblem(stateDir) == nil)
	}))
	return reg
}

// asNumber is 1 for true and 0 for false, as metrics have it.
func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
