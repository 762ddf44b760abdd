package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxDepth is how deep a datum may be nested: only a recursive schema gets there.
const maxDepth = 1000

var errShort = errors.New("the datum is cut off")

// skim walks over a datum without building anything, and returns what follows it. goavro makes room for as many items as a block
// claims to have, so a few bytes of a foreign record could ask for gigabytes; skim refuses a block of more items than bytes.
func skim(s *shape, b []byte, depth int) (rest []byte, err error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("the datum is nested deeper than %d", maxDepth)
	}
	switch s.kind {
	case "null":
		return b, nil
	case "boolean":
		return skip(b, 1)
	case "float":
		return skip(b, 4)
	case "double":
		return skip(b, 8)
	case "fixed":
		return skip(b, s.size)
	case "bytes", "string":
		n, b, err := skimLong(b)
		if err != nil {
			return nil, err
		}
		return skip(b, n)
	case "union":
		n, b, err := skimLong(b)
		if err != nil {
			return nil, err
		}
		if n < 0 || n >= int64(len(s.branches)) {
			return nil, fmt.Errorf("branch %d of a union of %d", n, len(s.branches))
		}
		return skim(s.branches[n], b, depth+1)
	case "array", "map":
		return skimBlocks(s, b, depth)
	case "record", "error":
		for _, f := range s.fields {
			if b, err = skim(f.shape, b, depth+1); err != nil {
				return nil, fmt.Errorf("field %s: %w", f.name, err)
			}
		}
		return b, nil
	}
	_, rest, err = skimLong(b) // int, long, enum
	return rest, err
}

func skimBlocks(s *shape, b []byte, depth int) ([]byte, error) {
	for {
		n, rest, err := skimLong(b)
		if err != nil || n == 0 {
			return rest, err
		}
		if n < 0 { // the block's size in bytes follows
			n = -n
			if _, rest, err = skimLong(rest); err != nil {
				return nil, err
			}
		}
		if n < 0 || n > int64(len(rest)) {
			return nil, fmt.Errorf("a block of %d items in %d bytes", n, len(rest))
		}
		b = rest
		for range n {
			if s.kind == "map" {
				if b, err = skim(&shape{kind: "string"}, b, depth); err != nil {
					return nil, err
				}
			}
			if b, err = skim(s.items, b, depth+1); err != nil {
				return nil, err
			}
		}
	}
}

// skimLong reads a number in zigzag encoding.
func skimLong(b []byte) (n int64, rest []byte, err error) {
	u, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, errShort
	}
	return int64(u>>1) ^ -int64(u&1), b[size:], nil
}

func skip(b []byte, n int64) ([]byte, error) {
	if n < 0 || n > int64(len(b)) {
		return nil, errShort
	}
	return b[n:], nil
}
