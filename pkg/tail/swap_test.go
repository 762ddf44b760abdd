// Shows that nobody who can write a log's folder gets a file read that is not his, and nothing blocked, by swapping names while they
// are read (CVE-2016-1247).
package tail

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const canary = "CANARY root:$6$not.to.be.read"

// attacker swaps one name for other things, again and again. What is truly there comes back in between.
type attacker struct {
	t        *testing.T
	victim   string // the name that is swapped
	stash    string // where what is truly there waits meanwhile, under no name of a log
	tmp      string
	outside  string // a folder with the canary: plain, compressed, and as a folder with a log in it
	secret   string // the file in outside that would be read
	decoy    bool   // put logs of our own there too
	meantime func() // in every round, while what is truly there is away
}

func (a *attacker) do(err error) {
	if err != nil {
		a.t.Error("the attacker failed: ", err)
	}
}

func (a *attacker) run(ctx context.Context, rounds int) {
	for i := range rounds {
		if ctx.Err() != nil || a.t.Failed() {
			return
		}
		a.do(os.Rename(a.victim, a.stash))
		switch i % 8 {
		case 0, 5:
			a.do(os.Symlink(a.secret, a.tmp))
		case 1:
			a.do(syscall.Mkfifo(a.tmp, 0o644))
		case 2, 6:
			if st, err := os.Stat(a.secret); err == nil && st.IsDir() {
				a.do(os.Symlink("../outside", a.tmp))
			} else {
				a.do(os.Link(a.secret, a.tmp))
			}
		case 3:
			a.do(os.Mkdir(a.tmp, 0o755))
		case 4:
			a.do(os.Symlink("/dev/zero", a.tmp))
		case 7:
			a.do(os.WriteFile(a.tmp, fmt.Appendf(nil, "decoy %d\n", i), 0o644))
			if !a.decoy {
				a.do(os.Remove(a.tmp))
				a.do(syscall.Mkfifo(a.tmp, 0o644))
			}
		}
		a.do(os.Rename(a.tmp, a.victim))
		a.meantime()
		a.do(os.Remove(a.victim))
		a.do(os.Rename(a.stash, a.victim))
	}
}

func TestSwappedNames(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	for _, tt := range []struct {
		name   string
		glob   string // what is configured, below the folder
		victim string
		secret string
		log    string // the true log, while nobody swaps
	}{
		{"path", "a.log", "a.log", "canary", "a.log"},
		{"glob", "*.log", "b.log", "canary", "b.log"},
		{"folder of a glob", "*/a.log", "shop", "folder", "shop/a.log"},
		{"archive", "a.log", "a.log.1.gz", "canary.gz", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			top := t.TempDir()
			at := func(name string) string { return filepath.Join(top, name) }
			mkdir(t, at("log"))
			mkdir(t, at("outside/folder"))
			mkdir(t, at("stash"))
			for _, name := range []string{"outside/canary", "outside/folder/a.log", "outside/canary"} {
				write(t, at(name), strings.Repeat(canary+"\n", 100))
			}
			write(t, at("outside/a.log"), canary+"\n")
			write(t, at("outside/canary.gz"), zipped(t, strings.Repeat(canary+"\n", 100)))
			cfg := Config{Paths: []string{at("log/" + tt.glob)}, PollInterval: time.Millisecond, RotateGrace: 50 * time.Millisecond}
			a := &attacker{t: t, victim: at("log/" + tt.victim), stash: at("stash/true"), tmp: at("stash/tmp"), outside: at("outside"),
				secret: at("outside/" + tt.secret), decoy: tt.log != "" && tt.secret != "folder"}

			var want strings.Builder
			var from *Position
			if tt.log != "" {
				mkdir(t, filepath.Dir(at("log/"+tt.log)))
				f, err := os.OpenFile(at("log/"+tt.log), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				n := 0
				a.meantime = func() {
					line := fmt.Sprintf("true %d\n", n)
					n++
					want.WriteString(line)
					_, err := f.WriteString(line)
					a.do(err)
				}
				a.meantime()
			} else {
				// The generation that was read to its middle is now in the archive, and is looked for at every poll.
				a.meantime = func() {}
				cfg.RotateGrace = time.Hour
				want.WriteString("true new\n")
				from = halfRead(t, cfg, at("log/a.log"), at("stash/old"), &want)
				write(t, at("log/a.log"), "true new\n")
				write(t, a.victim, zipped(t, "decoy 0\n"))
			}
			r := readAside(t, cfg, from)
			a.run(t.Context(), rounds)
			if tt.log == "" {
				remove(t, a.victim)
				old, err := os.ReadFile(at("stash/old"))
				if err != nil {
					t.Fatal(err)
				}
				write(t, at("stash/old.gz"), zipped(t, string(old)))
				rename(t, at("stash/old.gz"), a.victim)
			}
			_, reads := r.truth()
			text := r.until(want.Len())
			if text != want.String() {
				t.Errorf("read %s\nwant %s", brief(text), brief(want.String()))
			}
			t.Logf("%d swaps, %d reads meanwhile, %d bytes read", rounds, reads, len(text))
		})
	}
}

func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// halfRead reads the first half of a log and moves it away. It adds to want what is still to come.
func halfRead(t *testing.T, cfg Config, path, away string, want *strings.Builder) *Position {
	t.Helper()
	write(t, path, lines("true read", 50, 100))
	in, err := Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if c, err := in.Read(t.Context(), 0); err != nil || len(c.Data) != 5000 {
		t.Fatalf("read %d bytes: %v", len(c.Data), err)
	}
	rest := lines("true rest", 50, 100)
	write(t, path, rest)
	want.WriteString(rest)
	rename(t, path, away)
	p := in.Position()
	return &p
}

// aside reads in a goroutine of its own.
type aside struct {
	t    *testing.T
	stop context.CancelFunc
	done chan struct{} // closed by the goroutine

	mu    sync.Mutex
	text  []byte // guarded by mu
	reads int    // guarded by mu
}

// readAside reads from now on.
func readAside(t *testing.T, cfg Config, from *Position) *aside {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &aside{t: t, stop: cancel, done: make(chan struct{})}
	in, err := Open(cfg, from)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		defer in.Close()
		for {
			c, err := in.Read(ctx, 10*time.Millisecond)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.reads++
			r.text = append(r.text, c.Data...)
			r.mu.Unlock()
		}
	}()
	return r
}

// truth returns what came of the true log, and the number of reads. What is neither of it nor a decoy fails the test.
func (r *aside) truth() (string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for line := range strings.Lines(string(r.text)) {
		switch {
		case strings.HasPrefix(line, "true "):
			b.WriteString(line)
		case !strings.HasPrefix(line, "decoy "):
			r.t.Fatalf("%q came out", line)
		}
	}
	return b.String(), r.reads
}

// until waits until the true log gave size bytes, and ends the reading.
func (r *aside) until(size int) string {
	r.t.Helper()
	limit := time.NewTimer(3 * time.Minute)
	defer limit.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		text, _ := r.truth()
		if len(text) >= size {
			break
		}
		select {
		case <-look.C:
		case <-limit.C:
			r.t.Fatalf("the reader is blocked, or does not find all: %d bytes of %d", len(text), size)
		}
	}
	r.stop()
	select {
	case <-r.done:
	case <-limit.C:
		r.t.Fatal("the reader is blocked")
	}
	text, _ := r.truth()
	return text
}
