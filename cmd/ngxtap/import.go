package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/importer"
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
		read             func(*importer.Result, string, []byte) error
	}{
		{"logstash", "logstash FILE…", "Make a configuration from pipelines of Logstash", (*importer.Result).Logstash},
		{"filebeat", "filebeat FILE…", "Make a configuration from filebeat.yml and modules.d/nginx.yml", (*importer.Result).Filebeat},
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

func (a *app) runImport(from string, read func(*importer.Result, string, []byte) error, files []string, out string) error {
	im := &importer.Result{}
	for _, name := range files {
		text, err := readSource(name)
		if err != nil {
			return err
		}
		if err := read(im, name, text); err != nil {
			return err
		}
	}
	im.Finish()
	if im.Sites() == 0 {
		printNotes(a.err, im)
		return fmt.Errorf("%s has no input that reads an access log of this host; name the %s configuration of the host that Nginx runs on", strings.Join(files, ", "), from)
	}
	docs, err := im.Documents(from, files)
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
	printNotes(a.err, im)
	next := "write these files and run: ngxtap check"
	if out != "" {
		next = "look at " + filepath.Join(out, docs[0].Name) + ", then run: ngxtap check -c " + filepath.Join(out, docs[0].Name)
	}
	fmt.Fprintf(a.err, "ngxtap: %s; %s\n", count(im.Sites(), "site"), next)
	return nil
}

func printDocuments(w io.Writer, docs []importer.Document) error {
	for i, d := range docs {
		sep := ""
		if i > 0 {
			sep = "\n---\n"
		}
		if _, err := fmt.Fprintf(w, "%s# %s\n%s", sep, d.Name, d.Text); err != nil {
			return err
		}
	}
	return nil
}

// writeDocuments writes all files or, if one is there already, none.
func writeDocuments(dir string, docs []importer.Document) error {
	for _, d := range docs {
		if _, err := os.Lstat(filepath.Join(dir, d.Name)); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = errors.New("is there already")
			}
			return fmt.Errorf("%s: %w; nothing was written: name another folder with --out", filepath.Join(dir, d.Name), err)
		}
	}
	for _, d := range docs {
		name := filepath.Join(dir, d.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(d.Text)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func printNotes(w io.Writer, im *importer.Result) {
	for _, n := range im.Notes {
		fmt.Fprintf(w, "%s: %s: %s\n", oneLine(n.Where), oneLine(n.Key), oneLine(n.Text))
	}
}
