package importer

import (
	"fmt"
	"strings"
)

// Logstash's configuration language, as far as one must know it to find everything in it: sections of plugins, plugins of settings,
// values that are texts, numbers, arrays, hashes or codecs, and conditions around plugins.

// lsPlugin is one plugin, such as a file input.
type lsPlugin struct {
	section  string // input, filter or output
	name     string
	line     int
	settings []lsSetting
	when     string // the condition it stands under, empty if none
}

type lsSetting struct {
	name  string
	line  int
	value lsValue
}

// lsValue is a text, a list (of texts, or of the keys and values of a hash in turn), or a codec.
type lsValue struct {
	text  string
	list  []string
	codec *lsPlugin
}

// texts returns the value as a list.
func (v lsValue) texts() []string {
	if v.list == nil && v.text != "" {
		return []string{v.text}
	}
	return v.list
}

// lsParser reads a pipeline. depth bounds recursion.
type lsParser struct {
	file    string
	src     string
	at      int
	depth   int
	plugins []lsPlugin
}

// maxLogstashDepth is deeper than anybody nests.
const maxLogstashDepth = 100

// parseLogstash returns the plugins of a pipeline in their order. An error names file and line.
func parseLogstash(file, src string) ([]lsPlugin, error) {
	p := &lsParser{file: file, src: src}
	for p.space(); p.at < len(p.src); p.space() {
		section, err := p.word("input, filter or output")
		if err != nil {
			return nil, err
		}
		if section != "input" && section != "filter" && section != "output" {
			return nil, p.fail("%q is no section of a pipeline: input, filter or output", section)
		}
		if err := p.block(section, ""); err != nil {
			return nil, err
		}
	}
	return p.plugins, nil
}

func (p *lsParser) fail(format string, args ...any) error {
	return fmt.Errorf("%s:%d: not a pipeline of Logstash: %s", p.file, p.line(), fmt.Sprintf(format, args...))
}

func (p *lsParser) line() int { return 1 + strings.Count(p.src[:min(p.at, len(p.src))], "\n") }

// space passes over blanks and comments.
func (p *lsParser) space() {
	for p.at < len(p.src) {
		switch c := p.src[p.at]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.at++
		case c == '#':
			if i := strings.IndexByte(p.src[p.at:], '\n'); i >= 0 {
				p.at += i + 1
			} else {
				p.at = len(p.src)
			}
		default:
			return
		}
	}
}

// peek returns the next byte that counts, 0 at the end.
func (p *lsParser) peek() byte {
	p.space()
	if p.at == len(p.src) {
		return 0
	}
	return p.src[p.at]
}

func (p *lsParser) want(token string) error {
	p.space()
	if !strings.HasPrefix(p.src[p.at:], token) {
		return p.fail("%q should stand here", token)
	}
	p.at += len(token)
	return nil
}

