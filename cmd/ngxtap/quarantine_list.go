package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/sink/kafka"
)

// listOptions are the flags of quarantine list.
type listOptions struct {
	site, reason string
	most         int
	all, json    bool
}

func (a *app) quarantineListCmd() *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the lines in quarantine, where each stopped fitting, and how many there are of each kind",
		Long: `Show the lines that are in quarantine and were not replayed: when and where each was read, why it was rejected, and the line itself with a
caret below the byte at which it stopped fitting. Control characters are escaped. Below the lines stand counts by reason and by host.`,
		Example: `  ngxtap quarantine list --site shop -n 5
  ngxtap quarantine list --site shop --reason '$status' --json | jq -r .text`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.most < 0 {
				return fmt.Errorf("-n %d: want a number of lines, or 0 for all", o.most)
			}
			return failed(a.quarantineList(c.Context(), &o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.site, "site", "", "only the lines of this site; default: of all that are configured")
	f.IntVarP(&o.most, "lines", "n", 0, "show this many lines at most; all are counted; 0: no limit")
	f.StringVar(&o.reason, "reason", "", "only lines whose reason has this text in it")
	f.BoolVar(&o.all, "all", false, "also lines that were replayed")
	f.BoolVar(&o.json, "json", false, "one JSON object a line, with everything that is known, and no counts")
	return cmd
}

func (a *app) quarantineList(ctx context.Context, o *listOptions) (err error) {
	log := a.logger()
	cfg, err := a.load(log)
	if err != nil {
		return err
	}
	sites := cfg.Sites
	if o.site != "" {
		s, err := siteNamed(cfg, o.site)
		if err != nil {
			return err
		}
		sites = []config.Site{*s}
	}
	d, err := a.newDaemon(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = firstly(err, d.close()) }()
	kc, err := kafkaConfig(cfg, nil, log)
	if err != nil {
		return configError(err)
	}
	r, err := newQuarantineReader(d, kc, log)
	if err != nil {
		return err
	}
	var topics []string
	for i := range sites {
		if t := sites[i].Topic + kafka.QuarantineSuffix; !slices.Contains(topics, t) {
			topics = append(topics, t)
		}
	}
	for _, topic := range topics {
		if err := a.listTopic(ctx, r, topic, o); err != nil {
			return err
		}
	}
	return nil
}

// listTopic reads a topic for what was replayed, and again for the lines.
func (a *app) listTopic(ctx context.Context, r *quarantineReader, topic string, o *listOptions) error {
	ledger := pipeline.NewLedger()
	l := &lister{listOptions: o, out: bufio.NewWriterSize(a.out, 64<<10), width: columns(a) - len(indent)}
	looking := newProgressLine(a.err, "records")
	defer looking.end()
	var looked int64
	err := r.read(ctx, topic, true, func(q *pipeline.QuarantineRecord) error {
		looked++
		looking.show(time.Now(), looked, 0, " looked at for what was replayed")
		if q.Done != nil {
			ledger.Add(q.Done)
		}
		return nil
	})
	looking.end()                         // before lines come
	if errors.Is(err, kafka.ErrNoTopic) { // another site of the list may have one
		r.log.Warn("there is no such topic: no daemon has started that would write to it", "topic", topic)
		if !o.json {
			l.counts(topic)
		}
		return l.out.Flush()
	}
	if err != nil {
		return err
	}
	err = r.read(ctx, topic, false, func(q *pipeline.QuarantineRecord) error {
		if q.Line == nil && q.Done == nil {
			l.foreign++
		}
		if q.Line == nil || o.site != "" && q.Line.Origin.Site != o.site || !strings.Contains(q.Line.Reason, o.reason) {
			return nil
		}
		return l.line(q, ledger.Done(q.Partition, q.Offset))
	})
	if err != nil {
		return errors.Join(err, l.out.Flush())
	}
	if !o.json {
		l.counts(topic)
	}
	return l.out.Flush()
}

// lister prints the lines of one topic.
type lister struct {
	*listOptions
	out            *bufio.Writer // gets what is escaped already, for it cuts where it likes
	width          int
	lines, done    int64
	foreign        int64 // records
	printed        int
	reasons, hosts pipeline.Table
}

// indent is what a line and its caret stand behind, so that no line can look like a head of ours.
const indent = "    "

// columns is how wide the terminal is; without one, as wide as most people can still read.
func columns(a *app) int {
	if f, ok := a.out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return max(int(size.Col), 40)
		}
	}
	return 160
}

// line counts one line, and prints it if it is wanted.
func (l *lister) line(r *pipeline.QuarantineRecord, done bool) error {
	l.lines++
	if done {
		l.done++
		if !l.all {
			return nil
		}
	}
	l.reasons.Add(r.Line.Reason)
	l.hosts.AddName(r.Line.Origin.Host)
	if l.most > 0 && l.printed >= l.most {
		return nil
	}
	l.printed++
	if l.json {
		return l.printJSON(r, done)
	}
	l.print(r, done)
	return nil
}

