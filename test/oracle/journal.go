// Package oracle judges a run of ngxtap: what a test wrote into log files against what a read_committed reader finds in Kafka.
//
// The promise: Judge says no problem only if every complete line of every generation is there exactly once, in the order of its file,
// with its offset, length and checksum, the ranges of each generation leave no gap that is not declared lost and never overlap, and the
// committed counts balance. It shares no code with ngxtap: it reads by franz-go, decodes by goavro and parses the state by itself.
package oracle

import (
	"bytes"
	"sync"
)

// Journal is what was written. It is safe for concurrent use; the bytes of one generation must be appended in the order in which they
// reached the file.
type Journal struct {
	mu   sync.Mutex
	gens []*Generation // guarded by mu
}

// Generation is one file's life as its writer knows it: everything that was ever written into it, also what is gone from the disk.
type Generation struct {
	Log  string // the path it was written under
	Name string // for people: which of the log's generations

	mu      sync.Mutex
	data    []byte // guarded by mu
	mayLose string // guarded by mu: why bytes of it may be declared lost; empty: they may not
	unseen  bool   // guarded by mu: it may be missing as a whole without a word
}

// Begin notes that a new generation of a log begins.
func (j *Journal) Begin(log, name string) *Generation {
	j.mu.Lock()
	defer j.mu.Unlock()
	g := &Generation{Log: log, Name: name}
	j.gens = append(j.gens, g)
	return g
}

// Generations returns all generations in the order in which they began.
func (j *Journal) Generations() []*Generation {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]*Generation(nil), j.gens...)
}

// Append notes bytes that were written to the end of the generation.
func (g *Generation) Append(b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.data = append(g.data, b...)
}

// MayLose allows the loss of bytes of this generation, if it is declared. why is for people.
func (g *Generation) MayLose(why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mayLose = why
}

// MayBeUnseen allows the generation to be missing as a whole without a declaration: it came and went while nobody could look. why is
// for people.
func (g *Generation) MayBeUnseen(why string) {
	g.MayLose(why)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unseen = true
}

// Len returns how many bytes were written.
func (g *Generation) Len() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(len(g.data))
}

// Whole returns how many bytes were written up to the end of the last complete line.
func (g *Generation) Whole() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(bytes.LastIndexByte(g.data, '\n') + 1)
}

// written is a copy of a generation for the judge.
type written struct {
	log, name, mayLose string
	unseen             bool
	data               []byte
}

func (g *Generation) written() *written {
	g.mu.Lock()
	defer g.mu.Unlock()
	return &written{g.Log, g.Name, g.mayLose, g.unseen, g.data}
}
