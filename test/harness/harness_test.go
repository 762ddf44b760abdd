package harness

// Shows: the harness runs the real binary, its journal is what the files hold, and the oracle finds all of it in the broker.

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/test/oracle"
)

func TestMain(m *testing.M) {
	code := m.Run()
	Cleanup()
	os.Exit(code)
}

func TestShipsAndJudges(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	j := &oracle.Journal{}
	path := filepath.Join(t.TempDir(), "access.log")
	log := NewLog(t, j, path, 2)
	h := NewHost(t, HostConfig{Brokers: broker.ListenAddrs(), Sites: []Site{{Name: "shop", Paths: []string{path}}}})
	log.WriteLines(t, 0, 10)
	d := h.Start(t)
	h.AwaitBytes(t, d, "shop", Bytes(j), time.Minute)
	log.WriteLines(t, 1, 10)
	log.Write(t, 0, "no such line\n")
	log.Rotate(t)
	log.WriteLines(t, 0, 5)
	h.AwaitBytes(t, d, "shop", Bytes(j), time.Minute) // what is cut away unread is gone
	log.CopyTruncate(t, ".copied")
	log.WriteLines(t, 0, 5)
	h.AwaitBytes(t, d, "shop", Bytes(j), time.Minute)
	d.Signal(t, syscall.SIGTERM)
	if code := d.Wait(t, time.Minute); code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	v := h.Judge(t, "shop", j, oracle.Rules{})
	if v.Generations != 3 || v.Events != 30 || v.Quarantined != 1 {
		t.Errorf("%v: want 3 generations, 30 events, 1 rejected line", v)
	}
}
