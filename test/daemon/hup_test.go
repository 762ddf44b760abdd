package daemon

// Shows: a SIGHUP that comes while the daemon is starting does not end it. (systemd takes a death by SIGHUP for an end in good order, so
// Restart=on-failure would leave the service down.)

import (
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"

	"ngxtap/test/components"
)

func TestReloadWhileStarting(t *testing.T) {
	s := newSite(t)
	s.log.WriteLines(t, 0, 100)
	h := s.host(t, fakeBroker(t), nil)
	text, err := os.ReadFile(h.Config)
	if err != nil {
		t.Fatal(err)
	}
	// The configuration is a pipe at first: the daemon is caught in the middle of reading it.
	if err := os.Remove(h.Config); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(h.Config, 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := h.Start(t)
	pipe, err := os.OpenFile(h.Config, os.O_WRONLY, 0) // returns when the daemon has opened it
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := os.Remove(h.Config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		daemon.Signal(t, syscall.SIGHUP)
	}
	if _, err := pipe.Write(text); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	h.AwaitArrived(t, daemon, s.name, 100, long)
	components.Eventually(t, long, func() error {
		r, err := http.Get("http://" + h.Admin + "/readyz")
		if err != nil {
			return fmt.Errorf("%w; %w", err, daemon.Alive())
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return errAgain
		}
		return nil
	})
	daemon.Signal(t, syscall.SIGTERM)
	if code := daemon.Wait(t, long); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
