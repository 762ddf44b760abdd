// Package avro turns split lines into Avro events and Avro back into JSON.
//
// The promise: every line that fits its format becomes one valid event, with every byte of every value in its place, and what
// can't be a string of Avro is repaired and named, never dropped. The encoder appends to the caller's memory and allocates nothing
// per line.
package avro

import "ngxtap/pkg/logformat"

// Origin says where a line comes from. The encoder adds length and CRC-32C of the line itself.
type Origin struct {
	Site     string // name of the site
	Host     string // the host that read the file
	File     string // generation id of the file
	Offset   int64  // of the line's first byte in the file
	ReadTime int64  // microseconds since the Unix epoch; the event's time where the line has none
}

// Options are the choices of an encoder that leave the schema alone.
type Options struct {
	Prefix  []byte   // put before each event: the mark of its framing (schema.AppendConfluent, schema.AppendSingleObject)
	Secrets *Secrets // nil: every value is kept in clear text
	Headers HeaderRules
}

// misfit says that a value is not of its column's type.
func misfit(c *logformat.Column, s logformat.Span, reason string) error {
	return &logformat.Misfit{Offset: int(s.Start), Variable: c.Name, Reason: reason}
}
