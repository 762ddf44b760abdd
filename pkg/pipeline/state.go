package pipeline

import (
	"encoding/json"
	"fmt"

	"ngxtap/pkg/sink"
	"ngxtap/pkg/tail"
)

// stateVersion is the version of the JSON below. A newer one is refused: guessing at a position loses or doubles lines.
const stateVersion = 1

// state is what a site commits with its events: where it is in every file, and what became of the bytes so far.
type state struct {
	V      int              `json:"v"`
	Tail   tail.Position    `json:"tail"`
	Counts map[string]Count `json:"counts"` // by generation id, of the files in Tail
	// Formats are those of the configuration, in its order, and then those that it had before, newest first.
	Formats []knownFormat `json:"formats,omitempty"`
	// Drift is what is known of the data, see drift.
	Drift []byte `json:"drift,omitempty"`
}

func (s *state) encode() (sink.Position, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the position: %w", err)
	}
	return b, nil
}

// decodeState reads a committed position; nil is the state of a site that never committed.
func decodeState(p sink.Position) (*state, error) {
	if p == nil {
		return &state{V: stateVersion, Counts: map[string]Count{}}, nil
	}
	s := &state{}
	if err := json.Unmarshal(p, s); err != nil {
		return nil, fmt.Errorf("decode the committed position (%w): %v", sink.ErrConfig, err)
	}
	if s.V != stateVersion {
		return nil, fmt.Errorf("the committed position has version %d, this ngxtap knows version %d; run the newer ngxtap that wrote it: %w", s.V, stateVersion, sink.ErrConfig)
	}
	if s.Counts == nil {
		s.Counts = map[string]Count{}
	}
	return s, nil
}

// prune forgets the counts of files that the reader has forgotten, and the fences that it has passed.
func (s *state) prune() {
	keep := make(map[string]bool, len(s.Tail.Files))
	for i := range s.Tail.Files {
		keep[s.Tail.Files[i].ID] = true
	}
	for id := range s.Counts {
		if !keep[id] {
			delete(s.Counts, id)
		}
	}
	for i := range s.Formats {
		s.Formats[i].passed(&s.Tail)
	}
}
