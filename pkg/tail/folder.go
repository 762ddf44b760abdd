package tail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Whoever writes logs often owns their folder too, and may put into it whatever he likes: a link to a file that only we can read, a
// pipe that blocks, another folder in place of one (CVE-2016-1247). So the folders that the configuration names are trusted, with
// all that lies above them, and nothing below them is: files are opened relative to the trusted folder, in one step with the
// check that no link is on the way, and what was opened is judged, not what the name stood for a moment ago.

// folders are the trusted ones, absolute or relative as they were configured, and clean.
type folders []string

// hasMeta says whether filepath.Match takes some character of path for more than itself.
func hasMeta(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// trusted returns the folders that the configuration trusts now: those of its paths, up to the first wildcard, those that
// rotation moves files to, and where links are followed those of SymlinkRoots. What links are followed to has its real name, so real names belong to them as well.
func (c *Config) trusted() folders {
	var all folders
	add := func(dir string) {
		if !slices.Contains(all, dir) {
			all = append(all, dir)
		}
	}
	for _, p := range c.Paths {
		dir := filepath.Dir(p)
		for hasMeta(dir) {
			dir = filepath.Dir(dir)
		}
		add(dir)
	}
	for _, dir := range c.RotatedDirs {
		if filepath.IsAbs(dir) {
			add(filepath.Clean(dir))
		}
	}
	if !c.FollowSymlinks {
		return all
	}
	for _, dir := range c.SymlinkRoots {
		add(filepath.Clean(dir))
	}
	for _, dir := range slices.Clone(all) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			add(real)
		}
	}
	return all
}

// above returns the trusted folder that path is in, the innermost if there are several, and the rest of path.
func (f folders) above(path string) (root, rest string, ok bool) {
	for _, dir := range f {
		rel, err := filepath.Rel(dir, path)
		if err == nil && filepath.IsLocal(rel) && (!ok || len(rel) < len(rest)) {
			root, rest, ok = dir, rel, true
		}
	}
	return root, rest, ok
}

// open opens path without following a link below its trusted folder, and never blocks.
func (f folders) open(path string, flags int) (int, error) {
	root, rest, ok := f.above(path)
	if !ok {
		return -1, &refusal{path: path, why: SkipOutside}
	}
	flags |= unix.O_CLOEXEC
	if rest == "." {
		return openAt(unix.AT_FDCWD, root, flags)
	}
	dir, err := openAt(unix.AT_FDCWD, root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(dir)
	fd, err := openBeneath(dir, rest, flags)
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, &refusal{path: path, why: SkipSymlink}
	case errors.Is(err, unix.EXDEV): // no link and no ".." can lead out: it was itself renamed to elsewhere meanwhile
		return -1, unix.ENOENT
	}
	return fd, err
}

// openBeneath opens a path below dir; ELOOP says that there is a link on the way.
func openBeneath(dir int, rest string, flags int) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	err = retry(func() (err error) {
		fd, err = unix.Openat2(dir, rest, &how)
		return err
	})
	// Kernels before 5.6 don't know the call, and filters that don't know it answer for them.
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.E2BIG) {
		return walkBeneath(dir, rest, flags)
	}
	return fd, err
}

// walkBeneath does the same folder by folder. rest is clean and local, so no ".." is in it.
func walkBeneath(dir int, rest string, flags int) (int, error) {
	at := dir
	leave := func() {
		if at != dir {
			unix.Close(at)
		}
	}
	for {
		name, more, deeper := strings.Cut(rest, "/")
		if !deeper && flags&unix.O_DIRECTORY == 0 {
			defer leave()
			return openAt(at, name, flags|unix.O_NOFOLLOW)
		}
		fd, err := openAt(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		leave()
		if err != nil {
			return -1, err
		}
		at = fd
		st, err := statx(fd, "", unix.AT_EMPTY_PATH)
		if err == nil && st.mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
		if err != nil {
			leave()
			return -1, err
		}
		if !deeper {
			defer leave()
			return openAt(at, ".", flags)
		}
		rest = more
	}
}

func openAt(dir int, path string, flags int) (fd int, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(dir, path, flags, 0)
		return err
	})
	return fd, err
}

// stat looks at the file at path without following a link below its trusted folder.
func (f folders) stat(path string) (fileStat, error) {
	if _, rest, ok := f.above(path); ok && !strings.Contains(rest, "/") {
		return statPath(path) // the last component is all there is to mistrust
	}
	fd, err := f.open(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return fileStat{}, pathError("stat", path, err)
	}
	defer unix.Close(fd)
	return statx(fd, "", unix.AT_EMPTY_PATH)
}

// names lists a folder, sorted.
func (f folders) names(dir string) ([]string, error) {
	fd, err := f.open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return nil, pathError("open", dir, err)
	}
	d := os.NewFile(uintptr(fd), dir)
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// pathError names the path in what the kernel said; a refusal names it already.
func pathError(op, path string, err error) error {
	if r := (*refusal)(nil); errors.As(err, &r) {
		return err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// resolve returns where the file of path lies: there, or where links lead if they may be followed.
func (t *Tailer) resolve(path string) (string, error) {
	if !t.cfg.FollowSymlinks {
		return path, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path, err
	}
	if _, _, ok := t.folders.above(real); !ok {
		return path, &refusal{path: path, why: SkipOutside, target: real}
	}
	return real, nil
}

// glob returns what filepath.Glob would, but for folders that are links and are not to be followed.
func (t *Tailer) glob(pattern string) []string {
	dir, name := filepath.Split(pattern)
	dir = filepath.Clean(dir)
	dirs := []string{dir}
	if hasMeta(dir) {
		dirs = t.glob(dir)
	}
	var found []string
	for _, d := range dirs {
		for _, n := range t.list(d).names {
			if ok, _ := filepath.Match(name, n); ok { // its only error is a bad pattern, which Open refused
				found = append(found, filepath.Join(d, n))
			}
		}
	}
	return found
}
