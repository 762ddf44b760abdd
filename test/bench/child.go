package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process took.
type usage struct {
	cpu, wall time.Duration // cpu: user and system time of all its threads
	resident  int64         // the most memory it had resident, in bytes
	said      string        // on stderr, the middle left out
}

// hwmEvery is how often the memory of a child is looked at. The kernel keeps the peak, so only growth in the last moments can be missed.
const hwmEvery = 5 * time.Millisecond

// measure runs a command to its end and returns what it took. Its output goes to out, where one is given; what it says on stderr
// is part of the error.
func measure(ctx context.Context, argv []string, out *bytes.Buffer) (usage, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if out != nil {
		cmd.Stdout = out
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return usage{}, fmt.Errorf("start %s: %w", argv[0], err)
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go watchMemory(cmd.Process.Pid, ended, peak)
	err := cmd.Wait()
	u := usage{wall: time.Since(start)}
	close(ended)
	u.resident = <-peak
	u.said = excerpt(stderr.Bytes())
	if err != nil {
		return u, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, u.said)
	}
	rusage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	u.cpu = time.Duration(rusage.Utime.Nano() + rusage.Stime.Nano())
	return u, nil
}

// watchMemory sends the peak of a process's resident memory when ended is closed. rusage has that figure too, but Linux hands the
// peak of the parent down to a child at exec, so a large parent would hide a small child.
func watchMemory(pid int, ended <-chan struct{}, peak chan<- int64) {
	tick := time.NewTicker(hwmEvery)
	defer tick.Stop()
	var most int64
	for {
		select {
		case <-ended:
			peak <- most
			return
		case <-tick.C:
			most = max(most, residentPeak(pid))
		}
	}
}

// residentPeak returns VmHWM of a process in bytes, 0 if it is gone.
func residentPeak(pid int) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10
		}
	}
	return 0
}

// excerpt returns the beginning and the end of what a program said.
func excerpt(b []byte) string {
	const most = 1500
	if len(b) <= 2*most {
		return string(b)
	}
	return string(b[:most]) + "\n…\n" + string(b[len(b)-most:])
}

// ownCPU returns the user and system time that this process has taken so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
