package daemon

// Shows: root's `ngxtap check` sees what the service's user sees, and says what keeps it from a file and how to let it in; it ends in time when
// nobody answers.

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// found is one finding of check --json.
type found struct {
	Level, What, File, Text, Fix string
	Sites                        []string
	Line                         int
}

// checked runs check and returns its findings and its exit code.
func checked(t *testing.T, h *harness.Host, args ...string) ([]found, int) {
	t.Helper()
	if len(args) == 0 {
		args = []string{"--user", ""} // there may be a user ngxtap here
	}
	cmd := exec.CommandContext(t.Context(), harness.Binary(t, false), append([]string{"check", "--json", "-c", h.Config, "--logrotate", ""}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatal(err)
		}
	}
	var all []found
	for line := range strings.Lines(string(out)) {
		t.Log(strings.TrimSpace(line))
		var f found
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all, cmd.ProcessState.ExitCode()
}

// want looks for a finding.
func want(t *testing.T, all []found, level, what string, words ...string) found {
	t.Helper()
next:
	for _, f := range all {
		if f.Level != level || f.What != what {
			continue
		}
		for _, w := range words {
			if !strings.Contains(f.Text+"\n"+f.Fix, w) {
				continue next
			}
		}
		return f
	}
	t.Errorf("no %s %s with %q", level, what, words)
	return found{}
}

// public makes what the host's files lie in passable for every user, as /etc and /var are.
func public(t *testing.T, h *harness.Host) {
	t.Helper()
	for dir := h.Dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckAsTheServicesUser(t *testing.T) {
	needRoot(t, "it checks as another user")
	group, err := user.LookupGroup("adm")
	if err != nil {
		t.Skip("there is no group adm: ", err)
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.log.WriteLines(t, 0, 3)
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	h := s.host(t, fakeBroker(t), func(c *harness.HostConfig) {
		c.StateDir = filepath.Join(publicDir(t), "state")
		c.Sites[0].AccessLog = []string{"nginx_conf: " + filepath.Join(s.dir, "nginx.conf")}
	})
	public(t, h)
	must(os.WriteFile(filepath.Join(s.dir, "nginx.conf"), []byte("http {\n log_format main '"+harness.LogFormat+"';\n include "+
		""+s.dir+"/more.conf;\n}\n"), 0o644),
		os.WriteFile(filepath.Join(s.dir, "more.conf"), []byte("access_log "+s.path+" main;\n"), 0o600), os.Chmod(s.path, 0o640), os.Chown(s.path, 0, gid))
	unit := filepath.Join(s.dir, "x.service")
	must(os.WriteFile(unit, []byte("[Service]\nUser = nobody\n"), 0o644))

	all, code := checked(t, h, "--unit", unit)
	want(t, all, "ok", "user", "checked as user nobody")
	f := want(t, all, "error", "nginx.format", "user nobody may not read "+s.dir+"/more.conf", "mode 0600", "chmod g+r "+s.dir+"/more.conf")
	if f.File != filepath.Join(s.dir, "nginx.conf") || f.Line != 3 {
		t.Errorf("it is at %s:%d", f.File, f.Line)
	}
	f = want(t, all, "error", "log", "user nobody may not read "+s.path, "root:adm", "mode 0640", "usermod -aG adm nobody", "SupplementaryGroups=adm")
	if !strings.HasSuffix(f.File, s.name+".yaml") || f.Line != 3 {
		t.Errorf("it is at %s:%d", f.File, f.Line)
	}
	if code != 78 {
		t.Errorf("exit code %d", code)
	}

	// A unit whose user nobody has made yet.
	orphan := filepath.Join(s.dir, "orphan.service")
	must(os.WriteFile(orphan, []byte("[Service]\nUser=no-such-user\n"), 0o644))
	all, _ = checked(t, h, "--unit", orphan)
	want(t, all, "warning", "user", "user no-such-user, who does not exist here", "useradd --system")

	// As root there is nothing in the way.
	all, code = checked(t, h, "--user", "root")
	want(t, all, "ok", "user", "checked as root")
	if code != 0 {
		t.Errorf("as root: exit code %d", code)
	}

	// With what the findings say all is well.
	must(os.Chmod(filepath.Join(s.dir, "more.conf"), 0o644), os.MkdirAll(unit+".d", 0o755), os.Chmod(unit+".d", 0o755),
		os.WriteFile(filepath.Join(unit+".d", "groups.conf"), []byte("[Service]\nSupplementaryGroups=adm\n"), 0o644))
	all, code = checked(t, h, "--unit", unit)
	want(t, all, "ok", "user", "checked as user nobody", "adm")
	want(t, all, "ok", "log", "all of the first 3 lines fit")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}

	// Once run as root: what it left in the state folder is in the way of the service.
	state := filepath.Join(filepath.Dir(h.Dir), "none")
	if data, err := os.ReadFile(h.Config); err == nil {
		for line := range strings.Lines(string(data)) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "state_dir: "); ok {
				state = v
			}
		}
	}
	must(os.Mkdir(state, 0o777), os.Chmod(state, 0o777), os.WriteFile(filepath.Join(state, "hash.key"), nil, 0o600))
	all, code = checked(t, h, "--unit", unit)
	want(t, all, "error", "state.file", filepath.Join(state, "hash.key"), "it belongs to root", "chown -R nobody: "+state)
	if code != 78 {
		t.Errorf("exit code %d", code)
	}

	// A folder on the way that nobody may enter, of a configuration that nobody may read.
	must(os.Chmod(filepath.Join(h.Dir, "sites.d"), 0o755), os.Chmod(filepath.Join(h.Dir, "sites.d", s.name+".yaml"), 0o600))
	all, code = checked(t, h, "--unit", unit)
	want(t, all, "error", "config", "user nobody may not read", s.name+".yaml")
	if code != 78 {
		t.Errorf("exit code %d", code)
	}
}

// TestCheckEndsWhenNobodyAnswers: brokers and a registry that take connections and say nothing.
func TestCheckEndsWhenNobodyAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newSite(t)
	h := s.host(t, []string{l.Addr().String()}, func(c *harness.HostConfig) { c.Registry = "http://" + l.Addr().String() })
	cmd := exec.Command(harness.Binary(t, false), "check", "-c", h.Config, "--user", "")
	d := components.StartCommand(t, cmd)
	if code := d.Wait(t, 40*time.Second); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if out := d.Output(t); strings.Count(out, "\nerror ") != 2 {
		t.Errorf("want one error of the broker and one of the registry:\n%s", out)
	}
}
