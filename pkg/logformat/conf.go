package logformat

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// confCombined is the format that ngx_http_log_module predefines.
const confCombined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

// Conf is what nginx.conf and everything it includes says about access logs. It is not changed after ReadConf, so any number
// of goroutines may use it.
type Conf struct {
	// Files are the files read, absolute, each once, the main file first. To notice a change, watch them and Dirs.
	Files []string
	// Dirs are the directories that includes with wildcards list, absolute, each once: a file that appears there may belong to
	// the configuration. They need not exist.
	Dirs []string
	// Formats are the log formats in order of appearance, the predefined "combined" first.
	Formats []*Definition
	// AccessLogs are the access_log directives of http in order of appearance, those of a file that is included twice twice.
	// It is empty where there is none; Nginx then logs to a path that was compiled in.
	AccessLogs []AccessLog
	// Uses are the directives, but for log_format and access_log, that name a variable which holds all headers, at most 256: they have it
	// computed before the log phase. Setters are those that give such a variable its value.
	Uses    []VariableUse
	Setters []VariableSetter
	// Modules are the file names of what load_module loads, Scripts the names that js_import gives. At most 256 each.
	Modules, Scripts []string
	// FileCaches are the open_log_file_cache directives of http, at most 256.
	FileCaches []FileCache
	// Warnings, each "FILE:LINE: …", tell what Nginx would refuse or what loses data, but does not keep us from reading on.
	Warnings []string
}

// AccessLog is one access_log directive (ngx_http_log_module).
type AccessLog struct {
	// Path is as written, but a relative one follows the prefix. With Syslog it is the whole parameter ("syslog:server=…"),
	// with Off it is empty, and it is empty too for `access_log ""`, which logs to stderr.
	Path string
	// Format is the name of the definition that is used, as the definition spells it. Empty with Off.
	Format string
	// Context is where the directive stands, for people: "http", "server shop.example, location /x".
	Context string

	Off       bool // access_log off
	Syslog    bool // the log goes to a syslog server, not to a file
	Variables bool // the path holds variables, so it is many files
	Gzip      bool // Nginx compresses what it writes

	Buffer string // value of buffer=, such as "64k"; empty if there is none
	Flush  string // value of flush=, such as "1s"; empty if there is none
	If     string // value of if=, such as "$loggable"; empty if there is none
	File   string // where the directive is
	Line   int    // counted from 1
}

// ConfOptions are what nginx.conf itself does not tell.
type ConfOptions struct {
	// Prefix is what relative log paths follow: the directory given to nginx -p, or that "nginx -V" shows as --prefix. By
	// default it is DIR for a configuration DIR/conf/FILE (as in OpenResty and builds from source), else the directory of
	// the configuration (as in the packages of nginx.org); a relative log path is then worth a warning.
	Prefix string
}

// ReadConf reads the nginx.conf at path, with everything it includes, as Nginx would (ngx_conf_file.c, ngx_http_log_module.c):
// relative includes follow the directory of path, and access_log finds the first format of its name, in any case, of those
// defined above it. Directives it does not know are skipped, blocks it does not know are walked through for their includes;
// log_format and access_log of stream, mail and the like are not those of http and are ignored.
//
// A file with no http block, such as one of conf.d, is read as if it stood inside of one, with a warning.
//
// Errors are "FILE:LINE: what is wrong; what to do", or "FILE: …" where the file can't be read, and wrap errors of io/fs. Nginx
// would refuse such a configuration and keep the one it has; so should the caller.
func ReadConf(path string, o ConfOptions) (*Conf, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: find the directory it is relative to: %w", path, err)
	}
	return confRead(confOS{}, abs, o)
}

// Format returns the definition of that name. One that spells it exactly wins over an earlier one that differs in case. The
// error lists the names that were found.
func (c *Conf) Format(name string) (*Definition, error) {
	for _, d := range c.Formats {
		if d.Name == name {
			return d, nil
		}
	}
	if d := c.confLookup(name); d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("unknown log format %q; there are: %s", name, c.confNames())
}

// confLookup finds a format as access_log does: the first of that name, in any case.
func (c *Conf) confLookup(name string) *Definition {
	for _, d := range c.Formats {
		if len(d.Name) == len(name) && confEqualFold(d.Name, name) {
			return d
		}
	}
	return nil
}

// confEqualFold is ngx_strcasecmp: it folds ASCII only.
func confEqualFold(a, b string) bool {
	lower := func(c byte) byte {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// confNames lists the formats and where they are.
func (c *Conf) confNames() string {
	names := make([]string, len(c.Formats))
	for i, d := range c.Formats {
		names[i] = fmt.Sprintf("%s (%s)", d.Name, confWhere(d))
	}
	return strings.Join(names, ", ")
}

// confWhere says where a format is defined.
func confWhere(d *Definition) string {
	if d.File == "" {
		return "predefined"
	}
	return fmt.Sprintf("%s:%d", d.File, d.Line)
}

// FormatsFor returns the formats in which the configuration has lines written to the log file at path, in order of
// appearance, each once; none if no access_log names that file. See AccessLogsFor for how paths compare.
func (c *Conf) FormatsFor(path string) []*Definition {
	var found []*Definition
	seen := map[string]bool{}
	for _, a := range c.AccessLogsFor(path) {
		if seen[a.Format] {
			continue
		}
		seen[a.Format] = true
		if d, err := c.Format(a.Format); err == nil {
			found = append(found, d)
		}
	}
	return found
}

// AccessLogsFor returns the access_log directives that write to the log file at path. Paths are compared cleaned, and with
// symbolic links resolved as far as they exist. Where no directive names the file, those count whose path holds variables and
// fits it, a variable standing for one or more bytes other than "/".
func (c *Conf) AccessLogsFor(path string) []AccessLog {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	clean, resolved := filepath.Clean(path), confResolve(path)
	var exact, fitting []AccessLog
	for _, a := range c.AccessLogs {
		switch {
		case a.Off || a.Syslog || a.Path == "":
		case a.Variables:
			if p := filepath.Clean(a.Path); confPathFits(p, clean) || confPathFits(p, resolved) {
				fitting = append(fitting, a)
			}
		case filepath.Clean(a.Path) == clean || confResolve(a.Path) == resolved:
			exact = append(exact, a)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return fitting
}

// confResolve resolves the symbolic links of a path; where the file itself is missing, those of its directory.
func confResolve(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return filepath.Clean(path)
}

// confPathFits tells whether a log path with variables can become path. Both are split at "/", which no variable stands for.
func confPathFits(pattern, path string) bool {
	patterns, names := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(patterns) != len(names) {
		return false
	}
	for i, p := range patterns {
		if !confMatch(confPathGlob(p), names[i]) {
			return false
		}
	}
	return true
}

// confPathGlob turns a component of a log path into a pattern for confMatch: each variable becomes "?*", all else is literal.
func confPathGlob(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); {
		if part[i] == '$' {
			if v, err := confVariable(part[i:]); err == nil {
				b.WriteString("?*")
				i += v.size
				continue
			}
		}
		b.WriteByte('\\')
		b.WriteByte(part[i])
		i++
	}
	return b.String()
}

// confHint returns what a person can do about an error of reading a file.
func confHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let the user that ngxtap runs as read it (Nginx reads it as root)"
	case confIsAbsent(err):
		return "create it or correct the path"
	}
	return "see that it is a readable file"
}

// confCause returns the innermost reason of a path error, whose path the message has already.
func confCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
