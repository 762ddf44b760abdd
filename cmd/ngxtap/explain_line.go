package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// linePlace says which line of which file is meant.
type linePlace struct {
	file   string // "-" for standard input
	number int64  // of the line, from 1; 0: offset counts
	offset int64  // of a byte in the line
}

var numbered = regexp.MustCompile(`^(.+?):([0-9]+)(?::[0-9]+)?$`)

// parsePlace reads FILE:LINE, or FILE:LINE:COLUMN as parse reports it. offset is -1 where none was given; then FILE alone is enough only for
// standard input, of which it is the first line.
func parsePlace(arg string, offset int64) (linePlace, error) {
	if offset >= 0 {
		return linePlace{file: arg, offset: offset}, nil
	}
	m := numbered.FindStringSubmatch(arg)
	if m == nil {
		if arg == "-" {
			return linePlace{file: arg, number: 1}, nil
		}
		return linePlace{}, fmt.Errorf("%q: say which line: %s:LINE, or --offset N", arg, arg)
	}
	if whole, rest := lastColon(arg); m[1] != whole && !isThere(m[1]) && isThere(whole) { // a colon in the name
		m[1], m[2] = whole, rest
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || n < 1 {
		return linePlace{}, fmt.Errorf("%q: lines are counted from 1", arg)
	}
	return linePlace{file: m[1], number: n}, nil
}

// lastColon cuts at the last colon, of which there is one.
func lastColon(s string) (before, after string) {
	i := len(s) - 1
	for s[i] != ':' {
		i--
	}
	return s[:i], s[i+1:]
}

func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// foundLine is a line of a file.
type foundLine struct {
	number  int64 // 0: not counted
	offset  int64 // of its first byte; in what a compressed file holds
	raw     []byte
	length  int64 // of the whole line without its newline; raw is only the head of one that is longer than max_line
	newline bool
}

// findLine reads a line; max is the longest that raw may be, in bytes. Memory is bounded by that, whatever the size of the file.
func findLine(in io.Reader, p linePlace, max int) (*foundLine, error) {
	if p.file == "-" {
		return scanLines(in, p, 0, 1, max)
	}
	f, err := os.Open(p.file)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; run this as a user who may read it (on Debian: group adm)", err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", p.file)
	}
	r, err := plainText(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.file, err)
	}
	if _, plain := r.(*bufio.Reader); plain && p.number == 0 && info.Mode().IsRegular() {
		if p.offset >= info.Size() {
			return nil, fmt.Errorf("%s has %d bytes: there is no line at offset %d", p.file, info.Size(), p.offset)
		}
		start, err := lineStart(f, p.offset)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p.file, err)
		}
		return scanLines(io.NewSectionReader(f, start, info.Size()-start), p, start, 0, max)
	}
	return scanLines(r, p, 0, 1, max)
}

// lineStart returns where the line begins that holds the byte at offset.
func lineStart(f io.ReaderAt, offset int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := offset; end > 0; {
		n := min(int64(len(buf)), end)
		if _, err := f.ReadAt(buf[:n], end-n); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// scanLines reads lines until it comes to the one that is meant. The first that it meets is at offset, and has the number, or 0 if nobody
// counts.
func scanLines(r io.Reader, p linePlace, offset, number int64, max int) (*foundLine, error) {
	in := bufio.NewReaderSize(r, max+2)
	at := foundLine{number: number, offset: offset}
	for {
		piece, err := in.ReadSlice('\n')
		size := int64(len(piece))
		head := piece
		if errors.Is(err, bufio.ErrBufferFull) {
			head = bytes.Clone(piece[:max])
			for errors.Is(err, bufio.ErrBufferFull) {
				piece, err = in.ReadSlice('\n')
				size += int64(len(piece))
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read %s: %w", p.file, err)
		}
		wanted := p.number > 0 && at.number == p.number || p.number == 0 && p.offset < at.offset+size
		if wanted && size > 0 {
			at.newline = err == nil
			at.length = size
			if at.newline {
				at.length--
			}
			at.raw = bytes.Clone(head[:min(int64(len(head)), at.length, int64(max))])
			return &at, nil
		}
		if err != nil {
			if p.number > 0 {
				return nil, fmt.Errorf("%s has %d lines: there is no line %d", p.file, linesUpTo(at.number, size), p.number)
			}
			return nil, fmt.Errorf("%s has %d bytes: there is no line at offset %d", p.file, at.offset+size, p.offset)
		}
		at.offset += size
		if at.number > 0 {
			at.number++
		}
	}
}

// linesUpTo returns how many lines there are when the last piece, which is that number's, has size bytes.
func linesUpTo(number, size int64) int64 {
	if size == 0 {
		return number - 1
	}
	return number
}
