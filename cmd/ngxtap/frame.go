package main

import (
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
)

// frameOf returns the frame of a schema that a registry calls id and whose fingerprint is fp. A framing uses one of them.
func frameOf(framing schema.Framing, id schema.ID, fp uint64) *pipeline.Frame {
	switch framing {
	case schema.SingleObject:
		return &pipeline.Frame{Prefix: schema.AppendSingleObject(nil, fp), Announce: true}
	case schema.Header:
		return &pipeline.Frame{Header: &sink.Header{Name: schema.HeaderName, Value: schema.AppendHeader(nil, id)}}
	}
	return &pipeline.Frame{Prefix: schema.AppendConfluent(nil, id.Number)}
}
