package tail

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// life is what was written between a file's creation or truncation and its end: what the reader calls a generation.
type life struct {
	n     int
	text  strings.Builder
	known int // bytes that the reader has seen to be there, as far as it remembers
	saved int // the same at the commit
	floor int // so many bytes could be read at any time; max: all of them
}

// lines returns how many bytes its complete lines are.
func (l *life) lines() int { return strings.LastIndexByte(l.text.String(), '\n') + 1 }

// node is a file as the disk has it, whatever its names.
type node struct {
	life  *life
	size  int  // of a copy or an archive: how much of the life is in it
	copy  bool // or archive
	gz    bool
	torn  bool      // an archive that is not complete yet
	whole bool      // its date is in seconds
	seen  bool      // the reader has looked at it since it was started
	safe  bool      // the same at the commit
	late  int       // what it had when a line came after the grace; 0: never
	last  time.Time // when it was written, or renamed

	born, mtime time.Time
}

func (n *node) length() int {
	if n.copy {
		return n.size
	}
	return n.life.text.Len()
}

// worker is one of Nginx's: it holds a descriptor until it is told to reopen.
type worker struct {
	f    *os.File
	node *node
	torn string // what it has still to write of its line
}

// logDir is a log directory under random treatment.
type logDir struct {
	t       *testing.T
	rnd     *rand.Rand
	style   style
	dir     string
	log     string // the name Nginx writes to
	names   map[string]*node
	nodes   []*node
	lives   []*life
	workers []worker
	jobs    []func() // what the rotation that is under way has still to do
	day     int
	seq     int
	moved   int
	skew    time.Duration // of the system's clock
	clock   *stepper      // of the reader and of the file system
	trace   []string
}

// style is how a log is rotated.
type style struct {
	copying  bool // copytruncate
	dates    bool // dateext
	inner    bool // the date stands before the extension
	compress bool
	delay    bool // delaycompress
	keep     int  // rotated files that are kept
	links    bool // the log is a symbolic link that is switched
	cuts     bool // it is truncated in place now and then
	deletes  bool // it is deleted now and then
	moves    bool // its directory is replaced now and then
	jumps    bool // the system's clock jumps by a day now and then, to and fro
	ticks    bool // the clock of the file system moves between two rotations
}

func randomStyle(rnd *rand.Rand) style {
	one := func(n int) bool { return rnd.IntN(n) == 0 }
	s := style{copying: one(3), dates: one(3), compress: one(2), cuts: one(4), deletes: one(4), moves: one(6), ticks: !one(8)}
	s.inner, s.delay, s.keep = s.dates && one(2), s.compress && one(2), 1000
	if one(4) {
		s.keep = 1 + rnd.IntN(4)
	}
	if one(8) {
		s = style{links: true, ticks: true, keep: 1000}
	}
	s.jumps = one(3) && !s.copying && !s.compress && !s.deletes && !s.moves && !s.cuts && s.keep == 1000
	return s
}

func newLogDir(t *testing.T, rnd *rand.Rand, dir string, clock *stepper) *logDir {
	d := &logDir{t: t, rnd: rnd, clock: clock, style: randomStyle(rnd), dir: dir, log: "a.log", names: make(map[string]*node)}
	d.workers = make([]worker, 1+rnd.IntN(3))
	if d.style.links {
		d.switchLink()
	}
	return d
}

func (d *logDir) path(name string) string { return filepath.Join(d.dir, name) }

func (d *logDir) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *logDir) note(format string, args ...any) {
	d.trace = append(d.trace, fmt.Sprintf(format, args...))
}

func (d *logDir) now() time.Time { return d.clock.now }

// date is what the file system dates files with.
func (d *logDir) date() time.Time { return d.clock.now.Add(d.skew) }

// pass lets some time pass.
func (d *logDir) pass(limit time.Duration) {
	d.clock.now = d.clock.now.Add(time.Duration(d.rnd.Int64N(int64(limit))))
}

// tick lets time pass between two rotations. The clock by which the file system dates files moves every four milliseconds only, and
// the date of an archive every second.
func (d *logDir) tick() {
	if d.style.jumps && d.rnd.IntN(4) == 0 {
		d.skew = time.Duration(d.rnd.IntN(3)-1) * 24 * time.Hour
		d.note("the clock jumps to %v", d.skew)
	}
	if d.style.ticks {
		least := 4 * time.Millisecond
		if d.style.compress {
			least = 2 * time.Second
		}
		d.clock.now = d.clock.now.Add(least)
		d.pass([]time.Duration{time.Millisecond, time.Second, time.Minute}[d.rnd.IntN(3)])
	}
}

// create makes a node of the file that a name has now.
func (d *logDir) create(name string, n *node) *node {
	n.last, n.born, n.mtime = d.now(), d.date(), d.date()
	d.names[name] = n
	d.nodes = append(d.nodes, n)
	return n
}

