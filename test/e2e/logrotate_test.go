package e2e

// Shows: a real Nginx under load whose log is rotated by the real logrotate, in each of the ways people set it up, is shipped once and
// in order.

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

const rotatedConf = `{{.Main}}
worker_processes 3;
events {}
http {
	{{.HTTP}}
	log_format shop '` + harness.LogFormat + `';
	access_log logs/access.log shop;
	keepalive_requests 1000000;
	server {
		listen {{.Addr}};
		location / { return 200 ok; }
	}
}
`

// rotating is one way to set logrotate up.
type rotating struct {
	name       string
	directives string // besides rotate, missingok and size
	signal     bool   // tell Nginx to reopen
	lossy      bool   // Nginx and logrotate themselves lose lines this way
	rotations  int
}

var rotatings = []rotating{
	{"create", "create 0644 root root", true, false, 40},
	{"delaycompress", "create 0644 root root\ncompress\ndelaycompress", true, false, 20},
	{"compress", "create 0644 root root\ncompress", true, true, 20},                      // workers write to a file that is being compressed
	{"dateext", "create 0644 root root\ndateext\ndateformat -%Y%m%d-%s", true, false, 4}, // one name each second
	{"nocreate", "nocreate", true, false, 20},
	{"olddir", "create 0644 root root\nolddir {{old}}\ncreateolddir 0755 root root", true, false, 10},
	{"copytruncate", "copytruncate", false, true, 20}, // what is written between copy and truncation
}

func TestLogrotate(t *testing.T) {
	components.Require(t, components.PartNginx, components.PartKafka, components.PartLogrotate)
	for _, r := range rotatings {
		t.Run(r.name, func(t *testing.T) { rotateForReal(t, r) })
	}
}

func rotateForReal(t *testing.T, r rotating) {
	n := components.StartNginx(t, rotatedConf, nil)
	site := "rotated-" + r.name
	h := harness.NewHost(t, harness.HostConfig{Instance: "e2e-" + site, Brokers: strings.Split(shared.Kafka(t).Bootstrap, ","),
		Sites: []harness.Site{{Name: site, Paths: []string{n.Log("access.log")}, AccessLog: []string{"rotated_dirs: [old]"}}}})
	daemon := h.Start(t)
	l := &idLoad{addr: n.Addr}
	l.start(4)
	defer l.stop()
	l.await(t, 50)
	h.AwaitBytes(t, daemon, site, 1, time.Minute)
	run := logrotate(t, n, r)
	for i := range r.rotations {
		l.await(t, 100)
		run()
		switch {
		case r.name == "dateext":
			l.await(t, 200)
			nextSecond(t)
		case i == r.rotations/2: // it comes back after two rotations that it has not seen
			daemon.Kill()
			l.await(t, 100)
			run()
			l.await(t, 100)
			run()
			daemon = h.Start(t)
		}
	}
	l.stop()
	n.Stop(t)
	if l.err != nil {
		t.Fatal(l.err)
	}
	j, ids := rotatedJournal(t, n)
	// An end that nobody can mistake: a line of our own after everything.
	last := harness.Line(0)
	appendTo(t, n.Log("access.log"), last)
	j.Generations()[len(j.Generations())-1].Append([]byte(last))
	awaitID(t, h, site, last, daemon)
	daemon.Signal(t, syscall.SIGTERM)
	if code := daemon.Wait(t, time.Minute); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	if !r.lossy {
		if got, want := int64(len(ids)), l.answered.Load(); got != want {
			t.Fatalf("Nginx logged %d requests of %d", got, want)
		}
		h.Judge(t, site, j, oracle.Rules{})
		return
	}
	judgeIDs(t, h, site, ids)
}

// judgeIDs checks that every request that is in a kept file has arrived, and none twice. Those that are in no file any more may have
// arrived: they were read before they were lost.
func judgeIDs(t *testing.T, h *harness.Host, site string, kept map[string]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, err := oracle.Read(ctx, h.Source(site))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	in, shared := map[string]string{}, map[string]int{} // by request its generation, and what two generations share
	for _, rec := range s.Records {
		headers, _ := rec.Value["request_headers"].(map[string]any)
		values, _ := headers["x-id"].([]any)
		for _, v := range values {
			id := fmt.Sprint(v)
			if seen[id]++; seen[id] > 1 {
				shared[in[id]+" and "+rec.File]++
			}
			in[id] = rec.File
		}
	}
	missing, double := 0, 0
	for _, n := range seen {
		if n > 1 {
			double++
		}
	}
	for id := range kept {
		if seen[id] == 0 {
			missing++
		}
	}
	if missing > 0 || double > 0 {
		t.Errorf("of %d requests in the kept files %d did not arrive; %d arrived twice, by generations: %v", len(kept), missing, double, shared)
	}
	t.Logf("%d requests in the kept files, %d arrived", len(kept), len(seen))
}

