package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
)

func (a *app) parseCmd() *cobra.Command {
	s := config.SiteDefaults("site")
	cmd := &cobra.Command{
		Use:   "parse --nginx-conf FILE [--format NAME] [LOG…]",
		Short: "Dry run: print the event of every line as JSON",
		Long: `Print one JSON object per event on standard output, from the log files named (.gz too) or from standard input. A rejected line is reported on
standard error as FILE:LINE:COLUMN: reason, and the exit code is then 3. Nothing is sent anywhere. Secrets are hashed with a key
made up for this run.`,
		Example: `  ngxtap parse --nginx-conf /etc/nginx/nginx.conf --format main /var/log/nginx/access.log | head -3`,
		RunE: func(c *cobra.Command, files []string) error {
			return failed(untilStopped(c.Context(), func() error { return a.parse(&s, files) }))
		},
	}
	formatFlags(cmd, &s)
	return cmd
}

// formatFlags adds the flags that choose a format without a configuration file.
func formatFlags(cmd *cobra.Command, s *config.Site) {
	cmd.Flags().StringVar(&s.AccessLog.Format, "format", "combined", "name of the log_format")
	siteFlags(cmd, s)
}

// siteFlags adds the flags that stand for the rest of a site's file.
func siteFlags(cmd *cobra.Command, s *config.Site) {
	f := cmd.Flags()
	f.StringVar(&s.AccessLog.NginxConf, "nginx-conf", "", "the nginx.conf that the format is read from")
	f.StringVar(&s.Site, "site", s.Site, "name of the site in the events")
	f.BoolVar(&s.AccessLog.TrustUnescaped, "trust-unescaped", false, "accept escape=none, in which clients can forge lines")
	f.Var(&typeFlag{&s.AccessLog.Types}, "type", "type of a variable that nginx.conf itself defines: app_ms=long; string, int, long or double")
	f.StringSliceVar(&s.Headers.Promote, "promote", nil, "request headers that also become fields")
	_ = cmd.MarkFlagRequired("nginx-conf") // fails only for a flag that does not exist
}

func (a *app) parse(s *config.Site, files []string) error {
	formats, _, err := formatsOf(s)
	if err != nil {
		return configError(err)
	}
	if err := typesAreUsed(s, formats); err != nil {
		return err
	}
	secrets, err := newSecrets(s, nil)
	if err != nil {
		return configError(err)
	}
	f := formats[0]
	if err := f.Prepare(avro.Options{Secrets: secrets, Headers: headerRules(s)}); err != nil {
		return configError(err)
	}
	host, _ := os.Hostname()
	p := &parser{format: f, out: bufio.NewWriterSize(a.out, 64<<10), err: a.err, max: int(s.AccessLog.MaxLine), decoder: &avro.Decoder{},
		origin: avro.Origin{Site: s.Site, Host: host}}
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := a.parseFile(p, name); err != nil {
			return errors.Join(err, p.out.Flush())
		}
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if p.rejected > 0 {
		fmt.Fprintf(a.err, "ngxtap: %d of %d lines rejected\n", p.rejected, p.lines)
		return &exitError{code: exitRejected}
	}
	return nil
}

func (a *app) parseFile(p *parser, name string) error {
	if name == "-" {
		return p.read("stdin", a.in)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := plainText(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return p.read(name, r)
}

// plainText returns what f holds, decompressed if it is gzip.
func plainText(f io.Reader) (io.Reader, error) {
	in := bufio.NewReader(f)
	if magic, _ := in.Peek(2); string(magic) != "\x1f\x8b" { // RFC 1952, section 2.3.1
		return in, nil
	}
	return gzip.NewReader(in)
}

// parser prints the events of lines.
type parser struct {
	format          *pipeline.Format
	out             *bufio.Writer
	err             io.Writer
	max             int // the longest line accepted, in bytes
	decoder         *avro.Decoder
	origin          avro.Origin
	lines, rejected int
	spans           []logformat.Span
	event, json     []byte
}

// read prints the events of one file. A last line without newline is taken too: in a dry run nobody will finish it.
func (p *parser) read(name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, p.max+2)
	p.origin.File, p.origin.Offset = name, 0
	for n := 1; ; n++ {
		raw, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			size := int64(len(raw))
			for errors.Is(err, bufio.ErrBufferFull) {
				raw, err = in.ReadSlice('\n')
				size += int64(len(raw))
			}
			p.lines++
			p.reject(name, n, 1, fmt.Sprintf("the line is longer than %d bytes", p.max))
			p.origin.Offset += size
			raw = nil
		}
		if len(raw) > 0 {
			if err := p.line(name, n, bytes.TrimSuffix(raw, []byte("\n"))); err != nil {
				return err
			}
			p.origin.Offset += int64(len(raw))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
}

func (p *parser) line(name string, n int, raw []byte) error {
	text := bytes.TrimSuffix(raw, []byte("\r"))
	if len(text) == 0 {
		return nil
	}
	p.lines++
	spans, err := p.format.LogFormat().Split(p.spans[:0], text)
	p.spans = spans
	if err == nil {
		p.event, _, err = p.format.Encoder().AppendEvent(p.event[:0], raw, spans, &p.origin)
	}
	if err != nil {
		column := 1
		var m *logformat.Misfit
		if errors.As(err, &m) {
			column = m.Offset + 1
		}
		p.reject(name, n, column, err.Error())
		return nil
	}
	p.json, err = p.decoder.AppendJSON(p.json[:0], p.format.Schema(), p.event)
	if err != nil {
		return fmt.Errorf("%s:%d: decode the event: %w", name, n, err)
	}
	p.out.Write(p.json) // a bufio.Writer keeps its error for Flush
	return p.out.WriteByte('\n')
}

func (p *parser) reject(name string, line, column int, reason string) {
	p.rejected++
	fmt.Fprintf(p.err, "%s:%d:%d: %s\n", oneLine(name), line, column, oneLine(reason))
}
