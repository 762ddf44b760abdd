package components

// Shows: a program's exit code, its end by a signal, and its output are told as they were.

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProgramTellsHowItEnded(t *testing.T) {
	p := StartProgram(t, "sh", "-c", "echo last words; exit 3")
	if code := p.Wait(t, 10*time.Second); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
	if err := p.Alive(); err == nil || !strings.Contains(err.Error(), "last words") {
		t.Errorf("Alive: %v, want its last words", err)
	}

	p = StartProgram(t, "sleep", "600")
	if err := p.Alive(); err != nil {
		t.Error(err)
	}
	p.Signal(t, syscall.SIGTERM)
	if code := p.Wait(t, 10*time.Second); code != -1 {
		t.Errorf("exit code %d after a signal, want -1", code)
	}

	p = StartProgram(t, "sleep", "600")
	p.Kill()
	if p.Alive() == nil {
		t.Error("alive after Kill")
	}
}
