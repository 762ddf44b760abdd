package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"

	"ngxtap/pkg/logformat"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/sinktest"
)

// living is a site that runs, with a configuration and a registry that a test changes.
type living struct {
	t    *testing.T
	far  *sinktest.Memory
	path string
	cfg  Config
	site *Site
	log  strings.Builder // of a stopped site

	mu       sync.Mutex
	edit     []*Format             // guarded by mu: what Edited returns next
	broken   error                 // guarded by mu: what it returns instead
	answer   func(fp uint64) error // guarded by mu: the registry's, for schemas of events
	asked    map[uint64]int        // guarded by mu: how often the registry was
	accepted map[uint64]bool       // guarded by mu
	stop     func()
}

func newLiving(t *testing.T, formats ...string) *living {
	l := &living{t: t, far: sinktest.NewMemory(), path: logFile(t, ""), asked: map[uint64]int{}, accepted: map[uint64]bool{}}
	l.cfg = config(t, l.far, l.path, l.formats(formats...)...)
	l.cfg.Once = false
	l.cfg.Compile = func(d *logformat.Definition, _ string) (*Format, error) { return compiled(d) }
	l.cfg.Edited = func() ([]*Format, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		f := l.edit
		l.edit = nil
		return f, l.broken
	}
	l.cfg.Accepted = func(fp uint64) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.accepted[fp]
	}
	l.cfg.Frame = func(_ context.Context, stream sink.Stream, _, text string) (*Frame, error) {
		fp, err := schema.Fingerprint(text)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.asked[fp]++
		if l.answer != nil && stream == sink.Events {
			if err := l.answer(fp); err != nil {
				return nil, err
			}
		}
		return &Frame{Prefix: schema.AppendSingleObject(nil, fp), Announce: true}, nil
	}
	t.Cleanup(func() {
		if l.stop != nil {
			l.stop()
		}
	})
	return l
}

func compiled(d *logformat.Definition) (*Format, error) {
	lf, err := logformat.Compile(d, logformat.Options{})
	if err != nil {
		return nil, err
	}
	return NewFormat(lf, schema.Options{Site: "shop"})
}

// formats compiles formats that are all called main, or NAME where "NAME=" is written before one.
func (l *living) formats(texts ...string) []*Format {
	l.t.Helper()
	var out []*Format
	for _, text := range texts {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			name, rest = "main", text
		}
		f, err := compiled(&logformat.Definition{Name: name, Text: rest, File: "nginx.conf", Line: 7})
		if err != nil {
			l.t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func (l *living) start() {
	l.t.Helper()
	var err error
	l.log.Reset()
	var mu sync.Mutex
	l.cfg.Logger = slog.New(slog.NewTextHandler(locked{&mu, &l.log}, nil))
	if l.site, err = New(l.cfg); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	site := l.site
	go func() { done <- site.Run(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-done; err != nil {
			l.t.Error(err)
		}
		l.stop = nil
	}
}

type locked struct {
	mu *sync.Mutex
	w  *strings.Builder
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// restart stops the site and starts another with the same log, whose configuration has these formats.
func (l *living) restart(formats ...string) {
	l.t.Helper()
	l.stop()
	l.cfg.Formats = l.formats(formats...)
	l.start()
}

func (l *living) write(lines ...string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		l.t.Fatal(err)
	}
}

// set changes the world that the site sees.
func (l *living) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

// edited changes the configuration.
func (l *living) edited(formats ...string) {
	l.t.Helper()
	fs := l.formats(formats...)
	l.set(func() { l.edit, l.broken = fs, nil })
}

func (l *living) eventually(what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			state, _ := l.site.Stats().State()
			l.t.Fatalf("never: %s; the site is %q, committed:\n%s", what, state, strings.Join(l.committed(), "\n"))
		}
	}
}

// committed returns what arrived, a word or a few for each record: "v1/200" is an event of a schema without request_time and with
// status 200, "q:REASON" a quarantined line, "change:CLASS/ACTION" a change. Announced schemas are used, and left out.
func (l *living) committed() []string {
	l.t.Helper()
	codecs := map[uint64]*goavro.Codec{}
	var out []string
	for _, r := range l.far.Records() {
		if r.Stream == sink.Schemas {
			c, err := goavro.NewCodec(string(r.Value))
			if err != nil {
				l.t.Fatal(err)
			}
			fp, _ := schema.Fingerprint(string(r.Value))
			codecs[fp] = c
			continue
		}
		_, _, fp, body, err := schema.Unframe(r.Value)
		if err != nil || codecs[fp] == nil {
			l.t.Fatalf("a value of %v without a known schema: %v", r.Stream, err)
		}
		native, _, err := codecs[fp].NativeFromBinary(body)
		if err != nil {
			l.t.Fatal(err)
		}
		v := native.(map[string]any)
		switch r.Stream {
		case sink.Changes:
			out = append(out, fmt.Sprintf("change:%v/%v", v["class"], v["action"]))
		case sink.Quarantine:
			out = append(out, "q:"+string(v["raw"].([]byte)))
		default:
			version := "v1"
			if _, ok := v["request_time"]; ok {
				version = "v2"
			}
			if _, ok := v["bytes_sent"]; ok {
				version = "v3"
			}
			out = append(out, fmt.Sprintf("%s/%d", version, v["status"].(map[string]any)["int"]))
		}
	}
	return out
}

// has waits until exactly this was committed.
func (l *living) has(want ...string) {
	l.t.Helper()
	l.eventually(strings.Join(want, " "), func() bool { return len(l.committed()) >= len(want) })
	if got := l.committed(); !slices.Equal(got, want) {
		l.t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func (l *living) state(prefix string) {
	l.t.Helper()
	l.eventually("state "+prefix, func() bool {
		s, _ := l.site.Stats().State()
		return strings.HasPrefix(s, prefix)
	})
}
