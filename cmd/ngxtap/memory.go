package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryLimit returns the smallest memory.max, in bytes, of the control groups (version 2) that a process is in. cgroup is its
// /proc/PID/cgroup, root where the groups are mounted. ok is false where nothing limits it.
func memoryLimit(cgroup, root string) (limit int64, ok bool) {
	f, err := os.Open(cgroup)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		path, v2 := strings.CutPrefix(sc.Text(), "0::")
		if !v2 {
			continue
		}
		for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
			b, err := os.ReadFile(filepath.Join(root, dir, "memory.max"))
			n, notNumber := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			if err == nil && notNumber == nil && (!ok || n < limit) { // "max" is none
				limit, ok = n, true
			}
			if dir == "/" {
				return limit, ok
			}
		}
	}
	return 0, false
}
