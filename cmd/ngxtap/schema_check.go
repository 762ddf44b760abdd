package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// schemaCheck is the work of one `ngxtap schema check`.
type schemaCheck struct {
	flags       config.Site // what the command line says of a site
	format      string      // only this one; empty: all
	against     string      // file with a schema to compare with
	againstConf string      // nginx.conf to compare with
	registryURL string
	subject     string // instead of the one that the configuration makes

	conf     string           // the nginx.conf to be checked
	sites    []config.Site    // whose formats are checked; nil: those that the nginx.conf defines
	registry *schema.Registry // nil: none to ask
	strategy schema.SubjectStrategy
	old      string          // the text of against
	oldConf  *logformat.Conf // of againstConf; nil without it
}

func (a *app) schemaCheckCmd() *cobra.Command {
	c := &schemaCheck{flags: config.SiteDefaults("site")}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check --nginx-conf FILE [--format NAME] [--site S] [-c FILE] [--against SCHEMA] [--against-conf FILE]",
		Short: "Say what an edit of nginx.conf would break, before Nginx runs with it: for a CI",
		Long: `check derives the schemas of the formats in an nginx.conf and compares each with what programs know: the latest version that the registry
has, whose own verdict is asked for too (-c, or --registry), a saved schema (--against), the formats of the same name in another nginx.conf
(--against-conf). At least one of them must be given. Nothing is registered. With -c the formats are those of the sites configured there, with
their types, promoted headers and subjects; without it they are all that the file defines, or the one of --format.

Exit code: 0 if nothing is breaking and the registry would take it, 1 if something is breaking or refused, or if the registry can't be
reached, 2 if a file can't be read or is not valid, or the command line is wrong.`,
		Example: `  ngxtap schema check --nginx-conf new/nginx.conf -c /etc/ngxtap/ngxtap.yaml --site shop
  ngxtap schema check --nginx-conf new/nginx.conf --format main --site shop --registry http://registry:8081
  ngxtap schema check --nginx-conf new/nginx.conf --against-conf old/nginx.conf`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
			defer cancel()
			return a.schemaCheck(ctx, cmd, c, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.format, "format", "", "name of the log_format; default: all")
	f.StringVar(&c.against, "against", "", "a file with the schema to compare with, as `SCHEMA`; - is stdin")
	f.StringVar(&c.againstConf, "against-conf", "", "the nginx.conf to compare with, format by format, as `FILE`")
	f.StringVar(&c.registryURL, "registry", "", "`URL` of the registry, if no configuration names it")
	f.StringVar(&c.subject, "subject", "", "the subject in the registry; default: as the configuration makes it, or nginx.SITE.access-value")
	f.BoolVar(&asJSON, "json", false, "print one JSON object")
	siteFlags(cmd, &c.flags)
	return cmd
}

func (a *app) schemaCheck(ctx context.Context, cmd *cobra.Command, c *schemaCheck, asJSON bool) (err error) {
	d, err := a.prepareCheck(ctx, cmd, c)
	if d != nil {
		defer func() {
			if closing := d.close(); closing != nil {
				err = failed(errors.Join(err, closing))
			}
		}()
	}
	if err != nil {
		return usage(err)
	}
	if c.registry == nil && c.against == "" && c.againstConf == "" {
		return errors.New("nothing to compare with: name a registry (-c or --registry), a saved schema (--against) or another nginx.conf (--against-conf)")
	}
	if c.against != "" {
		if c.old, err = a.readSchema(c.against); err != nil {
			return err
		}
	}
	if c.againstConf != "" {
		if c.oldConf, err = logformat.ReadConf(c.againstConf, logformat.ConfOptions{}); err != nil {
			return err
		}
	}
	result, err := c.run(ctx)
	if err != nil {
		return usage(err)
	}
	if asJSON {
		e := json.NewEncoder(escaper{a.out})
		e.SetEscapeHTML(false)
		err = e.Encode(result)
	} else {
		err = result.print(a.out)
	}
	if err = errors.Join(err, result.err); err != nil {
		return failed(err)
	}
	if !result.OK {
		return &exitError{code: exitFailed} // all has been said
	}
	return nil
}

// usage makes an error one of usage, whatever the code below made of it: a configuration that a CI can't read is no breaking change.
func usage(err error) error {
	var ee *exitError
	if errors.As(err, &ee) && ee.code != exitFailed && ee.err != nil {
		return ee.err
	}
	return err
}