// stat is what the reader sees; births and times are those of the model's clock.
func (d *logDir) stat(path string, st fileStat, err error) (fileStat, error) {
	if n := d.names[filepath.Base(path)]; err == nil && n != nil && filepath.Dir(path) == d.dir {
		n.date(&st)
	}
	return st, err
}

func (n *node) date(st *fileStat) {
	st.born, st.mtime = n.born.UnixNano()/4e6*4e6, n.mtime.UnixNano()/4e6*4e6
	st.key.born = st.born
	if n.gz && n.whole {
		st.mtime = st.mtime / 1e9 * 1e9
	}
}

// datedFile is an open file whose times are those of the model.
type datedFile struct {
	content
	n *node
}

func (f datedFile) stat() (fileStat, error) {
	st, err := f.content.stat()
	f.n.date(&st)
	return st, err
}

func (d *logDir) open(path string, f content, st fileStat, err error) (content, fileStat, error) {
	n := d.names[filepath.Base(path)]
	if err != nil || n == nil {
		return f, st, err
	}
	n.date(&st)
	return datedFile{f, n}, st, nil
}

func (d *logDir) begin() *life {
	l := &life{n: len(d.lives), floor: 1 << 30}
	d.lives = append(d.lives, l)
	return l
}

// reopen is what USR1 makes of a worker.
func (d *logDir) reopen(i int) {
	w := &d.workers[i]
	d.finish(i)
	n := d.names[d.log]
	if n == nil {
		d.tick()
		n = d.create(d.log, &node{life: d.begin()})
		d.note("create %s: life %d", d.log, n.life.n)
	}
	f, err := os.OpenFile(d.path(d.log), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	d.must(err)
	w.close()
	w.f, w.node = f, n
}

func (w *worker) close() {
	if w.f != nil {
		w.f.Close()
		w.f = nil
	}
}

// line lets a worker write one line, or first a part of one.
func (d *logDir) line(i int) {
	w := &d.workers[i]
	if w.f == nil {
		d.reopen(i)
	}
	if w.torn != "" {
		d.finish(i)
		return
	}
	d.seq++
	pad := d.rnd.IntN(200)
	if d.rnd.IntN(50) == 0 {
		pad = 4000 + d.rnd.IntN(3000)
	}
	s := fmt.Sprintf("%06d worker %d %s\n", d.seq, i, strings.Repeat("x", pad))
	// Only one worker may tear its lines, or they would mingle in the file.
	if len(d.workers) == 1 && d.rnd.IntN(4) == 0 {
		cut := d.rnd.IntN(len(s))
		w.torn = s[cut:]
		s = s[:cut]
	}
	d.write(w, s)
}

// finish writes what is left of a line.
func (d *logDir) finish(i int) {
	if w := &d.workers[i]; w.torn != "" {
		d.write(w, w.torn)
		w.torn = ""
	}
}

func (d *logDir) finishAll() {
	for i := range d.workers {
		d.finish(i)
	}
}

func (d *logDir) write(w *worker, s string) {
	_, err := w.f.WriteString(s)
	d.must(err)
	w.node.life.text.WriteString(s)
	// A file that was rotated away may be let go when it was quiet for so long.
	if w.node != d.names[d.log] && d.now().Sub(w.node.last) >= DefaultRotateGrace {
		w.node.seen = false
		w.node.late = w.node.life.text.Len() - len(s)
	}
	w.node.last, w.node.mtime = d.now(), d.date()
}

func (d *logDir) named(n *node) bool {
	for _, o := range d.names {
		if o == n {
			return true
		}
	}
	return false
}

func (d *logDir) rename(from, to string) {
	d.must(os.Rename(d.path(from), d.path(to)))
	d.note("rename %s %s", from, to)
	d.names[to] = d.names[from]
	if from == d.log {
		d.names[to].last = d.now()
	}
	delete(d.names, from)
}

func (d *logDir) remove(name string) {
	d.must(os.Remove(d.path(name)))
	d.note("remove %s: life %d", name, d.names[name].life.n)
	if name == d.log {
		d.names[name].last = d.now()
	}
	delete(d.names, name)
}

// rotated returns the rotated names, newest first.
func (d *logDir) rotated() []string {
	var found []string
	for name := range d.names {
		if name != d.log {
			found = append(found, name)
		}
	}
	order := func(name string) string {
		n := d.names[name].life.n
		return fmt.Sprintf("%06d %s", 999999-n, name)
	}
	slices.SortFunc(found, func(a, b string) int { return strings.Compare(order(a), order(b)) })
	return found
}

// rotate begins what logrotate does. What it does later is in jobs: others act in between.
func (d *logDir) rotate() {
	d.settle()
	if d.style.links {
		d.switchLink()
		return
	}
	if live := d.names[d.log]; live == nil || live.length() == 0 && d.rnd.IntN(4) > 0 {
		return
	}
	d.tick()
	if d.style.delay {
		if old := d.rotated(); len(old) > 0 && !d.names[old[0]].gz {
			d.compress(old[0])
			d.settle()
		}
	}
	to := d.log + ".1"
	if d.style.dates {
		d.day++
		date := time.Date(2026, 1, d.day, 0, 0, 0, 0, time.UTC).Format("-20060102")
		if to = d.log + date; d.style.inner {
			to = strings.TrimSuffix(d.log, ".log") + date + ".log"
		}
	} else {
		old := d.rotated()
		slices.Reverse(old)
		for _, name := range old {
			var i int
			rest := strings.TrimPrefix(name, d.log+".")
			if _, err := fmt.Sscanf(rest, "%d", &i); err != nil {
				d.t.Fatal(name, err)
			}
			gz := strings.TrimPrefix(rest, fmt.Sprint(i))
			d.rename(name, fmt.Sprintf("%s.%d%s", d.log, i+1, gz))
		}
	}
	if d.style.copying {
		d.copyAside(to)
	} else {
		d.rename(d.log, to)
		for i := range d.workers {
			d.jobs = append(d.jobs, func() { d.reopen(i) })
		}
	}
	if d.style.compress && !d.style.delay {
		d.jobs = append(d.jobs, func() { d.compress(to) })
	}
	d.jobs = append(d.jobs, func() {
		old := d.rotated()
		for len(old) > d.style.keep {
			d.remove(old[len(old)-1])
			old = old[:len(old)-1]
		}
	})
}

func (d *logDir) copyAside(to string) {
	d.finishAll() // a copy through a line would show it half
	live := d.names[d.log]
	b, err := os.ReadFile(d.path(d.log))
	d.must(err)
	d.must(os.WriteFile(d.path(to), b, 0o644))
	d.note("copy life %d to %s: %d bytes", live.life.n, to, len(b))
	d.create(to, &node{life: live.life, size: len(b), copy: true})
	d.jobs = append(d.jobs, d.truncate)
}

// truncate cuts the log in place; half lines are finished in the new life.
func (d *logDir) truncate() {
	n := d.names[d.log]
	if n == nil || n.length() == 0 {
		return
	}
	d.finishAll()
	d.tick()
	d.must(os.Truncate(d.path(d.log), 0))
	n.life, n.mtime = d.begin(), d.date()
	d.note("truncate %s: life %d begins", d.log, n.life.n)
}

// compress makes an archive as gzip or logrotate does: written beside, then the source is unlinked.
func (d *logDir) compress(name string) {
	src := d.names[name]
	if src == nil || src.gz {
		return
	}
	b, err := os.ReadFile(d.path(name))
	d.must(err)
	d.pass(time.Second)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(b)
	d.must(err)
	d.must(w.Close())
	cut := d.rnd.IntN(z.Len())
	d.must(os.WriteFile(d.path(name+".gz"), z.Bytes()[:cut], 0o644))
	n := d.create(name+".gz", &node{life: src.life, size: len(b), copy: true, gz: true, torn: true})
	d.note("compress life %d to %s: %d bytes", n.life.n, name+".gz", len(b))
	end := func() {
		if src.late > 0 { // the reader was done with it
			src.life.floor = min(src.life.floor, src.late)
		}
		d.must(os.WriteFile(d.path(name+".gz"), z.Bytes(), 0o644))
		n.mtime, n.whole = src.mtime, d.rnd.IntN(2) == 0
		n.torn = false
	}
	d.jobs = slices.Insert(d.jobs, 0, end, func() { d.remove(name) })
}

// settle lets the rotation that is under way end.
func (d *logDir) settle() {
	for len(d.jobs) > 0 {
		d.job()
	}
}

func (d *logDir) job() {
	if len(d.jobs) > 0 {
		f := d.jobs[0]
		d.jobs = d.jobs[1:]
		f()
	}
}

// erase deletes the log; workers go on writing to it until they reopen.
func (d *logDir) erase() {
	d.settle()
	if d.names[d.log] != nil {
		d.remove(d.log)
	}
}

// replace moves the directory away and makes a new one.
func (d *logDir) replace() {
	d.settle()
	d.moved++
	away := fmt.Sprintf("%s.%d", d.dir, d.moved)
	d.must(os.Rename(d.dir, away))
	d.must(os.Mkdir(d.dir, 0o755))
	d.note("directory replaced")
	if n := d.names[d.log]; n != nil {
		n.last = d.now()
	}
	clear(d.names)
}

// switchLink lets the link point to a new file.
func (d *logDir) switchLink() {
	d.day++
	d.log = fmt.Sprintf("target%d.log", d.day)
	link := d.path("current.log")
	_ = os.Remove(link)
	d.must(os.Symlink(d.path(d.log), link))
	d.note("link to %s", d.log)
	for i := range d.workers {
		d.jobs = append(d.jobs, func() { d.reopen(i) })
	}
}

func (d *logDir) close() {
	for i := range d.workers {
		d.workers[i].close()
	}
}
