// Package firsthour walks docs/first-hour.md: its two files and its commands, taken from the page as they stand there, lead from a real Nginx and a
// real Kafka to the first event. Only what a test can't have is replaced: names of servers and paths, sudo, and systemd, for which the test starts
// `ngxtap run` (test/packages has the real one).
package firsthour

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// patience is how long one step may take on a busy machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return m.Run()
}

// commands returns the command lines of the page's steps 1 to 5 in their order, a here-document with its lines.
func commands(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(components.Root(t), "docs", "first-hour.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, steps, ok := strings.Cut(string(page), "\n## 1. ")
	steps, _, end := strings.Cut(steps, "\n## 6. ")
	if !ok || !end {
		t.Fatal("docs/first-hour.md has no steps 1 to 6 any more")
	}
	var all []string
	here, fenced := false, false
	for line := range strings.Lines(steps) {
		line, code := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if strings.HasPrefix(line, "```") { // here-documents: indented ones would not end for who reads the page as it is
			fenced = !fenced
			continue
		}
		switch {
		case here && code: // lines of YAML begin with blanks, too
			all[len(all)-1] += "\n    " + line
		case here:
			all[len(all)-1] += "\n" + line
			here = line != "END"
		case (code || fenced) && line != "":
			all = append(all, line)
			here = strings.HasSuffix(line, "<<'END'")
		}
	}
	if here {
		t.Fatalf("a here-document of the page has no end:\n%s", all[len(all)-1])
	}
	return all
}

// walk is one reader of the page.
type walk struct {
	dir, env string // env: what a shell is told before each command
	replace  *strings.Replacer
}

// do runs one command as the page has it and returns what it printed.
func (w *walk) do(t *testing.T, command string) string {
	t.Helper()
	out, err := w.try(t, command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return out
}

func (w *walk) try(t *testing.T, command string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience) // a loop of the page may wait for what never comes
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", w.env+w.replace.Replace(command))
	cmd.Dir = w.dir
	out, err := cmd.CombinedOutput()
	t.Logf("$ %s\n%s", command, out)
	return string(out), err
}

func TestFirstHour(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartNginx)
	nginx := components.StartNginx(t, "{{.Main}}events {}\nhttp {\n{{.HTTP}}\naccess_log logs/access.log;\nserver { listen {{.Addr}}; return 204; }\n}\n", nil)
	kafka := components.StartKafka(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sites.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	admin := harness.IP() + ":9464"
	// What the page can leave to defaults, for it has the host to itself; the rest of the keys is the page's.
	t.Setenv("NGXTAP_STATE_DIR", filepath.Join(dir, "state"))
	t.Setenv("NGXTAP_ADMIN_LISTEN", admin)
	w := &walk{dir: dir, env: "set -eu\nsudo() { \"$@\"; }\nngxtap() { c=$1; shift; '" + harness.Binary(t, false) + "' \"$c\" -c '" + dir + "/ngxtap.yaml' \"$@\"; }\n",
		replace: strings.NewReplacer(
			"bin/ngxtap try", "ngxtap try --nginx-conf "+nginx.Conf(),
			"ngxtap check", "ngxtap check --user ''", // there may be a user ngxtap here, who can't see the folders of a test
			"/etc/ngxtap/", dir+"/",
			"paths: [/var/log/nginx/access.log]", "paths: ["+nginx.Log("access.log")+"]\n  nginx_conf: "+nginx.Conf(),
			"/var/log/nginx/access.log", nginx.Log("access.log"),
			"kafka-1:9092", kafka.Bootstrap,
			"registry: {", "# left out, as the page says: {",
			"127.0.0.1:9464", admin,
			"http://localhost/", "http://"+nginx.Addr+"/",
		)}
	w.do(t, "curl -s -A before http://localhost/") // an existing Nginx has lines in its log
	var daemon *components.Program
	seen := ""
	for _, command := range commands(t) {
		words := strings.Fields(command)
		switch {
		case words[0] == "make", words[0] == "systemctl" && words[1] == "status": // test/packages has them
		case strings.HasPrefix(command, "sudo systemctl enable --now ngxtap"):
			daemon = components.StartProgram(t, harness.Binary(t, false), "run", "-c", filepath.Join(dir, "ngxtap.yaml"))
		case words[0] == "sleep": // what it waits for may take longer here: see the next case
		case strings.Contains(command, "ngxtap cat "):
			components.Eventually(t, patience, func() (err error) {
				if seen, err = w.try(t, command); err == nil && seen == "" {
					err = errors.New("no event yet")
				}
				return err
			})
		default:
			if out := w.do(t, command); strings.Contains(command, "ngxtap try ") && !strings.Contains(out, "100 %") {
				t.Errorf("try does not say that every line fits:\n%s", out)
			}
		}
	}
	if daemon == nil || seen == "" {
		t.Fatal("the page does not start the service, or has no `ngxtap cat`, any more")
	}
	if strings.Count(seen, "\n") != 1 || !strings.Contains(seen, `"site":"shop"`) || !strings.Contains(seen, `"status":204`) || strings.Contains(seen, "before") {
		t.Errorf("want the one request after the start as an event, got:\n%s\n%s", seen, daemon.Output(t))
	}
}
