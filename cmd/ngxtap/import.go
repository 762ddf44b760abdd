package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

func (a *app) importCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Make a configuration from that of another shipper",
		Long: `Make ngxtap's configuration from that of Logstash or Filebeat. What has no equivalent is named with file and line on standard error, with
what to do instead; nothing is passed over in silence. No password is copied.`,
		Example: `  ngxtap import logstash /etc/logstash/conf.d/nginx.conf
  ngxtap import filebeat /etc/filebeat/filebeat.yml --out /etc/ngxtap`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	readers := []struct {
		name, use, short string
		read             func(*imported, string, []byte) error
	}{
		{"logstash", "logstash FILE…", "Make a configuration from pipelines of Logstash", readLogstash},
		{"filebeat", "filebeat FILE…", "Make a configuration from filebeat.yml and modules.d/nginx.yml", readFilebeat},
	}
	for _, r := range readers {
		var out string
		sub := &cobra.Command{
			Use:   r.use,
			Short: r.short,
			Long: r.short + `: brokers, TLS, login, compression and the access logs.
The formats come from nginx.conf, not from here. It is printed, or written into a folder with --out; files that are there are never overwritten.
What was not taken over is told on standard error as FILE:LINE: KEY: why. Files are read together: name all that belong to one pipeline.`,
			Example: "  ngxtap import " + r.name + " OLD --out /etc/ngxtap && ngxtap check",
			Args:    cobra.MinimumNArgs(1),
			RunE: func(c *cobra.Command, files []string) error {
				return failed(untilStopped(c.Context(), func() error { return a.runImport(r.name, r.read, files, out) }))
			},
		}
		sub.Flags().StringVar(&out, "out", "", "write ngxtap.yaml and sites.d/*.yaml into this folder")
		cmd.AddCommand(sub)
	}
	return cmd
}


// maxSource is more than any configuration has; a log or a device that was named by mistake has more.
const maxSource = 16 << 20

// readSource reads another shipper's configuration.
func readSource(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(text) > maxSource {
		err = fmt.Errorf("%s is larger than %d MiB: that is no configuration", name, maxSource>>20)
	}
	return text, err
}
func (a *app) runImport(from string, read func(*imported, string, []byte) error, files []string, out string) error {
	im := &imported{}
	for _, name := range files {
		text, err := readSource(name)
		if err != nil {
			return err
		}
		if err := read(im, name, text); err != nil {
			return err
		}
	}
	im.finish()
	if len(im.sites) == 0 {
		im.print(a.err)
		return fmt.Errorf("%s has no input that reads an access log of this host; name the %s configuration of the host that Nginx runs on", strings.Join(files, ", "), from)
	}
	docs, err := im.documents(from, files)
	if err != nil {
		return err
	}
	if out == "" {
		err = printDocuments(a.out, docs)
	} else {
		err = writeDocuments(out, docs)
	}
	if err != nil {
		return err
	}
	im.print(a.err)
	next := "write these files and run: ngxtap check"
	if out != "" {
		next = "look at " + filepath.Join(out, docs[0].name) + ", then run: ngxtap check -c " + filepath.Join(out, docs[0].name)
	}
	fmt.Fprintf(a.err, "ngxtap: %s; %s\n", count(len(im.sites), "site"), next)
	return nil
}

// imported is what was found in another shipper's configuration.
type imported struct {
	kafka struct {
		Brokers     []string  `yaml:"brokers,omitempty,flow"`
		Compression string    `yaml:"compression,omitempty"`
		TLS         *impTLS   `yaml:"tls,omitempty"`
		SASL        *impLogin `yaml:"sasl,omitempty"`
	}
	registry string
	sites    []importedSite
	notes    []note
	login    string // where the password stood
}

