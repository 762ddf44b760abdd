package components

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// luaModule is where Debian installs the Lua module of Nginx.
const luaModule = "/usr/lib/nginx/modules/ngx_http_lua_module.so"

// nginxReady is how long Nginx may take to do what a signal asks. It takes some 30 ms.
const nginxReady = 20 * time.Second

// Nginx is a running Nginx in a folder of its own.
type Nginx struct {
	Dir  string // its prefix, with conf, logs, tmp and html
	Addr string // host:port for the configuration to listen on

	vars  map[string]string
	suite string   // of NewerNginx, "" for the Nginx that is installed
	proc  *process // owned
}

// StartNginx starts Nginx and stops it at the end of the test. conf is a text/template of a whole nginx.conf. It may use
//
//	{{.Main}}      at its top: load_module of njs, user, pid, error_log
//	{{.Lua}}       below it: load_module of Lua, for tests that require PartLua
//	{{.HTTP}}      at the top of its http block: the temporary folders
//	{{.Addr}}      the address to listen on
//	{{.Dir}}       the prefix; relative paths are below it
//	{{.Vars.x}}    what vars says
//
// The kit lies beside nginx.conf, so that "include ngxtap.conf;" works. Logs belong into logs/.
func StartNginx(t testing.TB, conf string, vars map[string]string) *Nginx {
	t.Helper()
	Require(t, PartNginx)
	return startNginx(t, "", conf, vars)
}

// NewerNginx returns the suites of Debian whose Nginx and njs are there beside the installed ones, the oldest first.
func NewerNginx() []string {
	return slices.DeleteFunc(strings.Fields(strings.Trim(version("NEWER_NGINX"), `"`)), func(suite string) bool {
		return findFile(newerNginx(suite, "nginx"), "") != nil
	})
}

// StartNewerNginx is StartNginx with the Nginx and njs of one of NewerNginx. There is no Lua in it.
func StartNewerNginx(t testing.TB, suite, conf string, vars map[string]string) *Nginx {
	t.Helper()
	Require(t, PartNewer)
	return startNginx(t, suite, conf, vars)
}

// newerNginx returns a path in the folder of a suite.
func newerNginx(suite string, elem ...string) string {
	return filepath.Join(append([]string{cache("nginx-" + suite)}, elem...)...)
}

func startNginx(t testing.TB, suite, conf string, vars map[string]string) *Nginx {
	t.Helper()
	dir := t.TempDir()
	kit := filepath.Join(Root(t), "nginx")
	var n *Nginx
	err := retryPorts(func() error {
		var err error
		n, err = tryStartNginx(dir, kit, suite, conf, vars)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	return n
}

// tryStartNginx is one attempt of StartNginx with one choice of port.
func tryStartNginx(parent, kit, suite, conf string, vars map[string]string) (*Nginx, error) {
	dir, err := os.MkdirTemp(parent, "nginx-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for Nginx: %w", err)
	}
	for _, sub := range []string{"conf", "logs", "tmp", "html"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("make a folder for Nginx: %w", err)
		}
	}
	if err := copyKit(kit, filepath.Join(dir, "conf")); err != nil {
		return nil, fmt.Errorf("copy the kit: %w", err)
	}
	addrs, err := freeAddrs(1)
	if err != nil {
		return nil, err
	}
	n := &Nginx{Dir: dir, Addr: addrs[0], vars: vars, suite: suite}
	program := "nginx"
	if suite != "" {
		program = newerNginx(suite, "nginx")
	}
	if err := n.writeConf(conf); err != nil {
		return nil, err
	}
	// SIGTERM as the death signal: a master that is killed outright leaves its workers behind.
	n.proc, err = startProcess(dir, n.Log("output.log"), syscall.SIGTERM, program, "-p", dir, "-c", "conf/nginx.conf", "-g", "daemon off;")
	if err != nil {
		return nil, err
	}
	if err := n.proc.waitReady(nginxReady, n.probe); err != nil {
		taken := n.proc.portTaken()
		n.stop()
		if taken {
			return nil, fmt.Errorf("start Nginx: %w", errPortTaken)
		}
		return nil, err
	}
	return n, nil
}

