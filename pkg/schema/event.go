// Package schema knows how the events of an access log are described to their readers: the Avro schema that follows from a
// log_format, its fingerprint, the marks that lead from a Kafka value to its schema, and the registry that keeps schemas.
//
// The promise: one format and one set of options always give the same schema, byte for byte, and a schema id that is put before
// an event is one that the registry gave for exactly this schema.
package schema

import (
	"ngxtap/pkg/logformat"
)

// Options are the parts of an event's schema that do not follow from its format.
type Options struct {
	Site string // name of the site; required

	// Promote names headers that also get a field of their own: "x-request-id" is a header of the request,
	// "response:x-cache" one of the response, "upstream:x-cache" one of the upstream's response.
	Promote []string
}

// Source says where the value of a field comes from.
type Source uint8

// The sources.
const (
	EventTime   Source = iota // the first of Columns that has a value, else the time of reading
	Site                      // the name of the site
	Origin                    // which bytes of which file
	Value                     // the only column of Columns, by its kind
	Method                    // parts of $request, which is the only column of Columns
	Path                      //
	Query                     //
	Protocol                  //
	RequestLine               // the whole of $request, where it is no HTTP request line
	HeaderMap                 // all headers of a Family
	Promoted                  // one header of a Family, by its name in Header
	InvalidUTF8               // names of the values that had to be repaired
	Cut                       // names of what is not there in full
)

// Field is one field of an event, in the order of the record.
type Field struct {
	Name   string // the Avro name
	Source Source

	// Columns are indexes into Format.Columns: for EventTime by falling precedence, otherwise in the order of the line. For
	// HeaderMap and Promoted, a column of kind Headers holds all headers, any other column one of them. Columns that repeat a variable
	// are left out.
	Columns []int

	Family logformat.Family // of HeaderMap and Promoted
	Header string           // of Promoted: the header's name in lower case
}

// Event is the schema of the events of one format. It does not change after Derive, and can be shared.
type Event struct {
	namespace   string
	json        string
	fingerprint uint64
	fields      []Field
}

// recordName is the name of the event record within its namespace.
const recordName = "AccessEvent"

// JSON returns the schema as compact JSON, docs included. It is the same for every run of the program.
func (e *Event) JSON() string { return e.json }

// Fingerprint returns the CRC-64-AVRO fingerprint of the schema; see the function Fingerprint for what it does not cover.
func (e *Event) Fingerprint() uint64 { return e.fingerprint }

// Fields returns the fields in the order of the record. The slice belongs to the event and must not be changed.
func (e *Event) Fields() []Field { return e.fields }

// FullName returns the name of the record with its namespace, as in ngxtap.shop.AccessEvent.
func (e *Event) FullName() string { return e.namespace + "." + recordName }
