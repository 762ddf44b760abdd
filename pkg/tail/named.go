package tail

import (
	"path/filepath"
)

// Named says whether path, which is absolute, has the name of a log of the configuration, or of what a rotation makes of one. It looks at
// names only: no file need be there.
func (c *Config) Named(path string) bool {
	dir, name := filepath.Split(filepath.Clean(path))
	dir = filepath.Clean(dir)
	for _, p := range c.Paths {
		if ok, _ := filepath.Match(p, path); ok {
			return true
		}
		logDir, base := filepath.Split(p)
		logDir = filepath.Clean(logDir)
		dirs := []string{logDir}
		for _, d := range c.RotatedDirs {
			if !filepath.IsAbs(d) {
				d = filepath.Join(logDir, d)
			}
			dirs = append(dirs, filepath.Clean(d))
		}
		for _, d := range dirs {
			if ok, _ := filepath.Match(d, dir); ok && rotatedFrom(base, name) {
				return true
			}
		}
	}
	return false
}

// rotatedFrom says whether name is a name that pattern, which may be a glob, matches, or what a rotation makes of one.
func rotatedFrom(pattern, name string) bool {
	if ok, _ := filepath.Match(pattern, name); ok {
		return true
	}
	if r, _ := rotation(pattern, name); r.kind != noRank {
		return true
	}
	for i := len(name) - 1; i > 0; i-- {
		if ok, _ := filepath.Match(pattern, name[:i]); ok {
			if r, _ := rotation(name[:i], name); r.kind != noRank {
				return true
			}
		}
	}
	return false
}
