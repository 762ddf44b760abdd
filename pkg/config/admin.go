package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// maxSocketPath is the longest path of a unix socket in bytes (sun_path of Linux, with the zero byte that ends it).
const maxSocketPath = 107

// check completes and checks the section admin. base is the folder that a relative path starts from.
func (a *Admin) check(k *checker, base string) {
	const key = "admin.listen"
	if a.Listen == "" {
		a.Listen, a.ByDefault = AdminDefault, true
	}
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
	host, port, err := net.SplitHostPort(a.Listen)
	switch {
	case err != nil || port == "":
		k.fail(key, "%q is not host:port, such as %s, nor unix:PATH, nor off", a.Listen, AdminDefault)
	case !a.AllowRemote && !loopback(host):
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
