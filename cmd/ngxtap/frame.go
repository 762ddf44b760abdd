package main

import (
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// frame is what marks the values of one schema: bytes before each, or a record header beside it.
type frame struct {
	prefix []byte
	header *sink.Header // nil: none
}

// frameOf returns the frame of a schema that a registry calls id and whose fingerprint is fp. A framing uses one of them.
func frameOf(framing schema.Framing, id schema.ID, fp uint64) frame {
	switch framing {
	case schema.SingleObject:
		return frame{prefix: schema.AppendSingleObject(nil, fp)}
	case schema.Header:
		return frame{header: &sink.Header{Name: schema.HeaderName, Value: schema.AppendHeader(nil, id)}}
	}
	return frame{prefix: schema.AppendConfluent(nil, id.Number)}
}
