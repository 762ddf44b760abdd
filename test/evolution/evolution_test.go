package evolution

// Shows: a log_format is edited and Nginx reloaded three times under load: a field added in the middle, a field removed, a type changed.
// Nothing but Nginx is told, and nothing is lost, doubled or put into quarantine; each event bears the schema of its line, the registry
// accepts them all, and the Python reader reads every event with its own schema and with the newest. TestEvolution waits for the
// announcement before it reloads, so the announcement comes before the first line. TestEvolutionAtOnce does not wait, and kills ngxtap
// while lines of three formats are unread.

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

const evolvingConf = `{{.Main}}
worker_processes 3;
worker_shutdown_timeout 300s;
events {}
http {
	{{.HTTP}}
	map $arg_ms $app_ms { default $arg_ms; }
	log_format shop '` + formatV1 + `';
	access_log logs/access.log shop;
	keepalive_requests 1000000;
	server {
		listen {{.Addr}};
		location / { return 200 ok; }
		location /slow { proxy_pass http://{{.Vars.slow}}; proxy_read_timeout 600s; }
	}
}
`

// The formats. Each begins with a literal that says which one it is, so that the test knows what wrote a line.
const (
	formatV1 = `v1 $remote_addr [$time_iso8601] $msec "$request" $status $body_bytes_sent $app_ms "$http_x_id"`
	formatV2 = `v2 $remote_addr [$time_iso8601] $msec "$request" $status $body_bytes_sent $request_length $app_ms "$http_x_id"`
	formatV3 = `v3 $remote_addr [$time_iso8601] $msec "$request" $status $request_length $app_ms "$http_x_id"`
	formatV4 = `v4 $remote_addr [$time_iso8601] $msec "$request" $status $request_length $app_ms "$http_x_id"`
)

// The map of the last format: values that no int holds.
const (
	smallMap = `map $arg_ms $app_ms { default $arg_ms; }`
	largeMap = `map $arg_ms $app_ms { default "${arg_ms}000000"; }`
)

// step is a format as evolution.py is told of it.
type step struct {
	Tag       string            `json:"tag"`
	LogFormat string            `json:"log_format"`
	Fields    map[string]string `json:"fields"` // the fields that evolution.py watches, with their types
	Class     string            `json:"class"`  // of the change to this format
	Diffs     [][2]string       `json:"diffs"`  // path and kind of each
}

var steps = []step{
	{"v1", formatV1, map[string]string{"status": "int", "body_bytes_sent": "long", "app_ms": "int"}, "", nil},
	{"v2", formatV2, map[string]string{"status": "int", "body_bytes_sent": "long", "request_length": "long", "app_ms": "int"}, "full",
		[][2]string{{"request_length", "added"}}},
	{"v3", formatV3, map[string]string{"status": "int", "request_length": "long", "app_ms": "int"}, "full", [][2]string{{"body_bytes_sent", "removed"}}},
	{"v4", formatV4, map[string]string{"status": "int", "request_length": "long", "app_ms": "long"}, "backward", [][2]string{{"app_ms", "type"}}},
}

// evolving is one run: Nginx under load with its ngxtap.
type evolving struct {
	site   harness.Site
	nginx  *components.Nginx
	slow   *slow
	load   *load
	host   *harness.Host
	daemon *components.Program
}

// startEvolving starts everything with the first format and waits until the first events have arrived.
func startEvolving(t *testing.T, name string) *evolving {
	t.Helper()
	components.Require(t, components.PartNginx, components.PartKafka, components.PartRegistry, components.PartPython)
	name = fmt.Sprintf("%s%d", name, sites.Add(1)) // another one if the test runs again
	e := &evolving{slow: startSlow(t)}
	e.nginx = components.StartNginx(t, evolvingConf, map[string]string{"slow": e.slow.addr})
	e.site = harness.Site{Name: name, Paths: []string{e.nginx.Log("access.log")},
		AccessLog: []string{"nginx_conf: " + e.nginx.Conf(), "format: shop", "types: [{name: app_ms, type: int}]"}}
	e.host = harness.NewHost(t, harness.HostConfig{Instance: "evolution-" + name, Brokers: brokers(t), Registry: shared.Registry(t).URL,
		Sites: []harness.Site{e.site}})
	e.load = startLoad(t, e.nginx.Addr, e.slow, 4)
	e.daemon = e.host.Start(t)
	e.load.await(t, 100)
	e.host.AwaitBytes(t, e.daemon, name, 1, long)
	setLevel(t, e.host.Registry, e.subject(), "BACKWARD")
	return e
}

func (e *evolving) topic() string   { return "nginx." + e.site.Name + ".access" }
func (e *evolving) subject() string { return e.topic() + "-value" }

