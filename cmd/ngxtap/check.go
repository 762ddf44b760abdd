package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/kafka"
)

func (a *app) checkCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Verify configuration, formats, files, broker and registry, like nginx -t",
		Long: `Verify all that run will need and change nothing. Run it as the service's user. Exit code 0: all is well; 1: something can't be reached
or read; 78: the configuration must be mended.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return failed(a.check(c.Context())) },
	}
}

// checkTimeout bounds everything that check asks of other hosts.
const checkTimeout = 20 * time.Second

// report prints findings and remembers the worst.
type report struct {
	out  io.Writer
	code int
}

// say prints one finding. What follows a newline in it is indented, so that no name and no error can look like a finding of its own.
func (r *report) say(level, format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n         ")
	fmt.Fprintf(r.out, "%-9s%s\n", level, text)
}

func (r *report) ok(format string, args ...any)   { r.say("ok", format, args...) }
func (r *report) warn(format string, args ...any) { r.say("warning", format, args...) }

// bad prints an error; code is exitFailed for what may cure itself and exitConfig for what can't.
func (r *report) bad(code int, format string, args ...any) {
	r.say("error", format, args...)
	r.code = max(r.code, code)
}

func (a *app) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return configError(err)
	}
	r := &report{out: escaper{a.out}}
	for _, w := range cfg.Warnings {
		r.warn("%s", w)
	}
	r.ok("configuration: %s, %d sites", cfg.Files[0], len(cfg.Sites))
	checkStateDir(r, cfg.StateDir)
	d, err := a.newDaemon(ctx, cfg, a.logger())
	if err != nil {
		return err
	}
	for i := range cfg.Sites {
		d.checkSite(ctx, r, &cfg.Sites[i])
	}
	if err := d.close(); err != nil {
		return err
	}
	if r.code != exitOK {
		return &exitError{r.code, errors.New("check failed")}
	}
	r.ok("everything that run needs is there")
	return nil
}

// checkStateDir finds out whether the folder, or the nearest parent there is, can be written.
func checkStateDir(r *report, dir string) {
	at := dir
	for {
		err := unix.Access(at, unix.W_OK|unix.X_OK)
		parent := filepath.Dir(at)
		switch {
		case err == nil:
			r.ok("state_dir: %s", dir)
			return
		case errors.Is(err, unix.ENOENT) && parent != at:
			at = parent
		default:
			r.bad(exitConfig, "state_dir: %s: %v; make it writable for this user, or set state_dir", at, err)
			return
		}
	}
}

func (d *daemon) checkSite(ctx context.Context, r *report, s *config.Site) {
	where := fmt.Sprintf("%s:%d: site %s", s.File, s.Line, s.Site)
	formats, conf, err := formatsOf(s)
	if conf != nil {
		for _, w := range conf.Warnings {
			r.warn("%s", w)
		}
	}
	if err != nil {
		r.bad(exitConfig, "%s: %v", where, err)
		return
	}
	for _, f := range formats {
		r.ok("site %s: format %s (%s), %d variables, %d fields", s.Site, f.Name(), place(f.LogFormat().Definition()), len(f.LogFormat().Columns()), len(f.Event().Fields()))
		warnFormat(r, f)
	}
	checkKit(r, s, conf, formats)
	for _, name := range idleTypes(s.AccessLog.Types, formats) {
		r.warn("%s: access_log.types gives %s a type, but no format of the site has it", where, name)
	}
	secrets, err := newSecrets(s, nil)
	if err == nil {
		_, err = pipeline.New(pipeline.Config{Site: s.Site, Instance: d.cfg.Instance, Formats: formats, PartitionBy: s.PartitionBy, Secrets: secrets})
	}
	if err != nil {
		r.bad(exitConfig, "%s:%d: %v", s.File, s.Line, err)
	}
	for _, p := range s.AccessLog.Paths {
		checkLog(ctx, r, s, p, formats)
	}
	checkFolders(r, s)
	d.checkKafka(ctx, r, s)
	d.checkRegistry(ctx, r, s, formats)
}

func (d *daemon) checkKafka(ctx context.Context, r *report, s *config.Site) {
	kc, err := d.kafkaConfig(s)
	if err != nil {
		r.bad(exitConfig, "%s: kafka: %v", d.cfg.Files[0], err)
		return
	}
	for _, f := range kafka.Check(ctx, kc) {
		switch f.Level {
		case kafka.OK:
			r.ok("site %s: %s", s.Site, f.Text)
		case kafka.Warn:
			r.warn("site %s: %s", s.Site, f.Text)
		default:
			r.bad(exitFailed, "site %s: %s", s.Site, f.Text)
		}
	}
}

func (d *daemon) checkRegistry(ctx context.Context, r *report, s *config.Site, formats []*pipeline.Format) {
	if d.registry == nil {
		r.ok("site %s: no registry; writer schemas go to %s", s.Site, d.cfg.Kafka.SchemasTopic)
		return
	}
	strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject)
	if err != nil {
		r.bad(exitConfig, "%s: registry.subject: %v", d.cfg.Files[0], err)
		return
	}
	for _, f := range formats {
		subject := strategy.Subject(s.Topic, f.Event().FullName())
		known, err := d.registry.Try(ctx, subject, f.Schema())
		switch {
		case errors.Is(err, schema.ErrRefused):
			r.bad(exitFailed, "site %s: %v; lines of format %s would go to quarantine", s.Site, err, f.Name())
		case err != nil:
			r.bad(exitFailed, "site %s: registry: %v", s.Site, err)
		case known:
			r.ok("site %s: the registry knows the schema, subject %s", s.Site, subject)
		default:
			r.ok("site %s: the registry will take the schema, subject %s", s.Site, subject)
		}
	}
}
