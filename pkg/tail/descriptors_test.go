// Shows that logs leave descriptors for connections, that what got none waits and is read when the limit is raised, and that nothing is
// lost or read twice for it.
package tail

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescriptorsAreKept(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	var lines []string
	for i := range 200 {
		lines = append(lines, fmt.Sprintf("line of log %d\n", i))
		write(t, filepath.Join(dir, fmt.Sprintf("a%03d.log", i)), lines[i])
	}
	low := before
	low.Cur = 128 // more than the test itself holds open, less than the logs need
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, Config{}, "*.log")
	r.drain()
	failing, example := 0, ""
	for _, f := range r.Status() {
		if f.State == Failing {
			failing++
			example = f.Err
		}
	}
	if failing < 200-(128-32) || failing == 200 || !strings.Contains(example, "LimitNOFILE") {
		t.Errorf("%d logs wait: %s", failing, example)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal("no descriptor is left for anybody else:", err)
	}
	unix.Close(fd)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	r.pollOnce()
	r.want(lines...)
	r.wantLost()
}
