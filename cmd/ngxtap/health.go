package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/pipeline"
)

// The three questions that may be asked of the daemon, beside what people read in the answers (docs/metrics.md):
//
//	/livez   would a restart help? What waits for brokers, a registry, Nginx or an operator is alive.
//	/readyz  does every site ship, or wait for lines?
//	/healthz the same, with all there is to say, for people and for who asked before the other two were there.

// livez is bad only where a restart helps. stuck are the sites that hang by no fault of others.
func livez(stuck []string) (ok bool, text string) {
	if len(stuck) == 0 {
		return true, "alive"
	}
	var lines []string
	for _, site := range stuck {
		lines = append(lines, oneLine("site "+site+" hangs: it waits for nobody and shows no sign of life; the log says what it was doing"))
	}
	return false, strings.Join(lines, "\n")
}

// readyz is good while every site runs, and otherwise says of each that does not why.
func readyz(sites []*pipeline.Site) (ok bool, text string) {
	var lines []string
	for _, s := range sites {
		if p := s.Stats().Standing(); p != pipeline.StandingRunning {
			lines = append(lines, stateLine(s))
		}
	}
	if len(lines) == 0 {
		return true, "ready"
	}
	return false, fmt.Sprintf("not ready: %d of %d sites\n%s", len(lines), len(sites), strings.Join(lines, "\n"))
}

// stateLine says what a site does, and since when.
func stateLine(s *pipeline.Site) string {
	state, since := s.Stats().State()
	return oneLine(fmt.Sprintf("site %s: %s since %s", s.Name(), state, since.UTC().Format("2006-01-02T15:04:05Z")))
}

// health is good while every site runs. What somebody should look at, but what no restart would mend, leaves it good and is told in
// words behind the states: log files that can't be read, an nginx.conf that can't be used, a
// changed schema, data that was declared lost, a configuration that was refused at SIGHUP (and why), a state_dir that can't be written to.
func health(sites []*pipeline.Site, stateDir, refused string) (ok bool, text string) {
	ok = true
	var lines, notes []string
	views := viewsOf(sites)
	for i, s := range sites {
		st := s.Stats()
		state, _ := st.State()
		if state != pipeline.StateRunning {
			ok = false
		}
		lines = append(lines, stateLine(s))
		for _, why := range views[i].Unreadable() {
			notes = append(notes, fmt.Sprintf("site %s: %s", s.Name(), why))
		}
		if why := st.ConfigProblem(); why != "" {
			notes = append(notes, fmt.Sprintf("site %s: the configuration of the log as it is now can't be used, and changes nothing until it is mended: %s", s.Name(), why))
		}
		if _, last := st.Changes(); last != nil {
			notes = append(notes, fmt.Sprintf("site %s: last schema change at %s, %s, %s: %s", s.Name(),
				time.UnixMicro(last.Time).UTC().Format(time.RFC3339), last.Class, last.Action, last.Text))
		}
		if n := st.Losses.Load(); n > 0 {
			notes = append(notes, fmt.Sprintf("site %s: log data was declared lost %d times since the start, %d bytes and whatever could not be counted; "+
				"the log names files and offsets", s.Name(), n, st.Bytes().Lost))
		}
	}
	if refused != "" {
		notes = append(notes, refusedText+refused)
	}
	if err := stateDirProblem(stateDir); err != nil {
		notes = append(notes, fmt.Sprintf("state_dir %s: %v; nothing is lost, for Kafka knows the positions, but make it writable before the next start", stateDir, err))
	}
	for _, l := range append(lines, notes...) {
		text += oneLine(l) + "\n"
	}
	return ok, strings.TrimSuffix(text, "\n")
}

// stateDirProblem says why nothing can be written to state_dir, nil if it can.
func stateDirProblem(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	if st.Blocks > 0 && st.Bavail == 0 {
		return errors.New("the file system is full")
	}
	return nil
}