// copyKit copies the files of the kit that Nginx reads, those for Lua into lua/.
func copyKit(from, to string) error {
	if err := os.Mkdir(filepath.Join(to, "lua"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"ngxtap.js", "ngxtap.conf", "ngxtap-named.conf", "lua/ngxtap.conf", "lua/ngxtap.lua"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// probe returns nil if Nginx takes connections.
func (n *Nginx) probe() error {
	conn, err := net.DialTimeout("tcp", n.Addr, time.Second)
	if err != nil {
		return fmt.Errorf("connect to Nginx: %w", err)
	}
	return conn.Close()
}

// writeConf fills the template in and writes it where Nginx reads it.
func (n *Nginx) writeConf(conf string) error {
	tmpl, err := template.New("nginx.conf").Option("missingkey=error").Parse(conf)
	if err != nil {
		return fmt.Errorf("parse the template of nginx.conf: %w", err)
	}
	module := newerNginx(n.suite, "root", "usr/lib/nginx/modules/ngx_http_js_module.so")
	if n.suite == "" {
		if module, err = njsModule(); err != nil {
			return err
		}
	}
	main := "load_module " + module + ";\npid logs/nginx.pid;\nerror_log logs/error.log notice;\n"
	if os.Getuid() == 0 {
		main += "user root;\n" // workers must reach a test's temporary folder, which is closed to others
	}
	var temps strings.Builder
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temps, "%s_temp_path tmp/%s;\n", name, name)
	}
	var out bytes.Buffer
	lua := "load_module " + filepath.Join(filepath.Dir(luaModule), "ndk_http_module.so") + ";\nload_module " + luaModule + ";\n"
	data := map[string]any{"Main": main, "Lua": lua, "HTTP": temps.String(), "Addr": n.Addr, "Dir": n.Dir, "Vars": n.vars}
	if err := tmpl.Execute(&out, data); err != nil {
		return fmt.Errorf("fill in nginx.conf: %w", err)
	}
	if err := os.WriteFile(n.Conf(), out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write nginx.conf: %w", err)
	}
	return nil
}

// Conf returns the path of nginx.conf.
func (n *Nginx) Conf() string { return filepath.Join(n.Dir, "conf", "nginx.conf") }

// Log returns the path of a file in logs/.
func (n *Nginx) Log(name string) string { return filepath.Join(n.Dir, "logs", name) }

// PID returns the process id of the master.
func (n *Nginx) PID() int { return n.proc.pid }

// Reload gives Nginx another configuration (the old one if conf is "") and SIGHUP, and returns when it has new workers. Old workers
// may still be busy with the requests they have, and log them in the old format.
func (n *Nginx) Reload(t testing.TB, conf string) {
	t.Helper()
	if conf != "" {
		if err := n.writeConf(conf); err != nil {
			t.Fatal(err)
		}
	}
	old, err := n.workers()
	if err != nil {
		t.Fatal(err)
	}
	n.signal(t, syscall.SIGHUP)
	err = n.proc.waitReady(nginxReady, func() error {
		now, err := n.workers()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(now, func(pid string) bool { return !slices.Contains(old, pid) }) {
			return fmt.Errorf("no new worker; its error log ends:\n%s", n.lastErrors())
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reload Nginx: %v", err)
	}
}

// workers returns the process ids of the master's children.
func (n *Nginx) workers() ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", n.proc.pid, n.proc.pid))
	if err != nil {
		return nil, fmt.Errorf("list the workers of Nginx: %w", err)
	}
	return strings.Fields(string(data)), nil
}

// Reopen sends USR1: Nginx opens its log files anew. Master and workers do so one after the other, soon after the call returns.
func (n *Nginx) Reopen(t testing.TB) {
	t.Helper()
	n.signal(t, syscall.SIGUSR1)
}

// Rotate does what logrotate does: it renames logs/from to logs/to, sends USR1, and returns when the master has made the new file.
// Workers may write to the renamed file for a little longer.
func (n *Nginx) Rotate(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(n.Log(from), n.Log(to)); err != nil {
		t.Fatalf("rotate: %v", err)
	}
	n.Reopen(t)
	err := n.proc.waitReady(nginxReady, func() error {
		_, err := os.Stat(n.Log(from))
		return err
	})
	if err != nil {
		t.Fatalf("rotate: %v", err)
	}
}

// signal sends sig to the master.
func (n *Nginx) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := n.proc.signal(sig); err != nil {
		t.Fatal(err)
	}
}

// lastErrors returns the end of the error log.
func (n *Nginx) lastErrors() string {
	data, err := os.ReadFile(n.Log("error.log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// Stop lets Nginx finish the requests it has, and returns when it is gone and every log line is written.
func (n *Nginx) Stop(t testing.TB) {
	t.Helper()
	n.stop()
}

func (n *Nginx) stop() { n.proc.stop(syscall.SIGQUIT, 10*time.Second) }
