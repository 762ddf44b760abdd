package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Framing says how a reader of a Kafka record finds the writer's schema: by a mark before the Avro datum in the value, or by a
// record header.
type Framing uint8

// The framings. The zero value is none of them. Header leaves the value bare and so never comes out of Unframe.
const (
	Confluent    Framing = iota + 1 // 0x00, schema id as 4 bytes big-endian (Confluent wire format, version 0)
	SingleObject                    // 0xC3 0x01, CRC-64-AVRO as 8 bytes little-endian (Avro specification, single-object encoding)
	Header                          // the value is the datum alone; the record header HeaderName has the id (AppendHeader)
)

// HeaderName is the record header that has the id of a value's schema.
const HeaderName = "__value_schema_id"

// Sizes of the marks in bytes.
const (
	confluentSize    = 1 + 4
	singleObjectSize = 2 + 8
	guidSize         = 1 + 16
)

// ErrUnframed is returned (wrapped) by Unframe for a value that begins with no known mark.
var ErrUnframed = errors.New("no known framing")

// String returns the framing as the configuration spells it.
func (f Framing) String() string {
	switch f {
	case Confluent:
		return "confluent"
	case SingleObject:
		return "single-object"
	case Header:
		return "header"
	}
	return "unknown"
}

// ParseFraming reads a framing as the configuration spells it.
func ParseFraming(s string) (Framing, error) {
	switch s {
	case "confluent":
		return Confluent, nil
	case "single-object":
		return SingleObject, nil
	case "header":
		return Header, nil
	}
	return 0, fmt.Errorf("unknown framing %q: use confluent, header or single-object", s)
}

// AppendConfluent appends the mark of the Confluent wire format: a zero byte and the registry's schema id.
func AppendConfluent(dst []byte, id int32) []byte {
	dst = append(dst, 0)
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}

// AppendSingleObject appends the mark of Avro's single-object encoding: two fixed bytes and the fingerprint of the writer's
// schema, which Fingerprint returns.
func AppendSingleObject(dst []byte, fp uint64) []byte {
	dst = append(dst, 0xC3, 0x01)
	return binary.LittleEndian.AppendUint64(dst, fp)
}

// AppendHeader appends the value of the record header HeaderName: 0x01 and the GUID, or 0x00 and the number as in AppendConfluent
// where the registry gives no GUID. So Confluent's clients read it: SchemaId.fromBytes takes both forms, and
// DualSchemaIdDeserializer (the default of its deserializers) looks into the header before it looks at the value. Its
// HeaderSchemaIdSerializer writes the first form only (io.confluent.kafka.serializers.schema.id, Confluent Platform 8).
func AppendHeader(dst []byte, id ID) []byte {
	if !id.HasGUID {
		return AppendConfluent(dst, id.Number)
	}
	return append(append(dst, 1), id.GUID[:]...)
}

// ParseHeader reads what AppendHeader writes. Anything else is an error that wraps ErrUnframed.
func ParseHeader(value []byte) (ID, error) {
	switch {
	case len(value) == confluentSize && value[0] == 0:
		return ID{Number: int32(binary.BigEndian.Uint32(value[1:]))}, nil
	case len(value) == guidSize && value[0] == 1:
		return ID{GUID: [16]byte(value[1:]), HasGUID: true}, nil
	}
	return ID{}, fmt.Errorf("read header %s of %d bytes: want 0x00 and 4 bytes, or 0x01 and 16 bytes: %w", HeaderName, len(value), ErrUnframed)
}

// Unframe takes the mark off a Kafka value. Of id and fp only the one that belongs to the kind is set. body is the Avro datum; its
// bytes belong to value. A value without a known mark, or cut short within it, is an error that wraps ErrUnframed.
func Unframe(value []byte) (kind Framing, id int32, fp uint64, body []byte, err error) {
	switch {
	case len(value) == 0:
		return 0, 0, 0, nil, fmt.Errorf("read framing of an empty value: %w", ErrUnframed)
	case value[0] == 0:
		if len(value) < confluentSize {
			return 0, 0, 0, nil, fmt.Errorf("read Confluent framing: %d bytes, want at least %d: %w", len(value), confluentSize, ErrUnframed)
		}
		return Confluent, int32(binary.BigEndian.Uint32(value[1:])), 0, value[confluentSize:], nil
	case value[0] == 0xC3 && (len(value) == 1 || value[1] == 0x01):
		if len(value) < singleObjectSize {
			return 0, 0, 0, nil, fmt.Errorf("read single-object framing: %d bytes, want at least %d: %w", len(value), singleObjectSize, ErrUnframed)
		}
		return SingleObject, 0, binary.LittleEndian.Uint64(value[2:]), value[singleObjectSize:], nil
	}
	return 0, 0, 0, nil, fmt.Errorf("read framing: value begins with 0x%02X: %w", value[0], ErrUnframed)
}
