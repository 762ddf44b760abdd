package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
)

// replayInstance names replays in Kafka, the same on all hosts, so that the newest of a site ends any other. No daemon can have this
// name: the configuration takes no "@".
const replayInstance = "@replay"

// replayOptions are the flags of quarantine replay.
type replayOptions struct {
	site               string
	dryRun, unrecorded bool
	json               bool
	limit              int64
}

func (a *app) quarantineReplayCmd() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay --site SITE",
		Short: "Send the lines in quarantine that fit the formats of today, each once",
		Long: `Try every line in a site's quarantine with the formats that nginx.conf has now, and send those that fit as events to the site's topic. Each
is sent once, also if this is interrupted, killed, run again, or run on two hosts at a time: then the one that started last goes on. Those
that still fit no format stay. The daemon may run meanwhile.`,
		Example: `  ngxtap quarantine replay --site shop --dry-run
  ngxtap quarantine replay --site shop`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.limit < 0 {
				return fmt.Errorf("--limit %d: want a number of lines, or 0 for all", o.limit)
			}
			return failed(a.quarantineReplay(c.Context(), &o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.site, "site", "", "the site whose lines are to be sent")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would become of the lines")
	f.Int64Var(&o.limit, "limit", 0, "send this many lines at most; 0: no limit")
	f.BoolVar(&o.unrecorded, "unrecorded", false, "also send lines that may have been sent before, where the records that would tell are gone: you know that they were not, or that the topic was made anew")
	f.BoolVar(&o.json, "json", false, "print what became of the lines as one JSON object, on standard output")
	_ = cmd.MarkFlagRequired("site") // fails only for a flag that does not exist
	return cmd
}

func (a *app) quarantineReplay(ctx context.Context, o *replayOptions) (err error) {
	log := a.logger()
	cfg, err := a.load(log)
	if err != nil {
		return err
	}
	s, err := siteNamed(cfg, o.site)
	if err != nil {
		return err
	}
	d, err := a.newDaemon(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = firstly(err, d.close()) }()
	rc, err := d.replay(ctx, s, o)
	if err != nil {
		return err
	}
	p := newReplayMeter(a, log)
	rc.Progress = p.show
	res, err := pipeline.Replay(ctx, *rc)
	p.trying.end()
	var werr error
	if o.json {
		werr = a.printReplayed(o, &res, err)
	} else {
		out := bufio.NewWriter(a.err)
		replaySummary(out, o, &res)
		werr = out.Flush()
	}
	if werr != nil {
		return fmt.Errorf("write: %w", werr)
	}
	switch {
	case ctx.Err() != nil:
		return &exitError{exitFailed, errors.New("stopped; run the same command again to go on: nothing is sent twice")}
	case err != nil:
		return fmt.Errorf("%w; run the same command again to go on: nothing is sent twice", err)
	case res.Misfits.Sum()+res.Cannot.Sum() > 0:
		return &exitError{code: exitRejected}
	}
	return nil
}

// replay gets ready what a replay of a site needs. Nothing is sent if the registry refuses a schema or gives no id for it.
func (d *daemon) replay(ctx context.Context, s *config.Site, o *replayOptions) (*pipeline.ReplayConfig, error) {
	formats, _, err := formatsOf(s)
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: site %s: %w", s.File, s.Line, s.Site, err))
	}
	secrets, ownKey, err := d.replaySecrets(s)
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: site %s: %w", s.File, s.Line, s.Site, err))
	}
	kc, err := d.kafkaConfig(s)
	if err != nil {
		return nil, configError(err)
	}
	rc := &pipeline.ReplayConfig{
		Site: s.Site, Instance: d.cfg.Instance, OwnKey: ownKey, Formats: formats, Secrets: secrets, Headers: headerRules(s),
		PartitionBy: s.PartitionBy, DryRun: o.dryRun, Limit: o.limit, Unrecorded: o.unrecorded, Logger: d.log,
	}
	switch err := d.lets(ctx, kc, s, formats); {
	case err != nil && o.dryRun:
		d.log.Warn("a replay would be refused", "error", err)
	case err != nil:
		return nil, fmt.Errorf("%w; nothing was sent", err)
	}
	if rc.Frames, rc.Frame, err = d.replayFrames(ctx, s, formats, o.dryRun); err != nil {
		return nil, fmt.Errorf("%w; nothing was sent", err)
	}
	in, err := newQuarantineReader(d, kc, d.log)
	if err != nil {
		return nil, err
	}
	rc.Read = func(ctx context.Context, wait bool, f func(*pipeline.QuarantineRecord) error) error {
		return in.read(ctx, s.Topic+kafka.QuarantineSuffix, wait, f)
	}
	owner := kafka.NewOwner()
	rc.Open = func() (sink.Sink, error) {
		c, err := d.kafkaConfig(s)
		if err != nil {
			return nil, err
		}
		// Whichever replay starts last may go on, wherever the others run or died: it knows from the topic what they have sent.
		c.Instance, c.Owner, c.Takeover, c.Delivery = replayInstance, owner, true, kafka.ExactlyOnce
		return kafka.New(c)
	}
	return rc, nil
}

