package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// readBytes is how much is read of a file at once.
const readBytes = 256 << 10

// floorRecord is how many bytes the floor puts into a record: the mean line of test/gen.
const floorRecord = 543

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // never modified

// floor does what nobody who ships a log can leave out: it reads the file, takes a checksum of it, compresses it and sends it. It
// does not look for lines.
func floor(_ context.Context, p part) (err error) {
	f, err := os.Open(p.file)
	if err != nil {
		return err
	}
	defer f.Close()
	out, err := newRequester(p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	block := make([]byte, batchBytes)
	values := make([][]byte, 0, batchBytes/floorRecord+1)
	var sum uint32
	var at int64
	for {
		n, end, err := fill(f, block, at)
		if err != nil {
			return fmt.Errorf("read %s at %d: %w", p.file, at, err)
		}
		at += int64(n)
		sum = crc32.Update(sum, castagnoli, block[:n])
		values = values[:0]
		for i := 0; i < n; i += floorRecord {
			values = append(values, block[i:min(i+floorRecord, n)])
		}
		if err := out.send(values); err != nil {
			return err
		}
		if end {
			fmt.Fprintf(p.out, "%d bytes, CRC-32C %08x\n", at, sum)
			return nil
		}
	}
}

// fill reads into block from offset at, readBytes at once. It returns less than the whole block, with end set, at the end of the file.
func fill(f io.ReaderAt, block []byte, at int64) (n int, end bool, err error) {
	for n < len(block) {
		m, err := f.ReadAt(block[n:min(n+readBytes, len(block))], at+int64(n))
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}
