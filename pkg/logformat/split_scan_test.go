package logformat

// Shows that looking at eight bytes at a time gives the same answers as looking at each.

import (
	"bytes"
	"testing"
)

func TestIsPlain(t *testing.T) {
	for _, e := range []Escape{EscapeDefault, EscapeJSON} {
		for size := range 50 {
			line := bytes.Repeat([]byte("a"), size)
			if !isPlain(line, e) {
				t.Fatalf("escape=%s: %d plain bytes are not plain", e, size)
			}
			for i := range line {
				for c := range 256 {
					line[i] = byte(c)
					if want := textByte(byte(c), e) || c == '"'; isPlain(line, e) != want {
						t.Fatalf("escape=%s: byte %02x at %d of %d", e, c, i, size)
					}
				}
				line[i] = 'a'
			}
		}
	}
}

func TestIndexStop(t *testing.T) {
	for size := range 20 {
		for pos := range size + 1 {
			for at := range size {
				for _, other := range []byte{'"' - 1, '"' + 1, '"' ^ 0x80, 0, 0xff} {
					line := bytes.Repeat([]byte{other}, size)
					line[at] = '"'
					if got, want := indexStop(line, pos, '"'), bytes.IndexByte(line[pos:], '"'); got != want {
						t.Fatalf("%q from %d: %d, want %d", line, pos, got, want)
					}
				}
			}
		}
	}
}

func TestSeparatorIsAt(t *testing.T) {
	const line = `0123456789" "456789"`
	for size := range 12 {
		for at := range len(line) - size {
			text := line[at : at+size]
			s := newSeparator(text)
			for i := range len(line) + 1 {
				if got, want := s.isAt([]byte(line), i), bytes.HasPrefix([]byte(line)[i:], []byte(text)); got != want {
					t.Fatalf("%q at %d of %q: %v", text, i, line, got)
				}
			}
		}
	}
}
