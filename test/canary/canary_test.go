// Package canary shows that no secret leaves the host, with the real binary and a real Kafka: thousands of lines hold marked secrets in every
// place where a secret can stand, in well-formed and in broken lines, and afterwards no file of the broker, no file in state_dir and
// nothing that ngxtap has said, anywhere, holds a mark.
package canary

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// long is how long anything may take on a machine that is slow and busy.
const long = 3 * time.Minute

// lines is how many lines each site has.
const lines = 1500

var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return shared.Run(m)
}

// world is a host with a site for each format.
type world struct {
	t       *testing.T
	host    *harness.Host
	kafka   *components.Kafka
	formats []format
	sites   []string
	logs    []string
	bytes   []int64
	said    map[string]string // all that was said, by who said it
}

// newWorld writes the logs. extra is added to each site's file; prefix makes the names of sites.
func newWorld(t *testing.T, prefix, word, extra string) *world {
	t.Helper()
	w := &world{t: t, kafka: shared.Kafka(t), formats: formats(), said: map[string]string{}}
	m := &marker{word: word, rnd: rand.New(rand.NewPCG(6, uint64(len(prefix))))}
	dir := t.TempDir()
	var sites []harness.Site
	for i, f := range w.formats {
		name, path := prefix+f.name, filepath.Join(dir, f.name+".log")
		text := f.log(m, lines, w.formats)
		if n := strings.Count(text, word); n < lines {
			t.Fatalf("%s: only %d marks", name, n)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		w.sites, w.logs, w.bytes = append(w.sites, name), append(w.logs, path), append(w.bytes, int64(strings.LastIndexByte(text, '\n')+1))
		sites = append(sites, harness.Site{Name: name, Paths: []string{path}, Extra: extra,
			AccessLog: []string{"log_format: '" + w.formats[i].text + "'", "escape: " + f.escape, "max_line: 16KiB"}})
	}
	w.host = harness.NewHost(t, harness.HostConfig{Brokers: strings.Split(w.kafka.Bootstrap, ","), Kafka: []string{"compression: none"}, Sites: sites})
	return w
}

// ship runs the daemon until all is committed, listens to it, and ends it with a stack dump.
func (w *world) ship() {
	w.t.Helper()
	w.host.Env = []string{"GOTRACEBACK=crash"}
	d := w.host.Start(w.t)
	for i, s := range w.sites {
		w.host.AwaitBytes(w.t, d, s, w.bytes[i], long)
	}
	for _, page := range []string{"/metrics", "/healthz", "/readyz", "/livez", "/", "/api/v1/status"} {
		if w.said[page] = get(w.t, "http://"+w.host.Admin+page); w.said[page] == "" {
			w.t.Errorf("%s is empty", page)
		}
	}
	w.run("top", "--once", "--addr", w.host.Admin)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.PID()))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0") {
		w.t.Errorf("the daemon may write a core, which would hold lines: %v\n%s", err, limits)
	}
	for i, s := range w.sites {
		rejected, err := oracle.Metric(w.t.Context(), w.host.Admin, "ngxtap_lines_total", `site="`+s+`"`, `outcome="quarantined"`)
		if err != nil || rejected < lines/20 {
			w.t.Errorf("%s: %v lines in quarantine, %v: too few to show anything", s, rejected, err)
		}
		events, err := oracle.Metric(w.t.Context(), w.host.Admin, "ngxtap_lines_total", `site="`+s+`"`, `outcome="event"`)
		if err != nil || events < lines/2 {
			w.t.Errorf("%s: %v events of %d lines of %s, %v: too few to show anything", s, events, lines, w.formats[i].text, err)
		}
	}
	d.Signal(w.t, syscall.SIGABRT) // a crash: the runtime prints the stacks of all goroutines
	d.Wait(w.t, long)
	w.said["the daemon"] = d.Output(w.t)
}

// run runs a command and remembers what it said.
func (w *world) run(args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), long)
	defer cancel()
	out, err := exec.CommandContext(ctx, harness.Binary(w.t, false), args...).CombinedOutput()
	if ctx.Err() != nil {
		w.t.Fatalf("ngxtap %v: %v", args, err)
	}
	w.said["ngxtap "+strings.Join(args, " ")] = string(out)
	return string(out)
}

