// Command gen writes access log lines as fast as a disk takes them, for benchmarks and load tests: the format of
// testdata/bench/nginx.conf, a unique X-Request-Id in each line, and the same lines for the same seed.
//
//	go run ./test/gen -lines 10000000 -o big.access.log
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// flushAt is how many bytes are gathered before they are written.
const flushAt = 1 << 20

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run parses the arguments and writes the lines to the file they name, or else to stdout.
func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	lines := flags.Int("lines", 2000, "how many lines to write")
	seed := flags.Uint64("seed", 1, "the same seed gives the same lines")
	file := flags.String("o", "", "file to write (default: standard output)")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q; lines go to standard output, or to the file named by -o", flags.Arg(0))
	}
	if *file == "" {
		return write(stdout, *lines, *seed)
	}
	f, err := os.Create(*file)
	if err != nil {
		return fmt.Errorf("create the log: %w", err)
	}
	if err := write(f, *lines, *seed); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// write writes so many lines to w, in large writes.
func write(w io.Writer, lines int, seed uint64) error {
	g := newGenerator(seed)
	buf := make([]byte, 0, flushAt+4096)
	for i := range lines {
		buf = g.appendLine(buf)
		if len(buf) < flushAt && i < lines-1 {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return fmt.Errorf("write line %d: %w", i+1, err)
		}
		buf = buf[:0]
	}
	return nil
}
