package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// unitDirs is where systemd looks for units; the first that has one wins, and drop-ins come from all of them (systemd.unit(5)).
var unitDirs = []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// unit is what check wants to know of the service's systemd unit.
type unit struct {
	file     string // "": none was found
	user     string
	groups   []string // supplementary
	stateDir []string // names below /var/lib that systemd makes for the user
	nofile   uint64   // LimitNOFILE; 0: not set
}

// findUnit reads the unit at path, or ngxtap.service where systemd looks for it, with its drop-ins.
func findUnit(path string) unit {
	var files []string
	if path != "" {
		files = []string{path}
	} else {
		for _, dir := range unitDirs {
			files = append(files, filepath.Join(dir, "ngxtap.service"))
		}
	}
	var u unit
	var dropIns []string
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && u.file == "" {
			u.file = file
			u.read(data)
		}
		more, _ := filepath.Glob(file + ".d/*.conf") // no bad pattern
		dropIns = append(dropIns, more...)
	}
	if u.file == "" {
		return unit{}
	}
	slices.SortStableFunc(dropIns, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	for _, file := range dropIns {
		if data, err := os.ReadFile(file); err == nil {
			u.read(data)
		}
	}
	return u
}

// read takes over what one file of the unit says. An empty value takes a list back, as in systemd.
func (u *unit) read(data []byte) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "User":
			u.user = value
		case "SupplementaryGroups":
			u.groups = extend(u.groups, value)
		case "StateDirectory":
			u.stateDir = extend(u.stateDir, value)
		case "LimitNOFILE":
			_, hard, both := strings.Cut(value, ":")
			if both {
				value = hard
			}
			u.nofile, _ = strconv.ParseUint(value, 10, 64) // "infinity": as if not set
		}
	}
}

func extend(list []string, value string) []string {
	if value == "" {
		return nil
	}
	return append(list, strings.Fields(value)...)
}

// makes reports whether systemd makes the folder for the service's user.
func (u unit) makes(dir string) bool {
	return slices.ContainsFunc(u.stateDir, func(name string) bool { return filepath.Join("/var/lib", name) == filepath.Clean(dir) })
}
