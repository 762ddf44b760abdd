package torture

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// logWorld is one log with its rotated files.
type logWorld struct {
	*harness.Log
	site    *siteWorld
	style   style
	workers int

	half    string       // the rest of a line that a worker has begun
	halfBy  int          // who that is
	stale   map[int]bool // workers that still write to the renamed file
	newer   map[int]bool // workers that write in the second format
	rotated []string     // what the rotated files are called after the path, newest first
	links   int          // targets of the link so far
	dates   int
	lines   *rand.Rand // what lines look like
}

func newLogWorld(t testing.TB, site *siteWorld, l logScript, seed uint64) *logWorld {
	path := filepath.Join(site.dir, l.name)
	w := &logWorld{site: site, style: l.style, workers: l.workers, stale: map[int]bool{}, newer: map[int]bool{}, lines: rand.New(rand.NewPCG(seed, 0x6c6f67))}
	if l.style == linked {
		must(t, os.Symlink(w.target(), path))
	}
	w.Log = harness.NewLog(t, site.journal, path, l.workers)
	return w
}

// target is what the next target of the link is called.
func (w *logWorld) target() string {
	w.links++
	return fmt.Sprintf("target-%03d.log", w.links)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// whole ends a line that was begun, before anything else happens to the log.
func (w *logWorld) whole(t testing.TB) {
	if w.half != "" {
		rest := w.half
		w.half = ""
		w.Write(t, w.halfBy, rest)
	}
}

// write lets a worker write n lines of a kind by one write.
func (w *logWorld) write(t testing.TB, worker, n int, kind string) {
	w.whole(t)
	var b strings.Builder
	for range n {
		b.WriteString(w.inFormat(worker, w.line(kind)))
	}
	w.Write(t, worker%w.workers, b.String())
}

// line makes a line of a kind: plain ones are what Nginx writes; mixed has what it should not among them; long has lines beyond
// the block size and, where the site says so, beyond max_line.
func (w *logWorld) line(kind string) string {
	good := harness.Line(w.lines.IntN(200))
	switch n := w.lines.IntN(100); {
	case kind == "plain" || n < 80 && kind == "mixed" || n < 97:
		return good
	case kind == "long":
		return harness.Line(2000 + w.lines.IntN(40000))
	case n == 97:
		return "no such line: " + good[len(good)/2:]
	case n == 98:
		return strings.TrimSuffix(good, "\n") + "\r\n"
	}
	return []string{"\n", "\r\n", "\x00\xff" + good}[w.lines.IntN(3)]
}

// begin lets a worker write the beginning of a line.
func (w *logWorld) begin(t testing.TB, worker, percent int) {
	w.whole(t)
	line := w.inFormat(worker, harness.Line(w.lines.IntN(300)))
	n := 1 + percent*(len(line)-2)/100
	w.Write(t, worker%w.workers, line[:n])
	w.half, w.halfBy = line[n:], worker%w.workers
}

// rename moves the log aside, and the older ones before it. Workers go on writing to it until they reopen.
func (w *logWorld) rename(t testing.TB) {
	w.whole(t)
	w.reopenAll(t) // the next rotation comes when all have done so
	if w.style == dated {
		w.dates++
		name := fmt.Sprintf("-2026%02d%02d", 1+w.dates/28, 1+w.dates%28)
		w.Rename(t, "", name)
		w.rotated = append([]string{name}, w.rotated...)
	} else {
		w.shift(t)
		w.Rename(t, "", ".1")
		w.rotated = append([]string{".1"}, w.rotated...)
	}
	for i := range w.workers {
		w.stale[i] = true
	}
}

// shift makes room for .1.
func (w *logWorld) shift(t testing.TB) {
	for i := len(w.rotated) - 1; i >= 0; i-- {
		var number int
		if _, err := fmt.Sscanf(w.rotated[i], ".%d", &number); err != nil {
			t.Fatalf("%s: %v", w.rotated[i], err)
		}
		to := fmt.Sprintf(".%d", number+1)
		if strings.HasSuffix(w.rotated[i], ".gz") {
			to += ".gz"
		}
		w.Rename(t, w.rotated[i], to)
		w.rotated[i] = to
	}
}

func (w *logWorld) reopen(t testing.TB, worker int) {
	w.whole(t)
	w.Reopen(t, worker)
	delete(w.stale, worker)
}

func (w *logWorld) reopenAll(t testing.TB) {
	for i := range w.workers {
		if w.stale[i] {
			w.reopen(t, i)
		}
	}
}

// tornEnd leaves half a line at the end of the log that nobody will end.
func (w *logWorld) tornEnd(t testing.TB, percent int) {
	w.reopenAll(t)
	w.begin(t, 0, percent)
	w.half = ""
	w.site.torn[w.Current()] = true
}

func (w *logWorld) copyTruncate(t testing.TB) {
	w.whole(t)
	w.shift(t)
	w.CopyTruncate(t, ".1")
	w.rotated = append([]string{".1"}, w.rotated...)
}

// switchLink makes the link lead to a new file.
func (w *logWorld) switchLink(t testing.TB) {
	w.whole(t)
	must(t, os.Symlink(w.target(), w.Path+".new"))
	must(t, os.Rename(w.Path+".new", w.Path))
	w.ReopenAll(t)
}

// gzip compresses the nth newest rotated file as gzip(1) does, if there is one that is not compressed and that nobody writes.
func (w *logWorld) gzip(t testing.TB, nth int) bool {
	if nth >= len(w.rotated) || strings.HasSuffix(w.rotated[nth], ".gz") || nth == 0 && len(w.stale) > 0 {
		return false
	}
	plain := w.Path + w.rotated[nth]
	data, err := os.ReadFile(plain)
	must(t, err)
	st, err := os.Stat(plain)
	must(t, err)
	f, err := os.OpenFile(plain+".gz", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	must(t, err)
	defer f.Close()
	z := gzip.NewWriter(f)
	for len(data) > 0 { // in pieces, so that it can be seen half done
		n := min(len(data), 64<<10)
		_, err := z.Write(data[:n])
		must(t, errors.Join(err, z.Flush()))
		data = data[n:]
	}
	must(t, z.Close())
	must(t, os.Chtimes(plain+".gz", st.ModTime(), st.ModTime()))
	must(t, os.Remove(plain))
	w.rotated[nth] += ".gz"
	return true
}

// remove deletes the oldest rotated file.
func (w *logWorld) remove(t testing.TB) bool {
	if len(w.rotated) == 0 || len(w.rotated) == 1 && len(w.stale) > 0 {
		return false
	}
	last := len(w.rotated) - 1
	must(t, os.Remove(w.Path+w.rotated[last]))
	w.rotated = w.rotated[:last]
	return true
}

// newFolder replaces the folder of the logs of a site: what lies there is gone, and the workers open new files.
func (s *siteWorld) newFolder(t testing.TB) {
	for _, w := range s.logs {
		w.whole(t)
	}
	s.folders++
	must(t, os.Rename(s.dir, fmt.Sprintf("%s-old-%d", s.dir, s.folders)))
	must(t, os.Mkdir(s.dir, 0o755))
	for _, w := range s.logs {
		if w.style == linked {
			must(t, os.Symlink(w.target(), w.Path))
		}
		w.rotated, w.stale = nil, map[int]bool{}
		w.ReopenAll(t)
	}
}

// whole returns how many bytes of the site's logs can be shipped: those of whole lines, and half lines that nobody will end.
func (s *siteWorld) whole() (n int64) {
	for _, g := range s.journal.Generations() {
		if s.torn[g] {
			n += g.Len()
		} else {
			n += g.Whole()
		}
	}
	return n
}

// siteWorld is one site: its logs and what was written into them.
type siteWorld struct {
	siteScript
	dir     string // of its logs
	conf    string // path of nginx.conf
	edited  bool   // nginx.conf has the second format
	folders int    // replaced so far
	journal *oracle.Journal
	torn    map[*oracle.Generation]bool // they end with half a line
	logs    []*logWorld
}

// hide takes all permissions from a path and returns what gives them back.
func hide(t testing.TB, path string) (show func()) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}
	}
	must(t, err)
	must(t, os.Chmod(path, 0))
	return func() { must(t, os.Chmod(path, st.Mode().Perm())) }
}
