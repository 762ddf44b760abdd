package avro

import (
	"encoding/json"
	"fmt"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// HeaderNames finds the names of the headers in encoded events of one schema. It does not change once it is made, and can be shared.
type HeaderNames struct {
	prefix int
	fields []namedField // up to the last map of headers
}

// namedField is a field of the event. family is 0 for those that are walked over.
type namedField struct {
	name   string
	shape  *shape
	family logformat.Family
}

// NewHeaderNames compiles what finds the names in events of ev, each of which follows prefix bytes that mark its framing. Maps that no
// column of the format fills are not looked at; where there are no others, Each has nothing to do.
func NewHeaderNames(ev *schema.Event, prefix int) (*HeaderNames, error) {
	var tree any
	if err := json.Unmarshal([]byte(ev.JSON()), &tree); err != nil {
		return nil, fmt.Errorf("read an event's schema: %w", err)
	}
	shapes := shapeOf(tree, "", map[string]*shape{}).fields
	if len(shapes) != len(ev.Fields()) {
		return nil, fmt.Errorf("read an event's schema: its JSON has %d fields, the event %d", len(shapes), len(ev.Fields()))
	}
	h := &HeaderNames{prefix: prefix}
	end := 0
	for i, f := range ev.Fields() {
		n := namedField{name: f.Name, shape: shapes[i].shape}
		if f.Source == schema.HeaderMap && len(f.Columns) > 0 {
			n.family = f.Family
			end = i + 1
		}
		h.fields = append(h.fields, n)
	}
	h.fields = h.fields[:end]
	return h, nil
}

// Each calls yield with the name of every header of an event: first the request's, then the response's, then the upstream's, each name
// once, as the encoder wrote it: in lower case and in UTF-8, and otherwise whatever a client sent. A name is part of event's memory, and
// may not be kept. Each allocates nothing. An event that the encoder did not write is an error, which comes after the names before the
// broken place.
func (h *HeaderNames) Each(event []byte, yield func(side logformat.Family, name []byte)) error {
	if len(h.fields) == 0 {
		return nil
	}
	b, err := skip(event, int64(h.prefix))
	if err != nil {
		return fmt.Errorf("find an event's headers: %w", err)
	}
	for i := range h.fields {
		f := &h.fields[i]
		if f.family == 0 {
			b, err = skim(f.shape, b, 0)
		} else {
			b, err = eachKey(f, b, yield)
		}
		if err != nil {
			return fmt.Errorf("find an event's headers: field %s: %w", f.name, err)
		}
	}
	return nil
}

// eachKey walks over a map and yields its keys.
func eachKey(f *namedField, b []byte, yield func(side logformat.Family, name []byte)) ([]byte, error) {
	for {
		n, rest, err := skimLong(b)
		if err != nil || n == 0 {
			return rest, err
		}
		if n < 0 || n > int64(len(rest)) { // the encoder writes no sizes of blocks
			return nil, fmt.Errorf("a block of %d items in %d bytes", n, len(rest))
		}
		for b = rest; n > 0; n-- {
			size, key, err := skimLong(b)
			if err != nil {
				return nil, err
			}
			if b, err = skip(key, size); err != nil {
				return nil, err
			}
			yield(f.family, key[:size])
			if b, err = skim(f.shape.items, b, 0); err != nil {
				return nil, err
			}
		}
	}
}