func isBare(c byte) bool {
	return c == '_' || c == '-' || c == '.' || c == '/' || c == '%' || c == '@' || c == ':' || c == '+' || c == '$' || c >= 0x80 ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// word reads a bare word or a quoted one.
func (p *lsParser) word(what string) (string, error) {
	switch c := p.peek(); {
	case c == '"' || c == '\'':
		return p.quoted(c)
	case isBare(c):
		start := p.at
		for p.at < len(p.src) && isBare(p.src[p.at]) {
			p.at++
		}
		return p.src[start:p.at], nil
	}
	return "", p.fail("%s should stand here", what)
}

// quoted reads a text in quotes. A backslash keeps the quote behind it from ending the text, and stays (config.support_escapes: false).
func (p *lsParser) quoted(q byte) (string, error) {
	start := p.at
	for p.at++; p.at < len(p.src); p.at++ {
		switch p.src[p.at] {
		case '\\':
			p.at++
		case q:
			p.at++
			return strings.ReplaceAll(p.src[start+1:p.at-1], "\\"+string(q), string(q)), nil
		}
	}
	p.at = start
	return "", p.fail("a quote that never ends")
}

// block reads { plugins and conditions }.
func (p *lsParser) block(section, when string) error {
	if p.depth++; p.depth > maxLogstashDepth {
		return p.fail("blocks are nested too deeply")
	}
	defer func() { p.depth-- }()
	if err := p.want("{"); err != nil {
		return err
	}
	for p.peek() != '}' {
		word, err := p.word("a plugin or \"}\"")
		if err != nil {
			return err
		}
		if word == "if" || word == "else" {
			if err := p.condition(section, when); err != nil {
				return err
			}
			continue
		}
		plugin, err := p.plugin(section, word)
		if err != nil {
			return err
		}
		plugin.when = when
		p.plugins = append(p.plugins, plugin)
	}
	return p.want("}")
}

// condition reads what stands between if, else or else if and the block, and the block.
func (p *lsParser) condition(section, outer string) error {
	p.space()
	start := p.at
	for p.at < len(p.src) && p.src[p.at] != '{' {
		var err error
		switch c := p.src[p.at]; c {
		case '"', '\'':
			_, err = p.quoted(c)
		case '/':
			err = p.regexp()
		default:
			p.at++
		}
		if err != nil {
			return err
		}
	}
	when := strings.TrimSpace(p.src[start:p.at])
	if when == "" {
		when = "else"
	}
	if outer != "" {
		when = outer + " and " + when
	}
	return p.block(section, when)
}

// regexp passes over /…/.
func (p *lsParser) regexp() error {
	start := p.at
	for p.at++; p.at < len(p.src) && p.src[p.at] != '\n'; p.at++ {
		switch p.src[p.at] {
		case '\\':
			p.at++
		case '/':
			p.at++
			return nil
		}
	}
	p.at = start
	return p.fail("a pattern that never ends")
}

// plugin reads { name => value … }; the name was read already.
func (p *lsParser) plugin(section, name string) (lsPlugin, error) {
	plugin := lsPlugin{section: section, name: name, line: p.line()}
	if p.depth++; p.depth > maxLogstashDepth {
		return plugin, p.fail("plugins are nested too deeply")
	}
	defer func() { p.depth-- }()
	if err := p.want("{"); err != nil {
		return plugin, err
	}
	for p.peek() != '}' {
		if p.peek() == ',' { // not in the grammar, but people write it and Logstash says so itself
			return plugin, p.fail("settings are not separated by commas")
		}
		s := lsSetting{}
		var err error
		if s.name, err = p.word("a setting or \"}\""); err != nil {
			return plugin, err
		}
		s.line = p.line()
		if err := p.want("=>"); err != nil {
			return plugin, err
		}
		if s.value, err = p.value(); err != nil {
			return plugin, err
		}
		plugin.settings = append(plugin.settings, s)
	}
	return plugin, p.want("}")
}

func (p *lsParser) value() (lsValue, error) {
	if p.depth++; p.depth > maxLogstashDepth {
		return lsValue{}, p.fail("values are nested too deeply")
	}
	defer func() { p.depth-- }()
	switch p.peek() {
	case '[':
		return p.array()
	case '{':
		return p.hash()
	}
	word, err := p.word("a value")
	if err != nil {
		return lsValue{}, err
	}
	if p.peek() == '{' {
		codec, err := p.plugin("codec", word)
		return lsValue{text: word, codec: &codec}, err
	}
	return lsValue{text: word}, nil
}

func (p *lsParser) array() (lsValue, error) {
	v := lsValue{list: []string{}}
	if err := p.want("["); err != nil {
		return v, err
	}
	for p.peek() != ']' {
		item, err := p.value()
		if err != nil {
			return v, err
		}
		v.list = append(v.list, item.texts()...)
		if p.peek() != ',' {
			break
		}
		p.at++
	}
	return v, p.want("]")
}

func (p *lsParser) hash() (lsValue, error) {
	v := lsValue{list: []string{}}
	if err := p.want("{"); err != nil {
		return v, err
	}
	for p.peek() != '}' {
		key, err := p.word("a key or \"}\"")
		if err != nil {
			return v, err
		}
		if err := p.want("=>"); err != nil {
			return v, err
		}
		item, err := p.value()
		if err != nil {
			return v, err
		}
		v.list = append(append(v.list, key), item.texts()...)
		if p.peek() == ',' {
			p.at++
		}
	}
	return v, p.want("}")
}
