package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
	"ngxtap/pkg/tail"
)

// What became of the lines of a site.
var (
	famLines   = siteCounter("lines_total", "Lines committed since the start, by what became of them.", "outcome")
	famRejects = siteCounter("quarantined_lines_total", "Lines committed to quarantine since the start, by reason.", "reason")
	famRead    = siteCounter("read_bytes_total", "Bytes of log files that the committed position moved past; the sum over all outcomes of ngxtap_bytes_total.")
	famBytes   = siteCounter("bytes_total", "Bytes of log files that the committed position moved past, by what became of them.", "outcome")
	famLosses  = siteCounter("losses_total", "How often log data was declared lost, also where nobody can say how many bytes.")
	famCuts    = siteCounter("cut_header_values_total", "Header values that are not in events in full since the start, because of headers.max_headers and headers.max_value.")
)

// Its list of header names.
var (
	famNames  = siteGauge("census_names", "Header names in the list that `ngxtap headers` shows, by side.", "side")
	famNoRoom = siteCounter("census_names_not_kept_total", "How often an event had a header name for which that list had no room, since the list began, by side.", "side")
)

// Its files.
var (
	famLag       = siteGauge("lag_bytes", "Bytes in the log files beyond the committed position, at the moment of the scrape.")
	famLagTime   = siteGauge("lag_seconds", "The oldest line that is not committed is not older than this; 0 if all is committed. It grows while the site can't commit.")
	famFiles     = siteGauge("files", "Log files, by what is done with them.", "state")
	famLooked    = siteGauge("files_looked_at_timestamp_seconds", "When the log files were last looked at; it stays behind while a file system does not answer. 0: never yet.")
	famSkipped   = siteGauge("skipped_files", "Files in the log folders that have the name of a log but are not read, by reason.", "reason")
	famUnread    = siteGauge("unreadable_files", "Log files that can't be read at the moment; /healthz says why.")
	famHeld      = siteGauge("held_deleted_files", "Deleted log files that are held open because they may have unread lines.")
	famHeldSize  = siteGauge("held_deleted_bytes", "Bytes that these files take on the disk, bounded by access_log.held_bytes.")
	famHeldLimit = siteGauge("held_deleted_limit_bytes", "The bound, access_log.held_bytes; beyond it the oldest of these files are given up and their rest is lost.")
)

// Its schema, and what it does.
var (
	famChanges    = siteCounter("schema_changes_total", "Schema changes committed since the start, by where they were noticed and by class.", "source", "class")
	famClass      = siteGauge("schema_class", "1 for the gravest class of the changes that brought the formats of the present configuration; none if they were there from the beginning.", "class")
	famChangeAt   = siteGauge("last_schema_change_timestamp_seconds", "When the last schema change was committed since the start; 0 if there was none.")
	famHeldBack   = siteGauge("held", "1 if the site is stopped before a line that on_change or the registry does not let through; /healthz says why.")
	famHeldWhy    = siteGauge("held_reason", "1 for the reason why the site is held; 0 for all if it is not.", "reason")
	famProblem    = siteGauge("configuration_unusable", "1 if nginx.conf as it is now can't be used; the formats from before go on, /healthz says why.")
	famState      = siteGauge("site_state", "1 for what the site does: running, or why it does not ship.", "state")
	famCommits    = siteCounter("commits_total", "Commits since the start.")
	famSessions   = siteCounter("sessions_total", "Sessions begun since the start; each is a start, a reload or a recovery.")
	famCommitAt   = siteGauge("last_commit_timestamp_seconds", "When the last commit succeeded; 0 if there was none since the start.")
	famCommit     = siteGauge("last_commit_duration_seconds", "How long the last commit took.")
	famCommitTime = siteHistogram("commit_duration_seconds", "How long commits took, from the last records sent to the end of the transaction.")
	famDelay      = siteHistogram("event_delay_seconds", "How old the oldest event of a commit was when it was done, by its event_time; one observation for each commit with events that have a time of their own.")
)

// Its brokers.
var (
	famConnected = siteGauge("kafka_connected", "1 while a session with the brokers is open and nothing has gone wrong in it.")
	famBrokers   = siteGauge("kafka_brokers", "How many brokers the cluster told of when the last session began.")
	famTxns      = siteCounter("kafka_transactions_total", "Transactions, by how they ended; those that mark the owner of the site are among them.", "outcome")
	famRecords   = siteCounter("kafka_record_bytes_total", "Bytes of records sent, before compression, also of what was not committed then.")
	famPacked    = siteCounter("kafka_sent_bytes_total", "The same bytes as sent, after compression.")
	famErrors    = siteCounter("kafka_errors_total", "What ended a session with the brokers, or an attempt to begin one, by class.", "class")
	famErrorAt   = siteGauge("kafka_last_error_timestamp_seconds", "When that last happened; 0 if it did not since the start.")
)

// siteMetrics turns the counters of sites into metrics.
type siteMetrics struct {
	sites []*pipeline.Site
	seen  *observed
}

