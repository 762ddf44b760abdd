package tail

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// fileKey is what the kernel knows a file by; the zero value is no file. Inodes are used again, so the birth belongs to it, where the
// file system knows it.
type fileKey struct {
	dev, ino uint64
	born     int64 // nanoseconds since the epoch, or 0
}

// is says whether k and o are the same file.
func (k fileKey) is(o fileKey) bool {
	return k.ino == o.ino && k.dev == o.dev && k.ino != 0 && (k.born == o.born || k.born == 0 || o.born == 0)
}

// fileStat is what statx says about a file. Times are nanoseconds since the epoch.
type fileStat struct {
	key         fileKey
	mode        uint16
	nlink       uint32
	size        int64
	mtime, born int64 // born is 0 where the file system does not know it
}

// content is an open generation.
type content interface {
	// readAt fills p from off. Less than len(p) means that there is no more now; io.EOF, that there never will be.
	readAt(p []byte, off int64) (int, error)
	stat() (fileStat, error)
	close() error
}

// statPath looks at the file at path without following a link there.
func statPath(path string) (fileStat, error) {
	return statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
}

func statx(fd int, path string, flags int) (fileStat, error) {
	var x unix.Statx_t
	err := retry(func() error {
		return unix.Statx(fd, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	})
	if err != nil {
		return fileStat{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	st := fileStat{
		key:   fileKey{dev: unix.Mkdev(x.Dev_major, x.Dev_minor), ino: x.Ino},
		mode:  x.Mode,
		nlink: x.Nlink,
		size:  int64(x.Size),
		mtime: x.Mtime.Sec*1e9 + int64(x.Mtime.Nsec),
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		st.born = x.Btime.Sec*1e9 + int64(x.Btime.Nsec)
		st.key.born = st.born
	}
	return st, nil
}

// plain is a file as Nginx writes it. It bypasses os.File: one pread per block, no poller, no finalizer.
type plain struct{ fd int }

// openPlain opens the file at path for reading. It neither blocks nor follows links below the trusted folders, and judges what it
// opened.
func (t *Tailer) openPlain(path string) (*plain, fileStat, error) {
	fd, err := t.folders.open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, fileStat{}, pathError("open", path, err)
	}
	f := &plain{fd: fd}
	st, err := f.stat()
	if err == nil {
		err = t.judge(path, &st)
	}
	if none := spare(fd); err == nil && none != nil {
		err = pathError("open", path, none)
	}
	if err != nil {
		f.close()
		return nil, fileStat{}, err
	}
	return f, st, nil
}

func (f *plain) readAt(p []byte, off int64) (n int, err error) {
	err = retry(func() (err error) {
		n, err = unix.Pread(f.fd, p, off)
		return err
	})
	return max(n, 0), err
}

func (f *plain) stat() (fileStat, error) { return statx(f.fd, "", unix.AT_EMPTY_PATH) }

func (f *plain) close() error { return unix.Close(f.fd) }

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// archive is a generation inside a .gz. Offsets are of the decompressed bytes. Reading goes forward; going back decompresses
// again from the beginning, which only the checks at opening do.
type archive struct {
	f   *os.File
	st  fileStat
	z   *gzip.Reader
	r   *bufio.Reader // its buffer holds the largest block ever asked for
	on  func()        // is called now and then while much is passed over
	pos int64         // of the next byte of r
}

// openArchive opens a .gz to be read in pieces of up to size bytes.
func (t *Tailer) openArchive(path string, size int) (*archive, fileStat, error) {
	p, st, err := t.openPlain(path)
	if err != nil {
		return nil, fileStat{}, err
	}
	a := &archive{f: os.NewFile(uintptr(p.fd), path), st: st, on: t.cfg.Alive}
	if a.z, err = gzip.NewReader(a.f); err != nil {
		a.f.Close()
		return nil, fileStat{}, fmt.Errorf("read the gzip header of %s: %w", path, err)
	}
	a.r = bufio.NewReaderSize(a.z, size)
	return a, st, nil
}

func (a *archive) readAt(p []byte, off int64) (int, error) {
	if off < a.pos {
		if _, err := a.f.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
		if err := a.z.Reset(a.f); err != nil {
			return 0, err
		}
		a.r.Reset(a.z)
		a.pos = 0
	}
	for a.pos < off {
		n, err := a.r.Discard(int(min(off-a.pos, 64<<20))) // a fraction of a second
		a.on()
		a.pos += int64(n)
		if err != nil {
			return 0, err
		}
	}
	b, err := a.r.Peek(len(p))
	return copy(p, b), err
}

func (a *archive) stat() (fileStat, error) { return a.st, nil }

func (a *archive) close() error { return a.f.Close() }
