// Package sink holds the contract between a site and the place its events go to.
//
// The promise: a Commit makes every record written since the last Commit, and the position after them, durable in one atomic
// step. Whatever was written but not committed is as if it had never been written. A site therefore needs no retry queue: after
// any error it closes the sink, opens a new one and starts again at the position that Recover returns.
package sink

import (
	"context"
	"errors"
	"fmt"
)

// Stream names the kind of a record. A sink maps it to a topic (or a folder); no name is ever derived from log data.
type Stream uint8

// The streams of a site.
const (
	Events     Stream = iota // the site's events: topic of the site
	Quarantine               // rejected lines: <topic>.quarantine
	Schemas                  // writer schemas by fingerprint, compacted: ngxtap.schemas
	Changes                  // schema changes: ngxtap.schema-changes
	NumStreams               // how many there are
)

// String returns the stream's name as it is used in messages and metric labels.
func (s Stream) String() string {
	switch s {
	case Events:
		return "events"
	case Quarantine:
		return "quarantine"
	case Schemas:
		return "schemas"
	case Changes:
		return "changes"
	}
	return "unknown"
}

// Position says how far a site has got. It is opaque to a sink, which stores it and gives it back; nil means that nothing was
// ever committed. Its author is the pipeline.
type Position []byte

// Sink takes the records of one site. It is used by one goroutine at a time, in the order
// Recover, (Write…, Commit)…, Close. After any error other than a cancelled Recover it is good for nothing but Close.
type Sink interface {
	// Recover makes this process the owner of the site, so that no older owner can commit any more, and returns the last
	// committed position, or nil if there is none. It may wait for the far side for as long as ctx lets it.
	Recover(ctx context.Context) (Position, error)

	// Write takes the batch over, also when it fails, and calls its Release when the bytes are no longer needed. Records of one
	// stream and key (or of one stream, where keys are empty) keep their order. Write may return before the records have
	// arrived; an error then comes from a later Write or from Commit. It blocks when too much is under way.
	Write(ctx context.Context, b *Batch) error

	// Commit makes everything written so far and pos durable, atomically, and returns when it is. Without anything written it
	// still commits pos. If the outcome is in doubt it returns an error: the next Recover tells what became of it.
	Commit(ctx context.Context, pos Position) error

	// Close gives back what the sink holds and drops what was not committed. It may be called at any time and more than once.
	// A healthy sink also gives up its ownership of the site, so that a process on another host may take over.
	Close() error
}

// ErrNotOwner is returned (wrapped) when another owner took this site over and has not released it. Trying again would fence
// that owner in turn, so the process must stop: exit code 78.
var ErrNotOwner = errors.New("another owner has this site")

// ErrConfig is returned (wrapped) when what is wrong can't be cured by trying again: a topic that may not be created, a
// credential that is refused, a broker without a feature that was asked for.
var ErrConfig = errors.New("the configuration does not fit the far side")

// TooLargeError is returned (wrapped) by Write or Commit when the far side refuses a record because of its size. The session is over
// like after any error. Whoever writes the records keeps longer ones out from then on, by quarantine, not by loss: Limit is less than
// the size of the record that was refused, so this ends. A refusal that leaves no room for ordinary records is ErrConfig.
type TooLargeError struct {
	Stream Stream
	Limit  int // the longest record of that stream that fits for certain, in bytes of key and value
}

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("a record for %s is too large; %d bytes fit", e.Stream, e.Limit)
}

// ErrPositionLost is returned (wrapped, together with ErrConfig) by Recover when the far side knows less of the site than this host
// has seen committed: it was deleted, set back, or is another one. Going on would repeat lines, so a person has to decide; the process
// must stop, also in the middle of its work: exit code 78.
var ErrPositionLost = errors.New("the committed position is lost")
