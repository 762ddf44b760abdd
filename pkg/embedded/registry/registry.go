// Package registry is a small schema registry for Avro, kept in one file.
//
// The promise: what was answered with an id stays. A schema has one id wherever it is registered; ids and versions are never given
// twice; a schema that breaks the subject's compatibility level is refused with 409. It speaks the part of the Confluent Schema
// Registry's HTTP API that producers, consumers and curl need, with its paths, status codes and error codes.
//
// It does not know: schema types other than AVRO, references, deletion, contexts, modes other than READWRITE, authentication.
package registry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/twmb/avro"
)

// Registry is a registry over one file. It is safe for concurrent use.
type Registry struct {
	mu       sync.Mutex // guards the following
	f        *os.File   // nil after Close
	size     int64      // of what is in f and whole
	schemas  []schema   // by id-1
	ids      map[string]int
	subjects map[string][]int // ids by version-1
	levels   map[string]Level // by subject; "" is the global one
}

// schema is a registered schema.
type schema struct {
	text   string // as it was registered first
	parsed *avro.Schema
}

// entry is a line of the file: a version of a subject, or a compatibility level.
type entry struct {
	Subject string `json:"subject"`
	Version int    `json:"version,omitempty"`
	ID      int    `json:"id,omitempty"`
	Schema  string `json:"schema,omitempty"` // only in the first line with this id
	Level   Level  `json:"compatibility,omitempty"`
	Reset   bool   `json:"reset,omitempty"` // the subject follows the global level again
}

// Open reads the file at path, which is created if there is none. A torn last line, as a kill leaves it, is cut off: it was never
// answered. The file has one owner at a time; the caller sees to that.
func Open(path string) (*Registry, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the registry's file: %w", err)
	}
	r := &Registry{f: f, ids: map[string]int{}, subjects: map[string][]int{}, levels: map[string]Level{"": Backward}}
	if err := r.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read the registry's file %s: %w", path, err)
	}
	return r, nil
}

// Close closes the file. Requests that change something fail from then on.
func (r *Registry) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

// load reads the lines of the file.
func (r *Registry) load() error {
	in := bufio.NewReader(r.f)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return r.f.Truncate(r.size) // cuts off what has no newline
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %d: %w: restore the file, or move it away to start with an empty registry", n, err)
		}
		if err := r.apply(e); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		r.size += int64(len(line))
	}
}

// apply puts an entry into memory.
func (r *Registry) apply(e entry) error {
	switch {
	case e.Reset:
		delete(r.levels, e.Subject)
	case e.Level != "":
		if !e.Level.valid() {
			return fmt.Errorf("subject %q: unknown compatibility level %q", e.Subject, e.Level)
		}
		r.levels[e.Subject] = e.Level
	default:
		if e.ID == len(r.schemas)+1 {
			parsed, key, err := parse(e.Schema)
			if err != nil {
				return fmt.Errorf("schema %d: %w", e.ID, err)
			}
			r.schemas = append(r.schemas, schema{e.Schema, parsed})
			r.ids[key] = e.ID
		}
		if e.ID < 1 || e.ID > len(r.schemas) || e.Version != len(r.subjects[e.Subject])+1 {
			return fmt.Errorf("subject %q: version %d with id %d is out of order", e.Subject, e.Version, e.ID)
		}
		r.subjects[e.Subject] = append(r.subjects[e.Subject], e.ID)
	}
	return nil
}

// save makes an entry durable and puts it into memory.
func (r *Registry) save(e entry) error {
	if r.f == nil {
		return fmt.Errorf("save: %w", os.ErrClosed)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	line = append(line, '\n')
	// A write that failed half-way leaves bytes beyond size; the next one overwrites them.
	if _, err := r.f.WriteAt(line, r.size); err != nil {
		return errors.Join(fmt.Errorf("save: %w", err), r.f.Truncate(r.size))
	}
	if err := r.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("save: %w", err), r.f.Truncate(r.size))
	}
	r.size += int64(len(line))
	return r.apply(e)
}

// parse checks a schema and returns it with a key that is the same for schemas that differ in white space and in the order of
// their attributes only, as the Confluent registry compares them.
func parse(text string) (parsed *avro.Schema, key string, err error) {
	if parsed, err = avro.Parse(text); err != nil {
		return nil, "", err
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, "", err
	}
	b, err := json.Marshal(v)
	return parsed, string(b), err
}

// register gives the schema a version under subject and returns its id. It changes nothing if the subject has it already.
func (r *Registry) register(subject, text string) (int, error) {
	parsed, key, err := parse(text)
	if err != nil {
		return 0, errInvalidSchema(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id, known := r.ids[key]
	if known && versionOf(r.subjects[subject], id) > 0 {
		return id, nil
	}
	level := r.levelOf(subject)
	if problems := level.check(parsed, r.versions(subject, level.transitive())); len(problems) > 0 {
		return 0, errIncompatible(subject, problems)
	}
	e := entry{Subject: subject, Version: len(r.subjects[subject]) + 1, ID: id}
	if !known {
		e.ID, e.Schema = len(r.schemas)+1, text
	}
	if err := r.save(e); err != nil {
		return 0, errStore(err)
	}
	return e.ID, nil
}

// levelOf returns the level that applies to subject.
func (r *Registry) levelOf(subject string) Level {
	if l, ok := r.levels[subject]; ok {
		return l
	}
	return r.levels[""]
}

// versions returns all versions of subject, or only the latest.
func (r *Registry) versions(subject string, all bool) []version {
	ids := r.subjects[subject]
	from := 0
	if !all {
		from = max(0, len(ids)-1)
	}
	var vs []version
	for i := from; i < len(ids); i++ {
		vs = append(vs, version{i + 1, r.schemas[ids[i]-1].parsed})
	}
	return vs
}

// versionOf returns the version that has id, 0 if none has.
func versionOf(ids []int, id int) int {
	for i, have := range ids {
		if have == id {
			return i + 1
		}
	}
	return 0
}
