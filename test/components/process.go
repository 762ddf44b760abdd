package components

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a running program, with its output in a file. Its owner calls stop.
type process struct {
	name string
	pid  int
	log  string        // file that holds its standard output and error
	done chan struct{} // closed when it has ended
	err  error         // how it ended; set before done is closed

	stopped sync.Once // after the first stop the process group may belong to somebody else
}

// startProcess starts argv in dir, in a process group of its own, with its output appended to the file log. The kernel sends it
// deathSignal when this process dies, however it dies.
func startProcess(dir, log string, deathSignal syscall.Signal, argv ...string) (*process, error) {
	return startCommand(exec.Command(argv[0], argv[1:]...), dir, log, deathSignal)
}

// startCommand is startProcess for a command that has more to it than its arguments.
func startCommand(cmd *exec.Cmd, dir, log string, deathSignal syscall.Signal) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the output file of %s: %w", cmd.Path, err)
	}
	defer out.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid, cmd.SysProcAttr.Pdeathsig = true, deathSignal
	p := &process{name: cmd.Args[0], log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel sends the death signal when the thread that started the child ends, so that thread must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Args[0], err)
	}
	return p, nil
}

// alive tells whether the process has not ended yet.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig to the process, not to its group.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return fmt.Errorf("signal %s: it has ended: %v", p.name, p.err)
	}
	if err := syscall.Kill(p.pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// stop sends sig, waits for at most grace, and then kills whatever is left of the process and its group. It returns when the
// process is gone. Only the first call does anything.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	p.stopped.Do(func() {
		if p.alive() && p.signal(sig) == nil {
			select {
			case <-p.done:
			case <-time.After(grace):
			}
		}
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // fails if nobody is left, which is what we want
		<-p.done
	})
}

// waitReady calls probe until it returns nil. It gives up when the process ends or the time is over; the error then holds the last
// lines of the process's output.
func (p *process) waitReady(within time.Duration, probe func() error) error {
	err := poll(within, p.done, probe)
	switch {
	case err == nil:
		return nil
	case !p.alive():
		return fmt.Errorf("%s ended before it was ready: %v\n%s", p.name, p.err, p.lastOutput())
	}
	return fmt.Errorf("%s was not ready within %v: %w\n%s", p.name, within, err, p.lastOutput())
}

// lastOutput returns the last 30 lines that the process wrote.
func (p *process) lastOutput() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// portTaken tells whether the process complained that somebody else has its port, which can happen between the time a free port is
// looked up and the time it is used.
func (p *process) portTaken() bool {
	data, _ := os.ReadFile(p.log)
	return strings.Contains(string(data), "Address already in use")
}

// freeAddrs returns n addresses on 127.0.0.1 with ports that nobody listens on at the moment.
func freeAddrs(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("look for a free port: %w", err)
		}
		defer l.Close() // all at the end, so that no port is given twice
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}

// errPortTaken marks a start that is worth another try with other ports.
var errPortTaken = errors.New("the port was taken by somebody else")

// retryPorts calls start until it returns anything but errPortTaken, at most three times.
func retryPorts(start func() error) error {
	var err error
	for range 3 {
		if err = start(); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}
