package kafka

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/IBM/sarama"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy/xerial"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"ngxtap/pkg/sink"
)

// The records of a batch are encoded and compressed here, by the libraries that sarama uses, and handed to sarama as bytes. sarama
// would make an object of each record, encode all of them twice into new memory, and compress that into more new memory: a
// fifth of the processor time of the whole path (docs/decisions/0005-record-sets.md has the figures).

// packedField is where sarama's RecordBatch keeps records that are encoded and compressed already. sarama encodes Records only if it is
// nil; the field is not exported. TestRecordSetIsWhatSaramaWouldSend fails if another sarama means something else by it.
var packedField = func() uintptr {
	f, ok := reflect.TypeFor[sarama.RecordBatch]().FieldByName("compressedRecords")
	if !ok || f.Type != reflect.TypeFor[[]byte]() {
		panic("kafka: this sarama has no RecordBatch.compressedRecords: see recordset.go")
	}
	return f.Offset
}()

// setRecords makes packed the records of b. packed is only read, until sarama has encoded the request. Of records sarama takes the
// length, and nothing else.
func setRecords(b *sarama.RecordBatch, packed []byte, records []*sarama.Record) {
	b.Records = records
	*(*[]byte)(unsafe.Add(unsafe.Pointer(b), packedField)) = packed
}

// appendRecord appends one record of a batch (KIP-98, record format v2). delta is its time after the batch's first record in
// milliseconds, n its number in the batch. A nil key or value is null. header may be nil.
func appendRecord(dst []byte, delta, n int64, key, value []byte, header *sink.Header) []byte {
	size := 1 + varintLen(delta) + varintLen(n) + bytesLen(key) + bytesLen(value) + 1
	if header != nil {
		size += varintLen(int64(len(header.Name))) + len(header.Name) + bytesLen(header.Value)
	}
	dst = binary.AppendVarint(dst, int64(size))
	dst = append(dst, 0) // attributes: none are defined
	dst = binary.AppendVarint(dst, delta)
	dst = binary.AppendVarint(dst, n)
	dst = appendBytes(dst, key)
	dst = appendBytes(dst, value)
	if header == nil {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, 1)
	dst = binary.AppendVarint(dst, int64(len(header.Name)))
	dst = append(dst, header.Name...)
	return appendBytes(dst, header.Value)
}

// appendBytes appends bytes with their length before them; nil has the length -1.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func bytesLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

// varintLen is the length of v as binary.AppendVarint writes it.
func varintLen(v int64) int { return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7 }

// packer compresses record sets. It is for one goroutine.
type packer struct {
	codec sarama.CompressionCodec
	lz4   *lz4.Writer
	gzip  *gzip.Writer
	zstd  *zstd.Encoder
}

// newPacker returns a packer; level 0 is the codec's default.
func newPacker(codec sarama.CompressionCodec, level int) (*packer, error) {
	p := &packer{codec: codec}
	var err error
	switch codec {
	case sarama.CompressionLZ4:
		// Independent blocks of 64 KiB, as Java's producer writes them; the batch has a checksum of its own.
		p.lz4 = lz4.NewWriter(nil)
		err = p.lz4.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1))
	case sarama.CompressionGZIP:
		if level == 0 {
			level = gzip.DefaultCompression
		}
		p.gzip, err = gzip.NewWriterLevel(nil, level)
	case sarama.CompressionZSTD:
		speed := zstd.SpeedDefault
		if level != 0 {
			speed = zstd.EncoderLevelFromZstd(level)
		}
		p.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	}
	if err != nil {
		return nil, fmt.Errorf("kafka: set up compression: %w: %w", err, sink.ErrConfig)
	}
	return p, nil
}

// pack returns raw compressed, in the memory of dst or more; without compression it returns raw itself.
func (p *packer) pack(dst, raw []byte) ([]byte, error) {
	out := appender{dst[:0]}
	var err error
	switch p.codec {
	case sarama.CompressionNone:
		return raw, nil
	case sarama.CompressionSnappy:
		return xerial.Encode(out.b, raw), nil
	case sarama.CompressionZSTD:
		return p.zstd.EncodeAll(raw, out.b), nil
	case sarama.CompressionLZ4:
		p.lz4.Reset(&out)
		if _, err = p.lz4.Write(raw); err == nil {
			err = p.lz4.Close()
		}
	case sarama.CompressionGZIP:
		p.gzip.Reset(&out)
		if _, err = p.gzip.Write(raw); err == nil {
			err = p.gzip.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("compress records: %w", err)
	}
	return out.b, nil
}

// appender is an io.Writer that appends.
type appender struct{ b []byte }

// Write implements io.Writer.
func (a *appender) Write(b []byte) (int, error) {
	a.b = append(a.b, b...)
	return len(b), nil
}
