package brokerlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Note is a one-line notebook of the broker: the commit it is about to carry out. Kafka's transaction coordinator writes such an
// intent to its log before the markers, so that a commit is finished in all partitions once it is begun; kfake has none. One line
// is enough, because kfake carries out one request after the other.
type Note struct {
	f *os.File
}

// note is what the notebook says: the zero value says nothing.
type note struct {
	set   bool
	pid   int64
	epoch int16
	bump  bool // the client's epoch is bumped with each transaction (EndTxn v5, KIP-890)
}

// commits says whether an open transaction of this producer is to be committed.
func (n note) commits(pid int64, epoch int16) bool { return n.set && n.pid == pid && n.epoch == epoch }

const noteLen = 16 // set, bump, epoch (2), pid (8), CRC-32C (4)

func notePath(dir string) string { return filepath.Join(dir, "commit.note") }

// OpenNote opens the notebook of the broker data in dir, after Repair has acted on it. Its owner is whoever runs the broker.
func OpenNote(dir string) (*Note, error) {
	f, err := os.OpenFile(notePath(dir), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the commit note: %w", err)
	}
	return &Note{f}, nil
}

// Commit writes down that the transaction of this producer is going to be committed. It must be called before any of its markers
// is written. bump says that the broker raises the producer's epoch afterwards (EndTxn v5).
func (n *Note) Commit(pid int64, epoch int16, bump bool) error {
	var b [noteLen]byte
	b[0] = 1
	if bump {
		b[1] = 1
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(epoch))
	binary.LittleEndian.PutUint64(b[4:], uint64(pid))
	return n.write(b)
}

// Clear forgets the commit. It must be called before a producer that keeps its epoch from one transaction to the next (EndTxn v4
// and older) writes the first record of the next one.
func (n *Note) Clear() error { return n.write([noteLen]byte{}) }

// write replaces the line. It is so short that a kill can't tear it: the kernel copies it in one go. No fsync: what has to survive
// is the death of the process, which the kernel's cache does.
func (n *Note) write(b [noteLen]byte) error {
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[:12], castagnoli))
	if _, err := n.f.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("write the commit note: %w", err)
	}
	return nil
}

// Close closes the file.
func (n *Note) Close() error { return n.f.Close() }

// readNote returns what the notebook says. A line that is not whole says nothing.
func readNote(dir string) (note, error) {
	f, err := os.Open(notePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, nil
	}
	if err != nil {
		return note{}, fmt.Errorf("read the commit note: %w", err)
	}
	defer f.Close()
	var b [noteLen]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return note{}, nil
		}
		return note{}, fmt.Errorf("read the commit note: %w", err)
	}
	if crc32.Checksum(b[:12], castagnoli) != binary.LittleEndian.Uint32(b[12:]) {
		return note{}, nil
	}
	return note{
		set:   b[0] == 1,
		bump:  b[1] == 1,
		epoch: int16(binary.LittleEndian.Uint16(b[2:])),
		pid:   int64(binary.LittleEndian.Uint64(b[4:])),
	}, nil
}

// clearNote empties the notebook.
func clearNote(dir string) error { return removeIfThere(notePath(dir)) }
