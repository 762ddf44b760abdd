// explain_test.go shows that the line that is explained is the one that was meant.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindLine: by number and by offset, in plain files, in compressed ones and on standard input, the same line is found.
func TestFindLine(t *testing.T) {
	const max = 64 // a line that is longer has only its head
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		var lines []string
		for i := range rnd.IntN(6) {
			lines = append(lines, strings.Repeat(string(rune('a'+i)), rnd.IntN(90)))
		}
		text := strings.Join(lines, "\n")
		if rnd.IntN(2) == 0 && len(lines) > 0 {
			text += "\n"
		}
		dir := t.TempDir()
		plain, packed := filepath.Join(dir, "log"), filepath.Join(dir, "log.gz")
		var gz bytes.Buffer
		w := gzip.NewWriter(&gz)
		if _, err := w.Write([]byte(text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{plain: []byte(text), packed: gz.Bytes()} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		find := func(p linePlace) string {
			l, err := findLine(strings.NewReader(text), p, max)
			if err != nil {
				return "none"
			}
			return fmt.Sprintf("%d %d %t %s", l.offset, l.length, l.newline, l.raw)
		}
		at, number := 0, int64(0)
		for rest := text; rest != ""; {
			line, tail, newline := strings.Cut(rest, "\n")
			number++
			want := fmt.Sprintf("%d %d %t %s", at, len(line), newline, line[:min(len(line), max)])
			end := len(text) - len(tail)
			for _, file := range []string{plain, packed, "-"} {
				if got := find(linePlace{file: file, number: number}); got != want {
					t.Fatalf("round %d, %s, line %d of %q: %s, want %s", round, file, number, text, got, want)
				}
				for offset := at; offset < end; offset++ {
					if got := find(linePlace{file: file, offset: int64(offset)}); got != want {
						t.Fatalf("round %d, %s, offset %d of %q: %s, want %s", round, file, offset, text, got, want)
					}
				}
			}
			at, rest = end, tail
		}
		for _, file := range []string{plain, packed, "-"} {
			for _, p := range []linePlace{{file: file, number: number + 1}, {file: file, offset: int64(len(text))}} {
				if got := find(p); got != "none" {
					t.Fatalf("round %d: after the end of %q stands %s", round, text, got)
				}
			}
		}
	}
}

func TestParsePlace(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"a", "b:1"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for arg, want := range map[string]linePlace{"a:3": {file: "a", number: 3}, "a:3:17": {file: "a", number: 3}, "-": {file: "-", number: 1}, "b:1:2": {file: "b:1", number: 2},
		"c:1:2": {file: "c", number: 1}, "/x/y.log:9": {file: "/x/y.log", number: 9}, "a:b:4": {file: "a:b", number: 4}} {
		if got, err := parsePlace(arg, -1); got != want || err != nil {
			t.Errorf("%s: %+v, %v", arg, got, err)
		}
	}
	for _, arg := range []string{"a", "a:", "a:x", "a:0", ":3", "a:99999999999999999999", ""} {
		if got, err := parsePlace(arg, -1); err == nil {
			t.Errorf("%s: %+v", arg, got)
		}
	}
	if got, err := parsePlace("a:3", 7); got != (linePlace{file: "a:3", offset: 7}) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestShownAt: a byte of a line is found again in the line as it may be seen, and one within what is hidden at its start.
func TestShownAt(t *testing.T) {
	// The line `a "secret" b` is shown as `a "***" b`.
	s := &shownLine{text: []byte(`a "***" b`), pieces: []shownPiece{{0, 1, 0, 1, false}, {3, 9, 3, 6, true}, {11, 12, 8, 9, false}}}
	for offset, want := range []int{0, 1, 2, 3, 3, 3, 3, 3, 3, 6, 7, 8, 9, 9} {
		if got := s.at(offset); got != want {
			t.Errorf("byte %d is at %d, want %d", offset, got, want)
		}
	}
	if got := rawLine([]byte("abc")).at(2); got != 2 {
		t.Error(got)
	}
}
