// Shows on random histories of a log and its reader that every line leaves exactly once, or is declared lost where it could not
// be read, against a plain model of the directory. -run 'TestModel/SEED' repeats one history, -seeds N runs more of them.
package tail

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var modelSeeds = flag.Int("seeds", 200, "how many random histories TestModel runs")

// world is a log under random treatment, its reader, and what the reader must return.
type world struct {
	*logDir
	r       *rig
	commit  *Position
	commits *output // what had come out at the commit
	down    bool
}

func TestModel(t *testing.T) {
	seeds := *modelSeeds
	if testing.Short() {
		seeds = min(seeds, 60)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, uint64(seed))
		})
	}
}

func runModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	clock := &stepper{now: time.Now()}
	m := &world{logDir: newLogDir(t, rnd, dir, clock)}
	t.Cleanup(func() {
		m.close()
		if t.Failed() {
			t.Logf("seed %d, %+v, %d workers:\n%s", seed, m.style, len(m.workers), strings.Join(m.trace, "\n"))
		}
	})
	for i := range m.workers {
		m.reopen(i)
	}
	path := m.log
	if m.style.links {
		path = "current.log"
	}
	m.r = newRig(t, dir, Config{BlockSize: 4096, MaxLine: 8192, FollowSymlinks: m.style.links, wake: clock, disk: m.logDir}, path)
	m.looked()
	m.save()
	for range 300 {
		m.step()
		m.reckon()
	}
	m.settle()
	m.finishAll()
	for i := range m.workers {
		m.reopen(i)
		m.reckon()
	}
	if m.down {
		m.up()
	}
	m.r.after(5 * DefaultRotateGrace)
	m.check()
	p := m.r.stop()
	m.r.start(p)
	m.r.after(2 * DefaultRotateGrace)
	m.check()
}

// step does one random thing.
func (m *world) step() {
	i := m.rnd.IntN(len(m.workers))
	m.pass(100 * time.Millisecond)
	switch n := m.rnd.IntN(100); {
	case n < 45:
		m.line(i)
	case n < 62:
		m.read(m.rnd.IntN(4))
	case n < 70:
		m.look()
	case n < 75:
		m.save()
	case n < 78:
		m.rotate()
	case n < 89:
		m.job()
	case n < 91:
		m.reopen(i)
	case n < 93:
		m.crash()
	case n < 96:
		if m.down {
			m.up()
		}
	case n < 97:
		if !m.down && m.noTorn() {
			m.r.after(2 * DefaultRotateGrace)
			m.looked()
			m.note("a long time passes")
		}
	case n < 98 && m.style.cuts:
		m.truncate()
	case n < 99 && m.style.deletes:
		m.erase()
	case n < 100 && m.style.moves:
		m.replace()
	}
}

func (m *world) noTorn() bool {
	for _, w := range m.workers {
		if w.torn != "" {
			return false
		}
	}
	return true
}

// read reads up to n chunks; whether the reader polls is left to it.
func (m *world) read(n int) {
	if m.down {
		return
	}
	for range n {
		c, err := m.r.Read(m.t.Context(), 0)
		if err != nil {
			m.t.Fatal(err)
		}
		if c.Empty() {
			return
		}
		m.take(m.r.giveBack(c))
	}
}

func (m *world) take(c Chunk) {
	m.note("  chunk %s %s at %d: %d bytes, lost %+v", c.File.ID, filepath.Base(c.File.Path), c.Offset, len(c.Data), c.Lost)
	m.r.take(m.t, c)
}

// look lets some time pass, and the reader poll.
func (m *world) look() {
	if m.down {
		return
	}
	m.clock.now = m.clock.now.Add(DefaultPollInterval + time.Duration(m.rnd.IntN(int(time.Second))))
	m.looked()
	m.note("look")
	m.read(1)
}

// looked notes what a poll shows to the reader.
func (m *world) looked() {
	for name, n := range m.names {
		if m.style.links && name != m.log && !n.seen {
			continue // nobody can know a file that the link points to no more
		}
		if n.seen = true; !n.copy {
			n.life.known = n.life.lines()
		}
	}
	for _, n := range m.nodes {
		if n.seen && !n.copy {
			n.life.known = n.life.lines()
		}
	}
}

// save is a commit.
func (m *world) save() {
	if m.down {
		return
	}
	p := m.r.Position()
	m.commit, m.commits = &p, m.r.output.clone()
	for _, l := range m.lives {
		l.saved = l.known
	}
	for _, n := range m.nodes {
		n.safe = n.seen
	}
	m.note("commit")
}

