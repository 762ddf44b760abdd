package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// checkOptions are the flags of check.
type checkOptions struct {
	json, strict    bool
	user            string
	asked           bool // --user was given
	unit, logrotate string
}

func (a *app) checkCmd() *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Verify all that run will need: configuration, formats, files, rotation, broker, registry",
		Long: `Verify all that run will need and change nothing, also beside a daemon that runs. Root checks as the service's user. Each finding says where
(file:line) and what to do; docs/check.md explains all of them. Exit code 0: all is well, or warnings; 1: something can't be reached or
read, or a warning with --strict; 78: the configuration must be mended.`,
		Example: `  ngxtap check
  ngxtap check --json | jq -r 'select(.level != "ok") | .what'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.asked = c.Flags().Changed("user")
			return failed(a.check(c.Context(), &o))
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print findings as JSON, one object a line")
	f.BoolVar(&o.strict, "strict", false, "warnings fail too (exit code 1)")
	f.StringVar(&o.user, "user", "", "check as this user, when run by root; root: as root. Default: User= of the unit, or ngxtap if "+
		"there is such a user")
	f.StringVar(&o.unit, "unit", "", "the service's systemd unit; default: ngxtap.service")
	f.StringVar(&o.logrotate, "logrotate", defaultLogrotate, "logrotate's configuration; empty: do not look at it")
	return cmd
}

// checkTimeout bounds everything that check asks of other hosts.
const checkTimeout = 20 * time.Second

func (a *app) check(ctx context.Context, o *checkOptions) error {
	u := findUnit(o.unit)
	if o.unit != "" && u.file == "" {
		return &exitError{exitUsage, fmt.Errorf("--unit: %s can't be read", oneLine(o.unit))}
	}
	who, err := checkUser(o.user, o.asked, u)
	if err != nil {
		return err
	}
	if who != nil {
		return a.checkAs(ctx, who)
	}
	r := &report{}
	checkedAs(r, u)
	if cfg, err := config.Load(a.configFile); err != nil {
		for _, e := range each(err) {
			r.misfit(explain(placedAt(whatConfig, e.Error())))
		}
	} else if err := a.checkAll(ctx, r, cfg, o, u); err != nil {
		r.fail(placedAt(whatConfig, err.Error())) // what was found before that is told all the same
	}
	return a.tell(r, o)
}

// each returns the errors that were joined, in any depth.
func each(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, each(e)...)
	}
	return all
}

// tell prints the report and makes its exit code.
func (a *app) tell(r *report, o *checkOptions) error {
	errs, warnings := countOf(r.merged(), levelError), countOf(r.merged(), levelWarning)
	if o.strict && warnings > 0 {
		r.code = max(r.code, exitFailed)
	}
	if errs == 0 {
		r.ok(finding{What: whatResult, Text: "everything that run needs is there"})
	}
	out := escaper{a.out}
	if o.json {
		if err := r.printJSON(out); err != nil {
			return err
		}
	} else {
		r.print(levelWriter{out})
	}
	if r.code != exitOK {
		return &exitError{r.code, fmt.Errorf("check failed: %s, %s", count(errs, "error"), count(warnings, "warning"))}
	}
	return nil
}

// checkAll looks at everything. The error says that check itself can't go on.
func (a *app) checkAll(ctx context.Context, r *report, cfg *config.Config, o *checkOptions, u unit) (err error) {
	for _, w := range cfg.Warnings {
		r.warn(placedAt(whatConfig, w))
	}
	r.ok(finding{What: whatConfig, File: cfg.Files[0], Text: "configuration, " + count(len(cfg.Sites), "site")})
	checkUnread(r, cfg)
	checkSecretFiles(r, cfg)
	running := checkState(r, cfg, u)
	checkAdmin(r, cfg, running)
	d, err := a.newDaemon(ctx, cfg, a.quiet(o))
	if err != nil {
		var e *exitError
		if !errors.As(err, &e) || e.code != exitConfig {
			return err
		}
		r.misfit(placedAt(whatConfig, err.Error()))
		return nil
	}
	defer func() { err = errors.Join(err, d.close()) }()
	c := &siteChecks{r: r, d: d, rotation: readLogrotate(r, o.logrotate), readers: map[string]string{}, formats: map[string][]*pipeline.Format{}}
	for i := range cfg.Sites {
		c.site(ctx, &cfg.Sites[i])
	}
	c.rotation.summary(r)
	checkLimits(r, cfg, len(c.readers), u)
	ctx, cancel := context.WithTimeout(ctx, checkTimeout) // only now: reading many big files is no reason not to wait for an answer
	defer cancel()
	d.checkServers(ctx, r, c.formats)
	return nil
}

// quiet returns the logger of what check uses: with --json only errors, since warnings are findings.
func (a *app) quiet(o *checkOptions) *slog.Logger {
	if o.json {
		return slog.New(slog.DiscardHandler)
	}
	return a.logger()
}

// siteChecks is what the sites' checks share.
type siteChecks struct {
	r        *report
	d        *daemon
	rotation *rotation
	readers  map[string]string             // who reads a file, by its path
	formats  map[string][]*pipeline.Format // by site; those without are in error
}

func (c *siteChecks) site(ctx context.Context, s *config.Site) {
	r := c.r
	formats := c.format(s)
	var logs []string
	for _, p := range s.AccessLog.Paths {
		logs = append(logs, checkLog(ctx, r, s, p, formats)...)
	}
	c.readBy(s, logs)
	checkFolders(r, s)
	c.rotation.check(r, s, logs)
	if len(formats) > 0 {
		c.formats[s.Site] = formats
	}
}

// format looks at nginx.conf and at what the site makes of it. It returns nil if there is an error in it.
func (c *siteChecks) format(s *config.Site) []*pipeline.Format {
	r := c.r
	file, line := s.Where("site")
	formats, conf, err := formatsOf(s)
	if conf != nil {
		for _, w := range conf.Warnings {
			r.warn(placedAt(whatNginx, w).of(s.Site))
		}
	}
	if err != nil {
		f := explain(placedAt(whatFormat, err.Error()))
		if f.File == "" {
			f.File, f.Line = file, line
		}
		r.misfit(f.of(s.Site))
		return nil
	}
	for _, f := range formats {
		d := f.LogFormat().Definition()
		r.ok(finding{What: whatFormat, Text: fmt.Sprintf("format %s (%s), %d variables, %d fields", f.Name(), place(d),
			len(f.LogFormat().Columns()), len(f.Event().Fields()))}.of(s.Site))
		warnFormat(r, s.Site, f)
	}
	checkKit(r, s, conf, formats)
	checkAccessLogs(r, s, conf)
	for _, name := range idleTypes(s.AccessLog.Types, formats) {
		r.warn(finding{What: whatConfigTypes, File: file, Line: line, Text: fmt.Sprintf("access_log.types gives %s a type, but no format of the "+
			"site has it", name),
			Fix: "take it out, or write the variable's name as the log_format has it"}.of(s.Site))
	}
	secrets, err := newSecrets(s, nil)
	if err == nil {
		_, err = pipeline.New(pipeline.Config{Site: s.Site, Instance: c.d.cfg.Instance, Formats: formats, PartitionBy: s.PartitionBy, Secrets: secrets})
	}
	if err != nil {
		r.misfit(finding{What: whatConfig, File: file, Line: line, Text: strings.TrimPrefix(err.Error(), "site "+s.Site+": ")}.of(s.Site))
	}
	return formats
}

// readBy notes which files a site reads, and says that other sites read some of them too.
func (c *siteChecks) readBy(s *config.Site, logs []string) {
	file, line := s.Where("access_log.paths")
	shared := map[string][]string{} // by the other site
	var others []string
	for _, path := range logs {
		other, ok := c.readers[path]
		switch {
		case !ok:
			c.readers[path] = s.Site
		case other != s.Site:
			if shared[other] == nil {
				others = append(others, other)
			}
			shared[other] = append(shared[other], path)
		}
	}
	for _, other := range others {
		which := oneLine(shared[other][0])
		if more := len(shared[other]) - 1; more > 0 {
			which += fmt.Sprintf(" and %d more", more)
		}
		c.r.warn(finding{What: whatConfigTwice, File: file, Line: line, Text: fmt.Sprintf("site %s reads %s too: each line becomes an event of both",
			other, which),
			Fix: "let one of them have it, unless that is what you want"}.of(s.Site))
	}
}
