package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/config"
)

// checkUnread names the files in sites.d that are not read, since their names do not end in .yaml.
func checkUnread(r *report, cfg *config.Config) {
	dir := filepath.Join(filepath.Dir(cfg.Files[0]), "sites.d")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // it has at least one file that was read
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, ".yaml") && !e.IsDir() {
			continue
		}
		f := finding{What: whatConfigFile, File: filepath.Join(dir, name), Text: "not read, since its name does not end in .yaml"}
		switch strings.ToLower(filepath.Ext(name)) {
		case ".yml", ".yaml", ".conf", ".json":
			f.Fix = "rename it, or move it away"
			r.warn(f)
		default:
			r.ok(f)
		}
	}
}

// checkSecretFiles warns of files with secrets that everybody may read.
func checkSecretFiles(r *report, cfg *config.Config) {
	for key, path := range map[string]string{"kafka.sasl.password": cfg.Kafka.SASL.PasswordFile, "kafka.tls.key_file": cfg.Kafka.TLS.KeyFile,
		"registry.tls.key_file": cfg.Registry.TLS.KeyFile,
		"state_dir":             keyFile(cfg.StateDir)} {
		if path == "" {
			continue
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode().Perm()&0o004 == 0 {
			continue // config said that it can't be read
		}
		file, line := cfg.Where(key)
		r.warn(finding{What: whatSecret, File: file, Line: line, Text: fmt.Sprintf("%s: everybody on this host may read %s", key, oneLine(path)),
			Fix: "chmod o-r " + oneLine(path)})
	}
}

// checkState looks at the state folder: that it, or the nearest parent there is, can be written, what is in it and what it lies on. It returns
// whether a daemon runs with it.
func checkState(r *report, cfg *config.Config, u unit) (running bool) {
	file, line := cfg.Where("state_dir")
	f := finding{What: whatState, File: file, Line: line}
	for at := cfg.StateDir; ; {
		err := unix.Faccessat(unix.AT_FDCWD, at, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS)
		parent := filepath.Dir(at)
		switch {
		case err == nil:
			f.Text = "state_dir: " + oneLine(cfg.StateDir)
			r.ok(f)
			checkStateFiles(r, cfg, f)
			checkDisk(r, cfg.StateDir, at, f)
			if running = locked(filepath.Join(cfg.StateDir, "lock")); running {
				f.What, f.Text = whatRunning, "a daemon runs with this state_dir; it is not disturbed"
				r.ok(f)
			}
			return running
		case u.makes(cfg.StateDir) && at != cfg.StateDir:
			f.Text = fmt.Sprintf("state_dir: %s is not there yet; systemd makes it when the service starts (StateDirectory=)", oneLine(cfg.StateDir))
			r.ok(f)
			return false
		case errors.Is(err, unix.ENOENT) && parent != at:
			at = parent
		default:
			f.Text = fmt.Sprintf("state_dir: %s: %v for user %s", oneLine(at), err, userName(uint32(os.Geteuid())))
			f.Fix = fmt.Sprintf("let it belong to this user (install -d -o %s -m 0700 %s), or set state_dir", userName(uint32(os.Geteuid())),
				oneLine(cfg.StateDir))
			r.misfit(f)
			return false
		}
	}
}

// checkStateFiles finds what another user has left in the state folder: once run as root, and the service can't use it any more.
func checkStateFiles(r *report, cfg *config.Config, f finding) {
	me := userName(uint32(os.Geteuid()))
	_ = filepath.WalkDir(cfg.StateDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Type()&fs.ModeSymlink != 0 {
			return nil // what can't be listed was said with its folder
		}
		mode := uint32(unix.R_OK | unix.W_OK)
		if e.IsDir() {
			mode |= unix.X_OK
		}
		err = unix.Faccessat(unix.AT_FDCWD, path, mode, unix.AT_EACCESS)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		f.What, f.Text = whatStateFile, fmt.Sprintf("%s: %v for user %s", oneLine(path), err, me)
		if st, serr := os.Stat(path); serr == nil {
			f.Text += "; it belongs to " + userName(st.Sys().(*syscall.Stat_t).Uid)
		}
		f.Fix = fmt.Sprintf("chown -R %s: %s", me, oneLine(cfg.StateDir))
		r.misfit(f)
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// stateSpace is what the state folder needs at the least, with room for every site's position and key.
const stateSpace = 16 << 20

// checkDisk looks at the file system of the state folder; dir is it, or what there is of the folders above it.
func checkDisk(r *report, stateDir, dir string, f finding) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return
	}
	f.What = whatStateDisk
	switch st.Type {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		f.Text = fmt.Sprintf("%s lies in memory and is gone after a reboot: hashes of secrets get another key and can't be joined with those "+
			"before, and an ngxtap.state "+
			"that was set back is not noticed", oneLine(dir))
		f.Fix = "set state_dir to a folder on a disk, or headers.hash_key"
		r.warn(f)
	case unix.NFS_SUPER_MAGIC:
		f.Text, f.Fix = fmt.Sprintf("%s lies on NFS: its lock may not hold between hosts", oneLine(dir)), "set state_dir to a folder on a disk of this host"
		r.warn(f)
	}
	free := st.Bavail * uint64(st.Bsize) //nolint:gosec // a block size is positive
	full := free == 0 || st.Files > 0 && st.Ffree == 0
	switch {
	case full && !exists(keyFile(stateDir)):
		f.Text, f.Fix = fmt.Sprintf("the disk of %s has no room for the key of hashed secrets, which the first start keeps there", oneLine(dir)),
			"make room, or set state_dir to another disk"
		r.fail(f)
	case free < stateSpace || st.Files > 0 && st.Ffree < 100:
		f.Text, f.Fix = fmt.Sprintf("the disk of %s has %d bytes and %d files left", oneLine(dir), free, st.Ffree),
			"make room: without it the position kept on this host grows old"
		r.warn(f)
	}
}

// locked reports whether some process has the lock of the state folder. It looks into the kernel's list, since taking the lock for a moment could
// make a daemon that starts right then give up.
func locked(path string) bool {
	st, err := os.Stat(path)
	if err != nil {
		return false
	}
	ino := strconv.FormatUint(st.Sys().(*syscall.Stat_t).Ino, 10)
	f, err := os.Open("/proc/locks")
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() { // 1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF
		w := strings.Fields(lines.Text())
		if len(w) >= 6 && w[1] == "FLOCK" && w[5][strings.LastIndexByte(w[5], ':')+1:] == ino {
			return true
		}
	}
	return false
}

// checkAdmin tries to listen on the admin port, unless a daemon that runs has it.
func checkAdmin(r *report, cfg *config.Config, running bool) {
	listen := cfg.Admin.Listen
	if listen == config.AdminOff {
		return
	}
	file, line := cfg.Where("admin.listen")
	f := finding{What: whatAdmin, File: file, Line: line, Text: "admin.listen: " + listen}
	if path, ok := strings.CutPrefix(listen, admin.UnixPrefix); ok {
		checkSocket(r, f, path)
		return
	}
	l, err := net.Listen("tcp", listen)
	switch {
	case err == nil:
		l.Close()
		r.ok(f)
	case errors.Is(err, unix.EADDRINUSE) && running:
		f.Text += " is in use, as the running daemon has it"
		r.ok(f)
	case errors.Is(err, unix.EADDRINUSE) && cfg.AdminByDefault:
		f.Text += " (the default) is in use by another program: there will be no status page, metrics and health"
		f.Fix = "set admin.listen to another port, or to off"
		r.warn(f)
	case errors.Is(err, unix.EADDRINUSE):
		f.Text += " is in use by another program"
		f.Fix = "take another port, or end that program (ss -ltnp)"
		r.misfit(f)
	default:
		f.Text, f.Fix = fmt.Sprintf("admin.listen: %v", err), "take an address of this host and a port above 1023, such as "+config.AdminDefault
		r.misfit(f)
	}
	if host, _, err := net.SplitHostPort(listen); err == nil && !admin.Loopback(host) {
		f.Text, f.Fix = fmt.Sprintf("admin.listen: %s can be reached from other hosts, without a password", listen),
			"listen on 127.0.0.1, or let a firewall pass only the one who scrapes it"
		r.warn(f)
	}
}

// checkSocket looks whether a socket can be made at path, and makes none.
func checkSocket(r *report, f finding, path string) {
	dir := filepath.Dir(path)
	info, err := os.Lstat(path)
	switch {
	case err == nil && info.Mode()&fs.ModeSocket == 0:
		f.Text, f.Fix = fmt.Sprintf("admin.listen: %s is there and is not a socket", path), "choose another path"
		r.misfit(f)
	case err == nil:
		f.Text += " is there: the running daemon has it, or it will be taken over"
		r.ok(f)
	case !errors.Is(err, fs.ErrNotExist):
		f.Text, f.Fix = fmt.Sprintf("admin.listen: %v", err), "let this user pass the folders above it"
		r.misfit(f)
	default:
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			f.Text, f.Fix = fmt.Sprintf("admin.listen: there is no folder %s", dir), "make it, for the service's user; systemd makes /run/ngxtap when the service starts (RuntimeDirectory=ngxtap)"
			r.warn(f)
			return
		}
		r.ok(f)
	}
}

