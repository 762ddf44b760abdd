// Compares reading in blocks with reading by hpcloud/tail: the speed (benchmarks), and what arrives when a file is rotated as
// Nginx and logrotate do it (test).
package tail_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	hpcloud "github.com/hpcloud/tail"

	"ngxtap/pkg/tail"
	"ngxtap/pkg/testkit"
)

const benchLine = 519 // bytes, with the newline

// benchFile makes a log of about 100 MB.
func benchFile(b *testing.B) (path string, size int64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "access.log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	chunk := []byte(strings.Repeat(strings.Repeat("x", benchLine-1)+"\n", 2000))
	for range 100 {
		n, err := f.Write(chunk)
		if err != nil {
			b.Fatal(err)
		}
		size += int64(n)
	}
	return path, size
}

func BenchmarkRead(b *testing.B) {
	path, size := benchFile(b)
	for _, block := range []int{64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", block>>10), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				tl, err := tail.Open(tail.Config{Paths: []string{path}, BlockSize: block}, nil)
				if err != nil {
					b.Fatal(err)
				}
				var n int64
				for n < size {
					c, err := tl.Read(b.Context(), time.Minute)
					if err != nil {
						b.Fatal(err)
					}
					n += int64(len(c.Data))
				}
				tl.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size/benchLine), "ns/line")
		})
	}
}

func BenchmarkHpcloudTail(b *testing.B) {
	path, size := benchFile(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		tl, err := hpcloud.TailFile(path, hpcloud.Config{Poll: true, Logger: hpcloud.DiscardingLogger})
		if err != nil {
			b.Fatal(err)
		}
		for range tl.Lines {
		}
		if err := tl.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size/benchLine), "ns/line")
}

// After each rename a worker goes on writing to the old file for a while, as Nginx does until it is told to reopen. Every line
// must arrive here; how many arrive at hpcloud/tail is printed.
func TestLateLinesComparedWithHpcloud(t *testing.T) {
	const rotations, late = 3, 100
	w := testkit.NewRotatingWriter(t, filepath.Join(t.TempDir(), "a.log"), 2)
	other, err := hpcloud.TailFile(w.Path(), hpcloud.Config{Follow: true, ReOpen: true, Poll: true, Logger: hpcloud.DiscardingLogger})
	if err != nil {
		t.Fatal(err)
	}
	ours, err := tail.Open(tail.Config{Paths: []string{w.Path()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()

	wrote, theirs := 0, 0
	line := func(worker int, s string) {
		w.Write(worker, s+"\n")
		wrote++
	}
	until := func(s string) { // hpcloud/tail has read the line s
		for l := range other.Lines {
			if theirs++; l.Text == s {
				return
			}
		}
	}
	line(0, "begin")
	until("begin")
	for i := range rotations {
		w.Rename(fmt.Sprintf(".%d", i+1))
		w.Reopen(0)
		first := fmt.Sprintf("first of file %d", i+1)
		line(0, first)
		until(first)
		for j := range late {
			line(1, fmt.Sprintf("late %d %d", i, j))
		}
		w.Reopen(1)
	}
	line(0, "end")
	until("end")
	if err := other.Stop(); err != nil {
		t.Error(err)
	}
	for range other.Lines {
		theirs++
	}

	got := 0
	for !ours.AtEnd() {
		c, err := ours.Read(t.Context(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got += strings.Count(string(c.Data), "\n")
	}
	if got != wrote {
		t.Errorf("read %d of %d lines", got, wrote)
	}
	t.Logf("%d lines were written; %d arrived here, %d at hpcloud/tail", wrote, got, theirs)
}
