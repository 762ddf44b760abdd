// Shows that a disk that fails (EIO), an export that went stale (ESTALE), rights that are taken away (EACCES) and a process without
// free descriptors (EMFILE) are waited for: they are seen in Status, nothing is taken for deleted, and nothing is lost or doubled.
package tail

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/testkit"
)

// sick is a disk on which some calls fail with err, while that is set.
type sick struct {
	err                 error
	stats, opens, reads bool // the calls that fail
}

func (d *sick) stat(path string, st fileStat, err error) (fileStat, error) {
	if d.err != nil && d.stats && err == nil {
		return fileStat{}, &fs.PathError{Op: "stat", Path: path, Err: d.err}
	}
	return st, err
}

func (d *sick) open(path string, src content, st fileStat, err error) (content, fileStat, error) {
	if err != nil {
		return src, st, err
	}
	if d.err != nil && d.opens {
		src.close()
		return nil, fileStat{}, &fs.PathError{Op: "open", Path: path, Err: d.err}
	}
	return &sickFile{src, d}, st, nil
}

// sickFile is an open file on a sick disk.
type sickFile struct {
	content
	d *sick
}

func (f *sickFile) readAt(p []byte, off int64) (int, error) {
	if f.d.err != nil && f.d.reads {
		return 0, f.d.err
	}
	return f.content.readAt(p, off)
}

func (f *sickFile) stat() (fileStat, error) {
	if f.d.err != nil && f.d.reads {
		return fileStat{}, f.d.err
	}
	return f.content.stat()
}

func TestDiskFaults(t *testing.T) {
	for _, fault := range []sick{
		{err: unix.EIO, reads: true},
		{err: unix.ESTALE, reads: true},
		{err: unix.ESTALE, reads: true, opens: true, stats: true},
		{err: unix.EIO, stats: true},
		{err: unix.EACCES, stats: true, opens: true},
		{err: unix.EMFILE, opens: true},
		{err: unix.ENFILE, opens: true},
		{err: unix.EIO, stats: true, opens: true, reads: true},
	} {
		for _, when := range []string{"while reading", "at a rotation", "at a start", "at a start after a rotation"} {
			t.Run(fmt.Sprintf("%s %s stat=%v open=%v read=%v", unix.ErrnoName(fault.err.(unix.Errno)), when, fault.stats, fault.opens, fault.reads),
				func(t *testing.T) { diskFault(t, fault, when) })
		}
	}
}

func diskFault(t *testing.T, fault sick, when string) {
	dir := t.TempDir()
	disk := &sick{stats: fault.stats, opens: fault.opens, reads: fault.reads}
	w := testkit.NewRotatingWriter(t, filepath.Join(dir, "a.log"), 1)
	r := newRig(t, dir, Config{BlockSize: 4096, disk: disk}, "a.log")
	a, b, c := lines("a", 200, 60), lines("b", 200, 60), lines("c", 200, 60)
	w.Write(0, a)
	r.read(t, 1)
	if strings.HasPrefix(when, "at a start") {
		p := r.stop()
		disk.err = fault.err
		r.start(p)
	}
	disk.err = fault.err
	w.Write(0, b)
	if strings.HasSuffix(when, "rotation") {
		w.Rename(".1")
		w.ReopenAll()
	}
	w.Write(0, c)
	failing := func() bool {
		for _, s := range r.Status() {
			if s.State == Failing && s.Err != "" {
				return true
			}
		}
		return false
	}
	r.after(3 * DefaultRotateGrace)
	// What is open already may be read on while names can't be looked at; then all came out and nothing need be wrong.
	if r.all() != a+b+c && !failing() {
		t.Errorf("nothing is said to be wrong: %+v", r.Status())
	}
	disk.err = nil
	r.after(3 * DefaultRotateGrace)
	r.want(a, b, c)
	r.wantLost()
	r.wantOpen(1)
	if failing() {
		t.Errorf("it is still said to be wrong: %+v", r.Status())
	}
	// And nothing of it comes a second time.
	r.start(r.stop())
	r.after(3 * DefaultRotateGrace)
	r.want(a, b, c)
	r.wantLost()
}

// read takes n chunks.
func (r *rig) read(t *testing.T, n int) {
	t.Helper()
	for range n {
		c, err := r.Read(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		r.take(t, c)
	}
}
