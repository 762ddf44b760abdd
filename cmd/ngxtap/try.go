package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
)

// tryOptions are the flags of `ngxtap try`.
type tryOptions struct {
	site           config.Site
	lines          int
	asJSON, schema bool
}

func (a *app) tryCmd() *cobra.Command {
	o := tryOptions{site: config.SiteDefaults("site")}
	cmd := &cobra.Command{
		Use:   "try LOG…",
		Short: "Try ngxtap on a sample of a log, without any server",
		Long: `Read the beginning of the logs named (.gz too, - is standard input) and say what ngxtap would make of them: how many lines fit and why
the others don't, the fields with their types, what would be hidden as secret, bytes per line as JSON and as Avro, the speed on this
host, and what a day comes to. Nothing is sent or written anywhere.

The format is the one that nginx.conf writes to the log. For a log that was copied from elsewhere the formats of nginx.conf are tried in
turn, and the one that fits the most lines is taken. Exit code: 0 if every line fits, 3 if some don't, 78 if no format could be read.`,
		Example: `  ngxtap try /var/log/nginx/access.log
  ngxtap try --nginx-conf shop/nginx.conf --format main sample.log.gz
  ngxtap try --log-format '$remote_addr "$request" $status' sample.log`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			return failed(untilStopped(c.Context(), func() error { return a.try(&o, files) }))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.site.AccessLog.NginxConf, "nginx-conf", "", "the nginx.conf that formats are read from (default "+defaultNginxConf+" if it is there)")
	f.StringVar(&o.site.AccessLog.NginxPrefix, "nginx-prefix", "", "what nginx.conf's relative paths start from")
	f.StringVar(&o.site.AccessLog.Format, "format", "", "name of the log_format")
	f.StringVar(&o.site.AccessLog.LogFormat, "log-format", "", "the text of the log_format, in place of nginx.conf")
	f.StringVar(&o.site.AccessLog.Escape, "escape", "", "escape= of --log-format: default, json or none")
	f.StringVar(&o.site.Site, "site", o.site.Site, "name of the site in the schema")
	f.IntVar(&o.lines, "lines", 100_000, "how many lines to read, over all logs; at most 64 MiB")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object")
	f.BoolVar(&o.schema, "schema", false, "print the Avro schema too")
	f.BoolVar(&o.site.AccessLog.TrustUnescaped, "trust-unescaped", false, "accept escape=none, in which clients can forge lines")
	f.Var(&typeFlag{&o.site.AccessLog.Types}, "type", "type of a variable that nginx.conf itself defines: app_ms=long; string, int, long or double")
	f.StringSliceVar(&o.site.Headers.Promote, "promote", nil, "request headers that also become fields")
	return cmd
}

func (a *app) try(o *tryOptions, files []string) error {
	if o.lines < 1 {
		return &exitError{exitUsage, fmt.Errorf("--lines %d: read at least one", o.lines)}
	}
	s, err := a.readSample(files, o.lines)
	if err != nil {
		return err
	}
	if len(s.lines) == 0 && s.long > 0 {
		return fmt.Errorf("%s has no line of %d bytes or fewer: it is no access log", s.about().names(), s.bounds.line)
	}
	if len(s.lines) == 0 {
		return fmt.Errorf("no line in %s; try a log that has some", s.about().names())
	}
	t := &trial{Sample: s.about()}
	c, err := chooseFormats(&o.site, s)
	if err != nil {
		return configError(err)
	}
	if err := typesAreUsed(&o.site, c.formats); err != nil {
		return err
	}
	t.fit(s, c)
	if t.main == nil {
		return a.nothingFits(t, c)
	}
	if err := t.look(s, o); err != nil {
		return err
	}
	if err := t.measure(s, time.Now); err != nil {
		return err
	}
	if o.asJSON {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		err = e.Encode(t)
	} else {
		err = t.print(a.out, o)
	}
	if err == nil && t.Lines.Refused > 0 {
		return &exitError{code: exitRejected}
	}
	return err
}

// nothingFits says what was tried and where it went wrong.
func (a *app) nothingFits(t *trial, c *choice) error {
	fmt.Fprintf(a.err, "None of the %s in %s fits, tried with %s:\n", count(t.Lines.Read, "line"), oneLine(t.Sample.names()), c.tried())
	for _, r := range t.Refused {
		fmt.Fprintf(a.err, "  %s: %s  (%s)\n", oneLine(r.First), oneLine(r.Reason), count(r.Lines, "line"))
	}
	for _, w := range c.unusable {
		fmt.Fprintf(a.err, "  not tried: %s\n", oneLine(w))
	}
	return &exitError{exitRejected, errors.New("no line fits; name the nginx.conf of the host that wrote the log with --nginx-conf, or its log_format with --log-format")}
}

// defaultNginxConf is looked at where nothing else is said.
const defaultNginxConf = "/etc/nginx/nginx.conf"

// count is a number with its noun, in plural where that is due.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(int64(n)) + " " + noun + "s"
}

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// exists reports whether a file is there, readable or not.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
