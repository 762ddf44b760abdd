package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
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

func (r *report) ok(format string, args ...any) { fmt.Fprintf(r.out, "ok       "+format+"\n", args...) }
func (r *report) warn(format string, args ...any) {
	fmt.Fprintf(r.out, "warning  "+format+"\n", args...)
}

// bad prints an error; code is exitFailed for what may cure itself and exitConfig for what can't.
func (r *report) bad(code int, format string, args ...any) {
	fmt.Fprintf(r.out, "error    "+format+"\n", args...)
	r.code = max(r.code, code)
}

func (a *app) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return configError(err)
	}
	r := &report{out: a.out}
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
		for _, w := range f.LogFormat().Warnings() {
			r.warn("%s: %s", place(f.LogFormat().Definition()), w)
		}
	}
	if _, err := pipeline.New(pipeline.Config{Site: s.Site, Instance: d.cfg.Instance, Formats: formats, PartitionBy: s.PartitionBy}); err != nil {
		r.bad(exitConfig, "%s:%d: %v", s.File, s.Line, err)
	}
	for _, p := range s.AccessLog.Paths {
		checkLog(r, s, p, formats)
	}
	d.checkKafka(ctx, r, s)
	d.checkRegistry(ctx, r, s, formats)
}

// checkLog opens the files of one path and tries the formats on the lines at their beginning.
func checkLog(r *report, s *config.Site, pattern string, formats []*pipeline.Format) {
	files, _ := filepath.Glob(pattern) // the pattern was checked by config
	if len(files) == 0 {
		r.warn("site %s: %s does not exist yet; run waits for it", s.Site, pattern)
	}
	for _, name := range files {
		st, err := os.Lstat(name)
		if err == nil && st.Mode()&fs.ModeSymlink != 0 {
			if !s.AccessLog.FollowSymlinks {
				r.bad(exitConfig, "site %s: %s is a symbolic link; name the file itself, or set access_log.follow_symlinks", s.Site, name)
				continue
			}
			st, err = os.Stat(name)
		}
		if err == nil && !st.Mode().IsRegular() {
			r.bad(exitConfig, "site %s: %s is not a regular file", s.Site, name)
			continue
		}
		fit, lines, err := tryFormats(name, formats)
		switch {
		case err != nil:
			r.bad(exitFailed, "site %s: %v; let this user read it (on Debian: group adm)", s.Site, err)
		case fit == lines:
			r.ok("site %s: %s: all of the first %d lines fit", s.Site, name, lines)
		case fit == 0:
			r.bad(exitFailed, "site %s: %s: none of the first %d lines fits; is it the right format? See them: ngxtap parse", s.Site, name, lines)
		default:
			r.warn("site %s: %s: %d of the first %d lines fit; the others would go to quarantine", s.Site, name, fit, lines)
		}
	}
}

// sampleLines is how many lines of a file are tried.
const sampleLines = 1000

func tryFormats(name string, formats []*pipeline.Format) (fit, lines int, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	var spans []logformat.Span
	for lines < sampleLines && in.Scan() {
		if len(in.Bytes()) == 0 {
			continue
		}
		lines++
		for _, f := range formats {
			if spans, err = f.LogFormat().Split(spans[:0], in.Bytes()); err == nil {
				fit++
				break
			}
		}
	}
	if err := in.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fit, lines, fmt.Errorf("read %s: %w", name, err)
	}
	return fit, lines, nil
}

func (d *daemon) checkKafka(ctx context.Context, r *report, s *config.Site) {
	kc, err := kafkaConfig(d.cfg, s, d.log)
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
