package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// schemaKey identifies a schema under a subject without holding its text.
type schemaKey struct {
	Subject string
	SHA256  string // of the schema's JSON, hexadecimal
}

func keyOf(subject, schemaJSON string) schemaKey {
	sum := sha256.Sum256([]byte(schemaJSON))
	return schemaKey{Subject: subject, SHA256: hex.EncodeToString(sum[:])}
}

// idCache is a small file of schema ids. It is rewritten as a whole and replaced atomically, so a crash leaves the old or the
// new one. Losing it changes no output.
type idCache struct {
	path  string // empty: in memory only
	bases []string
	ids   map[schemaKey]ID
}

// cacheFile is the file's content.
type cacheFile struct {
	Version int          `json:"version"`
	URLs    []string     `json:"urls"` // the registries that gave the ids: another registry means other ids
	IDs     []cacheEntry `json:"ids"`
}

type cacheEntry struct {
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"`
	ID      int32  `json:"id"`
	GUID    string `json:"guid,omitempty"` // missing where the registry gave none, and in files of older versions
}

const cacheVersion = 1

// openCache reads the file. It always returns a cache that can be used: an empty one, with an error, if the file can't be read or
// makes no sense; an empty one without an error if there is no file or it belongs to other registries.
func openCache(path string, bases []string) (*idCache, error) {
	c := &idCache{path: path, bases: slices.Clone(bases), ids: map[schemaKey]ID{}}
	slices.Sort(c.bases)
	if path == "" {
		return c, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read the cache of schema ids: %w", err)
	}
	var f cacheFile
	if err := json.Unmarshal(data, &f); err != nil {
		return c, fmt.Errorf("read the cache of schema ids %s: %w", path, err)
	}
	if f.Version != cacheVersion {
		return c, fmt.Errorf("read the cache of schema ids %s: version %d, want %d", path, f.Version, cacheVersion)
	}
	// One address in common is the same registry: somebody adds a second one just when the first does not answer.
	if !slices.ContainsFunc(f.URLs, func(u string) bool { return slices.Contains(c.bases, u) }) {
		return c, nil
	}
	for _, e := range f.IDs {
		if id, err := answeredID(int(e.ID), e.GUID); err == nil {
			c.ids[schemaKey{Subject: e.Subject, SHA256: e.SHA256}] = id
		}
	}
	return c, nil
}

func (c *idCache) get(key schemaKey) (ID, bool) {
	id, ok := c.ids[key]
	return id, ok
}

// put keeps an id and writes the file if that is new.
func (c *idCache) put(key schemaKey, id ID) error {
	if old, ok := c.ids[key]; ok && old == id {
		return nil
	}
	c.ids[key] = id
	if c.path == "" {
		return nil
	}
	f := cacheFile{Version: cacheVersion, URLs: c.bases, IDs: make([]cacheEntry, 0, len(c.ids))}
	for k, id := range c.ids {
		e := cacheEntry{Subject: k.Subject, SHA256: k.SHA256, ID: id.Number}
		if id.HasGUID {
			e.GUID = id.guid()
		}
		f.IDs = append(f.IDs, e)
	}
	slices.SortFunc(f.IDs, func(a, b cacheEntry) int {
		if d := strings.Compare(a.Subject, b.Subject); d != 0 {
			return d
		}
		return strings.Compare(a.SHA256, b.SHA256)
	})
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("write the cache of schema ids: %w", err)
	}
	return replaceFile(c.path, append(data, '\n'))
}

// replaceFile gives path a new content in one step that also survives a power cut: a file beside it is written and synced, then
// renamed over it, then the folder is synced.
func replaceFile(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
