// Command bench measures ngxtap side by side with what it is to be compared with, in one run, and prints the figures.
//
//	go run ./test/bench            the whole path into a real Kafka: floor, textbook build, ngxtap; then the delay
//	go run ./test/bench -quick     the same without the textbook build, which takes most of the time
//	go run ./test/bench delay      only the time from a line's write to a read_committed reader
//	go run ./test/bench produce    ways to send lines to Kafka
//	go run ./test/bench read       ways to read a log file, and what they lose at rotations
//	go run ./test/bench encode     ways to make an Avro event of a line
//	go run ./test/bench kit        ways to log all headers: bytes, what they cost in Nginx (by wrk) and in ngxtap
//	go run ./test/bench allocs     memory allocations of the straight line
//
// Each program that is compared is a process of its own, started by this one as `bench PART FILE` (see parts), so that its processor
// time and its memory are its own. The promise: a figure is printed only if every line of the run is where it belongs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// comparisons are what a person calls; each prints figures.
var comparisons = map[string]func(context.Context, *bench) error{
	"all":     compareAll,
	"delay":   measureDelay,
	"produce": compareProducers,
	"read":    compareReaders,
	"encode":  compareEncoders,
	"kit":     compareKit,
	"allocs":  measureAllocations,
}

// parts are the programs that are compared, each run as a process of its own.
var parts = map[string]func(context.Context, part) error{
	"floor":               floor,
	"textbook":            textbook,
	"send-async":          sendAsync,
	"send-async-txn":      sendAsyncTxn,
	"send-requests":       sendRequests,
	"send-requests-txn":   sendRequestsTxn,
	"send-franz":          sendFranz,
	"read-blocks":         readBlocks,
	"read-hpcloud":        readHpcloud,
	"read-ngxtap":         readNgxtap,
	"encode-goavro":       encodeGoavro,
	"encode-goavro-whole": encodeGoavroWhole,
	"encode-ngxtap":       encodeNgxtap,
	"encode-ngxtap-whole": encodeNgxtapWhole,
}

// part is what a part gets to do.
type part struct {
	file    string   // log file to read
	brokers []string // where to send
	topic   string   // of one partition, made by the caller
	out     io.Writer
}

// bench is what all comparisons share.
type bench struct {
	root     string // of the repository
	dir      string // temporary files; removed at the end
	self     string // this program
	ref      string // the commit that is measured
	out      io.Writer
	lines    int    // of the log file
	runs     int    // of each part
	quick    bool   // leave the textbook build out
	given    string // brokers that run already, or "" to start one
	kafka    *cluster
	topics   int // made so far
	cleanups []func()
}

// run does what args say and writes the figures to out.
func run(ctx context.Context, args []string, out io.Writer) error {
	name := "all"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if p, ok := parts[name]; ok {
		return runPart(ctx, p, args, out)
	}
	compare, ok := comparisons[name]
	if !ok {
		return fmt.Errorf("unknown command %q; go doc ./test/bench lists them", name)
	}
	b := &bench{out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&b.lines, "lines", fromEnv("LINES", 1_000_000), "lines of the log file (also: LINES in the environment)")
	flags.IntVar(&b.runs, "runs", fromEnv("RUNS", 3), "runs of each part (also: RUNS)")
	flags.StringVar(&b.given, "brokers", os.Getenv("BROKERS"), "use these brokers instead of starting one (also: BROKERS)")
	flags.BoolVar(&b.quick, "quick", false, "compare ngxtap with the floor only: the textbook build takes most of the time")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case b.lines < 2 || b.runs < 1:
		return fmt.Errorf("-lines must be 2 or more and -runs 1 or more")
	}
	defer b.close()
	if err := b.open(); err != nil {
		return err
	}
	return compare(ctx, b)
}

// runPart runs one of the parts in this process.
func runPart(ctx context.Context, run func(context.Context, part) error, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("part", flag.ContinueOnError)
	brokers := flags.String("brokers", "127.0.0.1:9092", "Kafka brokers, comma separated")
	topic := flags.String("topic", "bench", "topic of one partition that exists")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("name one log file, after the flags")
	}
	return run(ctx, part{file: flags.Arg(0), brokers: strings.Split(*brokers, ","), topic: *topic, out: out})
}

// fromEnv returns the number in an environment variable, or def if there is none.
func fromEnv(name string, def int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return def
}
