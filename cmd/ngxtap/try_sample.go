package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
)

// trialLog is the beginning of some logs, in memory.
type trialLog struct {
	files  []string
	data   []byte
	lines  []sampleLine
	blank  int
	long   int  // lines over max_line, which are not in lines
	more   bool // not all was read
	taken  int  // bytes read, also of lines that are not kept: blank and long ones have no end in some files (/dev/zero)
	stdin  io.Reader
	bounds struct{ lines, bytes, line int }
}

// sampleLine is where a line is, without its newline.
type sampleLine struct {
	start, end int // in data
	file, n    int // index of its file, and its number there from 1 on
}

// sampleBytes bounds what try reads, and so what it holds in memory.
const sampleBytes = 64 << 20

func (a *app) readSample(files []string, lines int) (*trialLog, error) {
	s := &trialLog{files: files, stdin: a.in}
	s.bounds.lines, s.bounds.bytes, s.bounds.line = lines, sampleBytes, int(config.SiteDefaults("x").AccessLog.MaxLine)
	for i, name := range files {
		if err := s.readFile(i, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *trialLog) readFile(i int, name string) error {
	if name == "-" {
		return s.read(i, s.stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a folder; name a log", name)
	}
	return s.read(i, f)
}

// read takes lines until a bound is reached. A last line without newline counts, as in any dry run.
func (s *trialLog) read(file int, f io.Reader) error {
	r, err := plainText(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.files[file], err)
	}
	in := bufio.NewReaderSize(r, s.bounds.line+2)
	for n := 1; ; n++ {
		raw, err := in.ReadSlice('\n')
		if s.taken += len(raw); len(raw) > 0 && (len(s.lines)+s.long >= s.bounds.lines || s.taken > s.bounds.bytes) {
			s.more = true
			return nil
		}
		switch text := bytes.TrimRight(raw, "\r\n"); {
		case errors.Is(err, bufio.ErrBufferFull):
			s.long++
			for errors.Is(err, bufio.ErrBufferFull) && s.taken <= s.bounds.bytes {
				raw, err = in.ReadSlice('\n')
				s.taken += len(raw)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				s.more = true
				return nil
			}
		case len(text) > 0:
			start := len(s.data)
			s.data = append(s.data, text...)
			s.lines = append(s.lines, sampleLine{start, len(s.data), file, n})
		case len(raw) > 0:
			s.blank++
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", s.files[file], err)
		}
	}
}

// of returns the bytes of a line, which belong to the sample.
func (s *trialLog) of(l sampleLine) []byte { return s.data[l.start:l.end] }

// where names a line, and a column in it from 1 on.
func (s *trialLog) where(l sampleLine, column int) string {
	return fmt.Sprintf("%s:%d:%d", shownName(s.files[l.file]), l.n, column)
}

// shownName is how people see the name of a file.
func shownName(name string) string {
	if name == "-" {
		return "stdin"
	}
	return name
}

func (s *trialLog) about() trialSample {
	t := trialSample{Whole: !s.more}
	for _, name := range s.files {
		t.Files = append(t.Files, shownName(name))
	}
	return t
}

// choice is which formats are tried on each line, in order, and why these.
type choice struct {
	formats  []*pipeline.Format
	why      string
	unusable []string // formats of nginx.conf that can't be used, each with the reason
}

func (c *choice) tried() string {
	var names []string
	for _, f := range c.formats {
		names = append(names, fmt.Sprintf("%s (%s)", f.Name(), place(f.LogFormat().Definition())))
	}
	return strings.Join(names, ", ")
}

// chooseFormats finds the formats as the daemon would, and where nginx.conf does not know the log, the one that fits best.
func chooseFormats(s *config.Site, in *trialLog) (*choice, error) {
	a := &s.AccessLog
	if a.LogFormat != "" {
		if a.Format != "" || a.NginxConf != "" {
			return nil, errors.New("--log-format stands for nginx.conf: use it without --nginx-conf and --format")
		}
		f, _, err := formatsOf(s)
		return &choice{formats: f, why: "given by --log-format"}, err
	}
	if a.Escape != "" {
		return nil, errors.New("--escape goes with --log-format; nginx.conf says it for its own formats")
	}
	if a.NginxConf == "" && exists(defaultNginxConf) {
		a.NginxConf = defaultNginxConf
	}
	if a.NginxConf == "" {
		return predefined(s)
	}
	if a.Format != "" {
		f, _, err := formatsOf(s)
		return &choice{formats: f, why: "named by --format"}, err
	}
	for _, name := range in.files {
		if abs, err := filepath.Abs(name); err == nil && name != "-" {
			a.Paths = append(a.Paths, abs)
		}
	}
	conf, err := logformat.ReadConf(a.NginxConf, logformat.ConfOptions{Prefix: a.NginxPrefix})
	if err != nil {
		return nil, err
	}
	if writes(conf, a.Paths) {
		f, _, err := formatsOf(s)
		return &choice{formats: f, why: "the access_log directives of " + a.NginxConf + " say so"}, err
	}
	return bestFit(s, in, conf.Formats)
}

// predefined is for a host without nginx.conf.
func predefined(s *config.Site) (*choice, error) {
	d, err := (&logformat.Conf{Formats: []*logformat.Definition{logformat.Combined()}}).Format(cmp.Or(s.AccessLog.Format, "combined"))
	if err != nil {
		return nil, fmt.Errorf("%w; name the nginx.conf that has it with --nginx-conf", err)
	}
	f, err := compile(d, s)
	if err != nil {
		return nil, err
	}
	return &choice{formats: []*pipeline.Format{f}, why: "no nginx.conf was named and there is none at " + defaultNginxConf}, nil
}

// writes tells whether nginx.conf writes to one of the files.
func writes(conf *logformat.Conf, paths []string) bool {
	for _, p := range paths {
		if len(conf.FormatsFor(p)) > 0 {
			return true
		}
	}
	return false
}

// bestFit tries formats on the first lines and returns the one that most of them fit.
func bestFit(s *config.Site, in *trialLog, defs []*logformat.Definition) (*choice, error) {
	c := &choice{}
	first := in.lines[:min(len(in.lines), sampleLines)]
	best, most := 0, -1
	for _, d := range defs {
		f, err := compile(d, s)
		if err != nil {
			c.unusable = append(c.unusable, fmt.Sprintf("%s (%s): %v", d.Name, place(d), err))
			continue
		}
		if n := fits(f, in, first); n > most {
			best, most = len(c.formats), n
		}
		c.formats = append(c.formats, f)
	}
	switch {
	case len(c.formats) == 0:
		return nil, fmt.Errorf("%s has no log_format that can be used: %s", s.AccessLog.NginxConf, strings.Join(c.unusable, "; "))
	case most > 0:
		c.formats = c.formats[best : best+1]
		c.why = fmt.Sprintf("%s writes to no such file; of its formats this one fits the most lines", s.AccessLog.NginxConf)
	}
	return c, nil
}

// fits counts the lines that fit a format.
func fits(f *pipeline.Format, in *trialLog, lines []sampleLine) (n int) {
	var spans []logformat.Span
	var err error
	for _, l := range lines {
		if spans, err = f.LogFormat().Split(spans[:0], in.of(l)); err == nil {
			n++
		}
	}
	return n
}
