package logformat

import (
	"fmt"
	"regexp"
	"strings"
)

// place checks that st, a log_format or access_log, stands where Nginx allows it. It returns false where it is not http's, and
// so is none of our business.
func (r *confReader) place(l *lexer, b *confBlock, st lexStatement) (bool, error) {
	name := st.words[0]
	switch b.scope {
	case confMain:
		if !r.outside {
			r.outside = true
			r.warnf(l.file, st.line, "%q directive is not allowed here by Nginx; it is read as if inside of http { }", name)
		}
		return true, nil
	case confHTTP:
		return true, nil
	case confServer, confLocation:
		if name == "access_log" {
			return true, nil
		}
		return false, l.errorf(st.line, `"log_format" directive is not allowed here; move it to http { }`)
	case confServerIf:
		return false, l.errorf(st.line, `%q directive is not allowed here; use the if= parameter of access_log, or an if in a location`, name)
	case confOther:
		r.beside(l, st)
	case confUnknown:
		r.warnf(l.file, st.line, "%q directive is ignored inside of %q", name, b.label)
	}
	return false, nil
}

// beside notes an access_log of stream and the like, as its lines may get in among those of http.
func (r *confReader) beside(l *lexer, st lexStatement) {
	if st.words[0] != "access_log" || len(st.words) < 2 || st.words[1] == "off" || strings.HasPrefix(st.words[1], "syslog:") {
		return
	}
	path := confFull(r.prefix, st.words[1])
	if r.others[path] == "" {
		r.others[path] = fmt.Sprintf("%s:%d", l.file, st.line)
	}
}

// logFormat reads `log_format name [escape=default|json|none] string …`.
func (r *confReader) logFormat(l *lexer, b *confBlock, st lexStatement) error {
	if ok, err := r.place(l, b, st); !ok {
		return err
	}
	if len(st.words) < 3 {
		return l.errorf(st.line, `invalid number of arguments in "log_format" directive; give a name and a string`)
	}
	d := &Definition{Name: st.words[1], File: l.file, Line: st.line}
	for _, old := range r.conf.Formats {
		if old.Name == d.Name {
			return l.errorf(st.line, `duplicate "log_format" name %q, which is %s already; give this one another name`, d.Name, confDefined(old))
		}
	}
	if old := r.conf.confLookup(d.Name); old != nil {
		r.warnf(l.file, st.line, "log_format %q is never used: access_log compares names without case and finds %q (%s) first; give it another name",
			d.Name, old.Name, confWhere(old))
	}
	parts := st.words[2:]
	if mode, ok := strings.CutPrefix(parts[0], "escape="); ok {
		escape, err := ParseEscape(mode)
		if err != nil || mode == "" {
			return l.errorf(st.line, "unknown log format escaping %q; Nginx has default, json and none", mode)
		}
		d.Escape = escape
		parts = parts[1:]
	}
	text, err := confJoin(parts)
	if err != nil {
		return l.errorf(st.line, "log_format %s: %w", d.Name, err)
	}
	if text == "" {
		r.warnf(l.file, st.line, "log_format %s has no text: its lines are empty", d.Name)
	}
	d.Text = text
	r.conf.Formats = append(r.conf.Formats, d)
	return nil
}

// confDefined says who defines a format.
func confDefined(d *Definition) string {
	if d.File == "" {
		return "predefined by Nginx"
	}
	return "defined at " + confWhere(d)
}

// confJoin puts the strings of a log_format together. Nginx compiles each on its own, so a variable ends with its string: where
// the next one goes on with a letter, the name gets braces. For the same reason what a string leaves unfinished is an error.
func confJoin(parts []string) (string, error) {
	var b strings.Builder
	open := "" // the variable, without braces, at the end of what is written
	for _, part := range parts {
		if part == "" {
			continue
		}
		text := b.String()
		if open != "" && isNameByte(part[0]) {
			b.Reset()
			b.WriteString(strings.TrimSuffix(text, open))
			b.WriteString("{" + open + "}")
		}
		open = ""
		for i := 0; i < len(part); {
			if part[i] != '$' {
				i++
				continue
			}
			v, err := confVariable(part[i:])
			if err != nil {
				return "", err
			}
			i += v.size
			if i == len(part) && !v.braces {
				open = v.name
			}
		}
		b.WriteString(part)
	}
	return b.String(), nil
}

// confVar is a variable as it stands in a string.
type confVar struct {
	name   string
	braces bool // ${name}
	size   int  // bytes, from the "$" on
}

// confVariable reads the variable at the start of s, which begins with "$", as ngx_http_log_compile_format does.
func confVariable(s string) (confVar, error) {
	v := confVar{size: 1}
	if strings.HasPrefix(s, "${") {
		v.braces, v.size = true, 2
	}
	start := v.size
	for v.size < len(s) && isNameByte(s[v.size]) {
		v.size++
	}
	v.name = s[start:v.size]
	if v.braces {
		if v.size == len(s) || s[v.size] != '}' {
			return v, fmt.Errorf(`the closing bracket in %q variable is missing; write ${name}`, v.name)
		}
		v.size++
	}
	if v.name == "" {
		return v, fmt.Errorf(`invalid parameter %q: no variable's name follows the "$"; Nginx can't log a "$" but from a variable`, lexShort(s))
	}
	return v, nil
}