// checkLimits compares what the kernel allows with the number of logs.
func checkLimits(r *report, cfg *config.Config, logs int, u unit) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	allowed, whose := limit.Max, "the hard limit of this shell"
	if u.nofile > 0 {
		allowed, whose = u.nofile, u.file
	}
	// Two descriptors for each log (the file and the one before it while it is rotated), three for each site, and those kept for connections.
	need := uint64(2*logs + 3*len(cfg.Sites) + 64)
	f := finding{What: whatFiles, Text: fmt.Sprintf("%d open files are allowed (%s); %d logs of %d sites may need %d", allowed, whose, logs,
		len(cfg.Sites), need)}
	if need > allowed {
		f.Fix = "raise LimitNOFILE in the unit"
		r.warn(f)
	} else {
		r.ok(f)
	}
	for name, need := range map[string]int{"max_user_instances": len(cfg.Sites), "max_user_watches": logs + len(cfg.Sites)} {
		data, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && n < need {
			r.warn(finding{What: whatInotify, Text: fmt.Sprintf("fs.inotify.%s is %d, and %d may be needed: the logs beyond that are polled, and "+
				"their lines come a little later", name, n, need),
				Fix: fmt.Sprintf("sysctl -w fs.inotify.%s=%d, and keep it in /etc/sysctl.d", name, 2*need)})
		}
	}
}