// edit replaces one format by the next in nginx.conf, in place as most editors do, or by renaming a new file.
func (e *evolving) edit(t *testing.T, to int, rename bool) {
	t.Helper()
	data, err := os.ReadFile(e.nginx.Conf())
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), steps[to-1].LogFormat, steps[to].LogFormat, 1)
	if text == string(data) {
		t.Fatalf("nginx.conf does not hold format %s", steps[to-1].Tag)
	}
	if steps[to].Tag == "v4" {
		text = strings.Replace(text, smallMap, largeMap, 1)
	}
	path := e.nginx.Conf()
	if rename {
		path += ".new"
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if rename {
		if err := os.Rename(path, e.nginx.Conf()); err != nil {
			t.Fatal(err)
		}
	}
}

// widen lets the site's file say that app_ms is a long, edits nginx.conf with it, and waits until the daemon knows both: it may see the
// one before the other.
func (e *evolving) widen(t *testing.T, to int) {
	t.Helper()
	e.site.AccessLog = append(e.site.AccessLog, "types: [{name: app_ms, type: long}]")
	e.host.WriteSite(t, e.site)
	e.edit(t, to, true)
	e.daemon.Signal(t, syscall.SIGHUP)
	components.Eventually(t, long, func() error {
		all := changes(t, e.host.Source(e.site.Name))
		if last := all[len(all)-1]; last.Class != "backward" {
			return fmt.Errorf("the new type of app_ms is not announced; so far:\n%s", told(all))
		}
		return e.daemon.Alive()
	})
}

// TestEvolution edits, waits for the announcement, and reloads, three times.
func TestEvolution(t *testing.T) {
	e := startEvolving(t, "evolving")
	for to := 1; to < len(steps); to++ {
		e.load.hold(t, e.slow, 12)
		if steps[to].Class == "backward" {
			e.widen(t, to)
		} else {
			e.edit(t, to, false)
			awaitChanges(t, e.daemon, e.host.Source(e.site.Name), to)
		}
		e.nginx.Reload(t, "")
		e.load.await(t, 300)
		e.load.release(t, e.slow, 8) // old workers log between the new ones; what is left is logged later still
	}
	e.finish(t, []string{"access.log"}, "--announced-first")
}

// TestEvolutionAtOnce reloads right after the edit. After the first, ngxtap is killed, and started again only when lines of three
// formats are unread and the log has been rotated.
func TestEvolutionAtOnce(t *testing.T) {
	e := startEvolving(t, "evolving-at-once")
	e.load.hold(t, e.slow, 20)
	e.edit(t, 1, true)
	e.nginx.Reload(t, "")
	e.load.await(t, 200)
	e.load.release(t, e.slow, 5)
	awaitChanges(t, e.daemon, e.host.Source(e.site.Name), 1)
	e.daemon.Kill()

	e.load.hold(t, e.slow, 10)
	e.load.release(t, e.slow, 10) // formats 1 and 2 meet in one file
	e.nginx.Rotate(t, "access.log", "access.log.1")
	e.load.await(t, 100)
	e.load.release(t, e.slow, 5) // old workers of format 1 write into the new file, too
	e.edit(t, 2, true)
	e.nginx.Reload(t, "")
	e.load.await(t, 100)
	e.load.release(t, e.slow, 5)

	e.daemon = e.host.Start(t)
	e.load.await(t, 100)
	awaitChanges(t, e.daemon, e.host.Source(e.site.Name), 2)
	e.load.hold(t, e.slow, 10)
	e.widen(t, 3)
	e.nginx.Reload(t, "")
	e.load.await(t, 300)
	e.load.release(t, e.slow, 10)
	e.finish(t, []string{"access.log.1", "access.log"})
}

// finish ends the load, Nginx and ngxtap, and lets evolution.py judge.
func (e *evolving) finish(t *testing.T, logs []string, args ...string) {
	t.Helper()
	e.slow.close()
	e.load.stop()
	e.nginx.Stop(t)
	var paths []string
	lines := 0
	for _, log := range logs {
		data, err := os.ReadFile(e.nginx.Log(log))
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(data), "\n")
		paths = append(paths, e.nginx.Log(log))
	}
	e.host.AwaitArrived(t, e.daemon, e.site.Name, lines, 2*long)
	e.daemon.Signal(t, syscall.SIGTERM)
	if code := e.daemon.Wait(t, long); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	for _, err := range e.load.broken {
		t.Logf("no answer: %v", err)
	}
	told := map[string]any{"formats": steps, "answered": e.load.ids, "files": paths}
	data, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "told.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"--bootstrap", strings.Join(e.host.Brokers, ","), "--framing", "confluent", "--registry", e.host.Registry,
		"--topic", e.topic(), "--site", e.site.Name, "--changes", changesTopic, "--told", path}, args...)
	stdout, stderr, code := components.TryPython(t, "evolution.py", args...)
	if code != 0 {
		t.Fatalf("evolution.py: exit code %d:\n%s", code, stderr)
	}
	t.Logf("%d requests answered, %d lines: %s", len(e.load.ids), lines, stdout)
	if len(e.load.broken) > len(e.load.ids)/10 {
		t.Errorf("%d of %d requests were not answered: this was no load", len(e.load.broken), len(e.load.ids))
	}
}