// accessLog reads `access_log off` and `access_log path [format [parameter …]]`.
func (r *confReader) accessLog(l *lexer, b *confBlock, st lexStatement) error {
	if ok, err := r.place(l, b, st); !ok {
		return err
	}
	if len(st.words) < 2 {
		return l.errorf(st.line, `invalid number of arguments in "access_log" directive; give a path or "off"`)
	}
	a := AccessLog{Path: st.words[1], File: l.file, Line: st.line}
	if a.Path == "off" {
		a.Path, a.Off = "", true
		if len(st.words) > 2 {
			r.warnf(l.file, st.line, `Nginx refuses parameters after "access_log off"; remove them`)
		}
		r.add(a, b)
		return nil
	}
	if err := r.target(l, &a); err != nil {
		return err
	}
	name := "combined"
	if len(st.words) > 2 {
		name = st.words[2]
	}
	d := r.conf.confLookup(name)
	if d == nil {
		return r.errFormat(l, st, name)
	}
	a.Format = d.Name
	if len(st.words) > 3 {
		r.parameters(&a, st.words[3:])
	}
	r.add(a, b)
	return nil
}

// add appends an access_log directive that stands in b.
func (r *confReader) add(a AccessLog, b *confBlock) {
	r.conf.AccessLogs = append(r.conf.AccessLogs, a)
	r.blocks = append(r.blocks, b)
}

// target looks at what the first argument of access_log names.
func (r *confReader) target(l *lexer, a *AccessLog) error {
	switch {
	case strings.HasPrefix(a.Path, "syslog:"):
		a.Syslog = true
		return nil
	case strings.IndexByte(a.Path, 0) >= 0:
		return l.errorf(a.Line, "access_log %q holds a NUL byte; remove it", a.Path)
	case a.Path == "":
		r.warnf(a.File, a.Line, `access_log "" logs to stderr, where ngxtap can't read; give a path`)
		return nil
	}
	a.Variables = strings.Contains(a.Path, "$")
	if !strings.HasPrefix(a.Path, "/") {
		full := confFull(r.prefix, a.Path)
		if r.guessed {
			r.warnf(a.File, a.Line, "access_log %s is relative and taken for %s; write it in full, or give ngxtap the prefix that nginx -V shows", a.Path, full)
		}
		a.Path = full
	}
	return nil
}

// errFormat says that the format of an access_log is unknown, and why that may be.
func (r *confReader) errFormat(l *lexer, st lexStatement, name string) error {
	hint := "correct the name, or define the format above this line"
	if strings.Contains(name, "=") {
		hint = "name the format before the parameters"
	}
	return l.errorf(st.line, "unknown log format %q; %s; there are: %s", name, hint, r.conf.confNames())
}

var (
	confSize  = regexp.MustCompile(`^[0-9]*[1-9][0-9]*[kKmM]?$`)
	confLevel = regexp.MustCompile(`^[1-9]$`)
)

// parameters reads what follows the format. What Nginx would refuse does not change the lines, so it is worth a warning only.
func (r *confReader) parameters(a *AccessLog, words []string) {
	refused := func(format string, args ...any) {
		r.warnf(a.File, a.Line, "Nginx refuses this access_log: "+format, args...)
	}
	level := "1"
	for _, w := range words {
		key, value, ok := strings.Cut(w, "=")
		switch {
		case key == "buffer" && ok:
			if a.Buffer = value; !confSize.MatchString(value) {
				refused("invalid buffer size %q", value)
			}
		case key == "flush" && ok:
			a.Flush = value
		case key == "gzip":
			a.Gzip = true
			if level = value; !ok {
				level = "1"
			} else if !confLevel.MatchString(value) {
				refused("invalid compression level %q", value)
			}
		case key == "if" && ok:
			a.If = value
		default:
			refused("invalid parameter %q", w)
		}
	}
	buffered := a.Buffer != "" || a.Gzip
	switch {
	case a.Flush != "" && !buffered:
		refused("flush= needs buffer=")
	case buffered && a.Variables:
		refused("buffered logs cannot have variables in name")
	case buffered && a.Syslog:
		refused("logs to syslog cannot be buffered")
	case buffered:
		r.buffering(a, level)
	}
	if a.Gzip && !a.Syslog {
		r.warnf(a.File, a.Line, "access_log %s is compressed by Nginx as it writes, so its lines can't be followed; remove gzip", a.Path)
	}
}

// buffering notes how the file of a is buffered, and warns if another access_log has it otherwise.
func (r *confReader) buffering(a *AccessLog, level string) {
	size := a.Buffer
	if size == "" {
		size = "64k"
	}
	mode := strings.ToLower(size) + " " + a.Flush
	if a.Gzip {
		mode += " gzip=" + level
	}
	if old, ok := r.buffers[a.Path]; ok && old != mode {
		r.warnf(a.File, a.Line, "Nginx refuses this access_log: %s is defined already with conflicting parameters", a.Path)
		return
	}
	r.buffers[a.Path] = mode
}
