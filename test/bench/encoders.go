package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
)

// encodeLines is about how many lines an encoder is measured with, after one pass to warm up.
const encodeLines = 200_000

// encoded is what an encoder took, as its process prints it.
type encoded struct {
	Micros float64 // processor time per line
	Allocs float64 // memory allocations per line
	Bytes  float64 // per event
}

// measureEncoder calls encode on every line of the file again and again and prints what it took. encode returns the event's size.
func measureEncoder(p part, lines [][]byte, encode func(i int, line []byte) (int, error)) error {
	pass := func() (int, error) {
		size := 0
		for i, line := range lines {
			n, err := encode(i, line)
			if err != nil {
				return 0, fmt.Errorf("%s:%d: %w", p.file, i+1, err)
			}
			size += n
		}
		return size, nil
	}
	size, err := pass()
	if err != nil {
		return err
	}
	passes := max(1, encodeLines/len(lines))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := ownCPU()
	for range passes {
		if _, err := pass(); err != nil {
			return err
		}
	}
	cpu := ownCPU() - start
	runtime.ReadMemStats(&after)
	total := float64(passes * len(lines))
	return json.NewEncoder(p.out).Encode(encoded{Micros: float64(cpu) / 1e3 / total,
		Allocs: float64(after.Mallocs-before.Mallocs) / total, Bytes: float64(size) / float64(len(lines))})
}

// linesOf returns the lines of a file without their newlines.
func linesOf(path string) ([][]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")), nil
}

// encodeGoavro measures goavro.BinaryFromNative alone: the maps exist already.
func encodeGoavro(_ context.Context, p part) error {
	lines, err := linesOf(p.file)
	if err != nil {
		return err
	}
	codec, err := goavro.NewCodec(textbookSchema)
	if err != nil {
		return err
	}
	events := make([]map[string]any, len(lines))
	for i, line := range lines {
		if events[i], err = textbookEvent(string(line), 0); err != nil {
			return err
		}
	}
	var buf []byte
	return measureEncoder(p, lines, func(i int, _ []byte) (int, error) {
		buf, err = codec.BinaryFromNative(buf[:0], events[i])
		return len(buf), err
	})
}

// encodeGoavroWhole measures the textbook's way from line to event: regular expression, map, goavro.
func encodeGoavroWhole(_ context.Context, p part) error {
	lines, err := linesOf(p.file)
	if err != nil {
		return err
	}
	codec, err := goavro.NewCodec(textbookSchema)
	if err != nil {
		return err
	}
	var buf []byte
	return measureEncoder(p, lines, func(_ int, line []byte) (int, error) {
		event, err := textbookEvent(string(line), 0)
		if err != nil {
			return 0, err
		}
		buf, err = codec.BinaryFromNative(buf[:0], event)
		return len(buf), err
	})
}

// newEncoder compiles the splitter and the encoder of a file's log_format, which the nginx.conf beside it holds.
func newEncoder(nginxConf string) (*logformat.Format, *avro.Encoder, *schema.Event, error) {
	conf, err := logformat.ReadConf(nginxConf, logformat.ConfOptions{})
	if err != nil {
		return nil, nil, nil, err
	}
	def, err := conf.Format("bench")
	if err != nil {
		return nil, nil, nil, err
	}
	format, err := logformat.Compile(def, logformat.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	event, err := schema.Derive(format, schema.Options{Site: "bench"})
	if err != nil {
		return nil, nil, nil, err
	}
	secrets, err := avro.NewSecrets(avro.Rules{Key: []byte(strings.Repeat("k", 32))})
	if err != nil {
		return nil, nil, nil, err
	}
	encoder, err := avro.NewEncoder(format, event, avro.Options{Secrets: secrets})
	return format, encoder, event, err
}

// encodeNgxtap measures our encoder alone: the lines are split already.
func encodeNgxtap(_ context.Context, p part) error { return measureOurs(p, false) }

// encodeNgxtapWhole measures our way from line to event: split, append.
func encodeNgxtapWhole(_ context.Context, p part) error { return measureOurs(p, true) }

func measureOurs(p part, whole bool) error {
	lines, err := linesOf(p.file)
	if err != nil {
		return err
	}
	format, encoder, _, err := newEncoder(filepath.Join(filepath.Dir(p.file), "nginx.conf"))
	if err != nil {
		return err
	}
	split := make([][]logformat.Span, len(lines))
	for i, line := range lines {
		if split[i], err = format.Split(nil, line); err != nil {
			return err
		}
	}
	origin := avro.Origin{Site: "bench", Host: "bench", File: "access.log"}
	var buf []byte
	var spans []logformat.Span
	return measureEncoder(p, lines, func(i int, line []byte) (int, error) {
		s := split[i]
		if whole {
			if spans, err = format.Split(spans[:0], line); err != nil {
				return 0, err
			}
			s = spans
		}
		buf, _, err = encoder.AppendEvent(buf[:0], line, s, &origin)
		return len(buf), err
	})
}
