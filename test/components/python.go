package components

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// pythonTime bounds the run of a script.
const pythonTime = 3 * time.Minute

// Python runs a script with the Python that has confluent-kafka and fastavro, and returns what it wrote to standard output. The test
// fails if the script does, with what it wrote to standard error.
func Python(t testing.TB, script string, args ...string) []byte {
	t.Helper()
	stdout, stderr, code := TryPython(t, script, args...)
	if code != 0 {
		t.Fatalf("%s ended with exit code %d:\n%s", script, code, stderr)
	}
	return stdout
}

// TryPython is Python for a script that may fail: it returns the exit code, and what the script wrote to standard error.
func TryPython(t testing.TB, script string, args ...string) (stdout []byte, stderr string, code int) {
	t.Helper()
	Require(t, PartPython)
	ctx, cancel := context.WithTimeout(t.Context(), pythonTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, python(), append([]string{script}, args...)...)
	runtime.LockOSThread() // the death signal is tied to the thread that starts the process
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%s did not end within %v:\n%s", script, pythonTime, errs.String())
	case err != nil && !errors.As(err, &exit):
		t.Fatalf("run %s: %v", script, err)
	}
	return out.Bytes(), errs.String(), cmd.ProcessState.ExitCode()
}
