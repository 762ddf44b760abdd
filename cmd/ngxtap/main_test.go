package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ngxtap": main})
}

// TestScripts runs the command lines of testdata/script as a user would, against embedded servers in each script's own folder.
// `go test ./cmd/ngxtap -run Scripts/NAME` runs one; with UPDATE=1 the expected outputs are written anew.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until, "terminate": terminate, "hangup": hangup},
	})
}

// exits CODE COMMAND ARGS… runs a command and wants just this exit code. Its output is then there for stdout and stderr.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// until COMMAND ARGS… runs a command again and again until it succeeds, at most for half a minute.
func until(ts *testscript.TestScript, _ bool, args []string) {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if err = ts.Exec(args[0], args[1:]...); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
	ts.Fatalf("%s: %v", strings.Join(args, " "), err)
}

// terminate sends SIGTERM to the script's background commands, as systemd does to stop a service.
func terminate(ts *testscript.TestScript, _ bool, _ []string) { send(ts, syscall.SIGTERM) }

// hangup sends SIGHUP to them, as systemd does to reload a service.
func hangup(ts *testscript.TestScript, _ bool, _ []string) { send(ts, syscall.SIGHUP) }

func send(ts *testscript.TestScript, sig syscall.Signal) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(sig))
	}
}
