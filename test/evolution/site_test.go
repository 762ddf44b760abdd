package evolution

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// site is one site whose log and nginx.conf are written by the test, so that it knows every byte and every moment.
type site struct {
	name     string
	dir      string
	settings harness.Site
	conf     string // path of nginx.conf
	journal  *oracle.Journal
	log      *harness.Log
	host     *harness.Host
	daemon   *components.Program // nil before start
	written  int                 // lines
}

var (
	sites   atomic.Int64
	lineIDs atomic.Int64
)

// newSite makes a site with nginx.conf as text says, whose format is named shop. registry is the URL to use.
func newSite(t *testing.T, registry, text string, extra string, accessLog ...string) *site {
	t.Helper()
	s := &site{name: fmt.Sprintf("evolve%d", sites.Add(1)), dir: t.TempDir(), journal: &oracle.Journal{}}
	s.conf = filepath.Join(s.dir, "nginx.conf")
	path := filepath.Join(s.dir, "access.log")
	s.write(t, "nginx.conf", text)
	s.settings = harness.Site{Name: s.name, Paths: []string{path}, Extra: extra + clearRaw,
		AccessLog: append([]string{"nginx_conf: " + s.conf, "format: shop"}, accessLog...)}
	s.log = harness.NewLog(t, s.journal, path, 2)
	s.host = harness.NewHost(t, harness.HostConfig{Instance: "evolution-" + s.name, Brokers: brokers(t), Registry: registry, Sites: []harness.Site{s.settings}})
	return s
}

