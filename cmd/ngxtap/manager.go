package main

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// manager is the service manager that started us: systemd, or whatever else speaks sd_notify(3). A message is one datagram of
// NAME=value lines to the socket that NOTIFY_SOCKET names. Without one, all of this says nothing to nobody.
//
// These are few lines, so they are ours, and not a module's: a message may not take long (a manager that is stopped would stop our pings and status
// for good), and a line break in a status may not become another message; github.com/coreos/go-systemd leaves both to its users.
type manager struct {
	socket   string
	watchdog time.Duration // the longest time between two pings; 0: none are asked for
	log      *slog.Logger

	mu      sync.Mutex
	failing bool   // guarded by mu: the last message could not be sent; said once
	refusal string // guarded by mu: why the configuration that stands on the disk was refused; "": it was not
	leaving bool   // guarded by mu: stopping was said, and is the last status
}

// newManager looks in the environment for who wants to be told.
func newManager(log *slog.Logger) *manager {
	m := &manager{socket: os.Getenv("NOTIFY_SOCKET"), log: log}
	// The ping may be meant for another process of the service.
	if pid := os.Getenv("WATCHDOG_PID"); m.socket == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return m
	}
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 && usec <= math.MaxInt64/1000 {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	return m
}

// sendMost is how long a message may take: the manager may be busy, or stopped.
const sendMost = 2 * time.Second

// send sends one message. That it can't be sent is said once: if it matters, the manager acts by itself.
func (m *manager) send(lines ...string) {
	if m.socket == "" || len(lines) == 0 {
		return
	}
	err := m.write(strings.Join(lines, "\n"))
	m.mu.Lock()
	news := err != nil && !m.failing
	m.failing = err != nil
	m.mu.Unlock()
	if news {
		m.log.Warn("the service manager can't be told how things are", "error", err)
	}
}

// write opens the socket for each message: the manager may be replaced while we run.
func (m *manager) write(text string) error {
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.socket, Net: "unixgram"}) // "@" begins an abstract name
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(sendMost)); err != nil {
		return err
	}
	_, err = c.Write([]byte(text))
	return err
}

// ready says that the sites are at work: each on its own, whether its broker is there or not.
func (m *manager) ready() {
	m.mu.Lock()
	m.refusal = ""
	m.mu.Unlock()
	m.send("READY=1")
}

// reloading says that the configuration is being read again; ready, or refused, says that this is over.
func (m *manager) reloading() {
	lines := []string{"RELOADING=1"}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil { // Type=notify-reload wants it
		lines = append(lines, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
	}
	m.send(lines...)
}

// refused says that the old configuration stays in force. The status line tells why until one is taken.
func (m *manager) refused(err error) {
	why, _, _ := strings.Cut(err.Error(), "\n")
	m.mu.Lock()
	m.refusal = why
	m.mu.Unlock()
	m.send("READY=1", statusOf(refusedText+why)) // at once, for who looks after systemctl reload; then as part of the status
}

// refusedText begins what the status says of a configuration that was refused.
const refusedText = "the new configuration is refused, the old one is in force: "

// refusedBecause returns why the configuration on the disk is not in force, "" if it is.
func (m *manager) refusedBecause() string {
	if m == nil { // not the daemon
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refusal
}

// isLeaving reports whether stopping was said.
func (m *manager) isLeaving() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.leaving
}

// stopping says that the daemon is about to end.
func (m *manager) stopping() {
	m.mu.Lock()
	m.leaving = true
	m.mu.Unlock()
	m.send("STOPPING=1", statusOf("stopping: a last commit, then the sites are released"))
}

// statusMost is how long a status may be, in bytes; it is shown on one line.
const statusMost = 480

// statusOf makes the line for systemctl status. What it says comes partly from others (errors of brokers, names of files): a line break in it
// would begin a message of its own.
func statusOf(text string) string {
	text = oneLine(text)
	if len(text) > statusMost {
		text = strings.ToValidUTF8(text[:statusMost], "") + " …"
	}
	return "STATUS=" + text
}
