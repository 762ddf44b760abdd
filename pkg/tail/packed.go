package tail

import (
	"errors"
	"strings"
)

// Archives that can't be read are seen all the same: a log that nobody read is in one of them, or it would be lost in silence.
var unreadable = []string{".bz2", ".xz", ".zst", ".lz4"}

var errUnreadable = errors.New("only .gz can be read: let logrotate compress with gzip, or unpack the file beside its archive")

// unpacked returns the name that a file had before it was compressed. ok says whether it is compressed.
func unpacked(name string) (plain string, ok bool) {
	if plain, ok = strings.CutSuffix(name, ".gz"); ok {
		return plain, true
	}
	for _, suffix := range unreadable {
		if plain, ok = strings.CutSuffix(name, suffix); ok {
			return plain, true
		}
	}
	return name, false
}

// alien says whether c is an archive that can't be read.
func (c *candidate) alien() bool { return c.gz && !strings.HasSuffix(c.path, ".gz") }

// familiar says whether an archive that can't be read was last written when a known generation was: then it is taken for that.
func (s *source) familiar(c *candidate) bool {
	for _, g := range s.gens {
		if g.file.ID != "" && c.sameTime(g) {
			return true
		}
	}
	return false
}

// suspect returns the name of an archive that g may be in and that can't be read, or "".
func (s *source) suspect(g *generation) string {
	for i := range s.files {
		if c := &s.files[i]; c.alien() && c.st.mtime >= g.mtime-second {
			return c.path
		}
	}
	return ""
}
