package logformat

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// confScope is what the statements of a block mean to us.
type confScope uint8

const (
	confMain     confScope = iota // outside of every block
	confHTTP                      // http
	confServer                    // server of http
	confServerIf                  // if in a server, where access_log may not be
	confLocation                  // location, and if and limit_except in it
	confOther                     // beside http: events, stream, mail …
	confPairs                     // map, geo, types …: pairs, not directives, but for include
	confUnknown                   // within http, but not about requests: upstream, and blocks of modules that we do not know
)

// inner returns the scope of the block that a directive opens in scope s.
func (s confScope) inner(name string) confScope {
	if s != confUnknown {
		switch name {
		case "map", "geo", "types", "split_clients", "charset_map":
			return confPairs
		}
	}
	switch s {
	case confMain:
		return confInnerMain(name)
	case confHTTP:
		if name == "server" {
			return confServer
		}
	case confServer:
		switch name {
		case "location":
			return confLocation
		case "if":
			return confServerIf
		}
	case confLocation:
		switch name {
		case "location", "if", "limit_except":
			return confLocation
		}
	case confOther:
		return confOther
	}
	return confUnknown
}

// confInnerMain is inner of confMain. A file to be included in http, or in a server, may be given on its own. All else that
// opens a block out here is a world beside http.
func confInnerMain(name string) confScope {
	switch name {
	case "http":
		return confHTTP
	case "server":
		return confServer
	case "location":
		return confLocation
	}
	return confOther
}

// needsBlock tells whether Nginx refuses the directive in scope s without a block.
func (s confScope) needsBlock(name string) bool {
	if s > confLocation {
		return false // "server" of upstream, and whatever words others have
	}
	switch name {
	case "http", "events", "location", "if", "limit_except", "upstream", "map", "geo", "types", "split_clients", "charset_map":
		return true
	}
	return name == "server" && s == confHTTP
}

// noBlock tells whether Nginx refuses the directive in scope s with a block.
func (s confScope) noBlock(name string) bool {
	return s < confOther && (name == "include" || name == "log_format" || name == "access_log")
}

// confBlock is a block being read, or the whole of the file where there is no parent.
type confBlock struct {
	scope  confScope
	parent *confBlock
	label  string // the words that open it
	server string // the first server_name, else the first listen
	byName bool   // server is a server_name
	depth  int
}

// named takes over a server_name or listen directive, which says better than "server" which one it is.
func (b *confBlock) named(words []string) {
	if b.scope != confServer || len(words) < 2 || b.byName {
		return
	}
	switch {
	case words[0] == "server_name" && words[1] != "" && words[1] != "_":
		b.server, b.byName = words[1], true
	case words[0] == "listen" && b.server == "":
		b.server = words[1]
	}
}

// String tells where the block is, for people: "server shop.example, location /x". http is named only where nothing is in it.
func (b *confBlock) String() string {
	if b.parent == nil || b.scope == confHTTP {
		return "http"
	}
	label := b.label
	if b.scope == confServer && b.server != "" {
		label = "server " + b.server
	}
	if outer := b.parent.String(); outer != "http" {
		return strings.Join([]string{outer, label}, ", ")
	}
	return label
}

// Limits that no configuration in use comes near. Nginx has none of them and runs out of stack or of open files instead.
const (
	confMaxDepth    = 512     // blocks within blocks, included ones too
	confMaxIncluded = 64      // files that include one another
	confMaxIncludes = 1 << 18 // files included, each time counted
)

// confReader reads one configuration. It is used once.
type confReader struct {
	fs      confFS
	conf    *Conf
	blocks  []*confBlock      // blocks[i] is where conf.AccessLogs[i] stands
	buffers map[string]string // buffering of each log file so far, to find conflicts
	others  map[string]string // log files of stream and the like, and where they are named
	dir     string            // what relative includes follow
	prefix  string            // what relative log paths follow
	guessed bool              // nothing tells that the prefix is right

	contents    map[string][]byte // by file name, so that a file is the same at each include
	including   []string          // the files being read, the innermost last
	includes    int
	maxIncludes int
	warned      map[string]bool
	outside     bool // it was said that a directive stands outside of http
}