type impTLS struct {
	Enabled  bool   `yaml:"enabled,omitempty"`
	CAFile   string `yaml:"ca_file,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

type impLogin struct {
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	Password  string `yaml:"password"`
}

// importedSite is an access log, or several of one input.
type importedSite struct {
	name    string
	paths   []string
	startAt string
	topic   string // of the old events, empty if not known
	where   string
}

// note is something that was not taken over as it was.
type note struct{ where, key, text string }

func (im *imported) note(where, key, format string, args ...any) {
	im.notes = append(im.notes, note{where, key, fmt.Sprintf(format, args...)})
}

func (im *imported) print(w io.Writer) {
	for _, n := range im.notes {
		fmt.Fprintf(w, "%s: %s: %s\n", oneLine(n.where), oneLine(n.key), indented(oneLine(n.text)))
	}
}

func (im *imported) tls() *impTLS {
	if im.kafka.TLS == nil {
		im.kafka.TLS = &impTLS{}
	}
	return im.kafka.TLS
}

func (im *imported) sasl() *impLogin {
	if im.kafka.SASL == nil {
		im.kafka.SASL = &impLogin{}
	}
	return im.kafka.SASL
}

// addSite takes over an input's files. Names of rotated files are cut off: ngxtap finds those by itself.
func (im *imported) addSite(where string, paths []string, startAt, topic string) {
	var logs []string
	for _, p := range paths {
		p = strings.Trim(p, "\"' ")
		base := path.Base(p)
		switch {
		case p == "":
			continue
		case strings.ContainsAny(p, "\\") || len(p) > 1 && p[1] == ':':
			im.note(where, p, "not taken over: ngxtap runs beside Nginx on Linux")
			continue
		case strings.Contains(p, "${") || strings.Contains(p, "%{"):
			im.note(where, p, "not taken over: write the path itself into access_log.paths")
			continue
		case strings.Contains(base, "error"):
			im.note(where, p, "not taken over: ngxtap ships access logs; an error log has no log_format")
			continue
		case !strings.Contains(base, "access") && !strings.Contains(p, "nginx"):
			im.note(where, p, "not taken over: it does not look like an access log of Nginx; if it is one, add a file for it to sites.d")
			continue
		case strings.Contains(p, "**"):
			im.note(where, p, "not taken over: \"**\" is not known here; name each folder, or one \"*\" for one level")
			continue
		}
		if cut := rotatedEnd.ReplaceAllString(p, ""); cut != p && strings.HasSuffix(cut, ".log") {
			im.note(where, p, "taken over as %s: rotated files are found by themselves", cut)
			p = cut
		}
		if !slices.Contains(logs, p) {
			logs = append(logs, p)
		}
	}
	if len(logs) > 0 {
		im.sites = append(im.sites, importedSite{siteName(logs[0]), logs, startAt, topic, where})
	}
}

// rotatedEnd is what globs for rotated files end in.
var rotatedEnd = regexp.MustCompile(`[*?.\[\]0-9-]+$|\.?\*?\.gz$`)

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// siteName makes a name from a log's: shop for shop.access.log and shop/access.log.
func siteName(log string) string {
	base := path.Base(log)
	for _, end := range []string{".log", "access", "."} {
		base = strings.TrimSuffix(base, end)
	}
	base = strings.Trim(notInName.ReplaceAllString(base, ""), "._-")
	if base == "" {
		base = strings.Trim(notInName.ReplaceAllString(path.Base(path.Dir(log)), ""), "._-")
	}
	return cmp.Or(base, "nginx")
}

// finish makes names unique and says what holds for all.
func (im *imported) finish() {
	seen := map[string]int{}
	for i := range im.sites {
		s := &im.sites[i]
		if seen[s.name]++; seen[s.name] > 1 {
			s.name = fmt.Sprintf("%s-%d", s.name, seen[s.name])
		}
		if s.topic != "" {
			im.note(s.where, "topic", "%s is not taken over: what is in it is no Avro, and would not be read beside it. Events go to nginx.%s.access (or set topic)", s.topic, s.name)
		}
	}
	if len(im.sites) > 0 && len(im.kafka.Brokers) == 0 {
		im.note(im.sites[0].where, "kafka", "no brokers were found here: set kafka.brokers")
	}
	if im.login != "" {
		im.note(im.login, "password", "not copied: put it into the file kafka.password beside ngxtap.yaml, readable only by the user of ngxtap")
	}
}

// document is one file of the configuration.
type document struct {
	name string
	text []byte
}

func (im *imported) documents(from string, files []string) ([]document, error) {
	var names []string
	for _, f := range files {
		names = append(names, oneLine(f))
	}
	head := fmt.Sprintf("# Made by ngxtap import %s from %s. Every key: ngxtap config example.\n", from, strings.Join(names, ", "))
	var d struct {
		Kafka    any `yaml:"kafka,omitempty"`
		Registry any `yaml:"registry,omitempty"`
	}
	if len(im.kafka.Brokers) > 0 || im.kafka.TLS != nil || im.kafka.SASL != nil || im.kafka.Compression != "" {
		d.Kafka = im.kafka
	}
	if im.registry != "" {
		d.Registry = map[string]string{"url": im.registry}
	}
	docs := make([]document, 1, 1+len(im.sites))
	var err error
	if docs[0], err = newDocument("ngxtap.yaml", head, d); err != nil {
		return nil, err
	}
	for _, s := range im.sites {
		var y struct {
			Site      string `yaml:"site"`
			AccessLog struct {
				Paths   []string `yaml:"paths,flow"`
				StartAt string   `yaml:"start_at,omitempty"`
			} `yaml:"access_log"`
		}
		y.Site, y.AccessLog.Paths, y.AccessLog.StartAt = s.name, s.paths, s.startAt
		doc, err := newDocument("sites.d/"+s.name+".yaml", head, y)
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	return docs, nil
}

func newDocument(name, head string, v any) (document, error) {
	var b bytes.Buffer
	b.WriteString(head)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(v), e.Close()); err != nil {
		return document{}, fmt.Errorf("write %s: %w", name, err)
	}
	return document{name, bytes.TrimSuffix(b.Bytes(), []byte("{}\n"))}, nil
}

func printDocuments(w io.Writer, docs []document) error {
	for i, d := range docs {
		sep := ""
		if i > 0 {
			sep = "\n---\n"
		}
		if _, err := fmt.Fprintf(w, "%s# %s\n%s", sep, d.name, d.text); err != nil {
			return err
		}
	}
	return nil
}

// writeDocuments writes all files or, if one is there already, none.
func writeDocuments(dir string, docs []document) error {
	for _, d := range docs {
		if _, err := os.Lstat(filepath.Join(dir, d.name)); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = errors.New("is there already")
			}
			return fmt.Errorf("%s: %w; nothing was written: name another folder with --out", filepath.Join(dir, d.name), err)
		}
	}
	for _, d := range docs {
		name := filepath.Join(dir, d.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(d.text)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}
