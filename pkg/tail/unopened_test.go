// Shows that a file which can't be opened at first, for lack of descriptors or of rights, is compared with what was read before once
// it can be: a copy or an archive of a known file is not read a second time.
package tail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// scarce is a disk on which some opens fail: those after the first few, until so many have failed.
type scarce struct {
	pass, fail int
	armed      bool
}

func (d *scarce) stat(_ string, st fileStat, err error) (fileStat, error) { return st, err }

func (d *scarce) open(path string, src content, st fileStat, err error) (content, fileStat, error) {
	switch {
	case err != nil || !d.armed:
	case d.pass > 0:
		d.pass--
	case d.fail > 0:
		d.fail--
		src.close()
		return nil, fileStat{}, &fs.PathError{Op: "open", Path: path, Err: unix.EMFILE}
	}
	return src, st, err
}

func TestUnopenedFilesAreCompared(t *testing.T) {
	copytruncate := func(t *testing.T, path string) {
		for i := 3; i > 0; i-- {
			for _, ext := range []string{"", ".gz"} {
				from, to := fmt.Sprintf("%s.%d%s", path, i, ext), fmt.Sprintf("%s.%d%s", path, i+1, ext)
				if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path+".1", data, 0o644)
		}
		if err == nil {
			err = os.Truncate(path, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{3, 40} { // lines of 60 bytes: less and more than the mark
		a, b, c := lines("a", size, 60), lines("b", size, 60), lines("c", size, 60)
		for _, down := range []bool{true, false} {
			for _, zip := range []bool{true, false} {
				for pass := range 6 {
					for fail := 1; fail <= 4; fail++ {
						t.Run(fmt.Sprintf("size=%d down=%v gzip=%v pass=%d fail=%d", size, down, zip, pass, fail), func(t *testing.T) {
							dir := t.TempDir()
							path := filepath.Join(dir, "a.log")
							disk := &scarce{pass: pass, fail: fail}
							r := newRig(t, dir, Config{BlockSize: 4096, disk: disk}, "a.log")
							write(t, path, a)
							r.pollOnce()
							copytruncate(t, path)
							write(t, path, b)
							r.pollOnce()
							var p *Position
							if down {
								p = r.stop()
							}
							if zip {
								gz(t, path+".1")
							}
							copytruncate(t, path)
							write(t, path, c)
							disk.armed = true
							if down {
								r.start(p)
							}
							r.after(3 * DefaultRotateGrace)
							r.want(a, b, c)
							r.wantLost()
							r.start(r.stop())
							r.after(3 * DefaultRotateGrace)
							r.want(a, b, c)
							r.wantLost()
						})
					}
				}
			}
		}
	}
}

// locked is a disk on which archives can't be opened while it is.
type locked struct{ on bool }

func (d *locked) stat(_ string, st fileStat, err error) (fileStat, error) { return st, err }

func (d *locked) open(path string, src content, st fileStat, err error) (content, fileStat, error) {
	if err == nil && d.on && filepath.Ext(path) == ".gz" {
		src.close()
		return nil, fileStat{}, &fs.PathError{Op: "open", Path: path, Err: unix.EACCES}
	}
	return src, st, err
}

// An archive that may not be opened is no damaged one: however long it takes, it is waited for.
func TestArchiveThatMayNotBeOpenedIsWaitedFor(t *testing.T) {
	for _, reading := range []bool{false, true} {
		t.Run(fmt.Sprintf("while reading %v", reading), func(t *testing.T) {
			r, path, text, p := readHalf(t)
			disk := &locked{on: true}
			r.cfg.disk = disk
			rename(t, path, path+".1")
			write(t, path, "next\n")
			gz(t, path+".1")
			if reading { // it was opened, and then taken away
				disk.on = false
				r.start(p)
				r.pollOnce()
				p = r.stop()
				disk.on = true
			}
			r.start(p)
			r.after(10 * DefaultRotateGrace)
			r.wantLost()
			disk.on = false
			r.after(DefaultRotateGrace)
			r.want(text, "next\n")
			r.wantLost()
		})
	}
}
