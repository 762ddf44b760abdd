package avro

import (
	"encoding/binary"
	"math"
)

// The binary encoding of the Avro specification, section "Binary Encoding".

// appendLong appends an int or a long: zigzag, then seven bits a byte, lowest first.
func appendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// appendLen appends a length. Most are below 64 and one byte long.
func appendLen(dst []byte, n int) []byte {
	if n < 64 {
		return append(dst, byte(n)<<1)
	}
	return appendLong(dst, int64(n))
}

func appendDouble(dst []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
}

func appendBytes(dst, v []byte) []byte { return append(appendLen(dst, len(v)), v...) }

func appendString(dst []byte, v string) []byte { return append(appendLen(dst, len(v)), v...) }

// Branches of the unions ["null", T], as they are encoded.
const (
	branchNull  = 0
	branchValue = 1 << 1
)

// maxBlock is the most items whose count is one byte long.
const maxBlock = 63

// blocks writes the items of an array or a map whose number is not known before: the count of a block is one byte, which is
// written when the block ends. After begin, add comes before each item, and end after the last.
type blocks struct {
	at int // where the count of the open block is
	n  int // items in it
}

func (b *blocks) begin(dst []byte) []byte {
	b.at, b.n = len(dst), 0
	return append(dst, 0)
}

func (b *blocks) add(dst []byte) []byte {
	if b.n == maxBlock {
		dst[b.at] = maxBlock << 1
		dst = b.begin(dst)
	}
	b.n++
	return dst
}

func (b *blocks) end(dst []byte) []byte {
	if b.n == 0 {
		return dst // the open count, still zero, is the end
	}
	dst[b.at] = byte(b.n) << 1
	return append(dst, 0)
}