// logrotate writes a configuration and returns what rotates once.
func logrotate(t *testing.T, n *components.Nginx, r rotating) func() {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "logrotate.conf")
	text := fmt.Sprintf("%s {\nrotate 1000\nmissingok\n%s\n", n.Log("access.log"), strings.ReplaceAll(r.directives, "{{old}}", n.Log("old")))
	if r.signal {
		text += fmt.Sprintf("postrotate\nkill -USR1 %d\nendscript\n", n.PID())
	}
	writeFile(t, conf, text+"}\n")
	return func() {
		t.Helper()
		cmd := exec.Command("logrotate", "-f", "-s", filepath.Join(dir, "status"), conf)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("logrotate: %v\n%s", err, out)
		}
	}
}

// nextSecond waits for the next second of the clock, since names with a date must differ.
func nextSecond(t *testing.T) {
	t.Helper()
	now := time.Now().Unix()
	components.Eventually(t, 10*time.Second, func() error {
		if time.Now().Unix() == now {
			return fmt.Errorf("it is still second %d", now)
		}
		return nil
	})
}

// rotatedJournal makes a journal of the files that logrotate kept, and returns the ids in them.
func rotatedJournal(t *testing.T, n *components.Nginx) (*oracle.Journal, map[string]bool) {
	t.Helper()
	var files []string
	for _, pattern := range []string{n.Log("access.log*"), n.Log("old/access.log*")} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	// The live file last; the order of the others does not matter to the oracle.
	slices.SortFunc(files, func(a, b string) int { return len(b) - len(a) })
	j, ids := &oracle.Journal{}, map[string]bool{}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err == nil && strings.HasSuffix(path, ".gz") {
			data, err = gunzip(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		j.Begin(n.Log("access.log"), filepath.Base(path)).Append(data)
		for line := range bytes.Lines(data) {
			parts := strings.Split(string(line), `"`)
			ids[parts[len(parts)-2]] = true
		}
	}
	return j, ids
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// awaitID waits until the line has arrived and nothing of the files is left to ship.
func awaitID(t *testing.T, h *harness.Host, site, line string, daemon *components.Program) {
	t.Helper()
	parts := strings.Split(line, `"`)
	id := parts[len(parts)-2]
	components.Eventually(t, 3*time.Minute, func() error {
		if err := daemon.Alive(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		lag, err := oracle.Metric(ctx, h.Admin, "ngxtap_lag_bytes")
		if err != nil || lag > 0 {
			return fmt.Errorf("%v bytes are not committed, %v", lag, err)
		}
		s, err := oracle.Read(ctx, h.Source(site))
		if err != nil {
			return err
		}
		for _, rec := range s.Records {
			path, _ := rec.Value["path"].(map[string]any)
			if path["string"] == "/item/"+id {
				return nil
			}
		}
		return fmt.Errorf("%s is not there yet", id)
	})
}

// idLoad sends requests with ids that no other has, over a few connections, until it is stopped.
type idLoad struct {
	addr     string
	answered atomic.Int64
	once     sync.Once
	done     chan struct{}
	wg       sync.WaitGroup
	mu       sync.Mutex
	err      error // guarded by mu until stop has returned
}

func (l *idLoad) start(connections int) {
	l.done = make(chan struct{})
	for range connections {
		l.wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, Timeout: time.Minute}
			defer client.CloseIdleConnections()
			for !done(l.done) {
				if err := l.send(client); err != nil {
					l.mu.Lock()
					l.err = err
					l.mu.Unlock()
					return
				}
			}
		})
	}
}

var requests atomic.Int64

// send sends one request in the form that harness.CheckID knows.
func (l *idLoad) send(client *http.Client) error {
	id := fmt.Sprintf("request-%d", requests.Add(1))
	req, err := http.NewRequest(http.MethodGet, "http://"+l.addr+"/item/"+id, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Id", id)
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("request %s: %w", id, err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("request %s: %w", id, err)
	}
	l.answered.Add(1)
	return resp.Body.Close()
}

// await waits until so many more requests were answered.
func (l *idLoad) await(t *testing.T, more int64) {
	t.Helper()
	want := l.answered.Load() + more
	components.Eventually(t, 2*time.Minute, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := l.answered.Load(); n < want {
			return fmt.Errorf("%d of %d requests are answered; %v", n, want, l.err)
		}
		return nil
	})
}

func (l *idLoad) stop() {
	l.once.Do(func() { close(l.done) })
	l.wg.Wait()
}
