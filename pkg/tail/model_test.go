// Shows on random histories of writing, rotating, truncating, crashing and restarting that every line leaves exactly once.
package tail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/testkit"
)

// world is a log under random treatment, and what the reader should have seen of it.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	w       *testkit.RotatingWriter
	r       *rig
	seq     int
	wrote   map[string]*strings.Builder // by generation
	file    []string                    // the generation each worker writes to
	torn    []string                    // what each worker has still to write of its line
	live    string                      // the generation at the path
	commit  *Position
	commits *output // what had come out at the commit
	down    bool
	gens    int  // so many generations have begun
	copying bool // rotate by copytruncate
}

func TestModel(t *testing.T) {
	seeds := 90
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runModel(t, uint64(seed)) })
	}
}

func runModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	m := &world{t: t, rnd: rnd, wrote: make(map[string]*strings.Builder), live: "g0", copying: seed%3 == 0}
	workers := 1 + rnd.IntN(3)
	m.w = testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), workers)
	m.file, m.torn = make([]string, workers), make([]string, workers)
	for i := range m.file {
		m.file[i] = m.live
	}
	m.r = newRig(t, dir, Config{BlockSize: 4096, MaxLine: 8192}, "a.log")
	m.save()
	for range 400 {
		m.step()
	}
	for i := range m.torn {
		m.write(i, "")
	}
	if m.down {
		m.up()
	}
	m.r.after(5 * DefaultRotateGrace)
	m.check()
}

// step does one random thing.
func (m *world) step() {
	worker := m.rnd.IntN(len(m.torn))
	switch n := m.rnd.IntN(100); {
	case n < 50:
		m.line(worker)
	case n < 70:
		if !m.down {
			m.read(m.rnd.IntN(4))
		}
	case n < 78:
		if !m.down {
			m.r.step.now = m.r.step.now.Add(time.Duration(m.rnd.IntN(int(2 * time.Second))))
		}
	case n < 83:
		if !m.down {
			m.save()
		}
	case n < 88:
		m.rotate()
	case n < 92:
		m.reopen(worker)
	case n < 94 && !m.down:
		m.r.Close() // a crash: what came after the commit is thrown away
		m.down = true
	case n < 96 && m.down:
		m.up()
	case n < 97 && !m.down:
		m.r.after(2 * DefaultRotateGrace)
	}
}

// line lets a worker write one line, or first a part of one.
func (m *world) line(worker int) {
	if m.torn[worker] != "" {
		m.write(worker, "")
		return
	}
	m.seq++
	pad := m.rnd.IntN(200)
	if m.rnd.IntN(50) == 0 {
		pad = 4000 + m.rnd.IntN(3000)
	}
	s := fmt.Sprintf("%06d worker %d %s\n", m.seq, worker, strings.Repeat("x", pad))
	// Only one worker may tear its lines, or they would mingle in the file.
	if len(m.torn) == 1 && m.rnd.IntN(4) == 0 {
		cut := m.rnd.IntN(len(s))
		m.torn[worker] = s[cut:]
		s = s[:cut]
	}
	m.write(worker, s)
}

// write writes s, or what is left of a torn line, and notes it for the worker's generation.
func (m *world) write(worker int, s string) {
	if s == "" {
		s, m.torn[worker] = m.torn[worker], ""
	}
	if s == "" {
		return
	}
	m.w.Write(worker, s)
	b := m.wrote[m.file[worker]]
	if b == nil {
		b = new(strings.Builder)
		m.wrote[m.file[worker]] = b
	}
	b.WriteString(s)
}

func (m *world) rotate() {
	if _, err := os.Stat(m.w.Path()); err != nil {
		return // rotated already, and no worker has reopened
	}
	if !m.copying {
		m.w.Shift(1000)
		return
	}
	m.write(0, "") // a copy through a line would show it half
	if !m.down {   // two truncations between two looks are more than can be told apart
		m.r.step.now = m.r.step.now.Add(DefaultPollInterval)
		m.read(1)
	}
	for i := 100; i > 0; i-- {
		_ = os.Rename(fmt.Sprintf("%s.%d", m.w.Path(), i), fmt.Sprintf("%s.%d", m.w.Path(), i+1))
	}
	m.w.CopyTruncate(".1")
	m.gens++
	for i := range m.file {
		m.file[i] = fmt.Sprint("g", m.gens)
	}
}

func (m *world) reopen(worker int) {
	m.write(worker, "") // a worker ends its line before
	if _, err := os.Stat(m.w.Path()); err != nil {
		m.gens++
		m.live = fmt.Sprint("g", m.gens)
	} else if m.copying {
		return
	}
	m.w.Reopen(worker)
	m.file[worker] = m.live
}

func (m *world) read(n int) {
	for range n {
		c, err := m.r.Read(m.t.Context(), 0)
		if err != nil {
			m.t.Fatal(err)
		}
		if c.Empty() {
			return
		}
		m.r.take(m.t, c)
	}
}

func (m *world) save() {
	p := m.r.Position()
	m.commit, m.commits = &p, m.r.output.clone()
}

func (m *world) up() {
	m.r.output = m.commits.clone()
	m.r.start(m.commit)
	m.down = false
}

// check compares what came out with what was written, generation by generation.
func (m *world) check() {
	m.t.Helper()
	var got []string
	for _, id := range m.r.order {
		got = append(got, m.r.text[id])
	}
	want := 0
	for name, b := range m.wrote {
		if b.Len() == 0 {
			continue
		}
		want++
		found := false
		for _, g := range got {
			found = found || g == b.String()
		}
		if !found {
			m.t.Errorf("generation %s of %d bytes did not come out as it was written: %s", name, b.Len(), brief(b.String()))
		}
	}
	for i, g := range got {
		for j, h := range got[:i] {
			if strings.Contains(h, g) || strings.Contains(g, h) {
				m.t.Errorf("generations %s and %s share lines: %s", m.r.order[j], m.r.order[i], brief(g))
			}
		}
	}
	if want != len(got) || len(m.r.lost) > 0 || len(m.r.half) > 0 {
		m.t.Errorf("%d generations came out, %d were written; lost %+v, half lines %q", len(got), want, deref(m.r.lost), m.r.half)
	}
}

func deref(lost []*Lost) []Lost {
	all := make([]Lost, len(lost))
	for i, l := range lost {
		all[i] = *l
	}
	return all
}
