package e2e

// Shows: under load, rotation and kill -9, every line is in Kafka exactly once, in order, with every header byte for byte; for both
// escape modes and both framings.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"ngxtap/test/components"
)

const nginxConf = `{{.Main}}
worker_processes 2;
events {}
http {
	{{.HTTP}}
	include ngxtap.conf;
	access_log logs/access.log {{.Vars.access_log}};
	keepalive_requests 1000000;
	proxy_buffer_size 64k;
	proxy_buffers 4 64k;
	server {
		listen {{.Addr}};
		location / { proxy_pass http://{{.Vars.backend}}; }
		location /moved { return 302 /elsewhere?a=1&b=2; }
		location /local { add_header X-Local "ä \"quoted\""; return 200 ok; }
	}
}
`

// How much is sent: enough for some seconds, so that the rotations and the kill fall into the middle.
const (
	workers   = 8
	each      = 1500
	rotations = 5
	warmUp    = 20 // requests before the first rotation
)

// shipment is one way to run ngxtap.
type shipment struct {
	site      string // names the topic too
	accessLog string // format and options of the access_log directive
	framing   string
}

func TestShipsDefaultEscapeWithRegistry(t *testing.T) {
	ship(t, shipment{site: "shop", accessLog: "ngxtap", framing: "confluent"})
}

func TestShipsJSONWithRegistry(t *testing.T) {
	// Buffered as well: then lines arrive in blocks.
	ship(t, shipment{site: "api", accessLog: "ngxtap_json buffer=32k flush=100ms", framing: "confluent"})
}

func TestShipsWithoutRegistry(t *testing.T) {
	ship(t, shipment{site: "bare", accessLog: "ngxtap", framing: "single-object"})
}

// ship runs the whole story of this package's comment.
func ship(t *testing.T, s shipment) {
	components.Require(t)
	k := shared.Kafka(t)
	n := components.StartNginx(t, nginxConf, map[string]string{"access_log": s.accessLog, "backend": backend(t)})
	config := s.configure(t, k, n)
	daemon := components.StartProgram(t, ngxtap(t), "run", "-c", config)

	// A daemon that has never committed knows of no rotated files: its first start begins with the file of that moment.
	l := &load{addr: n.Addr}
	l.run(1, warmUp)
	awaitCommitted(t, k, s.topic(), 1, daemon)

	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		l.run(workers, each)
	}()
	defer func() { <-loaded }()
	daemon = disturb(t, n, l, loaded, daemon, config)
	<-loaded
	if l.err != nil {
		t.Fatal(l.err)
	}
	n.Stop(t) // Nginx has written everything now

	files, total := logged(t, n)
	if want := len(l.exchanges) + l.garbage + rotations; total != want || len(l.exchanges) != warmUp+workers*each {
		t.Fatalf("Nginx logged %d lines for %d requests, %d times garbage and %d scribbles", total, len(l.exchanges), l.garbage, rotations)
	}
	awaitCommitted(t, k, s.topic(), total, daemon)
	daemon.Signal(t, syscall.SIGTERM)
	if code := daemon.Wait(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	// Another run finds nothing to do; what it wrote by mistake would be seen below.
	again := components.StartProgram(t, ngxtap(t), "run", "--once", "-c", config)
	if code := again.Wait(t, time.Minute); code != 0 {
		t.Errorf("exit code %d of run --once, want 0: %v", code, again.Alive())
	}
	s.verify(t, k, l, files)
}

// disturb rotates the log at even intervals of the load; before one rotation it kills the daemon, to start it again after it, and before
// the next it lets it reload. It returns the daemon that runs in the end.
func disturb(t *testing.T, n *components.Nginx, l *load, loaded <-chan struct{}, daemon *components.Program, config string) *components.Program {
	t.Helper()
	for i := range rotations {
		at := int64((i + 1) * workers * each / (rotations + 1))
		components.Eventually(t, time.Minute, func() error {
			if now := l.finished.Load(); now < at && !done(loaded) {
				return fmt.Errorf("only %d of %d requests are answered", now, at)
			}
			return daemon.Alive()
		})
		switch i {
		case rotations / 2:
			daemon.Kill()
		case rotations/2 + 1:
			daemon.Signal(t, syscall.SIGHUP) // with the same configuration: its sites go on
		}
		rotate(t, n, i)
		scribble(t, n.Log("access.log"), i)
		if i == rotations/2 {
			daemon = components.StartProgram(t, ngxtap(t), "run", "-c", config)
		}
	}
	return daemon
}

