package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/admin"
)

// topLive shows the table anew as answers come and keys are pressed, until q, a signal, or the end of the input. However it ends, the terminal is
// as it was.
func (a *app) topLive(ctx context.Context, c *statusClient, out *os.File, sort string) error {
	term, err := openScreen(a.in.(*os.File), out)
	if err != nil {
		return fmt.Errorf("use the terminal: %w; --once prints the table", err)
	}
	defer term.close()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() { // before the terminal is given back: nobody else reads it then
		cancel()
		wg.Wait()
	}()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	answers := make(chan topAnswer)
	wg.Go(func() { pollStatus(ctx, c, answers) })
	keys := make(chan byte)
	wg.Go(func() { term.read(ctx, keys) })

	v := topView{sort: sort, colour: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	for {
		width, height := term.size()
		if err := term.draw(v.lines(width, max(1, height-1)), keyHelp(width), height); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-resized:
		case answer := <-answers:
			v.update(answer.status, answer.err)
		case key, ok := <-keys:
			if !ok || key == 'q' || key == 'Q' {
				return nil
			}
			v.key(key, max(1, height-8))
		}
	}
}

// keyHelp is the last line of the screen.
func keyHelp(width int) string {
	return clip("q quit  sort: t trouble n name l events b data g lag c commit r refused", width)
}

// Keys that are no characters.
const (
	keyUp byte = iota + 1
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
)

// key does what a key asks for. page is how many sites a screen shows about.
func (v *topView) key(key byte, page int) {
	switch key {
	case keyUp, 'k':
		v.first--
	case keyDown, 'j':
		v.first++
	case keyPageUp:
		v.first -= page
	case keyPageDown, ' ':
		v.first += page
	case keyHome:
		v.first = 0
	case keyEnd:
		v.first = 1 << 30
	}
	for _, o := range topOrders {
		if o.key == key {
			v.sort, v.first = o.name, 0
		}
	}
}

// topAnswer is what came of asking the daemon once.
type topAnswer struct {
	status *admin.Status
	err    error
}

// pollStatus asks again and again until ctx ends.
func pollStatus(ctx context.Context, c *statusClient, answers chan<- topAnswer) {
	tick := time.NewTicker(topInterval)
	defer tick.Stop()
	for {
		st, err := c.get(ctx)
		select {
		case answers <- topAnswer{st, err}:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// screen is a terminal that top has to itself.
type screen struct {
	in, out *os.File
	before  unix.Termios // as it was
}

// openScreen takes the terminal over: keys come as they are pressed and unseen, and the screen is another than the one with the shell's lines.
// Ctrl-C stays a signal; Ctrl-Z is none, for it would leave the shell with this screen.
func openScreen(in, out *os.File) (*screen, error) {
	t := &screen{in: in, out: out}
	now, err := unix.IoctlGetTermios(int(in.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	t.before = *now
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 0, 1 // a read ends after a tenth of a second
	now.Cc[unix.VSUSP], now.Cc[unix.VQUIT] = 0, 0
	if err := unix.IoctlSetTermios(int(in.Fd()), unix.TCSETS, now); err != nil {
		return nil, err
	}
	if _, err := out.WriteString("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// close gives the terminal back as it was.
func (t *screen) close() {
	_, _ = t.out.WriteString("\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l") // a terminal that is gone needs nothing
	_ = unix.IoctlSetTermios(int(t.in.Fd()), unix.TCSETS, &t.before)
}

// size returns the size in characters.
func (t *screen) size() (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(t.out.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// draw writes the screen over the one before, in one piece, so that it does not flicker.
func (t *screen) draw(lines []string, help string, height int) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for _, l := range lines {
		b.WriteString(l + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	if len(lines) < height { // the last line of the screen
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[7m%s\x1b[0m\x1b[K", height, help)
	}
	_, err := t.out.WriteString(b.String())
	return err
}

// read sends keys until ctx or the input ends; then it closes keys.
func (t *screen) read(ctx context.Context, keys chan<- byte) {
	defer close(keys)
	var buf [64]byte
	for ctx.Err() == nil {
		n, err := unix.Read(int(t.in.Fd()), buf[:])
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return
		}
		if n == 0 { // a tenth of a second, or a terminal that hung up
			if _, err := unix.IoctlGetTermios(int(t.in.Fd()), unix.TCGETS); err != nil {
				return
			}
		}
		for _, key := range keysOf(buf[:n]) {
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			}
		}
	}
}

// keysOf reads keys out of what a terminal sends. A sequence that is not known is no key.
func keysOf(b []byte) []byte {
	known := map[string]byte{"[A": keyUp, "[B": keyDown, "OA": keyUp, "OB": keyDown, "[5~": keyPageUp, "[6~": keyPageDown, "[H": keyHome, "[F": keyEnd,
		"OH": keyHome, "OF": keyEnd, "[1~": keyHome, "[4~": keyEnd}
	var keys []byte
	for len(b) > 0 {
		if b[0] != 0x1b {
			if b[0] >= ' ' && b[0] < 0x7f {
				keys = append(keys, b[0])
			}
			b = b[1:]
			continue
		}
		end := 1
		if end < len(b) && (b[end] == '[' || b[end] == 'O') {
			for end++; end < len(b) && (b[end] < '@' || b[end] > '~'); end++ {
			}
			end = min(end+1, len(b))
		}
		if k := known[string(b[1:end])]; k != 0 {
			keys = append(keys, k)
		}
		b = b[end:]
	}
	return keys
}
