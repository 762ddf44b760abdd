package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	site               config.Site // of --nginx-conf
	named              string      // --site
	format             bool        // --format was given
	offset             int64
	json, raw, brokers bool
	partitions         int32
}

func (a *app) explainCmd() *cobra.Command {
	o := explainOptions{site: config.SiteDefaults("site")}
	cmd := &cobra.Command{
		Use:   "explain FILE:LINE",
		Short: "Show what becomes of one line: fields, typed values, Avro bytes, topic and partition",
		Long: `Show how one line of a log is cut, what each value becomes, the bytes of its event, and where that goes. FILE:LINE is the line of a file (.gz too),
with FILE alone --offset names it by a byte, as origin.offset does; "-" is the first line of standard input.

The site is the one of the configuration whose access_log.paths hold the file, or --site. With --nginx-conf no configuration is read. No server is
asked for anything but with --brokers (or --embedded). Formats that nginx.conf had before are not known here.

What must not leave the host is not shown either. Of a line that fits no format nothing is shown: nobody can tell where its secrets are. --raw shows
the line as it stands in the file, to whoever can read that anyway. The exit code is 3 if the line does not become an event.`,
		Example: `  ngxtap explain /var/log/nginx/access.log:17
  ngxtap explain --nginx-conf nginx.conf --format main access.log.2.gz --offset 123456
  tail -n 1 access.log | ngxtap explain --site shop -`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.set(c.Flags().Changed); err != nil {
				return err
			}
			at, err := parsePlace(args[0], o.offset)
			if err != nil {
				return err
			}
			return failed(untilStopped(c.Context(), func() error { return a.explain(c.Context(), &o, at) }))
		},
	}
	formatFlags(cmd, &o.site)
	f := cmd.Flags()
	_ = f.SetAnnotation("nginx-conf", cobra.BashCompOneRequiredFlag, []string{"false"}) // fails only for a flag that does not exist
	f.Lookup("site").Usage = "the site of the configuration; with --nginx-conf the name of the site in the event"
	f.Int64Var(&o.offset, "offset", -1, "a byte of the line, counted from the start of the file")
	f.BoolVar(&o.json, "json", false, "one JSON object, with everything in full")
	f.BoolVar(&o.raw, "raw", false, "show the line as it stands in the file, with its secrets")
	f.BoolVar(&o.brokers, "brokers", false, "ask the brokers for the number of partitions, and the registry for the id of the schema")
	f.Int32Var(&o.partitions, "partitions", 0, "how many partitions the topic has")
	return cmd
}

// set takes from the flags what their values do not tell, and finds those that make no sense.
func (o *explainOptions) set(given func(flag string) bool) error {
	o.format = given("format")
	if given("site") {
		o.named = o.site.Site
	}
	switch {
	case given("offset") && o.offset < 0:
		return fmt.Errorf("--offset %d: want the number of bytes before the line", o.offset)
	case given("partitions") && o.partitions < 1:
		return fmt.Errorf("--partitions %d: want how many the topic has", o.partitions)
	case given("nginx-conf") && o.brokers:
		return errors.New("--brokers goes with a configuration (-c), not with --nginx-conf")
	}
	for _, flag := range []string{"format", "promote", "type", "trust-unescaped"} {
		if given(flag) && !given("nginx-conf") {
			return fmt.Errorf("--%s goes with --nginx-conf; the configuration says it for its own sites", flag)
		}
	}
	return nil
}

// explained is all that is to be said of a line.
type explained struct {
	*explainOptions
	place  linePlace
	line   *foundLine
	cfg    *config.Config // nil with --nginx-conf
	site   *config.Site
	why    string // it is that site
	key    []byte // of this host, for hashes; nil: none
	keyWhy string // the hashes are not those of the daemon
	secret *avro.Secrets

	framing schema.Framing
	id      schema.ID // where idKnown
	idKnown bool
	asked   []error // what the servers did not tell
	noTopic bool
	host    string
	result  *pipeline.Explained
	formats []*pipeline.Format
}

func (a *app) explain(ctx context.Context, o *explainOptions, at linePlace) error {
	x := &explained{explainOptions: o, place: at, framing: schema.SingleObject}
	if err := a.siteOf(x); err != nil {
		return err
	}
	var err error
	if x.formats, err = x.candidates(); err != nil {
		return configError(err)
	}
	if x.secret, err = newSecrets(x.site, x.key); err != nil {
		return configError(err)
	}
	if x.line, err = findLine(a.in, at, int(x.site.AccessLog.MaxLine)); err != nil {
		return err
	}
	if (o.brokers || a.embedded) && x.cfg != nil {
		if err := a.ask(ctx, x); err != nil {
			return err
		}
	}
	if err := x.explain(); err != nil {
		return configError(err)
	}
	if o.json {
		err = a.explainJSON(x)
	} else {
		err = a.explainText(x)
	}
	switch {
	case err != nil:
		return err
	case len(x.asked) > 0:
		return errors.Join(x.asked...)
	case x.rejected():
		return &exitError{code: exitRejected}
	}
	return nil
}

// oversize says whether the line is longer than max_line.
func (x *explained) oversize() bool { return int64(len(x.line.raw)) < x.line.length }

func (x *explained) rejected() bool { return x.oversize() || x.result.Reason != "" }

