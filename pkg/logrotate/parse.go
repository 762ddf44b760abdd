package logrotate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds that no configuration in use comes near: of one file, and of all.
const (
	maxSize  = 4 << 20
	maxFiles = 1000
	maxDepth = 16 // files that include one another
)

// taboo are the ends of names that an included folder's files must not have, and patterns of names, by default.
var taboo = []string{"*,v", "*.bak", "*.cfsaved", "*.disabled", "*.dpkg-bak", "*.dpkg-del", "*.dpkg-dist", "*.dpkg-new", "*.dpkg-old", "*.dpkg-tmp", "*.rhn-cfg-tmp-*",
	"*.rpmnew", "*.rpmorig", "*.rpmsave", "*.swp", "*.ucf-dist", "*.ucf-new", "*.ucf-old", "*~"}

// Read reads the configuration at path and all that it includes. The error says that the file itself can't be read; what is wrong in it, or
// with what it includes, is in Warnings.
func Read(path string) (*Config, error) {
	r := &reader{conf: &Config{}, global: options{}, taboo: taboo, load: load}
	data, err := r.load(path)
	if err != nil {
		return nil, err
	}
	r.file(path, data)
	return r.conf, nil
}

// load reads a file of a sane size.
func load(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s has %d bytes, more than the %d that a configuration may have", path, info.Size(), maxSize)
	}
	return os.ReadFile(path)
}

// reader reads one configuration. It is used once.
type reader struct {
	conf   *Config
	global options  // in force outside of braces
	taboo  []string // patterns of names
	depth  int
	load   func(path string) ([]byte, error) // replaced by tests
}

func (r *reader) warn(file string, line int, format string, args ...any) {
	r.conf.Warnings = append(r.conf.Warnings, Warning{file, line, fmt.Sprintf(format, args...)})
}

// file reads one file. What it says is undone if a part of it is wrong, as logrotate does.
func (r *reader) file(path string, data []byte) {
	global, taboo, stanzas := r.global, r.taboo, len(r.conf.Stanzas)
	r.conf.Files = append(r.conf.Files, path)
	p := &parser{r: r, path: path, lines: strings.Split(string(data), "\n")}
	if err := p.parse(); err != nil {
		r.warn(path, p.at, "%v; logrotate passes over this file", err)
		r.global, r.taboo, r.conf.Stanzas = global, taboo, r.conf.Stanzas[:stanzas]
	}
}

// include reads a file, or the files of a folder in the order of their names.
func (r *reader) include(o Option) {
	if r.depth >= maxDepth || len(r.conf.Files) >= maxFiles {
		r.warn(o.File, o.Line, "too many files include one another")
		return
	}
	r.depth++
	defer func() { r.depth-- }()
	paths := []string{o.Arg}
	if info, err := os.Stat(o.Arg); err == nil && info.IsDir() {
		entries, err := os.ReadDir(o.Arg)
		if err != nil {
			r.warn(o.File, o.Line, "include: %v", err)
			return
		}
		paths = paths[:0]
		for _, e := range entries {
			full := filepath.Join(o.Arg, e.Name())
			if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && !r.isTaboo(e.Name()) {
				paths = append(paths, full)
			}
		}
	}
	for _, path := range paths {
		if len(r.conf.Files) >= maxFiles {
			r.warn(o.File, o.Line, "include: more than %d files", maxFiles)
			return
		}
		data, err := r.load(path)
		if err != nil {
			r.warn(o.File, o.Line, "include: %v", err)
			continue
		}
		r.file(path, data)
	}
}

func (r *reader) isTaboo(name string) bool {
	return slices.ContainsFunc(r.taboo, func(p string) bool {
		ok, _ := filepath.Match(p, name)
		return ok
	})
}

// parser reads the lines of one file.
type parser struct {
	r      *reader
	path   string
	lines  []string
	at     int     // number of the last line taken, from 1
	rest   string  // what is left of that line
	stanza *Stanza // that is open; nil outside of braces
}

// next takes the next line that holds something. It returns false at the end.
func (p *parser) next() (string, bool) {
	for {
		line := strings.TrimSpace(p.rest)
		p.rest = ""
		if line != "" && !strings.HasPrefix(line, "#") {
			return line, true
		}
		if p.at == len(p.lines) {
			return "", false
		}
		p.rest = p.lines[p.at]
		p.at++
	}
}