// confRead is ReadConf on any file system; path is absolute.
func confRead(fsys confFS, path string, o ConfOptions) (*Conf, error) {
	return newConfReader(fsys, path, o).read(path)
}

func newConfReader(fsys confFS, path string, o ConfOptions) *confReader {
	r := &confReader{
		fs:          fsys,
		conf:        &Conf{Formats: []*Definition{Combined()}},
		buffers:     map[string]string{},
		others:      map[string]string{},
		dir:         filepath.Dir(path),
		prefix:      o.Prefix,
		contents:    map[string][]byte{},
		warned:      map[string]bool{},
		maxIncludes: confMaxIncludes,
	}
	if r.prefix == "" {
		r.prefix, r.guessed = r.dir, true
		if filepath.Base(r.dir) == "conf" {
			r.prefix, r.guessed = filepath.Dir(r.dir), false
		}
	}
	return r
}

// read reads the main file and then what could be known only at the end.
func (r *confReader) read(path string) (*Conf, error) {
	data, err := r.content(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; %s", path, confCause(err), confHint(err))
	}
	if err := r.file(path, data, &confBlock{scope: confMain}); err != nil {
		return nil, err
	}
	for i, b := range r.blocks {
		a := &r.conf.AccessLogs[i]
		a.Context = b.String()
		if where := r.others[a.Path]; where != "" {
			r.warnf(a.File, a.Line, "access_log %s is also written from outside of http (%s), in a format that ngxtap does not read; give that one its own file",
				a.Path, where)
		}
	}
	return r.conf, nil
}

// file reads what is in one file as the content of block b. Blocks do not span files.
func (r *confReader) file(name string, data []byte, b *confBlock) error {
	l := newLexer(name, data, func(line int, what string) { r.warnf(name, line, "%s", what) })
	if err := r.encoding(l); err != nil {
		return err
	}
	r.including = append(r.including, name)
	err := r.block(l, b, nil)
	r.including = r.including[:len(r.including)-1]
	return err
}

// content returns what is in a file.
func (r *confReader) content(name string) ([]byte, error) {
	if data, ok := r.contents[name]; ok {
		return data, nil
	}
	data, err := r.fs.readFile(name)
	if err != nil {
		return nil, err
	}
	r.contents[name] = data
	r.conf.Files = append(r.conf.Files, name)
	return data, nil
}

// encoding looks for what editors of other systems leave in a file.
func (r *confReader) encoding(l *lexer) error {
	switch {
	case bytes.HasPrefix(l.data, []byte("\xEF\xBB\xBF")):
		l.pos = 3
		r.warnf(l.file, 1, "a byte order mark, which Nginx takes for a part of the first directive; save the file without it")
	case bytes.HasPrefix(l.data, []byte("\xFF\xFE")), bytes.HasPrefix(l.data, []byte("\xFE\xFF")):
		return l.errorf(1, "the file is UTF-16, which Nginx can't read; save it as UTF-8")
	}
	if i := bytes.IndexByte(l.data, 0); i >= 0 {
		line := 1 + bytes.Count(l.data[:i], []byte{'\n'})
		r.warnf(l.file, line, "a NUL byte, at which Nginx cuts names; remove it")
	}
	return nil
}

// block reads statements up to the "}" that closes b, which opened opened; up to the end of the file if opened is nil.
func (r *confReader) block(l *lexer, b *confBlock, opened *lexStatement) error {
	for {
		st, err := l.next()
		if err != nil {
			return err
		}
		switch {
		case st.end == 0 && opened != nil:
			return l.errorf(l.line, `unexpected end of file, expecting "}"; close the block %q opened at line %d`, opened.words[0], opened.line)
		case st.end == 0:
			return nil
		case st.end == '}' && opened == nil:
			return l.errorf(st.line, `unexpected "}"; remove it, or open its block in this file`)
		case st.end == '}':
			return nil
		}
		if err := r.statement(l, b, st); err != nil {
			return err
		}
	}
}

