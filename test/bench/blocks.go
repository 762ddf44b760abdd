package main

import (
	"bytes"
	"fmt"
	"os"
)

// eachBatch reads a file in blocks and calls f with lines of about batchBytes together, without their newlines. The lines are valid until
// f returns. It returns how many lines there were.
func eachBatch(path string, f func(lines [][]byte) error) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	block := make([]byte, batchBytes)
	var lines [][]byte
	total := 0
	var at int64
	for {
		n, end, err := fill(file, block, at)
		if err != nil {
			return total, fmt.Errorf("read %s at %d: %w", path, at, err)
		}
		whole := bytes.LastIndexByte(block[:n], '\n') + 1
		if whole == 0 && !end {
			return total, fmt.Errorf("%s has a line of more than %d bytes at offset %d", path, len(block), at)
		}
		at += int64(whole)
		lines = lines[:0]
		for rest := block[:whole]; len(rest) > 0; {
			nl := bytes.IndexByte(rest, '\n')
			lines = append(lines, rest[:nl:nl])
			rest = rest[nl+1:]
		}
		total += len(lines)
		if err := f(lines); err != nil {
			return total, err
		}
		if end {
			return total, nil
		}
	}
}
