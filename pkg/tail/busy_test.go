// Shows that Status answers while Read passes over an endless line: metrics and health must not wait for gigabytes.
package tail

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestStatusAnswersDuringALongRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, answered, limit := int64(2*DefaultMaxLine), make(chan struct{}), time.Now().Add(20*time.Second)
	grow := func() {
		if err := f.Truncate(size); err != nil {
			t.Error(err)
		}
	}
	grow()
	var in *Tailer
	asked := false
	in, err = Open(Config{Paths: []string{path}, now: func() time.Time {
		if in == nil {
			return time.Now()
		}
		if !asked {
			asked = true
			go func() { in.Status(); close(answered) }()
		}
		select {
		case <-answered:
		default: // the line goes on until Status has answered
			if size += 1 << 20; time.Now().Before(limit) {
				grow()
			}
		}
		return time.Now()
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := in.Read(ctx, 0); err != nil {
		t.Fatal(err)
	}
	select {
	case <-answered:
	default:
		t.Errorf("Status did not answer in time, while %d MiB of one line were read", size>>20)
	}
}