// crash throws away what came after the commit.
func (m *world) crash() {
	if m.down {
		return
	}
	m.r.Close()
	m.down = true
	for _, l := range m.lives {
		l.known = l.saved
	}
	for _, n := range m.nodes {
		n.seen = false
	}
	m.note("crash")
}

func (m *world) up() {
	m.note("start")
	m.r.output = m.commits.clone()
	m.r.start(m.commit)
	m.down = false
	for _, n := range m.nodes {
		n.seen = m.style.links && n.safe && m.named(n)
		n.last = m.now()
	}
	m.looked()
}

// reckon lowers what can be asked for of the lives that are not on the disk completely, nor held by the reader.
func (m *world) reckon() {
	for _, l := range m.lives {
		avail := 0
		for name, n := range m.names {
			if n.life == l && !n.torn && !(m.style.links && name != m.log && !n.seen && !n.safe) {
				avail = max(avail, n.length())
			}
		}
		for _, n := range m.nodes {
			if n.life == l && n.seen && !n.copy && !m.down {
				avail = n.length()
			}
		}
		if avail < l.text.Len() {
			l.floor = min(l.floor, avail)
		}
	}
}

// check compares what came out with what was written, life by life.
func (m *world) check() {
	m.t.Helper()
	if m.t.Failed() {
		return
	}
	used := make(map[string]bool)
	// What is claimed is claimed in a copy.
	defer func(o *output) { m.r.output = o }(m.r.output)
	m.r.output = m.r.output.clone()
	for _, l := range m.lives {
		want, id, got := l.text.String(), "", ""
		for _, g := range m.r.order {
			if text := m.r.text[g]; !used[g] && text != "" && strings.HasPrefix(want, text) {
				id, got = g, text
			}
		}
		used[id] = true
		if id == "" && strings.Contains(want, "\n") {
			id = GenerationID([]byte(want))
		}
		m.checkLife(l, id, got, want)
	}
	for _, id := range m.r.order {
		if !used[id] {
			text := m.r.text[id]
			for _, l := range m.lives {
				if i := strings.Index(l.text.String(), text[:strings.IndexByte(text, '\n')+1]); i >= 0 {
					m.t.Errorf("generation %s of %d bytes came out twice, or is none that was written: life %d from %d", id, len(text), l.n, i)
				}
			}
		}
	}
	for _, d := range m.r.declared {
		m.t.Errorf("lost bytes of nothing are declared: %s at %d: %+v", d.file.ID, d.at, *d.Lost)
	}
	if len(m.r.half) > 0 {
		m.t.Errorf("half lines %q", m.r.half)
	}
}

func (m *world) checkLife(l *life, id, got, want string) {
	m.t.Helper()
	missing := len(want) - len(got)
	declared := m.r.claim(id, len(got), l.known)
	if declared == nil && got == "" && missing > 0 {
		declared = m.r.claim("", 0, l.known) // no line of it was ever seen
	}
	if len(got) < min(l.floor, len(want)) {
		m.t.Errorf("life %d: %d of %d bytes came out, and %d were there to be read all the time", l.n, len(got), len(want), l.floor)
	}
	switch {
	case declared == nil:
		if l.known > len(got) {
			m.t.Errorf("life %d (%s): %d bytes are missing and not declared; %d were known", l.n, id, missing, l.known)
		}
	case l.floor >= len(want):
		m.t.Errorf("life %d (%s): %+v is declared, but nothing happened to it", l.n, id, *declared)
	case declared.Bytes == UnknownBytes:
		if l.known > len(got) {
			m.t.Errorf("life %d (%s): the reader could know that at least %d bytes were lost", l.n, id, l.known-len(got))
		}
	case declared.Bytes > int64(missing) || declared.Bytes < int64(max(1, l.known-len(got))):
		m.t.Errorf("life %d (%s): %d bytes are declared lost; %d are missing, %d of %d were known", l.n, id, declared.Bytes, missing, l.known, len(want))
	}
}

// claim takes the declared loss of a generation at an offset from the list; of one without an id that with the nearest size.
func (o *output) claim(id string, at, known int) *Lost {
	best, distance := -1, math.MaxInt
	for i, d := range o.declared {
		if d.file.ID != id || d.at != int64(at) {
			continue
		}
		if off := int(max(d.Bytes, 0)) - known; max(off, -off) < distance {
			best, distance = i, max(off, -off)
		}
	}
	if best < 0 {
		return nil
	}
	l := o.declared[best].Lost
	o.declared = append(o.declared[:best:best], o.declared[best+1:]...)
	return l
}