// logged says what Nginx wrote into all log files, oldest first, and how many lines that is.
func logged(t *testing.T, n *components.Nginx) (files []logFile, total int) {
	t.Helper()
	var paths []string
	for i := rotations; i > 0; i-- {
		paths = append(paths, n.Log(fmt.Sprintf("access.log.%d", i)))
	}
	files = describe(t, append(paths, n.Log("access.log"))...)
	for _, f := range files {
		total += len(f.Lines)
	}
	return files, total
}

// done tells whether c is closed.
func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// rotate does what logrotate does when there are n older files already.
func rotate(t *testing.T, nginx *components.Nginx, n int) {
	t.Helper()
	for i := n; i > 0; i-- {
		if err := os.Rename(nginx.Log(fmt.Sprintf("access.log.%d", i)), nginx.Log(fmt.Sprintf("access.log.%d", i+1))); err != nil {
			t.Fatal(err)
		}
	}
	nginx.Rotate(t, "access.log", "access.log.1")
}

// scribble appends a line that fits no format, in one write as Nginx does: it belongs into quarantine.
func scribble(t *testing.T, log string, i int) {
	t.Helper()
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "somebody wrote \xff this by hand, %d\n", i); err != nil {
		t.Fatal(err)
	}
}

func (s shipment) topic() string { return "e2e." + s.site }

// configure writes ngxtap.yaml and the site's file and returns the path of the first.
func (s shipment) configure(t *testing.T, k *components.Kafka, n *components.Nginx) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sites.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	daemon := fmt.Sprintf("instance: e2e-%s\nkafka:\n  brokers: [%s]\nstate_dir: %s\n", s.site, k.Bootstrap, filepath.Join(dir, "state"))
	if s.framing == "confluent" {
		daemon += "registry:\n  url: " + shared.Registry(t).URL + "\n"
	}
	format, _, _ := strings.Cut(s.accessLog, " ")
	writeFile(t, filepath.Join(dir, "ngxtap.yaml"), daemon)
	writeFile(t, filepath.Join(dir, "sites.d", s.site+".yaml"), fmt.Sprintf(
		"site: %s\naccess_log:\n  paths: [%s]\n  nginx_conf: %s\n  format: %s\ntopic: %s\n", s.site, n.Log("access.log"), n.Conf(), format, s.topic()))
	return filepath.Join(dir, "ngxtap.yaml")
}

// awaitCommitted waits until a read_committed reader has seen so many events and rejected lines of a topic.
func awaitCommitted(t *testing.T, k *components.Kafka, topic string, total int, daemon *components.Program) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.ConsumeTopics(topic, topic+".quarantine"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	deadline := time.Now().Add(90 * time.Second)
	for seen := 0; seen < total; {
		if err := daemon.Alive(); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d lines are in Kafka after 90 s", seen, total)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		seen += client.PollFetches(ctx).NumRecords() // errors are of topics that do not exist yet
		cancel()
	}
}

// verify has verify.py compare Kafka with what was sent and logged.
func (s shipment) verify(t *testing.T, k *components.Kafka, l *load, files []logFile) {
	t.Helper()
	args := []string{"--bootstrap", k.Bootstrap, "--topic", s.topic(), "--site", s.site, "--framing", s.framing,
		"--sent", writeLines(t, "sent.jsonl", l.exchanges), "--files", writeLines(t, "files.jsonl", files),
		"--secret", cookieSecret, "--secret", passwordSecret, "--secret", tokenSecret}
	if s.framing == "confluent" {
		args = append(args, "--registry", shared.Registry(t).URL)
	}
	stdout, stderr, code := components.TryPython(t, "verify.py", args...)
	if code != 0 {
		t.Fatalf("verify.py: exit code %d:\n%s", code, stderr)
	}
	t.Logf("%s", stdout)
	var summary struct{ Rejected int }
	if err := json.Unmarshal(stdout, &summary); err != nil {
		t.Fatalf("read the summary of verify.py: %v", err)
	}
	if summary.Rejected != rotations {
		t.Errorf("%d lines in quarantine, want the %d scribbles and nothing else", summary.Rejected, rotations)
	}
}