// prepareCheck finds the sites and the registry. The daemon is nil where there is no configuration.
func (a *app) prepareCheck(ctx context.Context, cmd *cobra.Command, c *schemaCheck) (*daemon, error) {
	c.conf = c.flags.AccessLog.NginxConf
	c.flags.Topic = config.SiteDefaults(c.flags.Site).Topic
	given, named := cmd.Flags().Changed("config"), cmd.Flags().Changed("site")
	cfg, err := a.checkConfig(given, named, c.flags.Site)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	if cfg == nil {
		if c.registryURL != "" {
			c.registry, err = schema.NewRegistry(schema.RegistryConfig{URLs: []string{c.registryURL}})
		}
		return nil, err
	}
	if len(cfg.Sites) > 0 {
		for _, flag := range []string{"promote", "type", "trust-unescaped"} {
			if cmd.Flags().Changed(flag) {
				return nil, fmt.Errorf("--%s and -c: the files of the sites say that", flag)
			}
		}
		if c.sites, err = sitesToCheck(cfg, named, c.flags.Site); err != nil {
			return nil, err
		}
	}
	if c.registryURL != "" {
		cfg.Registry.URLs = []string{c.registryURL}
	}
	if c.strategy, err = schema.ParseSubjectStrategy(cfg.Registry.Subject); err != nil {
		return nil, err
	}
	d, err := a.newDaemon(ctx, cfg, log)
	if err != nil {
		return nil, failed(err)
	}
	c.registry = d.registry
	return d, nil
}

// checkConfig reads the configuration if the command line means it: nil if it does not. Where no site is configured beside the
// daemon's file, the registry of that file is all that counts.
func (a *app) checkConfig(given, named bool, site string) (*config.Config, error) {
	if !given && !named && !a.embedded {
		return nil, nil
	}
	if sites, err := filepath.Glob(filepath.Join(filepath.Dir(a.configFile), "sites.d", "*.yaml")); err == nil && len(sites) == 0 && given {
		return config.LoadDaemon(a.configFile)
	}
	cfg, err := config.Load(a.configFile)
	switch {
	case given || a.embedded:
		return cfg, err
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil, nil
	case err != nil:
		return nil, err
	}
	for i := range cfg.Sites {
		if cfg.Sites[i].Site == site {
			return cfg, nil
		}
	}
	return nil, nil
}

// sitesToCheck returns the site that was named, or all that read their formats from the same nginx.conf.
func sitesToCheck(cfg *config.Config, named bool, name string) ([]config.Site, error) {
	var sites []config.Site
	var names []string
	confs := map[string]bool{}
	for _, s := range cfg.Sites {
		names = append(names, s.Site)
		if named && s.Site != name || s.AccessLog.LogFormat != "" && !named {
			continue
		}
		if s.AccessLog.LogFormat != "" {
			return nil, fmt.Errorf("%s:%d: site %s has its log_format in its own file, not in an nginx.conf", s.File, s.Line, s.Site)
		}
		confs[s.AccessLog.NginxConf] = true
		sites = append(sites, s)
	}
	switch {
	case len(sites) == 0 && named:
		return nil, fmt.Errorf("%s: there is no site %s; found: %s", cfg.Files[0], name, strings.Join(names, ", "))
	case len(sites) == 0:
		return nil, fmt.Errorf("%s: no site reads its format from an nginx.conf", cfg.Files[0])
	case len(confs) > 1:
		return nil, fmt.Errorf("%s: the sites read their formats from several nginx.conf: name one with --site; found: %s", cfg.Files[0], strings.Join(names, ", "))
	}
	return sites, nil
}

// formatsIn returns what an nginx.conf holds of a site's formats: those that the site uses, or all that the file defines itself.
func (c *schemaCheck) formatsIn(file string, s config.Site) ([]*pipeline.Format, error) {
	s.AccessLog.NginxConf = file
	if c.sites != nil {
		all, _, err := formatsOf(&s)
		if err != nil {
			return nil, fmt.Errorf("site %s: %w", s.Site, err)
		}
		return all, nil
	}
	conf, err := logformat.ReadConf(file, logformat.ConfOptions{})
	if err != nil {
		return nil, err
	}
	var all []*pipeline.Format
	for _, d := range conf.Formats {
		if d.Name != c.format && (c.format != "" || d.File == "") {
			continue
		}
		f, err := compile(d, &s)
		if err != nil {
			if c.format == "" {
				err = fmt.Errorf("%w; to check another format, name it with --format", err)
			}
			return nil, err
		}
		all = append(all, f)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no such log_format; found: %s", file, formatNames(conf))
	}
	return all, nil
}

// chosen leaves only the format of --format.
func (c *schemaCheck) chosen(all []*pipeline.Format) []*pipeline.Format {
	var some []*pipeline.Format
	for _, f := range all {
		if c.format == "" || f.Name() == c.format {
			some = append(some, f)
		}
	}
	return some
}
