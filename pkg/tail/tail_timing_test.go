// Compares the speed of reading in blocks with that of reading by hpcloud/tail.
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