// replaySecrets returns the site's rules for secrets, and whether they hash with this host's own key. That must be the key of the daemon
// which read the lines: none is made here.
func (d *daemon) replaySecrets(s *config.Site) (secrets *avro.Secrets, ownKey bool, err error) {
	mode, err := avro.ParseSecretMode(s.Headers.Secrets)
	if err != nil {
		return nil, false, err
	}
	addresses, err := avro.ParseAddressMode(s.Addresses)
	if err != nil {
		return nil, false, err
	}
	var key []byte
	if (mode == avro.SecretHash || addresses != avro.KeepAddresses) && s.Headers.HashKey.Reveal() == "" {
		if _, err := os.Stat(keyFile(d.cfg.StateDir)); err != nil {
			return nil, false, fmt.Errorf("secrets are hashed with a key of the host that read the lines, and it is not here (%w): "+
				"run this on that host with its state_dir, or set headers.hash_key", err)
		}
		if key, err = hostKey(d.cfg.StateDir); err != nil {
			return nil, false, err
		}
	}
	secrets, err = newSecrets(s, key)
	return secrets, key != nil, err
}

// replayFrames gets the framing of the events of each format, and of the records of what was replayed. Those have a subject of their own:
// under that of the quarantined lines, which is of another record, a registry would refuse them.
func (d *daemon) replayFrames(ctx context.Context, s *config.Site, formats []*pipeline.Format, dryRun bool) (frames []*pipeline.Frame, done *pipeline.Frame, err error) {
	if dryRun {
		for range formats {
			frames = append(frames, &pipeline.Frame{})
		}
		return frames, &pipeline.Frame{}, nil
	}
	strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject)
	if err != nil {
		return nil, nil, configError(err)
	}
	for _, f := range formats {
		frame, err := d.frame(ctx, strategy.Subject(topicOf(s, sink.Events), f.Event().FullName()), f.Schema())
		if err != nil {
			return nil, nil, fmt.Errorf("schema of format %s: %w", f.Name(), err)
		}
		frames = append(frames, frame)
	}
	if strategy == schema.TopicName {
		strategy = schema.TopicRecordName
	}
	if done, err = d.frame(ctx, strategy.Subject(topicOf(s, sink.Quarantine), recordReplayed), schema.QuarantineReplayed); err != nil {
		return nil, nil, fmt.Errorf("schema of the records of replayed lines: %w", err)
	}
	return frames, done, nil
}

// leftOut tells how many records of a quarantine topic were not looked at.
const leftOut = "  %d records in the topic are left out: they are not ngxtap's, or can't be read\n"

// replaySummary says what became of the lines.
func replaySummary(w *bufio.Writer, o *replayOptions, res *pipeline.ReplayResult) {
	sent := "replayed"
	if o.dryRun {
		sent = "would be replayed"
	}
	fmt.Fprintf(w, "site %s: %d %s, %d still fit no format, %d can't be replayed, %d were replayed before\n",
		o.site, res.Sent, sent, res.Misfits.Sum(), res.Cannot.Sum(), res.Already)
	printTable(w, "still fit no format:", &res.Misfits)
	printTable(w, "can't be replayed:", &res.Cannot)
	if res.Foreign > 0 {
		fmt.Fprintf(w, leftOut, res.Foreign)
	}
	if res.Limited {
		fmt.Fprintf(w, "  --limit is reached; there are more lines\n")
	}
}

// meterLog is how often a replay says how far it is where there is no terminal.
const meterLog = 10 * time.Second

// replayMeter shows how far a replay is: on a terminal in a line that changes, else in the log now and then.
type replayMeter struct {
	looking, trying *progressLine
	log             *slog.Logger
	next            time.Time
}

func newReplayMeter(a *app, log *slog.Logger) *replayMeter {
	return &replayMeter{log: log, next: time.Now().Add(meterLog),
		looking: newProgressLine(a.err, "records"), trying: newProgressLine(a.err, "lines")}
}

func (m *replayMeter) show(p pipeline.ReplayProgress) {
	now := time.Now()
	switch {
	case m.trying.terminal != nil && p.Looking:
		m.looking.show(now, p.Read, 0, " looked at for what was replayed before")
	case m.trying.terminal != nil:
		m.trying.show(now, p.Read, p.Total, fmt.Sprintf("; %d replayed", p.Sent))
	case !now.Before(m.next):
		m.next = now.Add(meterLog)
		m.log.Info("replaying", "looking", p.Looking, "read", p.Read, "of", p.Total, "replayed", p.Sent)
	}
}
