package harness

import (
	"os"
	"syscall"
	"testing"
)

// inode returns device and inode of an open file, and its size.
func inode(t testing.TB, f *os.File) (key [2]uint64, size int64) {
	t.Helper()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("this system has no inodes")
	}
	return [2]uint64{uint64(sys.Dev), sys.Ino}, st.Size()
}
