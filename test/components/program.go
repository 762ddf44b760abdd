package components

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Program is a program of ours that runs beside the components, such as ngxtap itself.
type Program struct {
	proc *process // owned
}

// StartProgram starts argv and kills it at the end of the test, if it still runs then. It does not wait for anything. Its output
// goes to a file, and into the test's log if the test fails.
func StartProgram(t testing.TB, argv ...string) *Program {
	t.Helper()
	return StartCommand(t, exec.Command(argv[0], argv[1:]...))
}

// StartCommand is StartProgram for a command with an environment or process attributes of its own. Its folder and its output are
// set here.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Program {
	t.Helper()
	dir := t.TempDir()
	proc, err := startCommand(cmd, dir, filepath.Join(dir, "output.log"), syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proc.stop(syscall.SIGKILL, 5*time.Second)
		if t.Failed() {
			t.Logf("%s ended with %v and wrote last:\n%s", proc.name, proc.err, proc.lastOutput())
		}
	})
	return &Program{proc: proc}
}

// PID returns the process id.
func (p *Program) PID() int { return p.proc.pid }

// Output returns everything that the program has written so far, standard output and error.
func (p *Program) Output(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile(p.proc.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Kill kills the program as kill -9 does, and returns when it is gone.
func (p *Program) Kill() { p.proc.stop(syscall.SIGKILL, 5*time.Second) }

// Signal sends a signal.
func (p *Program) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := p.proc.signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Wait waits until the program has ended and returns its exit code, -1 if a signal ended it. The test fails if it takes longer.
func (p *Program) Wait(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.proc.done:
	case <-time.After(within):
		t.Fatalf("%s still runs after %v", p.proc.name, within)
	}
	var exit *exec.ExitError
	switch {
	case p.proc.err == nil:
		return 0
	case errors.As(p.proc.err, &exit):
		return exit.ExitCode()
	}
	t.Fatalf("wait for %s: %v", p.proc.name, p.proc.err)
	return -1
}

// Alive returns an error that holds the end of its output if the program has ended.
func (p *Program) Alive() error {
	if p.proc.alive() {
		return nil
	}
	return errors.New(p.proc.name + " has ended:\n" + p.proc.lastOutput())
}