// statement reads one directive, and its block if it has one.
func (r *confReader) statement(l *lexer, b *confBlock, st lexStatement) error {
	name := st.words[0]
	r.use(l, b, st)
	if b.scope == confPairs {
		switch {
		case st.end == '{':
			return l.errorf(st.line, `unexpected "{" after %q; there are no blocks in %q`, name, b.label)
		case name == "include" && len(st.words) == 2:
			return r.include(l, b, st)
		}
		return nil
	}
	if st.end == '{' && b.scope.noBlock(name) {
		return l.errorf(st.line, `directive %q is not terminated by ";"; write one, or quote the brace`, name)
	}
	if st.end == '{' {
		return r.open(l, b, st)
	}
	if b.scope.needsBlock(name) {
		return l.errorf(st.line, `directive %q has no opening "{"; write its block`, name)
	}
	switch name {
	case "include":
		return r.include(l, b, st)
	case "log_format":
		return r.logFormat(l, b, st)
	case "access_log":
		return r.accessLog(l, b, st)
	case "server_name", "listen":
		b.named(st.words)
	case "open_log_file_cache":
		r.fileCache(l, b, st)
	}
	return nil
}

// open reads the block that st opens.
func (r *confReader) open(l *lexer, b *confBlock, st lexStatement) error {
	name := st.words[0]
	if lexIsLuaBlock(name) {
		return l.skipLua()
	}
	label := strings.ReplaceAll(strings.Join(st.words, " "), " )", ")")
	inner := &confBlock{scope: b.scope.inner(name), parent: b, label: label, depth: b.depth + 1}
	if inner.depth > confMaxDepth {
		return l.errorf(st.line, "more than %d blocks within one another; remove some", confMaxDepth)
	}
	return r.block(l, inner, &st)
}

// include reads the files that st names, as if they stood in its place.
func (r *confReader) include(l *lexer, b *confBlock, st lexStatement) error {
	if len(st.words) != 2 {
		return l.errorf(st.line, `invalid number of arguments in "include" directive; give one path or pattern, in quotes if it has spaces`)
	}
	arg := st.words[1]
	if strings.IndexByte(arg, 0) >= 0 {
		return l.errorf(st.line, "include %q holds a NUL byte; remove it", arg)
	}
	name := confFull(r.dir, arg)
	if !confHasGlob(name) {
		return r.included(l, b, st, name)
	}
	if strings.Contains(name, "[:") {
		return l.errorf(st.line, "include %q has a character class, which ngxtap does not know; write the characters out", arg)
	}
	names, dirs, err := confGlob(r.fs, name)
	if err != nil {
		return l.errorf(st.line, "include %q: %w; %s", arg, err, confHint(err))
	}
	for _, dir := range dirs {
		if !slices.Contains(r.conf.Dirs, dir) {
			r.conf.Dirs = append(r.conf.Dirs, dir)
		}
	}
	for _, name := range names {
		if err := r.included(l, b, st, name); err != nil {
			return err
		}
	}
	return nil
}

// included reads one included file.
func (r *confReader) included(l *lexer, b *confBlock, st lexStatement, name string) error {
	if i := slices.Index(r.including, name); i >= 0 {
		loop := append(slices.Clone(r.including[i:]), name)
		return l.errorf(st.line, "include %q closes a loop: %s; remove one of these includes", st.words[1], strings.Join(loop, " -> "))
	}
	if len(r.including) >= confMaxIncluded {
		return l.errorf(st.line, "include %q: more than %d files include one another; include fewer levels", st.words[1], confMaxIncluded)
	}
	if r.includes++; r.includes > r.maxIncludes {
		return l.errorf(st.line, "include %q: more than %d files are included; include less", st.words[1], r.maxIncludes)
	}
	data, err := r.content(name)
	if err != nil {
		return l.errorf(st.line, "include %s: %w; %s", name, confCause(err), confHint(err))
	}
	return r.file(name, data, b)
}

// warnf notes what does not keep us from reading on, once, however often a file is included.
func (r *confReader) warnf(file string, line int, format string, args ...any) {
	w := fmt.Sprintf("%s:%d: ", file, line) + fmt.Sprintf(format, args...)
	if !r.warned[w] {
		r.warned[w] = true
		r.conf.Warnings = append(r.conf.Warnings, w)
	}
}

// confFull makes a name absolute as ngx_get_full_name does: put together, not cleaned, as "a/.." need not be "." where a is a
// symbolic link.
func confFull(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return strings.TrimSuffix(dir, "/") + "/" + name
}