// Describe implements prometheus.Collector.
func (m *siteMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect implements prometheus.Collector.
func (m *siteMetrics) Collect(out chan<- prometheus.Metric) {
	ch := scrape(out)
	views := viewsOf(m.sites)
	for i, s := range m.sites {
		st := s.Stats()
		ch.lines(s.Name(), st)
		ch.files(s, &views[i])
		ch.schema(s.Name(), st)
		ch.work(s.Name(), st)
		_, k := m.seen.site(s.Name())
		ch.brokers(s.Name(), k)
	}
}

// viewsOf looks at the files of all sites at once.
func viewsOf(sites []*pipeline.Site) []pipeline.View {
	ctx, cancel := context.WithTimeout(context.Background(), pipeline.Patience) // for all of them together
	defer cancel()
	views := make([]pipeline.View, len(sites))
	var wg sync.WaitGroup
	for i, s := range sites {
		wg.Go(func() { views[i] = s.Stats().View(ctx) })
	}
	wg.Wait()
	return views
}

func (ch scrape) lines(site string, st *pipeline.Stats) {
	ch.set(famLines, float64(st.Events.Load()), site, "event")
	ch.set(famLines, float64(st.Quarantined.Load()), site, "quarantined")
	ch.set(famLines, float64(st.Blank.Load()), site, "blank")
	for reason, n := range st.ByReason() {
		ch.set(famRejects, float64(n), site, reason)
	}
	b := st.Bytes()
	ch.set(famRead, float64(b.Read), site)
	ch.set(famBytes, float64(b.Events), site, "event")
	ch.set(famBytes, float64(b.Quarantined), site, "quarantined")
	ch.set(famBytes, float64(b.Blank), site, "blank")
	ch.set(famBytes, float64(b.Lost), site, "lost")
	ch.set(famLosses, float64(st.Losses.Load()), site)
	ch.set(famCuts, float64(st.Cuts.Load()), site)
	for _, size := range st.CensusSizes() {
		ch.set(famNames, float64(size.Names), site, size.Side)
		ch.set(famNoRoom, float64(size.NotKept), site, size.Side)
	}
}

func (ch scrape) files(s *pipeline.Site, v *pipeline.View) {
	site := s.Name()
	ch.set(famLag, float64(v.LagBytes), site)
	ch.set(famLagTime, v.Lag.Seconds(), site)
	ch.set(famLooked, unixSeconds(v.Since), site)
	n := map[tail.State]int{}
	for i := range v.Files {
		n[v.Files[i].State]++
	}
	for _, state := range tail.States() {
		ch.set(famFiles, float64(n[state]), site, string(state))
	}
	for _, why := range tail.Skips() {
		ch.set(famSkipped, float64(v.Skipped[why]), site, string(why))
	}
	ch.set(famUnread, float64(n[tail.Failing]), site)
	ch.set(famHeld, float64(v.HeldFiles), site)
	ch.set(famHeldSize, float64(v.HeldBytes), site)
	ch.set(famHeldLimit, float64(s.HeldLimit()), site)
}

func (ch scrape) schema(site string, st *pipeline.Stats) {
	changes, last := st.Changes()
	for _, source := range []schema.ChangeSource{schema.FromConfiguration, schema.FromRegistry, schema.FromData} {
		for class := schema.ClassNone; class <= schema.ClassBreaking; class++ {
			ch.set(famChanges, float64(changes[pipeline.ChangeKind{Source: source, Class: class}]), site, string(source), class.String())
		}
	}
	worst := st.SchemaClass()
	for class := schema.ClassNone; class <= schema.ClassBreaking; class++ {
		ch.set(famClass, asNumber(class == worst), site, class.String())
	}
	at := 0.0
	if last != nil {
		at = float64(last.Time) / 1e6
	}
	ch.set(famChangeAt, at, site)
	ch.set(famHeldBack, asNumber(st.HeldBack()), site)
	state(ch, famHeldWhy, site, st.HeldReason(), pipeline.HeldReasons())
	ch.set(famProblem, asNumber(st.ConfigProblem() != ""), site)
}

func (ch scrape) work(site string, st *pipeline.Stats) {
	state(ch, famState, site, st.Standing(), pipeline.Standings())
	ch.set(famCommits, float64(st.Commits.Load()), site)
	ch.set(famSessions, float64(st.Sessions.Load()), site)
	ch.set(famCommitAt, float64(st.LastCommit.Load())/1e6, site)
	ch.set(famCommit, float64(st.CommitTime.Load())/1e6, site)
	ch.histogram(famCommitTime, st.CommitDurations.Snapshot(), site)
	ch.histogram(famDelay, st.EventDelays.Snapshot(), site)
}

func (ch scrape) brokers(site string, k *kafka.Stats) {
	ch.set(famConnected, asNumber(k.Connected()), site)
	ch.set(famBrokers, float64(k.Brokers.Load()), site)
	ch.set(famTxns, float64(k.Committed.Load()), site, "committed")
	ch.set(famTxns, float64(k.Aborted.Load()), site, "aborted")
	ch.set(famTxns, float64(k.InDoubt.Load()), site, "in_doubt")
	ch.set(famRecords, float64(k.Records.Load()), site)
	ch.set(famPacked, float64(k.Packed.Load()), site)
	n, _, at := k.Errors()
	for _, class := range slices.Sorted(slices.Values(kafka.ErrorClasses())) {
		ch.set(famErrors, float64(n[class]), site, string(class))
	}
	ch.set(famErrorAt, unixSeconds(at), site)
}

// unixSeconds is a time as metrics have it; 0 for none.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}
