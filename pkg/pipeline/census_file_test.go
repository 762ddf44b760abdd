package pipeline

// Shows that the file of the census keeps all of it, that whatever else stands there is refused and told once, and that a file that can't be
// written stops nothing.

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/sink/sinktest"
)

// filled returns a census with something of everything.
func filled() *census {
	f := &flood{c: newCensus("shop", "", nil), now: 1_800_000_000_000_000}
	f.c.sight(f.now, logformat.ResponseHeader, "etag", "two words")
	for range 4 {
		f.second(10, 1500)
	}
	f.c.endWindow(true, nil)
	f.second(1, 3)
	return f.c
}

func TestCensusFileKeepsAll(t *testing.T) {
	c := filled()
	c.file = filepath.Join(t.TempDir(), "census-shop")
	c.close()
	want := c.copy()
	again := newCensus("shop", c.file, slog.New(slog.DiscardHandler))
	again.load()
	got := again.copy()
	got.Written = want.Written
	if !reflect.DeepEqual(got, want) || len(want.Sides) != 2 || want.Sides[0].NotKept.Count == 0 {
		t.Errorf("%.600v\nwant\n%.600v", *got, *want)
	}
	if st, err := os.Stat(c.file); err != nil || st.Size() > 400_000 || st.Mode().Perm() != 0o600 {
		t.Errorf("%+v, %v", st, err)
	}
	if left, err := filepath.Glob(c.file + "?*"); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// Whatever is torn, changed, of another version or of another site is refused, and the census begins anew.
func TestCensusFileRefused(t *testing.T) {
	good, err := censusBytes(filled().copy())
	if err != nil {
		t.Fatal(err)
	}
	resum := func(old, new string) []byte {
		line, _, _ := bytes.Cut(good, []byte("\n"))
		if !bytes.Contains(line, []byte(old)) {
			t.Fatalf("%s is not in the file", old)
		}
		line = bytes.Replace(line, []byte(old), []byte(new), 1)
		return append(append(line, '\n'), censusSum(line)...)
	}
	for _, c := range []struct{ data, want string }{
		{"", "its checksum does not fit"},
		{string(good[:len(good)/2]), "its checksum does not fit"},
		{string(good[:len(good)-1]), "its checksum does not fit"},
		{strings.Replace(string(good), `"host"`, `"hos_"`, 1), "its checksum does not fit"},
		{string(resum(`"v":1`, `"v":2`)), "it has version 2, this ngxtap knows version 1"},
		{string(resum(`"site":"shop"`, `"site":"other"`)), `it is that of site "other"`},
		{string(resum(`"site":`, `"site:`)), "it is no census"},
		{string(resum(`"side":"request"`, `"side":"response"`)), "side 2 is not in its order"},
		{string(resum(`"side":"request"`, `"side":"up"`)), `side 1: "up" is no side`},
		{string(resum(`"name":"host"`, `"name":"Host"`)), "is none, or not in its order"},
		{string(resum(`"name":"host"`, `"name":"accept"`)), "is none, or not in its order"},
		{string(resum(`"count":`, `"count":-`)), "not counted right"},
	} {
		file := filepath.Join(t.TempDir(), "census-shop")
		if err := os.WriteFile(file, []byte(c.data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCensus(file, "shop"); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("err = %v, want %s", err, c.want)
		}
		var said bytes.Buffer
		census := newCensus("shop", file, slog.New(slog.NewTextHandler(&said, nil)))
		census.load()
		if list := census.copy(); list.Events != 0 || len(list.Sides) != 0 || strings.Count(said.String(), "level=WARN") != 1 {
			t.Errorf("%s: %d events, %s", c.want, list.Events, said.String())
		}
		if kept, err := os.ReadFile(file + "~"); string(kept) != c.data || !strings.Contains(said.String(), file+"~") {
			t.Errorf("%s: the file is not kept: %v, %s", c.want, err, said.String())
		}
	}
	if _, err := ReadCensus(filepath.Join(t.TempDir(), "none"), "shop"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
}

// A file that can't be written is told once, and changes nothing of what arrives.
func TestCensusFileCannotBeWritten(t *testing.T) {
	far := sinktest.NewMemory()
	text := linesOf(0, 1000)
	path := logFile(t, text)
	cfg := config(t, far, path)
	cfg.CensusFile = filepath.Join(path, "census") // a file is no folder
	var said bytes.Buffer
	cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
	s := once(t, cfg)
	checkCovers(t, read(t, far, cfg.Formats[0]), map[string]string{ids(read(t, far, cfg.Formats[0]))[0]: text})
	if n := s.Stats().Census().counts("request")["x-id"]; n != 1000 {
		t.Errorf("x-id was counted %d times", n)
	}
	if n := strings.Count(said.String(), "the census of header names"); n != 2 { // once that it can't be read, once that it can't be written
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

// No file makes it panic, and what it accepts is within the bounds and comes out as it went in.
func FuzzCensusFile(f *testing.F) {
	small := newCensus("shop", "", nil)
	small.sight(5, logformat.RequestHeader, "host", "a b")
	small.commit()
	short, err := censusBytes(small.copy())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(short, false)
	line, _, _ := bytes.Cut(short, []byte("\n"))
	f.Add(line, true)
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		if sum { // so that it comes past the checksum
			line, _, _ := bytes.Cut(data, []byte("\n"))
			data = append(append(bytes.Clone(line), '\n'), censusSum(line)...)
		}
		list, err := parseCensus(data)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "c")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c := newCensus(list.Site, file, slog.New(slog.DiscardHandler))
		c.load()
		for i := range c.sides {
			if len(c.sides[i].names) > censusNames+1 {
				t.Fatalf("%d names", len(c.sides[i].names))
			}
		}
		out, err := censusBytes(c.copy())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseCensus(out); err != nil {
			t.Fatal(fmt.Errorf("what was read can't be read again: %w", err))
		}
	})
}
