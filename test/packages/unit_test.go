package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ngxtap/test/components"
)

// unitFile returns the unit in a folder of its own, with a program in it that exists.
func unitFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(components.Root(t), "configs/systemd/ngxtap.service"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ngxtap.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/ngxtap", "/bin/true")), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnitIsClean: systemd-analyze says nothing about it, for it says "unknown key" and ends well; and its exposure is 2.0 at most.
func TestUnitIsClean(t *testing.T) {
	components.Require(t, components.PartPackaging)
	unit := unitFile(t)
	if out := output(t, "systemd-analyze", "verify", unit); out != "" {
		t.Errorf("systemd-analyze verify says:\n%s", out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit).CombinedOutput(); err != nil {
		t.Errorf("the exposure is above 2.0: %v\n%s", err, out)
	}
	if err := appendTo(unit, "\n[Service]\nWatchdogSecs=60\n"); err != nil {
		t.Fatal(err)
	}
	if out := output(t, "systemd-analyze", "verify", unit); !strings.Contains(out, "WatchdogSecs") {
		t.Errorf("this systemd-analyze would not have noticed an unknown key: %q", out)
	}
}

// settings reads the unit: every value of each key, in order.
func settings(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(components.Root(t), "configs/systemd/ngxtap.service"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^([A-Za-z]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		all[m[1]] = append(all[m[1]], m[2])
	}
	return all
}

// TestUnitKeepsItsPromises holds the unit to what the program and the documents rely on.
func TestUnitKeepsItsPromises(t *testing.T) {
	s := settings(t)
	for key, want := range map[string]string{
		"Type": "notify", "User": "ngxtap", "Group": "ngxtap", "SupplementaryGroups": "adm", "StateDirectory": "ngxtap", "Restart": "on-failure",
		"RestartPreventExitStatus": "78", "CapabilityBoundingSet": "", "AmbientCapabilities": "", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"LimitCORE": "0", "UMask": "0077", "ExecStart": "/usr/bin/ngxtap run", "ExecReload": "/bin/kill -HUP $MAINPID", "WatchdogSec": "60s",
		"TimeoutStopSec": "30s", "MemoryMax": "512M", "ConditionPathExistsGlob": "/etc/ngxtap/sites.d/*.yaml",
	} {
		if got := s[key]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, c := range s["LoadCredential"] {
		// systemd passes over a credential that is not there only where its source is a name, not a path (execute.c, load_credential).
		if _, source, _ := strings.Cut(c, ":"); source == "" || strings.Contains(source, "/") {
			t.Errorf("LoadCredential=%s: a host without that file could not start the service", c)
		}
	}
	if len(s["LoadCredential"]) == 0 {
		t.Error("there is no LoadCredential")
	}
	for _, key := range []string{"IPAddressDeny", "IPAddressAllow", "PrivateNetwork"} {
		if s[key] != nil {
			t.Errorf("%s=%s would keep it from brokers elsewhere", key, s[key])
		}
	}
}

// underFilter runs a program with the system calls that the lists on its first lines leave; any other kills it.
const underFilter = `
import os, seccomp, subprocess, sys
allow, deny = sys.argv[1].split(","), sys.argv[2].split(",")
def calls(names):
    found, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if not name.startswith("@"):
            found.add(name)
            continue
        for line in subprocess.run(["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True).stdout.splitlines()[1:]:
            if line.strip() and not line.strip().startswith("#"):
                todo.append(line.strip())
    return found
keep = calls(allow) - calls(deny)
f = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
for name in sorted(keep):
    try:
        f.add_rule(seccomp.ALLOW, name)
    except RuntimeError:
        pass # not on this architecture
f.load()
os.execv(sys.argv[3], sys.argv[3:])
`

// TestUnitsFilterLetsItWork runs the main job with the unit's system calls, and dies at the first other one.
func TestUnitsFilterLetsItWork(t *testing.T) {
	components.Require(t, components.PartPackaging)
	if os.Getuid() != 0 {
		t.Skip("to load a filter and to run what is not set-user-id needs root here")
	}
	r := built(t, present)
	var allow, deny []string
	for _, f := range settings(t)["SystemCallFilter"] {
		if list, ok := strings.CutPrefix(f, "~"); ok {
			deny = append(deny, strings.Fields(list)...)
		} else {
			allow = append(allow, strings.Fields(f)...)
		}
	}
	run := func(denied []string, argv ...string) (string, error) {
		args := append([]string{"-c", underFilter, strings.Join(allow, ","), strings.Join(denied, ",")}, argv...)
		out, err := exec.Command("/usr/bin/python3", args...).CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "ngxtap.yaml")
	log := filepath.Join(dir, "access.log")
	for path, text := range map[string]string{
		conf: "state_dir: state\ninstance: web-01\nadmin: {listen: '127.0.0.1:0'}\n", log: strings.Repeat("200 /\n", 1000),
		filepath.Join(dir, "sites.d/shop.yaml"): "site: shop\naccess_log: {paths: [" + log + "], log_format: '$status $uri'}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := run(deny, r.binary, "run", "--once", "--embedded", "-c", conf)
	if err != nil {
		t.Errorf("under the unit's SystemCallFilter: %v\n%s", err, out)
	}
	contains(t, "the run", out, "1000 events, 0 quarantined")
	if strings.Contains(out, "core dumps can't be forbidden") {
		t.Errorf("it may not set a limit of its own:\n%s", out)
	}
	if out, err := run([]string{"openat", "@network-io"}, r.binary, "run", "--once", "--embedded", "-c", conf); err == nil {
		t.Errorf("a filter that forbids what it needs does not stop it: this test shows nothing\n%s", out)
	}
}
