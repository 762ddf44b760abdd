package components

// Shows: what a test started is gone when the test binary is killed outright; and what Require does with and without a part.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledTestLeavesNothing runs this test binary again as a child that starts Nginx and hangs, and kills it.
func TestKilledTestLeavesNothing(t *testing.T) {
	Require(t, PartNginx)
	if os.Getenv("COMPONENTS_CHILD") == "1" {
		n := StartNginx(t, plainConf, map[string]string{"word": "x"})
		var workers []string
		Eventually(t, 20*time.Second, func() (err error) { // Nginx may listen before it has a worker
			if workers, err = n.workers(); err == nil && len(workers) == 0 {
				err = errors.New("there is no worker yet")
			}
			return err
		})
		fmt.Println("pids", n.PID(), strings.Join(workers, " "))
		<-t.Context().Done() // the parent kills us here
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledTestLeavesNothing$", "-test.v")
	child.Env = append(os.Environ(), "COMPONENTS_CHILD=1", "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []string
	for scanner := bufio.NewScanner(out); pids == nil && scanner.Scan(); {
		if list, ok := strings.CutPrefix(scanner.Text(), "pids "); ok {
			pids = strings.Fields(list)
		}
	}
	if len(pids) < 2 {
		t.Fatalf("the child named the processes %q, want a master and a worker", pids)
	}
	if err := child.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed: always an error
	for _, pid := range pids {
		Eventually(t, 20*time.Second, func() error {
			if isRunning(pid) {
				return fmt.Errorf("process %s is still there", pid)
			}
			return nil
		})
	}
}

// isRunning tells whether a process exists and is not just waiting to be reaped.
func isRunning(pid string) bool {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// fakeTB records whether Require skipped or failed.
type fakeTB struct {
	testing.TB
	outcome string
}

func (f *fakeTB) Helper()                   {}
func (f *fakeTB) Skipf(s string, a ...any)  { f.outcome = "skip: " + fmt.Sprintf(s, a...) }
func (f *fakeTB) Fatalf(s string, a ...any) { f.outcome = "fail: " + fmt.Sprintf(s, a...) }

func TestRequireSkipsOrFails(t *testing.T) {
	tests := []struct {
		name, ci, must, want string
	}{
		{"at home", "", "", "skip: "},
		{"in CI", "true", "", "fail: "},
		{"on demand", "", "1", "fail: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NGXTAP_CACHE", t.TempDir())
			t.Setenv("CI", tt.ci)
			t.Setenv("NGXTAP_REQUIRE_COMPONENTS", tt.must)
			f := &fakeTB{TB: t}
			Require(f, PartPython)
			if !strings.HasPrefix(f.outcome, tt.want) || !strings.Contains(f.outcome, "setup.sh") {
				t.Errorf("Require: %q, want %q and a hint", f.outcome, tt.want)
			}
		})
	}
}

func TestEveryVersionIsPinned(t *testing.T) {
	for _, name := range []string{"NGINX_DEB", "NJS_DEB", "KAFKA", "SCALA", "APICURIO", "MAVEN_DEPENDENCY_PLUGIN", "CONFLUENT_KAFKA", "FASTAVRO"} {
		if version(name) == "" {
			t.Errorf("versions.env does not name %s", name)
		}
	}
	if version("NOTHING") != "" {
		t.Error("an unknown name has a version")
	}
}