// siteOf finds the site whose line it is, and the key that its secrets are hashed with.
func (a *app) siteOf(x *explained) error {
	if x.explainOptions.site.AccessLog.NginxConf != "" {
		x.site, x.why = &x.explainOptions.site, "of --nginx-conf"
		x.host, _ = os.Hostname()
		x.keyWhy = "a key made up for this run"
		return nil
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return configError(fmt.Errorf("%w\nwithout a configuration, name --nginx-conf and --format", err))
	}
	x.cfg, x.host = cfg, cfg.Instance
	if x.framing, err = schema.ParseFraming(cfg.Registry.Framing); err != nil {
		return configError(err)
	}
	if x.site, x.why, err = siteOfFile(cfg, x.named, x.place.file); err != nil {
		return err
	}
	if x.site.Headers.HashKey == "" {
		if x.key, err = readKey(keyFile(cfg.StateDir)); err != nil {
			x.keyWhy = fmt.Sprintf("a key made up for this run, since the daemon's is not at hand (%v)", err)
		}
	}
	return nil
}

// siteOfFile returns the site of that name, or the one whose paths hold the file.
func siteOfFile(cfg *config.Config, name, file string) (s *config.Site, why string, err error) {
	if name != "" {
		s, err := siteNamed(cfg, name)
		return s, "named by --site", err
	}
	usage := func(format string, args ...any) error {
		return &exitError{exitUsage, fmt.Errorf(format, args...)}
	}
	var all, found []*config.Site
	for i := range cfg.Sites {
		all = append(all, &cfg.Sites[i])
	}
	if file == "-" {
		if len(all) == 1 {
			return all[0], "the only one", nil
		}
		return nil, "", usage("say with --site whose line it is; there are: %s", siteNames(all))
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, "", err
	}
	real, _ := filepath.EvalSymlinks(path)
	for _, s := range all {
		tc := tailConfig(&s.AccessLog, nil)
		if tc.Named(path) || real != "" && tc.Named(real) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		if _, err := os.Stat(file); err != nil {
			return nil, "", err
		}
		return nil, "", usage("%s is in the access_log.paths of no site; name one with --site (there are: %s), or use --nginx-conf and --format", oneLine(file), siteNames(all))
	case 1:
		return found[0], "its access_log.paths hold the file", nil
	}
	return nil, "", usage("%s is in the access_log.paths of several sites; name one with --site: %s", oneLine(file), siteNames(found))
}

func siteNames(sites []*config.Site) string {
	var names []string
	for _, s := range sites {
		names = append(names, s.Site)
	}
	return strings.Join(names, ", ")
}

// candidates returns the formats that the line is tried with. With --nginx-conf and no --format they are those that nginx.conf writes to
// the file.
func (x *explained) candidates() ([]*pipeline.Format, error) {
	a := &x.site.AccessLog
	if x.cfg == nil && !x.format {
		path, err := filepath.Abs(x.place.file)
		if err != nil {
			return nil, err
		}
		a.Format, a.Paths = "", []string{path}
	}
	formats, conf, err := formatsOf(x.site)
	if err != nil && conf != nil && x.cfg == nil && !x.format {
		return nil, fmt.Errorf("%s writes to %s by no format that can be used; name one with --format: %s (%w)", a.NginxConf, oneLine(x.place.file), formatNames(conf), err)
	}
	if err != nil || x.cfg != nil {
		return formats, err
	}
	return formats, typesAreUsed(x.site, formats)
}

// ask asks the brokers for the number of partitions, and the registry for the ids of the schemas. What they do not tell is kept for the end.
func (a *app) ask(ctx context.Context, x *explained) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	d, err := a.newDaemon(ctx, x.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	x.framing = d.framing
	kc, err := d.kafkaConfig(x.site)
	if err != nil {
		return errors.Join(configError(err), d.close())
	}
	if x.partitions == 0 {
		n, err := kafka.Partitions(ctx, kc, x.site.Topic)
		switch {
		case errors.Is(err, kafka.ErrNoTopic):
			x.noTopic = true
		case err != nil:
			x.asked = append(x.asked, err)
		}
		x.partitions = n
	}
	if d.framing != schema.SingleObject {
		if err := x.askRegistry(ctx, d); err != nil {
			x.asked = append(x.asked, err)
		}
	}
	return d.close()
}

func (x *explained) askRegistry(ctx context.Context, d *daemon) error {
	strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject)
	if err != nil {
		return err
	}
	r, err := pipeline.Explain(x.pipeline(), x.frame, x.line.raw, avro.Origin{})
	if err != nil || r.Format == nil {
		return err
	}
	f := r.Format
	x.id, x.idKnown, err = d.registry.Known(ctx, strategy.Subject(x.site.Topic, f.Event().FullName()), f.Schema())
	return err
}

func (x *explained) pipeline() *pipeline.Config {
	return &pipeline.Config{Site: x.site.Site, Instance: x.host, Formats: x.formats, PartitionBy: x.site.PartitionBy, Secrets: x.secret, Headers: headerRules(x.site)}
}

func (x *explained) frame(f *pipeline.Format) *pipeline.Frame {
	return frameOf(x.framing, x.id, f.Fingerprint())
}

// explain takes the line through the pipeline.
func (x *explained) explain() error {
	if x.oversize() {
		x.result = &pipeline.Explained{Reason: pipeline.ReasonOversize,
			Judgment: pipeline.Attempt{Text: fmt.Sprintf("the line has %d bytes, more than access_log.max_line (%v)", x.line.length, x.site.AccessLog.MaxLine), Column: -1}}
		return nil
	}
	origin := avro.Origin{Site: x.site.Site, Host: x.host, File: x.place.file, Offset: x.line.offset, ReadTime: time.Now().UnixMicro()}
	var err error
	x.result, err = pipeline.Explain(x.pipeline(), x.frame, x.line.raw, origin)
	return err
}
