package components

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// CompileForKafka compiles Java sources against Kafka's jars and returns the folder of their classes, for Layout.Classes.
func CompileForKafka(t testing.TB, sources ...string) string {
	t.Helper()
	Require(t, PartKafka, PartJDK)
	dir := t.TempDir()
	args := append([]string{"-Xlint:all,-processing,-classfile", "-Werror", "--release", "17", "-proc:none", "-cp", filepath.Join(kafkaLibs(), "*"), "-d", dir}, sources...)
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac %v: %v\n%s", sources, err, out)
	}
	return dir
}