// get reads a page of the daemon.
func get(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// find returns the files below dir that hold the word, each with what surrounds it.
func find(t *testing.T, dir, word string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // the broker deletes files as it likes
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		if at := bytes.Index(data, []byte(word)); at >= 0 {
			found = append(found, fmt.Sprintf("%s: …%q…", path, data[max(0, at-200):min(len(data), at+60)]))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantSilence fails the test where anything that left the host, or that ngxtap keeps or said, holds the word.
func (w *world) wantSilence(word string) {
	w.t.Helper()
	for _, f := range append(find(w.t, w.kafka.Dir, word), find(w.t, w.host.Dir, word)...) {
		w.t.Errorf("a mark in %s", f)
	}
	for who, text := range w.said {
		if at := strings.Index(text, word); at >= 0 {
			w.t.Errorf("a mark in what %s said: …%q…", who, text[max(0, at-200):min(len(text), at+60)])
		}
	}
}

func TestNoMarkLeaves(t *testing.T) {
	for _, c := range []struct{ name, word, extra string }{
		{"hash", "MaRkOfHaSh", "headers: {promote: [authorization, cookie, referer, 'response:set-cookie']}"},
		{"drop", "MaRkOfDrOp", "headers: {secrets: drop}\naddresses: hash"},
		{"short", "MaRkOfShOrT", "headers: {max_value: 100, max_headers: 7}\naddresses: truncate"}, // what is cut is hidden first
		{"encrypt", "MaRkOfEnCrYpT", "addresses: encrypt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.name+"-", c.word, c.extra)
			w.ship()
			conf := filepath.Join(w.host.Dir, "nginx.conf")
			for i, s := range w.sites {
				topic := "nginx." + s + ".access"
				if out := w.run("cat", topic, "-c", w.host.Config); !strings.Contains(out, "shop.example") {
					t.Errorf("cat %s shows no event", topic)
				}
				w.run("cat", topic+".quarantine", "-c", w.host.Config)
				w.run("quarantine", "replay", "--dry-run", "--site", s, "-c", w.host.Config)
				text := "log_format " + "main escape=" + w.formats[i].escape + " '" + w.formats[i].text + "';\nserver { access_log " + w.logs[i] + " main; }\n"
				if err := os.WriteFile(conf, []byte("events {}\nhttp {\n"+text+"}\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				out := w.run("parse", "--nginx-conf", conf, "--format", "main", w.logs[i])
				if !strings.Contains(out, "lines rejected") || !strings.Contains(out, `"shop.example"`) {
					t.Errorf("parse did not get to work: %.300s", out)
				}
				w.look(conf, i, out)
			}
			w.run("headers", "-c", w.host.Config)
			if out := w.run("headers", "--json", "-c", w.host.Config); !strings.Contains(out, `"authorization"`) {
				t.Errorf("the census has no name of a secret header: %.300s", out)
			}
			w.run("config", "-c", w.host.Config)
			w.run("schema", "history", "-c", w.host.Config)
			w.run("check", "--user", "", "-c", w.host.Config)
			key := filepath.Join(w.host.Dir, "state", "hash.key")
			if err := os.Rename(key, key+".away"); err != nil { // as on another host
				t.Fatal(err)
			}
			if out := w.run("quarantine", "list", "-c", w.host.Config); !strings.Contains(out, "it is encrypted with key") {
				t.Errorf("list without the key: %.300s", out)
			}
			w.wantSilence(c.word)
		})
	}
}

// look runs the commands that show single lines, on one that fits and on the first that parse refused.
func (w *world) look(conf string, i int, parsed string) {
	w.t.Helper()
	w.run("try", "--nginx-conf", conf, w.logs[i])
	w.run("try", "--json", "--nginx-conf", conf, w.logs[i])
	refused := regexp.MustCompile(regexp.QuoteMeta(w.logs[i]) + `:\d+`).FindString(parsed)
	if refused == "" {
		w.t.Fatalf("parse names no line of %s: %.300s", w.logs[i], parsed)
	}
	for _, line := range []string{w.logs[i] + ":1", refused} {
		for _, how := range []string{"", "--json"} {
			args := []string{"explain", line, "-c", w.host.Config, "--site", w.sites[i]}
			if how != "" {
				args = append(args, how)
			}
			if out := w.run(args...); len(out) < 100 {
				w.t.Errorf("explain %s says nothing: %s", line, out)
			}
		}
	}
}

// TestMarksAreFound: with secrets that are kept and lines in clear text the same search finds marks in the topics, and on the host that has
// the key the lines are all there. Without that silence would show nothing.
func TestMarksAreFound(t *testing.T) {
	const word = "CoNtRoL"
	w := newWorld(t, "control-", word, "headers: {keep: [authorization]}\nquarantine: {raw: clear}")
	w.ship()
	found := strings.Join(find(t, w.kafka.Dir, word), "\n")
	for _, s := range w.sites {
		for _, topic := range []string{"nginx." + s + ".access-", "nginx." + s + ".access.quarantine-"} {
			if !strings.Contains(found, topic) {
				t.Errorf("no mark in %s*", topic)
			}
		}
	}
	const hidden = "HiDdEnBuThErE"
	w = newWorld(t, "listed-", hidden, "")
	w.ship()
	if out := w.run("quarantine", "list", "-c", w.host.Config); strings.Count(out, hidden) < lines/10 {
		t.Errorf("list on the host that has the key shows %d marks", strings.Count(out, hidden))
	}
}