func (l *lister) print(r *pipeline.QuarantineRecord, done bool) {
	q := r.Line
	fmt.Fprintf(l.out, "%s  %s  file %s  offset %d  format %s", micros(q.Time), oneLine(q.Origin.Host), oneLine(q.Origin.File), q.Origin.Offset, oneLine(q.Format))
	if done {
		l.out.WriteString("  (replayed)")
	}
	fmt.Fprintf(l.out, "\n  %s", oneLine(q.Reason))
	if q.Column >= 0 {
		fmt.Fprintf(l.out, " (column %d)", q.Column+1)
	}
	if r.Sealed != "" {
		fmt.Fprintf(l.out, "\n%s(%s)\n", indent, oneLine(r.Sealed))
		return
	}
	if n := int64(len(r.Raw)); n < q.Whole.Length {
		fmt.Fprintf(l.out, " (the first %d of %d bytes are here)", n, q.Whole.Length)
	}
	text, mark := pointAt(r.Raw, q.Column, l.width)
	fmt.Fprintf(l.out, "\n%s%s\n", indent, text)
	if mark != "" {
		fmt.Fprintf(l.out, "%s%s\n", indent, mark)
	}
}

// quarantinedJSON is a line in quarantine, for programs.
type quarantinedJSON struct {
	Partition   int32   `json:"partition"` // with the next, where it is in the quarantine topic
	Record      int64   `json:"record"`
	Replayed    bool    `json:"replayed"`
	Time        string  `json:"event_time"`
	Site        string  `json:"site"`
	Host        string  `json:"host"`
	File        string  `json:"file"`
	Offset      int64   `json:"offset"`
	Length      int64   `json:"line_length"`
	CRC32C      int32   `json:"crc32c"`
	Reason      string  `json:"reason"`
	Column      int     `json:"column"` // as in the record: from 0, -1 where it is not known
	Variable    *string `json:"variable"`
	Format      string  `json:"format"`
	Fingerprint string  `json:"schema_fingerprint"`
	Truncated   bool    `json:"truncated"`
	Key         string  `json:"raw_key,omitempty"` // what raw is encrypted with in the topic
	Sealed      string  `json:"sealed,omitempty"`  // why it can't be read here; text and raw are null then
	Text        *string `json:"text"`              // raw with U+FFFD for what is not UTF-8
	Raw         []byte  `json:"raw"`
}

func (l *lister) printJSON(r *pipeline.QuarantineRecord, done bool) error {
	q := r.Line
	j := quarantinedJSON{
		Partition: r.Partition, Record: r.Offset, Replayed: done, Time: micros(q.Time), Site: q.Origin.Site, Host: q.Origin.Host, File: q.Origin.File,
		Offset: q.Origin.Offset, Length: q.Whole.Length, CRC32C: int32(q.Whole.CRC32C), Reason: q.Reason, Column: q.Column, Format: q.Format,
		Fingerprint: fmt.Sprintf("%016x", q.Fingerprint), Truncated: q.Truncated, Key: q.RawKey, Sealed: r.Sealed, Raw: r.Raw,
	}
	if r.Sealed == "" {
		text := strings.ToValidUTF8(string(r.Raw), "\uFFFD")
		j.Text = &text
	}
	if q.Variable != "" {
		j.Variable = &q.Variable
	}
	text, err := json.Marshal(&j)
	if err != nil {
		return fmt.Errorf("encode a line as JSON: %w", err)
	}
	l.out.Write(appendPrintable(nil, text, "")) // a bufio.Writer keeps its error for Flush
	return l.out.WriteByte('\n')
}

func micros(t int64) string { return time.UnixMicro(t).UTC().Format("2006-01-02T15:04:05.000000Z") }

// counts prints how many lines there are.
func (l *lister) counts(topic string) {
	if l.printed > 0 {
		fmt.Fprintln(l.out)
	}
	fmt.Fprintf(l.out, "%s: %d lines, %d of them replayed", topic, l.lines, l.done)
	if n := l.reasons.Sum(); n > int64(l.printed) {
		fmt.Fprintf(l.out, "; %d shown", l.printed)
	}
	fmt.Fprintln(l.out)
	printTable(l.out, "by reason:", &l.reasons)
	printTable(l.out, "by host:", &l.hosts)
	if l.foreign > 0 {
		fmt.Fprintf(l.out, leftOut, l.foreign)
	}
}

// printTable prints the rows of a table, if it has any.
func printTable(w *bufio.Writer, title string, t *pipeline.Table) {
	rows := t.Rows()
	if len(rows) > 0 {
		fmt.Fprintf(w, "  %s\n", title)
	}
	for _, r := range rows {
		fmt.Fprintf(w, "    %9d  %s\n", r.Count, oneLine(r.Text))
	}
}
