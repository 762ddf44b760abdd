package tail

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// positionVersion is the version of the JSON form of Position.
const positionVersion = 1

// Position says how far each generation was read. It covers exactly what Read had returned when it was taken. It is plain data
// without log content, to be stored as JSON and given to Open. Finished generations are in it as long as they help to recognise
// a file.
type Position struct {
	Files    []FileState // per path, oldest generation first
	Patterns []string    // paths and globs that were configured; StartAt no longer applies to them
}

// FileState is how far one generation was read. Hashes are the unpadded URL base64 of a SHA-256.
type FileState struct {
	ID       string `json:"id,omitempty"` // empty until the first line is complete
	Path     string `json:"p"`            // last known name
	Base     string `json:"b,omitempty"`  // the path it was written under, if another
	Dev      uint64 `json:"d,omitempty"`
	Ino      uint64 `json:"i,omitempty"`  // 0: no file holds it any more
	FileBorn int64  `json:"fb,omitempty"` // birth of the file with that inode, in nanoseconds since the epoch; 0: not known
	HeadLen  int    `json:"hl,omitempty"` // bytes
	HeadHash string `json:"hh,omitempty"` // of the first HeadLen bytes
	Offset   int64  `json:"o"`            // of the next unread byte
	MarkLen  int    `json:"ml,omitempty"` // bytes
	MarkHash string `json:"mh,omitempty"` // of the MarkLen bytes before Offset
	Lines    int64  `json:"n,omitempty"`  // returned so far
	Done     bool   `json:"x,omitempty"`  // finished
	Archive  bool   `json:"z,omitempty"`  // it was being read inside a .gz
	Size     int64  `json:"s,omitempty"`  // last seen, in bytes
	Mtime    int64  `json:"m,omitempty"`  // last seen, in nanoseconds since the epoch
	Born     int64  `json:"c,omitempty"`  // birth of the generation, in nanoseconds since the epoch
}

// positionJSON is the stored form.
type positionJSON struct {
	Version  int         `json:"v"`
	Files    []FileState `json:"f,omitempty"`
	Patterns []string    `json:"g,omitempty"`
}

// MarshalJSON writes the position with its version.
func (p Position) MarshalJSON() ([]byte, error) {
	return json.Marshal(positionJSON{positionVersion, p.Files, p.Patterns})
}

// UnmarshalJSON reads what MarshalJSON wrote. A newer version than this program knows is an error.
func (p *Position) UnmarshalJSON(b []byte) error {
	var s positionJSON
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read a position: %w", err)
	}
	if s.Version != positionVersion {
		return fmt.Errorf("read a position: it is of version %d and this program knows %d: run the version that wrote it, or a newer one",
			s.Version, positionVersion)
	}
	p.Files, p.Patterns = s.Files, s.Patterns
	return nil
}

// Position returns how far everything returned by Read so far reaches. The caller owns it.
func (t *Tailer) Position() Position {
	n := len(t.parked)
	for _, s := range t.sources {
		n += len(s.gens)
	}
	p := Position{Files: make([]FileState, 0, n), Patterns: slices.Clone(t.cfg.Paths)}
	for _, s := range t.sources {
		for _, g := range s.gens {
			p.Files = append(p.Files, g.state(s.path))
		}
	}
	p.Files = append(p.Files, t.parked...)
	for _, k := range t.known {
		if !slices.Contains(p.Patterns, k) {
			p.Patterns = append(p.Patterns, k)
		}
	}
	return p
}

func (g *generation) state(base string) FileState {
	f := FileState{
		ID: g.file.ID, Path: g.file.Path, Dev: g.key.dev, Ino: g.key.ino, FileBorn: g.key.born,
		HeadLen: g.headLen, Offset: g.offset, Lines: g.lines,
		Done:    g.done && g.lost == nil, // a loss that was not returned yet is not covered
		Archive: g.gz, Size: g.size, Mtime: g.mtime, Born: g.born,
	}
	if base != f.Path {
		f.Base = base
	}
	if g.headLen > 0 {
		f.HeadHash = base64.RawURLEncoding.EncodeToString(g.headHash[:])
	}
	if g.offset > 0 {
		n, sum := g.markNow()
		f.MarkLen, f.MarkHash = n, base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return f
}

// generation makes what the state describes. Its file is still to be found.
func (f *FileState) generation() (*generation, error) {
	base := f.base()
	g := &generation{
		file: &File{ID: f.ID, Path: f.Path, Base: base}, key: fileKey{f.Dev, f.Ino, f.FileBorn},
		headLen: f.HeadLen, offset: f.Offset, lines: f.Lines, done: f.Done, gz: f.Archive,
		size: f.Size, mtime: f.Mtime, born: f.Born, markAt: f.Offset, markLen: f.MarkLen,
	}
	bad := f.Path == "" || f.Offset < 0 || f.HeadLen < 0 || f.HeadLen > headMax || f.MarkLen < 0 || f.MarkLen > markMax ||
		f.MarkLen > int(min(f.Offset, markMax)) || f.Offset > 0 && (f.HeadLen == 0 || f.MarkLen == 0) || f.HeadLen > 0 && f.ID == ""
	var err error
	if f.HeadLen > 0 {
		err = decodeHash(&g.headHash, f.HeadHash)
	}
	if f.Offset > 0 {
		err = errors.Join(err, decodeHash(&g.mark, f.MarkHash))
	}
	if bad || err != nil {
		return nil, fmt.Errorf("the position of %s (id %s, offset %d) makes no sense: it was not written by this program", f.Path, f.ID, f.Offset)
	}
	return g, nil
}

func (f *FileState) base() string {
	if f.Base != "" {
		return f.Base
	}
	return f.Path
}

func decodeHash(dst *[32]byte, s string) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil && len(b) != len(dst) {
		err = errors.New("not a SHA-256")
	}
	copy(dst[:], b)
	return err
}

// restore takes over a position. States of paths that are not configured are kept as they are.
func (t *Tailer) restore(p *Position) error {
	if p == nil {
		return nil
	}
	t.known = p.Patterns
	for i := range p.Files {
		f := &p.Files[i]
		g, err := f.generation()
		if err != nil {
			return err
		}
		base := f.base()
		if !t.covers(t.cfg.Paths, base) {
			t.parked = append(t.parked, *f)
			if !f.Done {
				t.log.Warn("a log file is no longer configured: what is left of it stays unread", "path", f.Path, "offset", f.Offset)
			}
			continue
		}
		s := t.sourceAt(base)
		s.gens = append(s.gens, g)
	}
	return nil
}

// covers says whether path is one of the patterns, or matches one.
func (t *Tailer) covers(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if p == path {
			return true
		}
		ok, err := filepath.Match(p, path)
		return err == nil && ok
	})
}
