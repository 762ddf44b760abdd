package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/tail"
)

// checkLog looks at the files of one path as run will, and tries the formats on the lines at their beginning.
func checkLog(ctx context.Context, r *report, s *config.Site, pattern string, formats []*pipeline.Format) {
	a := s.AccessLog
	a.Paths, a.StartAt = []string{pattern}, "beginning"
	in, err := tail.Open(tailConfig(&a, slog.New(slog.DiscardHandler)), nil)
	if err != nil {
		r.bad(exitConfig, "site %s: %v", s.Site, err)
		return
	}
	defer in.Close()
	fits := sample(ctx, in, formats)
	skipped := map[string]bool{}
	for _, f := range in.Skipped() {
		skipped[f.Path] = true
		switch {
		case f.Why == tail.SkipHardLink:
			r.warn("site %s: %s; only if run knows it already it is read on. To have it read: access_log.allow_hard_links", s.Site, oneLine(f.Err.Error()))
		case f.Path != pattern:
			r.warn("site %s: %s", s.Site, oneLine(f.Err.Error()))
		case f.Why == tail.SkipSymlink:
			r.bad(exitConfig, "site %s: %s is a symbolic link; name the file itself, or set access_log.follow_symlinks", s.Site, oneLine(f.Path))
		case f.Why == tail.SkipOutside:
			r.bad(exitConfig, "site %s: %s. The key is access_log.symlink_roots", s.Site, oneLine(f.Err.Error()))
		default:
			r.bad(exitConfig, "site %s: %s", s.Site, oneLine(f.Err.Error()))
		}
	}
	status := in.Status()
	if len(status) == 0 && len(skipped) == 0 {
		r.warn("site %s: %s does not exist yet; run waits for it", s.Site, oneLine(pattern))
	}
	for _, f := range status {
		switch {
		case skipped[f.Path]:
		case f.State == tail.Failing:
			r.bad(exitFailed, "site %s: %s; let this user read it (on Debian: group adm)", s.Site, oneLine(f.Err))
		case f.State == tail.Waiting:
			r.warn("site %s: %s does not exist yet; run waits for it", s.Site, oneLine(f.Path))
		default:
			fits[f.ID].report(r, s.Site, oneLine(f.Path))
			checkOwner(r, s, f.Path)
		}
	}
}

// fit is how many of the lines tried fit a format.
type fit struct{ fit, lines int }

func (f fit) report(r *report, site, path string) {
	switch {
	case f.fit == f.lines:
		r.ok("site %s: %s: all of the first %d lines fit", site, path, f.lines)
	case f.fit == 0:
		r.bad(exitFailed, "site %s: %s: none of the first %d lines fits; is it the right format? See them: ngxtap parse", site, path, f.lines)
	default:
		r.warn("site %s: %s: %d of the first %d lines fit; the others would go to quarantine", site, path, f.fit, f.lines)
	}
}

// sampleLines is how many lines of a file are tried, at most.
const sampleLines = 1000

// sample tries the formats on one block of every file, by generation.
func sample(ctx context.Context, in *tail.Tailer, formats []*pipeline.Format) map[string]fit {
	fits := map[string]fit{}
	var spans []logformat.Span
	for {
		c, err := in.Read(ctx, 0)
		if err != nil || c.Empty() {
			return fits
		}
		n, again := fits[c.File.ID]
		if again { // files take turns: all had theirs
			return fits
		}
		for line := range bytes.Lines(c.Data) {
			line = bytes.TrimRight(line, "\r\n")
			if len(line) == 0 {
				continue
			}
			if n.lines == sampleLines {
				break
			}
			n.lines++
			for _, f := range formats {
				if spans, err = f.LogFormat().Split(spans[:0], line); err == nil {
					n.fit++
					break
				}
			}
		}
		fits[c.File.ID] = n
	}
}

// checkFolders warns of log folders in which others than root and this user can swap a log for something else.
func checkFolders(r *report, s *config.Site) {
	var dirs []string
	for _, p := range s.AccessLog.Paths {
		found, _ := filepath.Glob(filepath.Dir(p)) // a bad pattern was refused by config
		dirs = append(dirs, found...)
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		st, err := os.Stat(dir)
		if err != nil || !st.IsDir() {
			continue // what is wrong with it was said with the files in it
		}
		own := st.Sys().(*syscall.Stat_t)
		who := ""
		switch mode := st.Mode().Perm(); {
		case mode&0o002 != 0:
			who = "can be written by everyone"
		case own.Uid != 0 && int(own.Uid) != os.Geteuid():
			who = "belongs to " + userName(own.Uid)
		case mode&0o020 != 0 && own.Gid != 0 && int(own.Gid) != os.Getegid():
			who = "can be written by the group " + groupName(own.Gid)
		default:
			continue
		}
		r.warn("site %s: the log folder %s %s, who can put another file in place of a log (CVE-2016-1247) or take one away before it is read. "+
			"Links, pipes and files with other names are skipped, but what is taken away is lost. Let root own it: chown root:adm %s; chmod 0755 %s; "+
			"Nginx opens its logs as root, and logrotate makes new ones by its create line", s.Site, oneLine(dir), who, oneLine(dir), oneLine(dir))
		if s.AccessLog.AllowHardLinks {
			r.warn("site %s: access_log.allow_hard_links lets them have any file of the same disk read that this user can read", s.Site)
		}
	}
}

// checkOwner warns of logs that others than Nginx can write lines to. That is no reason to refuse them: in a container, or where
// logrotate's create line says so, a log may belong to anybody.
func checkOwner(r *report, s *config.Site, path string) {
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		return
	}
	own := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm()&0o002 != 0 {
		r.warn("site %s: %s can be written by everyone: anybody can forge lines in it. chmod o-w", s.Site, oneLine(path))
	}
	var folder uint32
	if dir, err := os.Stat(filepath.Dir(path)); err == nil {
		folder = dir.Sys().(*syscall.Stat_t).Uid
	}
	name := userName(own.Uid)
	if own.Uid == 0 || own.Uid == folder || int(own.Uid) == os.Geteuid() || slices.Contains(nginxUsers(s.AccessLog.NginxConf), name) {
		return
	}
	r.warn("site %s: %s belongs to %s, not to root nor to a user that Nginx runs as: is it a log of Nginx?", s.Site, oneLine(path), name)
}

var userDirective = regexp.MustCompile(`(?m)^[ \t]*user[ \t]+([\w.-]+)`)

// nginxUsers are those that workers run as: the one in nginx.conf, and those that distributions choose.
func nginxUsers(conf string) []string {
	users := []string{"nginx", "www-data", "http", "www", "wwwrun", "nobody"}
	if text, err := os.ReadFile(conf); err == nil {
		if m := userDirective.FindSubmatch(text); m != nil {
			users = append(users, string(m[1]))
		}
	}
	return users
}

// userName returns the name of a user, or its number if it has none here.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %s", id)
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
