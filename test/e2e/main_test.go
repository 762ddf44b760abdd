// Package e2e shows the promise of ngxtap with nothing faked: a real Nginx under load with rotations, the real binary killed in the
// middle, a real Kafka and a real registry, and at the end a reader written in Python that shares no code with ngxtap. Every line
// that Nginx wrote must be in Kafka once, in order, with every header as the client sent or received it.
//
// The tests need test/components/setup.sh; without the components they are skipped.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

// shared holds the Kafka and the registry of all tests of this package.
var shared components.Shared

// built is the ngxtap of this checkout, made when a test first asks.
var built struct {
	dir string // set and removed by TestMain
	sync.Once
	err error
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ngxtap-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the binary:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.dir = dir
	defer harness.Cleanup()
	return shared.Run(m)
}

// ngxtap builds cmd/ngxtap once and returns the path of the binary.
func ngxtap(t *testing.T) string {
	t.Helper()
	path := filepath.Join(built.dir, "ngxtap")
	built.Do(func() {
		cmd := exec.Command("go", "build", "-o", path, "./cmd/ngxtap")
		cmd.Dir = components.Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build ./cmd/ngxtap: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return path
}

// logFile is what verify.py is told of one log file.
type logFile struct {
	Name  string     `json:"name"`
	Lines [][3]int64 `json:"lines"` // offset, length without the newline, CRC-32C of those bytes
}

// describe reads log files and says where their lines are. It trusts nothing of ngxtap: only the standard library's checksum.
func describe(t *testing.T, paths ...string) []logFile {
	t.Helper()
	var files []logFile
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, offset := logFile{Name: filepath.Base(path)}, int64(0)
		for line := range bytes.Lines(data) {
			text, whole := bytes.CutSuffix(line, []byte("\n"))
			if !whole {
				t.Fatalf("%s ends in half a line: %.100q", path, line)
			}
			sum := crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli))
			f.Lines = append(f.Lines, [3]int64{offset, int64(len(text)), int64(sum)})
			offset += int64(len(line))
		}
		files = append(files, f)
	}
	return files
}

// writeLines writes one JSON object a line into a new file of the test and returns its path.
func writeLines[T any](t *testing.T, name string, values []T) string {
	t.Helper()
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	for _, v := range values {
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeFile writes a small file.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
