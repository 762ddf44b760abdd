package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// open finds the repository and this program and makes the temporary folder.
func (b *bench) open() error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if b.root, err = repository(); err != nil {
		return err
	}
	b.ref = commit(b.root)
	if b.dir, err = os.MkdirTemp("", "ngxtap-bench-"); err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	b.atEnd(func() { os.RemoveAll(b.dir) })
	return nil
}

// atEnd has f called by close; the last one given is called first.
func (b *bench) atEnd(f func()) { b.cleanups = append(b.cleanups, f) }

// close undoes everything that was opened.
func (b *bench) close() {
	for i := len(b.cleanups) - 1; i >= 0; i-- {
		b.cleanups[i]()
	}
}

// repository returns the folder of the nearest go.mod at or above the working folder.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod at or above %s: run this inside the repository", dir)
		}
	}
}

// generate writes so many lines of test/gen to a file of the temporary folder and returns its path.
func (b *bench) generate(ctx context.Context, name string, lines int) (string, error) {
	path := filepath.Join(b.dir, name)
	cmd := exec.CommandContext(ctx, "go", "run", "./test/gen", "-lines", fmt.Sprint(lines), "-o", path)
	cmd.Dir = b.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("generate %d lines with test/gen: %w\n%s", lines, err, out)
	}
	return path, nil
}

// binary returns the path of a copy of the ngxtap that `make build` makes, so that a build during the run changes nothing.
func (b *bench) binary() (string, error) {
	copied := filepath.Join(b.dir, "ngxtap")
	if _, err := os.Stat(copied); err == nil {
		return copied, nil
	}
	program, err := os.ReadFile(filepath.Join(b.root, "bin", "ngxtap"))
	if err != nil {
		return "", fmt.Errorf("run `make build` first: %w", err)
	}
	return copied, os.WriteFile(copied, program, 0o755)
}

// corpus is the folder of the benchmark's log_format and of a small log in it.
func (b *bench) corpus() string { return filepath.Join(b.root, "testdata", "bench") }

// partArgs returns the command that runs a part.
func (b *bench) partArgs(name, file, topic string) []string {
	if b.kafka == nil {
		return []string{b.self, name, file}
	}
	return []string{b.self, name, "-brokers", strings.Join(b.kafka.brokers, ","), "-topic", topic, file}
}

// describeMachine prints what the figures of a run depend on.
func (b *bench) describeMachine() {
	kafka := "not used"
	if b.kafka != nil {
		kafka = b.kafka.version
	}
	fmt.Fprintf(b.out, "date     %s\ncommit   %s\nmachine  %s, %d cores, Linux %s; load before the run %s\ngo       %s\nkafka    %s\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), b.ref, cpuModel(), runtime.NumCPU(), kernel(), load(), runtime.Version(), kafka)
}

// commit returns the short name of the commit that is checked out in root, with "-dirty" if files differ from it.
func commit(root string) string {
	cmd := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// cpuModel returns the processor's name.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// load returns the load average of the last minute: figures of a busy machine are noisy.
func load() string {
	average, _ := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(average), " ")
	return minute
}

// kernel returns the release of the running kernel.
func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return "unknown"
	}
	var release []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release = append(release, byte(c))
	}
	return string(release)
}
