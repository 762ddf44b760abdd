package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// maxSocketPath is the longest path of a unix socket in bytes (sun_path of Linux, with the zero byte that ends it).
const maxSocketPath = 107

// complete fills in the address if there is an empty one, and reports whether it did.
func (a *Admin) complete() bool {
	if a.Listen != "" {
		return false
	}
	a.Listen = AdminDefault
	return true
}

// check checks the section admin, after its tags. base is the folder that a relative path starts from.
func (a *Admin) check(k *checker, base string) {
	const key = "admin.listen"
	if a.Listen == AdminOff {
		return
	}
	if path, ok := strings.CutPrefix(a.Listen, "unix:"); ok {
		path = abs(base, path)
		a.Listen = "unix:" + path
		switch {
		case path == "" || path == filepath.Clean(base):
			k.fail(key, "name the socket: unix:/run/ngxtap/admin.sock")
		case len(path) > maxSocketPath:
			k.fail(key, "the path of the socket has %d bytes, and %d are the most: choose a shorter one", len(path), maxSocketPath)
		}
		return
	}
	// What is no address has been complained of by the tags.
	if host, _, err := net.SplitHostPort(a.Listen); err == nil && !a.AllowRemote && !loopback(host) {
		k.fail(key, "%q can be reached from other hosts: use 127.0.0.1 or a unix socket, or set admin.allow_remote: true if probes and scrapes come from elsewhere", a.Listen)
	}
}

// loopback reports whether a host is this one, by its loopback.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
