package brokerlog

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A record batch v2 starts with its base offset (8 bytes) and the length of what follows (4 bytes); its fixed part is 61 bytes, and
// its CRC-32C covers everything from the attributes on (Kafka documentation, "Record Batch").
const (
	prefixLen  = 12
	headerLen  = 61
	crcFrom    = 21
	maxBatch   = 1 << 30 // kfake's own bound; a larger length is garbage
	attrTxn    = 0x10
	attrCtl    = 0x20
	attrCodecs = 0x07
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is the fixed part of a record batch.
type batch struct {
	offset      int64 // of its first record
	last        int64 // of its last record
	size        int   // bytes, with the prefix
	leaderEpoch int32
	attrs       int16
	pid         int64
	epoch       int16
	seq         int32
	records     int32
}

func (b *batch) transactional() bool { return b.attrs&attrTxn != 0 }
func (b *batch) control() bool       { return b.attrs&attrCtl != 0 }

// errTorn means that a segment ends within a batch, or that the bytes there are none.
var errTorn = errors.New("not a whole record batch")

// parseBatch reads the fixed part of the batch that raw consists of, and checks its CRC.
func parseBatch(raw []byte) (batch, error) {
	if len(raw) < headerLen || raw[16] != 2 {
		return batch{}, errTorn
	}
	if crc32.Checksum(raw[crcFrom:], castagnoli) != binary.BigEndian.Uint32(raw[17:]) {
		return batch{}, errTorn
	}
	b := batch{
		offset:      int64(binary.BigEndian.Uint64(raw)),
		size:        len(raw),
		leaderEpoch: int32(binary.BigEndian.Uint32(raw[12:])),
		attrs:       int16(binary.BigEndian.Uint16(raw[21:])),
		pid:         int64(binary.BigEndian.Uint64(raw[43:])),
		epoch:       int16(binary.BigEndian.Uint16(raw[51:])),
		seq:         int32(binary.BigEndian.Uint32(raw[53:])),
		records:     int32(binary.BigEndian.Uint32(raw[57:])),
	}
	delta := int32(binary.BigEndian.Uint32(raw[23:]))
	if b.offset < 0 || delta < 0 || b.records < 0 {
		return batch{}, errTorn
	}
	b.last = b.offset + int64(delta)
	return b, nil
}

// readSegment calls visit for every batch of the file, in order, and returns how many bytes they take up. raw is valid until visit
// returns. The error is errTorn (wrapped) if the file goes on after them.
func readSegment(path string, visit func(b batch, raw []byte) error) (valid int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("stat segment: %w", err)
	}
	valid, err = readBatches(bufio.NewReaderSize(f, 1<<18), info.Size(), visit)
	if err != nil {
		return valid, fmt.Errorf("read segment %s at byte %d: %w", path, valid, err)
	}
	return valid, nil
}

// readBatches is readSegment for a reader of size bytes.
func readBatches(in io.Reader, size int64, visit func(b batch, raw []byte) error) (valid int64, err error) {
	var raw []byte
	for valid < size {
		if raw, err = readRaw(in, raw, size-valid); err != nil {
			return valid, err
		}
		b, err := parseBatch(raw)
		if err != nil {
			return valid, err
		}
		if err := visit(b, raw); err != nil {
			return valid, err
		}
		valid += int64(len(raw))
	}
	return valid, nil
}

// readRaw reads one batch into buf, which it grows. rest is how many bytes the file still has: a length beyond it is torn, and
// must not make us allocate for it.
func readRaw(in io.Reader, buf []byte, rest int64) ([]byte, error) {
	var prefix [prefixLen]byte
	if rest < prefixLen {
		return buf, errTorn
	}
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return buf, err
	}
	n := int64(binary.BigEndian.Uint32(prefix[8:]))
	if n > maxBatch || prefixLen+n > rest {
		return buf, errTorn
	}
	size := int(prefixLen + n)
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	copy(buf, prefix[:])
	_, err := io.ReadFull(in, buf[prefixLen:])
	return buf, err
}

// isCommit says whether the control batch raw is a commit marker. A marker that can't be read counts as an abort, as in Kafka's
// consumers: rather hide records than show uncommitted ones.
func isCommit(raw []byte) bool {
	var rb kmsg.RecordBatch
	var rec kmsg.Record
	var key kmsg.ControlRecordKey
	if rb.ReadFrom(raw) != nil || rec.ReadFrom(rb.Records) != nil || key.ReadFrom(rec.Key) != nil {
		return false
	}
	return key.Type == kmsg.ControlRecordKeyTypeCommit
}

// marker returns the control batch that ends the transaction of pid at offset, as a transaction coordinator writes it.
func marker(offset int64, leaderEpoch int32, pid int64, epoch int16, commit bool, now time.Time) []byte {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	value := kmsg.EndTxnMarker{}
	rec := kmsg.Record{Key: key.AppendTo(nil), Value: value.AppendTo(nil)}
	rec.Length = int32(len(rec.AppendTo(nil)) - 1) // the length does not count itself, one byte here
	return seal(kmsg.RecordBatch{
		FirstOffset:          offset,
		PartitionLeaderEpoch: leaderEpoch,
		Magic:                2,
		Attributes:           attrTxn | attrCtl,
		FirstTimestamp:       now.UnixMilli(),
		MaxTimestamp:         now.UnixMilli(),
		ProducerID:           pid,
		ProducerEpoch:        epoch,
		FirstSequence:        -1,
		NumRecords:           1,
		Records:              rec.AppendTo(nil),
	})
}

// seal returns the bytes of rb with its length and CRC filled in.
func seal(rb kmsg.RecordBatch) []byte {
	raw := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-prefixLen))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[crcFrom:], castagnoli))
	return raw
}
