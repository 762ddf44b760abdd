package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/sink"
)

// Exit codes, as systemd and scripts know them.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3  // finished, but some lines were rejected
	exitConfig   = 78 // EX_CONFIG: a restart can't cure it
)

// exitError carries an exit code with an error; err may be nil where all has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func configError(err error) error { return &exitError{exitConfig, err} }

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// app is what all commands share.
type app struct {
	stdio
	args       []string   // the command line, without the program
	outMu      sync.Mutex // guards out where several goroutines print
	configFile string
	embedded   bool
	cpuProfile string
	past       *past     // of the sites that run; nil before there are any
	seen       *observed // nil: no daemon
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, io stdio) int {
	io.err = escaper{asTerminal(io.err)}
	a := &app{stdio: io, args: args}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(io.in)
	root.SetOut(io.out)
	root.SetErr(io.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitUsage // what cobra itself complains about
	var ee *exitError
	switch {
	case errors.As(err, &ee):
		code = ee.code
		if err == error(ee) && ee.err == nil {
			err = nil // all has been said
		}
	case errors.Is(err, sink.ErrNotOwner), errors.Is(err, sink.ErrConfig):
		code = exitConfig
	}
	if err != nil {
		paint(io.err, red, "ngxtap:")
		fmt.Fprintf(io.err, " %s\n", indented(err.Error()))
		if code == exitUsage {
			fmt.Fprintln(io.err, "Try: ngxtap --help")
		}
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "ngxtap",
		Short:         "Ship Nginx access logs to Kafka as typed Avro events, exactly once",
		Long:          rootLong + "\n\n" + exitHelp(),
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVarP(&a.configFile, "config", "c", config.DefaultFile, "the daemon's configuration `FILE`; sites.d/*.yaml beside it are its sites")
	root.PersistentFlags().BoolVar(&a.embedded, "embedded", false, "use a broker and a registry in this process, with data under state_dir; joins one that runs already")
	root.CompletionOptions.DisableDefaultCmd = true // completionCmd says more of it
	root.AddCommand(a.runCmd(), a.checkCmd(), a.parseCmd(), a.schemaCmd(), a.catCmd(), a.quarantineCmd(), a.headersCmd(), a.topCmd(), a.explainCmd(), a.decryptCmd())
	root.AddCommand(a.tryCmd(), a.importCmd(), a.configCmd(), a.completionCmd(), a.manCmd(), a.versionCmd())
	a.complete(root)
	return root
}

// untilStopped waits for f, but not longer than until ctx ends: a read from a terminal or a pipe knows no context. The process is to end then.
func untilStopped(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.New("stopped")
	}
}

// failed marks an error as a failure of the work, not of the command line.
func failed(err error) error {
	var ee *exitError
	if err == nil || errors.As(err, &ee) || errors.Is(err, sink.ErrNotOwner) || errors.Is(err, sink.ErrConfig) {
		return err
	}
	return &exitError{exitFailed, err}
}

// logger writes text for a person at a terminal and JSON otherwise. Neither lets log data forge lines.
func (a *app) logger() *slog.Logger {
	var h slog.Handler = slog.NewJSONHandler(a.err, nil)
	if isTerminal(a.err) {
		h = slog.NewTextHandler(a.err, &slog.HandlerOptions{ReplaceAttr: shortTime})
	}
	if a.seen != nil {
		h = countingHandler{h, &a.seen.logs}
	}
	return slog.New(h)
}

func shortTime(groups []string, at slog.Attr) slog.Attr {
	if len(groups) == 0 && at.Key == slog.TimeKey {
		return slog.String(slog.TimeKey, at.Value.Time().Format("15:04:05.000"))
	}
	return at
}
