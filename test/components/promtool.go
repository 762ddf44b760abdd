package components

import (
	"bytes"
	"io"
	"os/exec"
	"testing"
)

// promtool returns where setup.sh puts it.
func promtool() string { return cache("promtool-"+version("PROMETHEUS_DEB"), "promtool") }

// Promtool runs promtool with args in folder dir and returns what it says; err is not nil if it finds fault.
func Promtool(t testing.TB, dir string, in io.Reader, args ...string) (out string, err error) {
	t.Helper()
	Require(t, PartPromtool)
	cmd := exec.CommandContext(t.Context(), promtool(), args...)
	var b bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, in, &b, &b
	err = cmd.Run()
	return b.String(), err
}
