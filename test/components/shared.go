package components

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is the Kafka and the registry that all tests of one test binary use together, since each takes seconds to start. They start
// when a test first asks. The zero value is ready:
//
//	var shared components.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }
//
// Tests keep apart by topic and subject names.
type Shared struct {
	dir      string // set by Run
	kafka    once[*Kafka]
	cluster  once[*Kafka]
	registry once[*Registry]
}

// once starts something at the first call of get.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

// get calls start the first time and returns what it returned every time.
func (o *once[T]) get(start func() (T, error)) (T, error) {
	o.Do(func() { o.value, o.err = start() })
	return o.value, o.err
}

// Run runs the tests, then stops what they started, and returns the exit code for os.Exit.
func (s *Shared) Run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ngxtap-components-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the components:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	defer func() {
		if s.kafka.value != nil {
			s.kafka.value.stop()
		}
		if s.cluster.value != nil {
			s.cluster.value.stop()
		}
		if s.registry.value != nil {
			s.registry.value.stop()
		}
	}()
	return m.Run()
}

// Kafka returns the shared cluster of one broker.
func (s *Shared) Kafka(t testing.TB) *Kafka {
	t.Helper()
	Require(t, PartKafka)
	k, err := s.kafka.get(func() (*Kafka, error) { return startKafka(s.folder(t), Layout{Nodes: 1}) })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Cluster returns the shared cluster of several brokers, which is another than that of Kafka. It is laid out as the first call says.
func (s *Shared) Cluster(t testing.TB, l Layout) *Kafka {
	t.Helper()
	Require(t, PartKafka)
	k, err := s.cluster.get(func() (*Kafka, error) { return startKafka(s.folder(t), l) })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Registry returns the shared registry. Its global compatibility level is BACKWARD, as that of Confluent's is by default.
func (s *Shared) Registry(t testing.TB) *Registry {
	t.Helper()
	Require(t, PartRegistry)
	r, err := s.registry.get(func() (*Registry, error) { return startRegistry(s.folder(t), "BACKWARD") })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// folder returns the folder that Run made.
func (s *Shared) folder(t testing.TB) string {
	t.Helper()
	if s.dir == "" {
		t.Fatal("components.Shared needs a TestMain that calls its Run")
	}
	return s.dir
}

// Dir returns a folder for files that the components use, which is removed when they have stopped.
func (s *Shared) Dir(t testing.TB) string {
	t.Helper()
	return s.folder(t)
}
