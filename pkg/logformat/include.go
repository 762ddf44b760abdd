package logformat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// confMaxSize bounds what one file may hold: far above any map of countries, far below what memory could not take.
const confMaxSize = 128 << 20

// confFS is what the reader needs of a file system. Tests put memory in its place.
type confFS interface {
	// readFile returns the content. Like Nginx it takes what has no size (a device, a pipe) for empty, and fails for a directory.
	readFile(name string) ([]byte, error)
	// readDir returns the names in a directory, in any order, without "." and "..".
	readDir(name string) ([]string, error)
	// exists tells whether the name is there, be it a dangling link.
	exists(name string) (bool, error)
}

// confOS is the file system of the machine.
type confOS struct{}

func (confOS) readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return nil, nil
	case info.Size() > confMaxSize:
		return nil, &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("%d bytes is more than the %d a configuration may have", info.Size(), confMaxSize)}
	}
	return os.ReadFile(name)
}

func (confOS) readDir(name string) ([]string, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

func (confOS) exists(name string) (bool, error) {
	_, err := os.Lstat(name)
	if confIsAbsent(err) {
		return false, nil
	}
	return err == nil, err
}

// confIsAbsent tells whether err says that a path leads nowhere, as opposed to somewhere we may not look.
func confIsAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// confHasGlob is Nginx's test of whether an include is a pattern.
func confHasGlob(name string) bool { return strings.ContainsAny(name, "*?[") }

// confGlob returns the files that an absolute pattern matches, in the order of glob(3) in the C locale, which is Nginx's: by
// bytes of the whole path. Names that begin with a dot need a pattern that does. dirs are the directories it listed, or would
// have, had they existed.
//
// path/filepath.Glob is no help here: it matches names that begin with a dot (an editor's .shop.conf.swp), does not know [!a],
// and hides directories that it may not read.
func confGlob(fsys confFS, pattern string) (names, dirs []string, err error) {
	names = []string{""}
	parts := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	for i, part := range parts {
		last := i == len(parts)-1
		var next []string
		for _, dir := range names {
			switch {
			case confHasGlob(part):
				var found []string
				if found, err = confMatches(fsys, dir+"/", part); err != nil {
					return nil, nil, err
				}
				dirs = append(dirs, path.Clean(dir+"/"))
				next = append(next, found...)
			case last:
				name := dir + "/" + confUnescapeGlob(part)
				there, err := fsys.exists(name)
				if err != nil {
					return nil, nil, err
				}
				if there {
					next = append(next, name)
				}
			default:
				next = append(next, dir+"/"+confUnescapeGlob(part))
			}
		}
		names = next
	}
	slices.Sort(names)
	return names, dirs, nil
}

// confMatches returns the paths in dir (with its slash) whose names fit one component of a pattern.
func confMatches(fsys confFS, dir, part string) ([]string, error) {
	names, err := fsys.readDir(dir)
	if confIsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		if confFnmatch(part, name) {
			found = append(found, dir+name)
		}
	}
	return found, nil
}

// confFnmatch is fnmatch(3) with FNM_PERIOD in the C locale, without classes such as [[:alpha:]]. An unclosed "[" is ordinary.
func confFnmatch(pattern, name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, ".") && !strings.HasPrefix(pattern, `\.`) {
		return false
	}
	return confMatch(pattern, name)
}

// confMatch is confFnmatch without its rule on leading dots.
func confMatch(pattern, name string) bool {
	// star and retry are where to go back to: a "*" matches one byte more at each try.
	p, n, star, retry := 0, 0, -1, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == '*' {
			star, retry = p, n
			p++
			continue
		}
		if size, ok := confMatchByte(pattern[p:], name[n]); ok {
			p += size
			n++
			continue
		}
		if star < 0 {
			return false
		}
		retry++
		p, n = star+1, retry
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// confMatchByte matches c with the first element of pattern and returns the element's length.
func confMatchByte(pattern string, c byte) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		if size, ok := confMatchSet(pattern, c); size > 0 {
			return size, ok
		}
	case '\\':
		if len(pattern) > 1 {
			return 2, pattern[1] == c
		}
	}
	return 1, pattern[0] == c
}

// confMatchSet matches c with a set such as [a-z_] or [!0-9] at the start of pattern and returns the set's length, 0 if its
// "]" is missing.
func confMatchSet(pattern string, c byte) (int, bool) {
	i, negated, in := 1, false, false
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		negated = true
		i++
	}
	member := func() byte { // the member at i, which it goes past
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		i++
		return pattern[i-1]
	}
	for first := i; i < len(pattern); {
		if pattern[i] == ']' && i > first {
			return i + 1, in != negated
		}
		lo := member()
		hi := lo
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			i++
			hi = member()
		}
		in = in || lo <= c && c <= hi
	}
	return 0, false
}

// confUnescapeGlob returns what a pattern's component without wildcards stands for.
func confUnescapeGlob(part string) string {
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		b.WriteByte(part[i])
	}
	return b.String()
}
