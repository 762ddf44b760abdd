// Package components starts the real programs that ngxtap works with, for tests: Nginx with njs, Apache Kafka, a schema registry, and
// Python readers that share no code with us.
//
// The promise: whatever a test starts here listens on 127.0.0.1 only, on free ports, in a folder of its own, is ready when the call
// returns, and is gone when the test is, even if the test is killed. setup.sh installs the programs; versions.env pins them.
package components

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Part is one of the real programs.
type Part string

// The parts that setup.sh installs.
const (
	PartNginx     Part = "nginx"     // Nginx with its njs module
	PartKafka     Part = "kafka"     // Apache Kafka and a Java to run it
	PartRegistry  Part = "registry"  // Apicurio Registry and a Java to run it
	PartPython    Part = "python"    // Python with confluent-kafka and fastavro
	PartJDK       Part = "jdk"       // a Java compiler, for what tests plug into Kafka
	PartLua       Part = "lua"       // the Lua module of that Nginx
	PartNewer     Part = "newer"     // other versions of Nginx and njs; see NewerNginx
	PartLogrotate Part = "logrotate" // logrotate, and the right to run it: it wants to be root
	PartBrowser   Part = "browser"   // a browser without a screen
	PartAxe       Part = "axe"       // axe-core, which looks for barriers in web pages
	PartPromtool  Part = "promtool"  // Prometheus' promtool; see Promtool
	PartPackaging Part = "packaging" // rpm, systemd and its containers, setpriv, and seccomp for the Python of the system
)

// versionsFile pins the versions; setup.sh reads the same file.
//
//go:embed versions.env
var versionsFile string

// Require skips the test if a part is missing (all parts are meant if none is named). Where the parts are a must, that is with
// CI=true or NGXTAP_REQUIRE_COMPONENTS=1 in the environment, it fails the test instead, so that a green run has really run.
func Require(t testing.TB, parts ...Part) {
	t.Helper()
	if len(parts) == 0 {
		parts = []Part{PartNginx, PartKafka, PartRegistry, PartPython, PartJDK, PartLua, PartNewer, PartLogrotate, PartPromtool, PartPackaging, PartBrowser, PartAxe}
	}
	for _, part := range parts {
		err := find(part)
		switch {
		case err == nil:
		case mustHave():
			t.Fatalf("%v; run test/components/setup.sh", err)
		default:
			t.Skipf("%v; run test/components/setup.sh to run this test", err)
		}
	}
}

// mustHave tells whether a missing part is a failure.
func mustHave() bool {
	return os.Getenv("CI") == "true" || os.Getenv("NGXTAP_REQUIRE_COMPONENTS") == "1"
}

// find returns nil if the part is installed, or else an error that says what is missing.
func find(part Part) error {
	switch part {
	case PartNginx:
		if _, err := exec.LookPath("nginx"); err != nil {
			return fmt.Errorf("Nginx is not installed: %w", err)
		}
		_, err := njsModule()
		return err
	case PartJDK:
		if _, err := exec.LookPath("javac"); err != nil {
			return fmt.Errorf("a Java compiler is not installed: %w", err)
		}
		return nil
	case PartLua:
		return findFile(luaModule, "the Lua module of Nginx")
	case PartNewer:
		if len(NewerNginx()) == 0 {
			return errors.New("no newer Nginx with njs is installed")
		}
		return nil
	case PartLogrotate:
		if _, err := exec.LookPath("logrotate"); err != nil {
			return fmt.Errorf("logrotate is not installed: %w", err)
		}
		if os.Getuid() != 0 {
			return errors.New("logrotate needs root to keep the owner of files")
		}
		return nil
	case PartBrowser:
		_, err := Browser()
		return err
	case PartAxe:
		return findFile(Axe(), "axe-core")
	case PartPromtool:
		return findFile(promtool(), "promtool")
	case PartPackaging:
		for _, program := range []string{"rpm", "systemd-analyze", "systemd-nspawn", "setpriv"} {
			if _, err := exec.LookPath(program); err != nil {
				return fmt.Errorf("%s is not installed: %w", program, err)
			}
		}
		if out, err := exec.Command("/usr/bin/python3", "-c", "import seccomp").CombinedOutput(); err != nil {
			return fmt.Errorf("the system's Python has no seccomp: %w: %s", err, out)
		}
		return nil
	case PartKafka:
		return findJava(kafkaLibs(), "Apache Kafka")
	case PartRegistry:
		return findJava(registryJar(), "the registry")
	case PartPython:
		return findFile(python(), "Python with confluent-kafka and fastavro")
	}
	return fmt.Errorf("unknown part %q", part)
}

// findJava checks that there is a Java and that path, which belongs to what, exists.
func findJava(path, what string) error {
	if _, err := exec.LookPath("java"); err != nil {
		return fmt.Errorf("%s needs Java 17 or newer: %w", what, err)
	}
	return findFile(path, what)
}

// findFile checks that path, which belongs to what, exists.
func findFile(path, what string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s is not installed: %w", what, err)
	}
	return nil
}

// version returns the value of a name in versions.env, "" if there is none.
func version(name string) string {
	for line := range strings.Lines(versionsFile) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			return value
		}
	}
	return ""
}

// cache returns the folder that setup.sh fills, with elem appended.
func cache(elem ...string) string {
	dir := os.Getenv("NGXTAP_CACHE")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			home = "/"
		}
		dir = filepath.Join(home, ".cache", "ngxtap-test")
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

func kafkaLibs() string { return cache("kafka-"+version("KAFKA"), "libs") }

func registryJar() string {
	v := version("APICURIO")
	return cache("apicurio-"+v, "apicurio-registry-app-"+v+"-runner.jar")
}

func python() string {
	return cache("python-"+version("CONFLUENT_KAFKA")+"-"+version("FASTAVRO"), "bin", "python")
}

// njsModule returns the path of the njs module as load_module wants it.
func njsModule() (string, error) {
	for _, dir := range []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/local/lib/nginx/modules"} {
		path := filepath.Join(dir, "ngx_http_js_module.so")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the njs module of Nginx is not installed: no ngx_http_js_module.so in the usual module folders")
}

// Root returns the top folder of the repository: the nearest one above the working folder that has a go.mod.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working folder: components works inside the repository only")
		}
		dir = parent
	}
}
