package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
)

// needDebian skips the test where a package can't be installed and taken away again; in CI it fails.
func needDebian(t *testing.T) {
	t.Helper()
	why := ""
	if _, err := exec.LookPath("dpkg"); err != nil || os.Getuid() != 0 {
		why = "to install a package needs root on Debian, or on what comes from it"
	} else if _, err := os.Stat("/etc/ngxtap"); err == nil {
		why = "ngxtap is in use on this machine: /etc/ngxtap exists"
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal(why)
	default:
		t.Skip(why)
	}
	components.Require(t, components.PartPackaging)
}

// noStarts keeps maintainer scripts from starting services on this machine while the test runs.
func noStarts(t *testing.T) {
	t.Helper()
	const policy = "/usr/sbin/policy-rc.d"
	if _, err := os.Stat(policy); !errors.Is(err, fs.ErrNotExist) {
		return // the machine has its own
	}
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(policy) })
}

// leaveNoTrace takes everything of the package off the machine when the test is over, however it ends.
func leaveNoTrace(t *testing.T) {
	t.Helper()
	_, err := user.Lookup("ngxtap")
	hadUser := err == nil
	t.Cleanup(func() {
		if exec.Command("dpkg-query", "-W", "ngxtap").Run() == nil {
			if out, err := exec.Command("dpkg", "--purge", "ngxtap").CombinedOutput(); err != nil {
				t.Errorf("purge: %v\n%s", err, out)
			}
		}
		if _, err := user.Lookup("ngxtap"); err == nil && !hadUser {
			output(t, "userdel", "ngxtap")
		}
		for _, p := range []string{"/etc/ngxtap", "/var/lib/ngxtap", "/usr/bin/ngxtap"} {
			if _, err := os.Lstat(p); err == nil {
				t.Errorf("%s is still there", p)
				os.RemoveAll(p)
			}
		}
	})
}

// owns tells mode, owner and group of a file as "0640 root ngxtap".
func owns(t *testing.T, path string) string {
	t.Helper()
	return strings.TrimSpace(output(t, "stat", "-c", "%04a %U %G", path))
}

// install installs a deb as a script would, keeping files that were edited.
func install(t *testing.T, deb string) {
	t.Helper()
	cmd := exec.Command("dpkg", "--force-confdef", "--force-confold", "-i", deb)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("install %s: %v\n%s", filepath.Base(deb), err, out)
	}
}

// TestDeb goes with a package through its life: installed, configured, run as its user, upgraded, removed, installed again, purged.
func TestDeb(t *testing.T) {
	needDebian(t)
	first, second := built(t, present).deb(t), built(t, later).deb(t)
	kafka := shared.Kafka(t)
	noStarts(t)
	leaveNoTrace(t)

	install(t, first)
	checkInstalled(t)

	logDir := t.TempDir()
	log := newLog(t, logDir)
	configure(t, log, kafka.Bootstrap)
	runService(t, 2)

	install(t, second)
	contains(t, "ngxtap version", output(t, "ngxtap", "version"), "ngxtap v0.10.0 (commit 0123456789ab")
	text, err := os.ReadFile("/etc/ngxtap/ngxtap.yaml")
	if err != nil || !strings.Contains(string(text), kafka.Bootstrap) {
		t.Errorf("the upgrade did not keep what was edited: %v\n%s", err, text)
	}
	if got := owns(t, "/etc/ngxtap/ngxtap.yaml"); got != "0640 root ngxtap" {
		t.Errorf("after an upgrade the configuration is %s", got)
	}
	if text, err := os.ReadFile("/etc/ngxtap/ngxtap.yaml.dpkg-dist"); err != nil || !strings.Contains(string(text), "did not have") {
		t.Errorf("the new example is not beside it: %v", err)
	}
	if err := appendTo(log, "201 /third\n"); err != nil {
		t.Fatal(err)
	}
	runService(t, 3) // what was shipped before the upgrade is not shipped again

	output(t, "dpkg", "--remove", "ngxtap")
	for path, want := range map[string]bool{
		"/usr/bin/ngxtap": false, "/usr/lib/systemd/system/ngxtap.service": false,
		"/var/lib/ngxtap/hash.key": true, "/etc/ngxtap/ngxtap.yaml": true, "/etc/ngxtap/sites.d/shop.yaml": true,
	} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("after a removal %s: %v, want it there: %v", path, err, want)
		}
	}
	install(t, second)
	runService(t, 3)

	output(t, "dpkg", "--purge", "ngxtap")
	for _, path := range []string{"/var/lib/ngxtap", "/etc/ngxtap", "/usr/share/ngxtap", "/usr/share/doc/ngxtap", "/usr/lib/sysusers.d/ngxtap.conf",
		"/etc/systemd/system/multi-user.target.wants/ngxtap.service", "/etc/systemd/system/ngxtap.service"} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after a purge %s is there: %v", path, err)
		}
	}
}