func (p *parser) parse() error {
	for {
		line, ok := p.next()
		switch {
		case !ok && p.stanza != nil: // logrotate says nothing of it
			p.r.warn(p.path, p.stanza.Line, "the brace is not closed")
			p.r.conf.Stanzas = append(p.r.conf.Stanzas, p.stanza)
			return nil
		case !ok:
			return nil
		}
		var err error
		switch {
		case line[0] == '}':
			if p.stanza == nil {
				return errors.New("unexpected }")
			}
			if rest := strings.TrimSpace(line[1:]); rest != "" && !strings.HasPrefix(rest, "#") {
				return fmt.Errorf("unexpected text after }: %s", short(rest))
			}
			p.r.conf.Stanzas = append(p.r.conf.Stanzas, p.stanza)
			p.stanza = nil
		case strings.ContainsRune(`/"'~{`, rune(line[0])):
			err = p.open(line)
		default:
			err = p.option(line)
		}
		if err != nil {
			return err
		}
	}
}

// open reads the patterns of a stanza up to its opening brace, which may stand some lines further on.
func (p *parser) open(line string) error {
	if p.stanza != nil {
		return fmt.Errorf("a path or a brace inside of the braces of line %d", p.stanza.Line)
	}
	var text strings.Builder
	for {
		before, after, found := strings.Cut(line, "{")
		text.WriteString(before + " ")
		if found {
			p.rest = after
			break
		}
		var ok bool
		if line, ok = p.next(); !ok {
			return errors.New("paths without braces after them")
		}
	}
	words, err := split(text.String())
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errors.New("a brace without a path before it")
	}
	p.stanza = &Stanza{Patterns: words, File: p.path, Line: p.at, options: p.r.global}
	return nil
}

// option reads one option.
func (p *parser) option(line string) error {
	i := strings.IndexAny(line, " \t=")
	if i < 0 {
		i = len(line)
	}
	o := Option{Name: line[:i], File: p.path, Line: p.at}
	o.Arg = strings.TrimLeft(strings.TrimSpace(line[i:]), "= \t")
	if unquoted, err := split(o.Arg); err == nil && len(unquoted) == 1 {
		o.Arg = unquoted[0]
	}
	switch {
	case slices.Contains(scripts, o.Name):
		if p.stanza == nil {
			return fmt.Errorf("%s outside of braces", o.Name)
		}
		var err error
		if o.Arg, err = p.script(o.Name); err != nil {
			return err
		}
	case o.Name == "include":
		if p.stanza != nil {
			return errors.New("include inside of braces")
		}
		p.r.include(o)
		return nil
	case o.Name == "tabooext" || o.Name == "taboopat":
		p.r.setTaboo(o)
		return nil
	case !isOption(o.Name):
		p.r.warn(p.path, p.at, "unknown option %s", short(o.Name)) // logrotate says so too and goes on
		return nil
	}
	if p.stanza != nil {
		p.stanza.options = p.stanza.options.with(o)
	} else {
		p.r.global = p.r.global.with(o)
	}
	return nil
}

func isOption(name string) bool {
	return slices.Contains(known, name) || slices.Contains(switches, group(name)) || group(name) == "when"
}

// script takes the lines up to "endscript".
func (p *parser) script(name string) (string, error) {
	from := p.at
	for ; p.at < len(p.lines); p.at++ {
		if strings.TrimSpace(p.lines[p.at]) == "endscript" {
			text := strings.Join(p.lines[from:p.at], "\n")
			p.at++
			return text, nil
		}
	}
	return "", fmt.Errorf("%s without endscript", name)
}

// setTaboo takes a list of the ends or the patterns of names that are passed over; with "+" it adds to those there are.
func (r *reader) setTaboo(o Option) {
	list, more := strings.CutPrefix(o.Arg, "+")
	var next []string
	if more {
		next = slices.Clone(r.taboo)
	}
	for _, t := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }) {
		if o.Name == "tabooext" {
			t = "*" + t
		}
		next = append(next, t)
	}
	r.taboo = next
}

// split cuts words at white space; quotes keep it, a backslash takes the next byte as it is.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, open := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s) && quote != '\'':
			i++
			if !strings.ContainsRune(`"'\ `, rune(s[i])) {
				word.WriteByte('\\') // it is glob(3)'s
			}
			word.WriteByte(s[i])
			open = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\r':
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the quote %c is not closed", quote)
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}

// short cuts what is shown of a file.
func short(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return fmt.Sprintf("%q", s)
}
