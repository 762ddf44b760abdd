package daemon

// Shows: memory, descriptors and goroutines stay flat: with a line of 2 GiB, with 500 headers and lines of 128 KiB, while the broker is away
// and lines keep coming, and over 300 rotations.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// mostMemory is what the daemon may ever hold, in bytes, whatever is in the log: the promise of docs/faults.md.
const mostMemory = 150 << 20

// usage looks at a daemon.
func usage(t *testing.T, h *harness.Host, d *components.Program) oracle.Usage {
	t.Helper()
	u, err := oracle.UsageOf(within(t), d.PID(), h.Admin)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// lean checks the most that a daemon has held so far.
func lean(t *testing.T, u oracle.Usage) {
	t.Helper()
	t.Logf("resident %d MiB, at most %d MiB; %d descriptors, %d goroutines", u.RSS>>20, u.Peak>>20, u.FDs, u.Goroutines)
	if u.Peak > mostMemory {
		t.Errorf("%d MiB were resident, want at most %d", u.Peak>>20, mostMemory>>20)
	}
}

// Row 16. The line is a hole in a sparse file: 2 GiB of NUL bytes. It goes to quarantine by its head, with the sums of all of it.
func TestLineOfTwoGigabytes(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 100)
	const length = 2 << 30
	before := s.written()
	f, err := os.OpenFile(s.path, os.O_WRONLY, 0)
	if err == nil {
		err = f.Truncate(before + length)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekEnd)
	}
	last := "\n" + harness.Line(10)
	if err == nil {
		_, err = f.WriteString(last)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, before+length+int64(len(last)), long)
	lean(t, usage(t, h, d))
	stop(t, d)

	sha, crc := sha256.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	zeros := make([]byte, 1<<20)
	for range length / len(zeros) {
		for _, sum := range []hash.Hash{sha, crc} {
			sum.Write(zeros)
		}
	}
	var found []oracle.Record
	for _, r := range s.read(t, h, "").Records {
		if r.Quarantine {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines in quarantine", len(found))
	}
	r := found[0]
	whole, _ := r.Value["raw_sha256"].(map[string]any)
	if r.At != before || r.Length != length || r.CRC != crc.Sum32() {
		t.Errorf("%+v: want offset %d, length %d, checksum %x", r, before, int64(length), crc.Sum32())
	}
	if got := fmt.Sprintf("%x", whole["bytes"]); got != hex.EncodeToString(sha.Sum(nil)) {
		t.Errorf("sha256 %s, want %x", got, sha.Sum(nil))
	}
}

// Row 46. 500 request headers, each a column of its own, in lines of 128 KiB.
func TestHeaderFlood(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	const headers, lines = 500, 300
	format, value := harness.LogFormat, strings.Repeat("v", 128<<10/headers)
	for i := range headers {
		format = fmt.Sprintf(`"$http_x_h%03d" %s`, i, format)
	}
	h := s.host(t, brokers, func(c *harness.HostConfig) {
		c.Sites[0].AccessLog = []string{"log_format: '" + format + "'"}
		c.Sites[0].Extra = "headers: {max_headers: 1000}\n"
	})
	d := h.Start(t)
	for i := range lines {
		s.log.Write(t, i%2, strings.Repeat(`"`+value+`" `, headers)+harness.Line(i))
	}
	h.AwaitBytes(t, d, s.name, s.written(), long)
	lean(t, usage(t, h, d))
	stop(t, d)
	if v := s.verdict(t, h); v.Events != lines {
		t.Errorf("%d events of %d lines", v.Events, lines)
	}
}

// Rows 25 and 20 of the promises: the broker is away and the log grows. The file is the queue, so nothing may pile up here.
func TestFlatWithoutBroker(t *testing.T) {
	k := shared.Kafka(t)
	away := 20 * time.Second
	if os.Getenv("NGXTAP_LONG") != "" {
		away = 10 * time.Minute
	}
	s, brokers := newSite(t), realBroker(t)
	h := s.host(t, brokers, nil)
	d := h.Start(t)
	end := s.load(t)
	h.AwaitBytes(t, d, s.name, 1<<20, long) // it has seen load
	before := usage(t, h, d)
	restarted := false
	defer func() { // also when the test fails, for the others need the broker
		if !restarted {
			k.Kill(t, 0)
			k.Restart(t, 0)
		}
	}()
	var most oracle.Usage
	// First nothing answers, then nothing is there.
	for _, fault := range []func(testing.TB, int){k.Freeze, k.Kill} {
		fault(t, 0)
		for until := time.Now().Add(away / 2); time.Now().Before(until); {
			if err := d.Alive(); err != nil {
				t.Fatal(err)
			}
			u := usage(t, h, d)
			most.RSS, most.FDs, most.Goroutines = max(most.RSS, u.RSS), max(most.FDs, u.FDs), max(most.Goroutines, u.Goroutines)
			to := s.written() + 50_000
			components.Eventually(t, long, func() error { return grown(s, to) })
		}
	}
	k.Restart(t, 0)
	restarted = true
	end()
	h.AwaitBytes(t, d, s.name, s.written(), long)
	components.Eventually(t, long, func() error {
		after := usage(t, h, d)
		// A few batches more are filled by then, and a collection may be due.
		if after.RSS > before.RSS+16<<20 || most.RSS > before.RSS+16<<20 {
			return fmt.Errorf("resident %d MiB before, at most %d in between, %d after", before.RSS>>20, most.RSS>>20, after.RSS>>20)
		}
		// A new session has new connections; the scrape of the metrics is one of them.
		if after.FDs > before.FDs+4 || after.Goroutines > before.Goroutines+6 || most.FDs > before.FDs+8 || most.Goroutines > before.Goroutines+12 {
			return fmt.Errorf("descriptors, goroutines: %d, %d before, at most %d, %d in between, %d, %d after", before.FDs, before.Goroutines,
				most.FDs, most.Goroutines, after.FDs, after.Goroutines)
		}
		t.Logf("before %+v, at most %+v, after %+v", before, most, after)
		return nil
	})
	lean(t, usage(t, h, d))
	stop(t, d)
	s.verdict(t, h)
}

func TestThreeHundredRotations(t *testing.T) {
	t.Parallel()
	s, brokers := newSite(t), fakeBroker(t)
	h := s.host(t, brokers, nil)
	s.log.WriteLines(t, 0, 100)
	d := h.Start(t)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	before := usage(t, h, d)
	for i := range 300 {
		s.log.Rename(t, "", fmt.Sprintf("-20260101-%06d", i))
		s.log.Reopen(t, 0)
		s.log.WriteLines(t, 0, 3)
		s.log.WriteLines(t, 1, 3) // a late worker, to the renamed file
		s.log.Reopen(t, 1)
		s.log.WriteLines(t, 1, 3)
	}
	h.AwaitBytes(t, d, s.name, s.written(), long)
	components.Eventually(t, long, func() error { // each is closed when it was quiet for the grace
		after := usage(t, h, d)
		if after.FDs > before.FDs+2 || after.Goroutines > before.Goroutines+3 || after.RSS > before.RSS+24<<20 {
			return fmt.Errorf("before %+v, after %+v", before, after)
		}
		return nil
	})
	lean(t, usage(t, h, d))
	stop(t, d)
	if v := s.verdict(t, h); v.Generations != 301 {
		t.Errorf("%d generations", v.Generations)
	}
}