// checkInstalled looks at what the first installation made.
func checkInstalled(t *testing.T) {
	t.Helper()
	for path, want := range map[string]string{
		"/usr/bin/ngxtap": "0755 root root", "/usr/lib/systemd/system/ngxtap.service": "0644 root root",
		"/etc/ngxtap": "0755 root root", "/etc/ngxtap/sites.d": "0755 root root", "/etc/ngxtap/sites.d/shop.yaml.example": "0644 root root",
		"/etc/ngxtap/ngxtap.yaml": "0640 root ngxtap", "/var/lib/ngxtap": "0700 ngxtap ngxtap",
		"/usr/share/ngxtap/nginx/ngxtap.js": "0644 root root", "/usr/share/ngxtap/nginx/logrotate.conf": "0644 root root",
		"/usr/share/doc/ngxtap/copyright": "0644 root root", "/usr/share/doc/ngxtap/sbom.cdx.json": "0644 root root",
	} {
		if got := owns(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	contains(t, "the user", output(t, "id", "ngxtap"), "(ngxtap)", "(adm)")
	if entry := output(t, "getent", "passwd", "ngxtap"); !strings.HasSuffix(strings.TrimSpace(entry), "nologin") {
		t.Errorf("somebody may log in as %s", entry)
	}
	contains(t, "ngxtap version", output(t, "ngxtap", "version"), "ngxtap v0.9.0 (commit 0123456789ab, go")
	if out := output(t, "systemd-analyze", "verify", "/usr/lib/systemd/system/ngxtap.service"); out != "" {
		t.Errorf("systemd-analyze verify says of the installed unit:\n%s", out)
	}
	if _, err := os.Readlink("/etc/systemd/system/multi-user.target.wants/ngxtap.service"); err != nil {
		t.Errorf("it is not started with the machine: %v", err)
	}
	if out, err := exec.Command("ldd", "/usr/bin/ngxtap").CombinedOutput(); err == nil {
		t.Errorf("it needs libraries:\n%s", out)
	}
	conffiles := output(t, "dpkg-query", "--showformat=${Conffiles}", "--show", "ngxtap")
	contains(t, "the list of configuration files", conffiles, "/etc/ngxtap/ngxtap.yaml", "/etc/ngxtap/sites.d/shop.yaml.example")
	// Nobody has configured a site: the unit passes a start over, and by hand it says what to do, with the code that systemd does not restart on.
	out, code := asService(t, nil, "run")
	if code != 78 || !strings.Contains(out, "no site is configured") {
		t.Errorf("without a site: exit code %d\n%s", code, out)
	}
}

// newLog makes a log as Debian's Nginx does: only root, www-data and group adm may read it.
func newLog(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "access.log")
	if err := os.WriteFile(path, []byte("200 /first\n404 /second\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	output(t, "chown", "root:adm", path)
	return path
}

// configure edits the shipped configuration as an admin would: the brokers in the one file, a site from the example.
func configure(t *testing.T, log, brokers string) {
	t.Helper()
	const path = "/etc/ngxtap/ngxtap.yaml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(text), "127.0.0.1:9092", brokers, 1)
	if edited == string(text) {
		t.Fatal("the shipped configuration does not name 127.0.0.1:9092")
	}
	site := fmt.Sprintf("site: shop\naccess_log:\n  paths: [%s]\n  log_format: '$status $uri'\n", log)
	if err := errors.Join(os.WriteFile(path, []byte(edited), 0), os.WriteFile("/etc/ngxtap/sites.d/shop.yaml", []byte(site), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// service returns ngxtap as the unit runs it: its user and groups, no capability, no way to get one.
func service(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("setpriv", append([]string{"--reuid", "ngxtap", "--regid", "ngxtap", "--init-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all",
		"/usr/bin/ngxtap"}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "GOMEMLIMIT=384MiB"}, env...)
	return cmd
}

// asService runs a command to its end.
func asService(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	cmd := service(env, args...)
	cmd.Dir = "/"
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text), 0
}

// runService runs the daemon as systemd would, follows what it tells the manager through start, reload and stop, and wants so many events in the
// topic then.
func runService(t *testing.T, events int) {
	t.Helper()
	name := "@ngxtap-test-" + strconv.Itoa(os.Getpid())
	sd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sd.Close()
	p := components.StartCommand(t, service([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=600000"}, "run")) // a ping each 0.2 s
	hear(t, sd, "READY=1")
	hear(t, sd, "STATUS=1 site running") // the brokers have answered
	hear(t, sd, "WATCHDOG=1")
	if got, code := asService(t, nil, "cat", "nginx.shop.access", "-f", "-n", strconv.Itoa(events)); code != 0 || strings.Count(got, "\n") != events {
		t.Errorf("cat ends with %d and %d events, want %d:\n%s", code, strings.Count(got, "\n"), events, got)
	}
	p.Signal(t, syscall.SIGHUP)
	hear(t, sd, "RELOADING=1\nMONOTONIC_USEC=")
	hear(t, sd, "READY=1")
	p.Signal(t, syscall.SIGTERM)
	hear(t, sd, "STOPPING=1")
	if code := p.Wait(t, time.Minute); code != 0 {
		t.Errorf("it stops with code %d:\n%s", code, p.Output(t))
	}
	if strings.Contains(p.Output(t), "core dumps can't be forbidden") {
		t.Errorf("its user may not set a limit:\n%s", p.Output(t))
	}
	got, code := asService(t, nil, "cat", "nginx.shop.access")
	if code != 0 || strings.Count(got, "\n") != events {
		t.Errorf("cat ends with %d; in the topic are %d events, want %d:\n%s", code, strings.Count(got, "\n"), events, got)
	}
}

// hear waits for a message to the manager that holds want.
func hear(t *testing.T, sd *net.UnixConn, want string) {
	t.Helper()
	if err := sd.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf, heard := make([]byte, 64<<10), []string{}
	for {
		n, err := sd.Read(buf)
		if err != nil {
			t.Fatalf("the manager did not hear %q; of %d messages the last are %q", want, len(heard), heard[max(0, len(heard)-5):])
		}
		if heard = append(heard, string(buf[:n])); strings.Contains(heard[len(heard)-1], want) {
			return
		}
	}
}
