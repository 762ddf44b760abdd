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
	"strings"
	"syscall"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/tail"
)

// checkLog looks at the files of one path as run will, and tries the formats on the lines at their beginning. It returns the logs that are
// there.
func checkLog(ctx context.Context, r *report, s *config.Site, pattern string, formats []*pipeline.Format) (logs []string) {
	file, line := s.Where("access_log.paths")
	place := finding{What: whatLog, Sites: []string{s.Site}, File: file, Line: line}
	a := s.AccessLog
	a.Paths, a.StartAt = []string{pattern}, "beginning"
	in, err := tail.Open(tailConfig(&a, slog.New(slog.DiscardHandler)), nil)
	if err != nil {
		place.Text = err.Error()
		r.misfit(place)
		return nil
	}
	defer in.Close()
	fits := sample(ctx, in, formats)
	skipped := checkSkipped(r, s, in.Skipped(), pattern)
	status := in.Status()
	waits := func(path string) {
		place.Text, place.Fix = oneLine(path)+" does not exist yet; run waits for it", "if it never comes: compare access_log.paths with the access_log lines of nginx.conf"
		if why, fix, ok := denied(filepath.Dir(path)); ok && !strings.ContainsAny(filepath.Dir(path), "*?[") {
			place.Text, place.Fix = why, fix
			r.fail(place)
			return
		}
		r.warn(place)
	}
	if len(status) == 0 && len(skipped) == 0 {
		waits(pattern)
	}
	for _, f := range status {
		switch {
		case skipped[f.Path]:
		case f.State == tail.Failing:
			place.Text, place.Fix = oneLine(f.Err), "let this user read it"
			if why, fix, ok := denied(f.Path); ok {
				place.Text, place.Fix = why, fix
			}
			r.fail(place)
			logs = append(logs, f.Path)
		case f.State == tail.Waiting:
			waits(f.Path)
			logs = append(logs, f.Path)
		default:
			if len(formats) > 0 { // else nothing can be said of its lines
				fits[f.ID].report(r, place, oneLine(f.Path))
			}
			checkOwner(r, place, s, f.Path)
			logs = append(logs, f.Path)
		}
	}
	return logs
}

// checkSkipped says what has the name of a log and is not read.
func checkSkipped(r *report, s *config.Site, files []tail.Skipped, pattern string) map[string]bool {
	file, line := s.Where("access_log.paths")
	skipped := map[string]bool{}
	for _, f := range files {
		skipped[f.Path] = true
		f1 := finding{What: whatLogName, Sites: []string{s.Site}, File: file, Line: line, Text: oneLine(f.Err.Error())}
		switch {
		case f.Why == tail.SkipHardLink:
			f1.Text += "; only if run knows it already it is read on"
			f1.Fix = "to have it read: access_log.allow_hard_links"
			r.warn(f1)
		case f.Path != pattern:
			r.warn(f1)
		case f.Why == tail.SkipSymlink:
			f1.Text, f1.Fix = oneLine(f.Path)+" is a symbolic link", "name the file itself, or set access_log.follow_symlinks"
			r.misfit(f1)
		case f.Why == tail.SkipOutside:
			f1.Fix = "the key is access_log.symlink_roots"
			r.misfit(f1)
		default:
			r.misfit(f1)
		}
	}
	return skipped
}

// fit is how many of the lines tried fit a format.
type fit struct{ fit, lines int }

func (f fit) report(r *report, at finding, path string) {
	switch {
	case f.fit == f.lines:
		at.Text = fmt.Sprintf("%s: all of the first %d lines fit", path, f.lines)
		r.ok(at)
	case f.fit == 0:
		at.Text, at.Fix = fmt.Sprintf("%s: none of the first %d lines fits; is it the right format?", path, f.lines), "see them: ngxtap parse"
		r.fail(at)
	default:
		at.Text, at.Fix = fmt.Sprintf("%s: %d of the first %d lines fit; the others would go to quarantine", path, f.fit, f.lines), "see them: ngxtap parse"
		r.warn(at)
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
		f := finding{What: whatLogFolder, Sites: []string{s.Site}}
		f.File, f.Line = s.Where("access_log.paths")
		f.Text = fmt.Sprintf("the log folder %s %s, who can put another file in place of a log (CVE-2016-1247) or take one away before it is read. "+
			"Links, pipes and files with other names are skipped, but what is taken away is lost", oneLine(dir), who)
		f.Fix = fmt.Sprintf("let root own it: chown root:adm %s; chmod 0755 %s; Nginx opens its logs as root, and logrotate makes new ones by its create line",
			oneLine(dir), oneLine(dir))
		r.warn(f)
		if s.AccessLog.AllowHardLinks {
			f.Text, f.Fix = "access_log.allow_hard_links lets them have any file of the same disk read that this user can read", "take it out"
			f.File, f.Line = s.Where("access_log.allow_hard_links")
			r.warn(f)
		}
	}
}

// checkOwner warns of logs that others than Nginx can write lines to. That is no reason to refuse them: in a container, or where
// logrotate's create line says so, a log may belong to anybody.
func checkOwner(r *report, at finding, s *config.Site, path string) {
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		return
	}
	own := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm()&0o002 != 0 {
		f := at
		f.What, f.Text, f.Fix = whatLogOwner, oneLine(path)+" can be written by everyone: anybody can forge lines in it", "chmod o-w "+oneLine(path)
		r.warn(f)
	}
	var folder uint32
	if dir, err := os.Stat(filepath.Dir(path)); err == nil {
		folder = dir.Sys().(*syscall.Stat_t).Uid
	}
	name := userName(own.Uid)
	if own.Uid == 0 || own.Uid == folder || int(own.Uid) == os.Geteuid() || slices.Contains(nginxUsers(s.AccessLog.NginxConf), name) {
		return
	}
	at.What, at.Text = whatLogOwner, fmt.Sprintf("%s belongs to %s, not to root nor to a user that Nginx runs as: is it a log of Nginx?", oneLine(path), name)
	at.Fix = "chown it, unless somebody else rightly writes it"
	r.warn(at)
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
