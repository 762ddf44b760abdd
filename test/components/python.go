package components

import (
	"bytes"
	"context"
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
	Require(t, PartPython)
	ctx, cancel := context.WithTimeout(t.Context(), pythonTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, python(), append([]string{script}, args...)...)
	runtime.LockOSThread() // the death signal is tied to the thread that starts the process
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("run %s: %v\n%s", script, err, stderr.Bytes())
	}
	return stdout.Bytes()
}
