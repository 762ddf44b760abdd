package components

// Shows: the Python of the cache has the readers that the end-to-end tests need.

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPythonHasTheReaders(t *testing.T) {
	script := filepath.Join(t.TempDir(), "versions.py")
	text := "import confluent_kafka, confluent_kafka.schema_registry.avro, fastavro, sys\n" +
		"print(confluent_kafka.__version__, fastavro.__version__, sys.argv[1])\n"
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := version("CONFLUENT_KAFKA") + " " + version("FASTAVRO") + " argument"
	if got := strings.TrimSpace(string(Python(t, script, "argument"))); got != want {
		t.Errorf("python: %q, want %q", got, want)
	}
}