// write replaces a file of the site's folder, by renaming as careful editors do. LOG stands for the path of the log.
func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path+"~", []byte(strings.ReplaceAll(text, "LOG", filepath.Join(s.dir, "access.log"))), 0o644)
	}
	if err == nil {
		err = os.Rename(path+"~", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nginxConf is a whole nginx.conf with one log_format, and more lines in its http block.
func nginxConf(format string, more ...string) string {
	return "events {}\nhttp {\n\tlog_format shop '" + format + "';\n\taccess_log LOG shop;\n\t" + strings.Join(more, "\n\t") + "\n\tserver { listen 80; }\n}\n"
}

// Formats of such logs. What Nginx would write for each variable is in values.
const (
	plain  = `p1 $remote_addr [$time_iso8601] "$request" $status $app_ms "$http_x_id"`
	longer = `p2 $remote_addr [$time_iso8601] "$request" $status $request_length $app_ms "$http_x_id"`
	// Two integers in one order and in the other: no program can tell the lines apart.
	straight = `c1 $remote_addr [$time_iso8601] "$request" $status $body_bytes_sent $request_length $app_ms "$http_x_id"`
	swapped  = `c1 $remote_addr [$time_iso8601] "$request" $status $request_length $body_bytes_sent $app_ms "$http_x_id"`
	third    = `p3 $remote_addr [$time_iso8601] "$request" $status $request_length $request_time $app_ms "$http_x_id"`
)

var values = map[string]string{"remote_addr": "192.0.2.9", "time_iso8601": "2026-11-20T12:00:00+00:00", "status": "200", "app_ms": "17",
	"request_length": "321", "request_time": "0.250", "body_bytes_sent": "45"}

var variable = regexp.MustCompile(`\$\w+`)

// lines writes n lines of a format, as one worker does by one write.
func (s *site) lines(t *testing.T, format string, n int) {
	t.Helper()
	var b strings.Builder
	for range n {
		id := fmt.Sprintf("id-%09d", lineIDs.Add(1))
		b.WriteString(variable.ReplaceAllStringFunc(format, func(v string) string {
			switch v {
			case "$http_x_id":
				return id
			case "$request":
				return "GET /item/" + id + " HTTP/1.1"
			}
			return values[v[1:]]
		}) + "\n")
	}
	s.log.Write(t, s.written%2, b.String())
	s.written += n
}

// start starts the daemon and ships some first lines of a format.
func (s *site) start(t *testing.T, format string) {
	t.Helper()
	s.daemon = s.host.Start(t)
	s.lines(t, format, 10)
	s.arrived(t)
}

// arrived waits until every line is an event or in quarantine.
func (s *site) arrived(t *testing.T) {
	t.Helper()
	s.host.AwaitArrived(t, s.daemon, s.name, s.written, long)
}

// reconfigure changes the site's file and sends SIGHUP.
func (s *site) reconfigure(t *testing.T, extra string, accessLog ...string) {
	t.Helper()
	s.settings.Extra = extra + clearRaw
	s.settings.AccessLog = append(s.settings.AccessLog, accessLog...)
	s.host.WriteSite(t, s.settings)
	s.daemon.Signal(t, syscall.SIGHUP)
}

// changes returns what was announced so far.
func (s *site) changes(t *testing.T) []oracle.Change { return changes(t, s.host.Source(s.name)) }

// announced waits until so many changes are announced, and no more, and returns the last.
func (s *site) announced(t *testing.T, want int) oracle.Change {
	t.Helper()
	return awaitChanges(t, s.daemon, s.host.Source(s.name), want)[want-1]
}

func (s *site) topic() string   { return "nginx." + s.name + ".access" }
func (s *site) subject() string { return s.topic() + "-value" }

// shipment reads everything that has arrived.
func (s *site) shipment(t *testing.T) *oracle.Shipment {
	t.Helper()
	all, err := oracle.Read(within(t), s.host.Source(s.name))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// bytes returns how many bytes were written so far.
func (s *site) bytes() int64 { return harness.Bytes(s.journal) }

// position returns how many bytes of the log the last commit has moved past.
func (s *site) position(t *testing.T) int64 {
	t.Helper()
	commits := s.shipment(t).Commits
	if len(commits) == 0 {
		return 0
	}
	var n int64
	for _, c := range commits[len(commits)-1].Counts {
		n += c.Read
	}
	return n
}

// finish waits for every line, stops the daemon and judges. quarantined says which lines belong into quarantine: those of the formats
// whose first words are given.
func (s *site) finish(t *testing.T, quarantined ...string) {
	t.Helper()
	s.arrived(t)
	s.daemon.Signal(t, syscall.SIGTERM)
	if code := s.daemon.Wait(t, long); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	s.judge(t, quarantined...)
}

// clearRaw lets judge see which lines were refused.
const clearRaw = "\nquarantine: {raw: clear}"

// judge compares everything that was written with what arrived.
func (s *site) judge(t *testing.T, quarantined ...string) {
	t.Helper()
	s.host.Judge(t, s.name, s.journal, oracle.Rules{Check: checkLine})
	for _, r := range s.shipment(t).Records {
		if !r.Quarantine {
			continue
		}
		raw, _ := r.Value["raw"].([]byte)
		word, _, _ := strings.Cut(string(raw), " ")
		if !contains(quarantined, word) {
			t.Errorf("in quarantine: %q: %v", raw, r.Value["reason"])
		}
	}
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// checkLine compares an event with its line, whose first word says which format wrote it.
func checkLine(line []byte, event map[string]any) string {
	var format string
	for _, f := range []string{plain, longer, third, straight} {
		if bytes.HasPrefix(line, []byte(f[:3])) {
			format = f
		}
	}
	if format == "" {
		return "no format of this test wrote the line"
	}
	if problem := harness.CheckID(line, event); problem != "" {
		return problem
	}
	for _, name := range []string{"status", "app_ms", "request_length", "request_time", "body_bytes_sent"} {
		got, want := "nothing", "nothing"
		if strings.Contains(format, "$"+name) {
			want = values[name]
		}
		if v, ok := event[name].(map[string]any); ok {
			for _, value := range v {
				got = fmt.Sprint(value)
			}
		}
		if g, err := strconv.ParseFloat(got, 64); err == nil && name == "request_time" {
			got = strconv.FormatFloat(g, 'f', 3, 64)
		}
		if got != want {
			return fmt.Sprintf("its %s is %s, the line's is %s", name, got, want)
		}
	}
	return ""
}

// clash registers, by hand, a next version of the site's subject in which a field has a type that ours will not have.
func (s *site) clash(t *testing.T, field, avroType string) {
	t.Helper()
	status, answer := ask(t, http.MethodGet, shared.Registry(t).URL+"/subjects/"+s.subject()+"/versions/latest", "")
	var latest struct{ Schema string }
	if err := json.Unmarshal(answer, &latest); status != http.StatusOK || err != nil {
		t.Fatalf("read the latest version of %s: %d: %s", s.subject(), status, answer)
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(latest.Schema), &record); err != nil {
		t.Fatal(err)
	}
	fields, _ := record["fields"].([]any)
	record["fields"] = append(fields, map[string]any{"name": field, "type": []string{"null", avroType}, "default": nil})
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"schema": string(text)})
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := ask(t, http.MethodPost, shared.Registry(t).URL+"/subjects/"+s.subject()+"/versions", string(body)); status != http.StatusOK {
		t.Fatalf("register a schema by hand: %d: %s", status, answer)
	}
	setLevel(t, shared.Registry(t).URL, s.subject(), "BACKWARD")
}
