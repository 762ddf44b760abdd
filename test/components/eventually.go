package components

import (
	"testing"
	"time"
)

// Eventually calls probe until it returns nil, some 50 times a second, and fails the test with its last error when the time is over.
func Eventually(t testing.TB, within time.Duration, probe func() error) {
	t.Helper()
	if err := poll(within, nil, probe); err != nil {
		t.Fatalf("after %v: %v", within, err)
	}
}

// poll calls probe until it returns nil, the time is over or done is closed, and returns probe's last error.
func poll(within time.Duration, done <-chan struct{}, probe func() error) error {
	deadline := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe()
		if err == nil {
			return nil
		}
		select {
		case <-done:
			return err
		case <-deadline:
			return err
		case <-tick.C:
		}
	}
}
