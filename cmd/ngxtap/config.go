package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/config/render"
)

// configOptions are the flags of config.
type configOptions struct {
	site                      string
	json, defaults, onlyGiven bool
}

func (a *app) configCmd() *cobra.Command {
	var o configOptions
	cmd := &cobra.Command{
		Use:   "config [KEY]",
		Short: "Show the configuration in force, and where each value came from",
		Long: `Print every key with the value that is in force and where that came from: a file with its line, an environment variable, or the default. What
is printed is YAML, one document for the daemon and one for each site, and means the same when it is loaded; secrets are hidden, with what stands
for them (file:PATH or ${VAR}) beside. With KEY only that key, or the section of that name.

If the configuration has errors they are printed instead, and the exit code is 78.`,
		Example: `  ngxtap config
  ngxtap config kafka.sasl
  ngxtap config --changed --site shop
  ngxtap config --json | jq -r '.sites[].values.topic'
  ngxtap config explain on_change`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return failed(a.config(&o, strings.Join(args, ""))) },
	}
	f := cmd.Flags()
	f.StringVar(&o.site, "site", "", "only this site's keys")
	f.BoolVar(&o.json, "json", false, "print one JSON object")
	f.BoolVar(&o.defaults, "defaults", false, "the defaults instead; no file is read")
	f.BoolVar(&o.onlyGiven, "changed", false, "only keys that are set, in a file or by a variable")
	cmd.MarkFlagsMutuallyExclusive("defaults", "changed")
	cmd.MarkFlagsMutuallyExclusive("defaults", "site")
	cmd.AddCommand(a.configExplainCmd(), a.configFileCmd("schema", "Print the JSON Schema of a file, for editors",
		`Print the JSON Schema (draft 2020-12) of ngxtap.yaml (daemon) or of a site's file (site). An editor with yaml-language-server uses it where the
file begins with "# yaml-language-server: $schema=" and the path of the schema.`, render.JSONSchema),
		a.configFileCmd("example", "Print a commented example of a file, with every key",
			`Print a commented ngxtap.yaml (daemon) or site's file (site) with every key: at its default, or as a comment where it has none that is fixed.`, render.Example))
	return cmd
}

// configFileCmd is a command that prints what there is of each kind of file.
func (a *app) configFileCmd(name, short, long string, text func(config.File) []byte) *cobra.Command {
	return &cobra.Command{
		Use:       name + " daemon|site",
		Short:     short,
		Long:      long,
		Example:   fmt.Sprintf("  ngxtap config %s daemon\n  ngxtap config %s site", name, name),
		ValidArgs: []string{string(config.DaemonFile), string(config.SiteFile)},
		Args:      oneOfValid,
		RunE: func(_ *cobra.Command, args []string) error {
			_, err := a.out.Write(text(config.File(args[0])))
			return failed(err)
		},
	}
}

func (a *app) configExplainCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KEY]",
		Short: "Say what a key means, which values it may have, and its default",
		Long: `Print what is known of a key of the configuration: what it means, which values it may have, its default, and the environment variable that
overrides it. Of a section, all keys below it; without KEY, all keys there are.`,
		Example: `  ngxtap config explain kafka.commit_interval
  ngxtap config explain access_log
  ngxtap config explain`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			width := min(columns(a), 120)
			var text string
			if len(args) == 0 {
				text = render.List(config.DaemonFile, width) + "\n" + render.List(config.SiteFile, width)
			} else {
				k, err := config.Find(args[0])
				if err != nil {
					return err
				}
				text = render.Explain(k, width)
			}
			_, err := fmt.Fprint(a.out, text)
			return failed(err)
		},
	}
}

func (a *app) config(o *configOptions, path string) error {
	var key *config.Key
	var err error
	if path != "" {
		if key, err = config.Find(path); err != nil {
			return &exitError{exitUsage, err}
		}
		if key.File == config.DaemonFile && o.site != "" {
			return &exitError{exitUsage, fmt.Errorf("%s is a key of the daemon's file: leave --site out", key.Path)}
		}
	}
	cfg := config.Defaults()
	if !o.defaults {
		if cfg, err = config.Load(a.configFile); err != nil {
			return configError(err)
		}
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintf(a.err, "ngxtap: warning: %s\n", indented(w))
	}
	sites := cfg.Sites
	if o.site != "" {
		s, err := siteNamed(cfg, o.site)
		if err != nil {
			return err
		}
		sites = []config.Site{*s}
	}
	var files []shownFile
	if o.site == "" {
		f := shownFile{daemon: true, Settings: cfg.Settings()}
		if !o.defaults {
			f.File = cfg.Files[0]
		}
		files = append(files, f)
	}
	for i := range sites {
		files = append(files, shownFile{Site: sites[i].Site, File: sites[i].File, Settings: sites[i].Settings()})
	}
	var wanted []shownFile
	for _, f := range files {
		if key != nil {
			f.Settings = render.Below(f.Settings, key)
		}
		if o.onlyGiven {
			f.Settings = render.Changed(f.Settings)
		}
		if len(f.Settings) > 0 || key == nil {
			wanted = append(wanted, f)
		}
	}
	if o.json {
		return a.configJSON(wanted)
	}
	return a.configYAML(wanted)
}

// shownFile is a file of which the settings are shown.
type shownFile struct {
	daemon   bool
	Site     string
	File     string // empty: none was read
	Settings []config.Setting
}

func (a *app) configYAML(files []shownFile) error {
	var b bytes.Buffer
	for i, f := range files {
		if i > 0 {
			b.WriteString("---\n")
		}
		switch {
		case f.File != "":
			fmt.Fprintf(&b, "# %s\n", oneLine(f.File))
		case f.daemon:
			b.WriteString("# ngxtap.yaml\n")
		default:
			b.WriteString("# sites.d/NAME.yaml\n")
		}
		b.Write(render.YAML(f.Settings))
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// configFileJSON is a file in JSON.
type configFileJSON struct {
	Site    string `json:"site,omitempty"`
	File    string `json:"file,omitempty"`
	Values  any    `json:"values"`  // nested as in the file
	Origins any    `json:"origins"` // by path
}

func (a *app) configJSON(files []shownFile) error {
	all := struct {
		Daemon *configFileJSON  `json:"daemon,omitempty"`
		Sites  []configFileJSON `json:"sites,omitempty"`
	}{}
	for _, f := range files {
		j := configFileJSON{f.Site, f.File, render.Values(f.Settings), render.Origins(f.Settings)}
		if f.daemon {
			all.Daemon = &j
		} else {
			all.Sites = append(all.Sites, j)
		}
	}
	e := json.NewEncoder(escaper{a.out})
	e.SetEscapeHTML(false)
	return e.Encode(all)
}
