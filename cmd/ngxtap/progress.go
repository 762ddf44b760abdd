package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"ngxtap/pkg/pipeline"
)

// meterEvery is how often the line that shows progress changes.
const meterEvery = 200 * time.Millisecond

// progressLine shows on a terminal how far a long piece of work is: how much is done of how much, how fast, and for how much longer. Without a
// terminal it does nothing; then the log says now and then how far it is. It belongs to one goroutine.
type progressLine struct {
	terminal *terminal // nil: none
	amount   func(int64) string
	what     string // of which amount writes how many; empty where it says that itself
	first    int64  // what was done before the first look
	began    time.Time
	next     time.Time
}

// newProgressLine returns one for w that counts things, such as "lines", or without a name for them bytes.
func newProgressLine(w io.Writer, what string) *progressLine {
	t, _ := bare(w).(*terminal)
	if what == "" {
		return &progressLine{terminal: t, amount: inBytes}
	}
	return &progressLine{terminal: t, amount: inNumbers, what: " " + what}
}

// show says that done of total are done; a total of 0 is not known. Details follow. It may be called as often as one likes.
func (m *progressLine) show(now time.Time, done, total int64, details string) {
	if m.terminal == nil || now.Before(m.next) {
		return
	}
	if m.began.IsZero() {
		m.began, m.first = now, done
	}
	m.next = now.Add(meterEvery)
	m.terminal.show(m.text(now.Sub(m.began), done, total) + details)
}

// text is the line, without details.
func (m *progressLine) text(took time.Duration, done, total int64) string {
	text := m.amount(done) + m.what
	if total > 0 {
		text = fmt.Sprintf("%s of %s%s (%d%%)", m.amount(done), m.amount(total), m.what, int64(100*float64(done)/float64(max(total, done))))
	}
	rate := float64(done-m.first) / took.Seconds()
	if took < time.Second || rate < 1 {
		return text
	}
	text += ", " + m.amount(int64(rate)) + m.what + "/s"
	if left := float64(total-done) / rate; left > 0 && left < (100*time.Hour).Seconds() {
		text += fmt.Sprintf(", %v left", max(time.Duration(left)*time.Second, time.Second))
	}
	return text
}

// end removes the line.
func (m *progressLine) end() {
	if m.terminal != nil {
		m.terminal.show("")
	}
}

// inBytes writes a number of bytes for people.
func inBytes(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

// counting returns a line that counts what goes to standard output, if that is not on the terminal itself.
func (a *app) counting(what string) *progressLine {
	if isTerminal(a.out) {
		return newProgressLine(io.Discard, what)
	}
	return newProgressLine(a.err, what)
}

func inNumbers(n int64) string { return strconv.FormatInt(n, 10) }

// showReading shows how much of the files of all sites is committed, until ctx ends.
func (m *progressLine) showReading(ctx context.Context, sites []*pipeline.Site) {
	if m.terminal == nil {
		return
	}
	defer m.end()
	tick := time.NewTicker(meterEvery)
	defer tick.Stop()
	for {
		m.reading(sites)
		select {
		case <-ctx.Done():
			m.next = time.Time{} // however short the work was
			m.reading(sites)
			return
		case <-tick.C:
		}
	}
}

func (m *progressLine) reading(sites []*pipeline.Site) {
	var done, left, refused int64
	for _, s := range sites {
		st := s.Stats()
		done, left, refused = done+st.Bytes().Read, left+st.Lag(), refused+st.Quarantined.Load()
	}
	details := ""
	if refused > 0 {
		details = fmt.Sprintf("; %d lines quarantined", refused)
	}
	if done+left > 0 { // else the files were not looked at yet
		m.show(time.Now(), done, done+left, details)
	}
}
