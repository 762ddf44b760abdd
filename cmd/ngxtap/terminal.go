package main

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A terminal gets colours and a line that changes; a pipe, a file or a dumb terminal never gets a control character.

// terminal is a terminal whose last line may show how far something is. What is written to it meanwhile goes above that line.
type terminal struct {
	f    *os.File
	mu   sync.Mutex // guards the following, and what is written to f
	line string
}

// asTerminal returns w, or if that is a terminal that knows control characters, what may show a line that changes.
func asTerminal(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && isTerminal(f) && os.Getenv("TERM") != "dumb" {
		return &terminal{f: f}
	}
	return w
}

// eraseLine takes the cursor to the beginning of its line and empties that.
const eraseLine = "\r\x1b[K"

// Write implements io.Writer.
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" || len(b) == 0 {
		return t.f.Write(b)
	}
	text := eraseLine + string(b)
	if strings.HasSuffix(text, "\n") {
		text += t.line
	} else {
		t.line = "" // it would stand in the middle
	}
	if _, err := io.WriteString(t.f, text); err != nil {
		return 0, err
	}
	return len(b), nil
}

// show puts a text into the line that changes; none removes it.
func (t *terminal) show(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text = t.cut(oneLine(text)); text == t.line {
		return
	}
	t.line = text
	_, _ = io.WriteString(t.f, eraseLine+text) // whoever closed the terminal sees it no more
}

// cut keeps a text from filling the line, for one that goes on below can't be erased.
func (t *terminal) cut(text string) string {
	size, err := unix.IoctlGetWinsize(int(t.f.Fd()), unix.TIOCGWINSZ)
	if runes := []rune(text); err == nil && size.Col > 1 && len(runes) >= int(size.Col) {
		return string(runes[:size.Col-1])
	}
	return text
}

func isTerminal(w io.Writer) bool {
	f, ok := below(w).(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// below returns what we were given to write to, for a child that escapes and draws by itself.
func below(w io.Writer) io.Writer {
	if t, ok := bare(w).(*terminal); ok {
		return t.f
	}
	return bare(w)
}

// bare returns what an escaper writes to, for control characters of our own.
func bare(w io.Writer) io.Writer {
	if e, ok := w.(escaper); ok {
		return e.w
	}
	return w
}

// colour is a colour of text on a terminal.
type colour string

// The colours; what they say stands in words too.
const (
	red    colour = "31"
	yellow colour = "33"
)

// paint writes a text of ours to w, in colour if that is a terminal and nobody minds (no-color.org).
func paint(w io.Writer, c colour, text string) {
	if isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		text = "\x1b[" + string(c) + "m" + text + "\x1b[0m"
	}
	_, _ = io.WriteString(bare(w), text) // what follows on the same writer has the error
}

// levelWriter paints the word that a finding begins with. Each Write is of whole lines.
type levelWriter struct{ w io.Writer }

// Write implements io.Writer.
func (l levelWriter) Write(b []byte) (int, error) {
	for line := range strings.SplitAfterSeq(string(b), "\n") {
		for word, c := range map[string]colour{"error": red, "warning": yellow} {
			if rest, ok := strings.CutPrefix(line, word+" "); ok {
				paint(l.w, c, word)
				line = " " + rest
				break
			}
		}
		if _, err := io.WriteString(l.w, line); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
