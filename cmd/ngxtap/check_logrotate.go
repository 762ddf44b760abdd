package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ngxtap/pkg/config"
	"ngxtap/pkg/logrotate"
)

// defaultLogrotate is where distributions have logrotate's configuration.
const defaultLogrotate = "/etc/logrotate.conf"

// rotation is logrotate's configuration, if there is one.
type rotation struct {
	conf    *logrotate.Config // nil: there is none, or it can't be read
	found   bool              // a stanza was found for some log
	checked bool              // there was a log to look for
}

// readLogrotate reads logrotate's configuration; path may be empty.
func readLogrotate(r *report, path string) *rotation {
	if path == "" {
		return &rotation{}
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	conf, err := logrotate.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok(finding{What: whatRotateRead, Text: path + " does not exist: whatever rotates the logs is not looked at"})
		return &rotation{}
	case err != nil:
		r.warn(explain(finding{What: whatRotateRead, File: path, Text: err.Error()}))
		return &rotation{}
	}
	for _, w := range conf.Warnings {
		r.warn(explain(finding{What: whatRotateRead, File: w.File, Line: w.Line, Text: w.Text}))
	}
	return &rotation{conf: conf}
}

// summary says that logrotate knows none of the logs.
func (ro *rotation) summary(r *report) {
	if ro.conf != nil && ro.checked && !ro.found {
		r.ok(finding{What: whatRotate, File: ro.conf.Files[0], Text: "no stanza is for a log of a site: whatever rotates them is not looked at"})
	}
}

// check says what logrotate will do with the logs of a site. Logs of one stanza are judged once.
func (ro *rotation) check(r *report, s *config.Site, logs []string) {
	if ro.conf == nil {
		return
	}
	done := map[*logrotate.Stanza]bool{}
	for _, log := range logs {
		ro.checked = true
		stanzas := ro.conf.For(log)
		if real, err := filepath.EvalSymlinks(filepath.Dir(log)); err == nil && len(stanzas) == 0 {
			stanzas = ro.conf.For(filepath.Join(real, filepath.Base(log)))
		}
		if len(stanzas) == 0 {
			continue
		}
		ro.found = true
		for _, other := range stanzas[1:] {
			r.warn(finding{What: whatRotateTwice, Sites: []string{s.Site}, File: other.File, Line: other.Line,
				Text: fmt.Sprintf("%s is in the stanza of %s already: logrotate takes this one for an error and passes over it", oneLine(log), stanzas[0].At()), Fix: "take the log out of one of them"})
		}
		if !done[stanzas[0]] {
			done[stanzas[0]] = true
			(&stanzaCheck{r, s, stanzas[0], log}).all()
		}
	}
}

// stanzaCheck judges one stanza for one log of a site.
type stanzaCheck struct {
	r   *report
	s   *config.Site
	st  *logrotate.Stanza
	log string
}

// on makes a finding at an option, or at the stanza if the option is not set.
func (c *stanzaCheck) on(w what, o logrotate.Option, text, fix string) finding {
	f := finding{What: w, Sites: []string{c.s.Site}, File: o.File, Line: o.Line, Text: text, Fix: fix}
	if !o.Set() {
		f.File, f.Line = c.st.File, c.st.Line
	}
	return f
}

func (c *stanzaCheck) all() {
	truncates := c.st.Get("copytruncate")
	if truncates.Set() {
		c.r.warn(c.on(whatRotateTruncate, truncates, "copytruncate loses lines by nature: those that Nginx writes between the copy and the truncation are in no file",
			"use create and a postrotate that signals Nginx: [ ! -f /run/nginx.pid ] || kill -USR1 `cat /run/nginx.pid`"))
	} else {
		c.signal()
		c.create()
	}
	for _, name := range []string{"copy", "renamecopy"} {
		if o := c.st.Get(name); o.Set() {
			c.r.warn(c.on(whatRotateCopy, o, name+" makes another file of what was written: ngxtap knows it again only by its content, and with copy the log is never emptied", "take it out"))
		}
	}
	if o := c.st.Get("shred"); o.Set() {
		c.r.warn(c.on(whatRotateShred, o, "shred overwrites a log before it is deleted: what was not read by then is lost, though ngxtap holds the file open", "take it out"))
	}
	c.compress()
	c.olddir()
	c.keep()
	c.folder()
}

// tells are how scripts tell Nginx to open its logs anew.
var tells = regexp.MustCompile(`USR1|-s\s*(reopen|reload)|nginx\s+(rotate|reopen|reload)|(rotate|reopen|reload)\s+nginx|HUP`)

// signal looks for a script that tells Nginx of the rotation.
func (c *stanzaCheck) signal() {
	const fix = "add a postrotate that signals Nginx: [ ! -f /run/nginx.pid ] || kill -USR1 `cat /run/nginx.pid`"
	var other logrotate.Option
	for _, name := range []string{"postrotate", "lastaction"} {
		o := c.st.Get(name)
		if tells.MatchString(o.Arg) {
			return
		}
		if o.Set() && !other.Set() {
			other = o
		}
	}
	if other.Set() {
		c.r.warn(c.on(whatRotateSignal, other, other.Name+" does not look as if it told Nginx to open its logs anew: Nginx would write on to the renamed file, and then to one that is deleted", fix))
		return
	}
	c.r.warn(c.on(whatRotateSignal, other, "nobody tells Nginx to open its logs anew: it writes on to the renamed file, and then to one that is deleted", fix))
}

// create looks whether this user may read the log that logrotate makes.
func (c *stanzaCheck) create() {
	o := c.st.Get("create")
	words := strings.Fields(o.Arg)
	if len(words) == 0 || os.Geteuid() == 0 {
		return // the same mode and owner as before
	}
	mode, err := strconv.ParseUint(words[0], 8, 32)
	var owner, group string
	switch {
	case err != nil && len(words) >= 2: // create OWNER GROUP
		return
	case err != nil:
		return
	case len(words) >= 3:
		owner, group = words[1], words[2]
	case len(words) == 2:
		owner = words[1]
	}
	me := userName(uint32(os.Geteuid()))
	gid := -1
	if g, err := user.LookupGroup(group); err == nil {
		gid, _ = strconv.Atoi(g.Gid)
	} else if n, err := strconv.Atoi(group); err == nil {
		gid = n
	}
	switch {
	case mode&0o004 != 0, owner == me && mode&0o400 != 0, gid >= 0 && inGroup(uint32(gid)) && mode&0o040 != 0, group == "":
		return
	}
	fix := "give it a mode and a group that let this user read it: create 0640 www-data adm"
	if mode&0o040 != 0 {
		fix = fmt.Sprintf("let it join group %s: usermod -aG %s %s, or SupplementaryGroups=%s in the unit", group, group, me, group)
	}
	c.r.fail(c.on(whatRotateCreate, o, fmt.Sprintf("create %s: user %s may not read the log that logrotate makes next", o.Arg, me), fix))
}

// compress looks whether what is not read yet is compressed so that it can't be read any more.
func (c *stanzaCheck) compress() {
	o := c.st.Get("compress")
	if !o.Set() {
		return
	}
	program := "gzip"
	if cmd := c.st.Get("compresscmd"); cmd.Set() && strings.Fields(cmd.Arg) != nil {
		program = filepath.Base(strings.Fields(cmd.Arg)[0])
		o = cmd
	}
	gzip := slices.Contains([]string{"gzip", "pigz", "zopfli"}, program)
	delayed := c.st.Get("delaycompress").Set()
	switch {
	case !gzip && !delayed:
		c.r.warn(c.on(whatRotateCompress, o, fmt.Sprintf("%s compresses a log as soon as it is rotated, and ngxtap reads inside of gzip only: what was not read by then is lost", program), "add delaycompress, or compress with gzip"))
	case !gzip:
		c.r.ok(c.on(whatRotateCompress, o, fmt.Sprintf("%s compresses a log one rotation later: what was not read by then is lost, since ngxtap reads inside of gzip only", program), ""))
	case !delayed:
		c.r.warn(c.on(whatRotateCompress, o, "a log is compressed as soon as it is rotated, while workers of Nginx may still write to it: such lines are in no archive, and are lost unless ngxtap runs and has the file open", "add delaycompress"))
	}
}

// olddir looks whether rotated files are moved to where ngxtap does not look.
func (c *stanzaCheck) olddir() {
	o := c.st.Get("olddir")
	if !o.Set() {
		return
	}
	dir := o.Arg
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(filepath.Dir(c.log), dir)
	}
	for _, have := range c.s.AccessLog.RotatedDirs {
		if !filepath.IsAbs(have) {
			have = filepath.Join(filepath.Dir(c.log), have)
		}
		if filepath.Clean(have) == filepath.Clean(dir) {
			return
		}
	}
	c.r.warn(c.on(whatRotateOlddir, o, fmt.Sprintf("rotated logs are moved to %s, where ngxtap does not look: what is not read when they are moved is lost if ngxtap does not run just then", oneLine(dir)),
		fmt.Sprintf("set access_log.rotated_dirs: [%s] in %s", oneLine(o.Arg), c.s.File)))
}

// hours is how often logrotate rotates by time.
var hours = map[string]int{"hourly": 1, "daily": 24, "weekly": 7 * 24, "monthly": 30 * 24, "yearly": 365 * 24}

// keep says how long lines that could not be shipped are there.
func (c *stanzaCheck) keep() {
	o, when := c.st.Get("rotate"), c.st.When()
	n, err := strconv.Atoi(o.Arg)
	if err != nil && o.Set() {
		return // logrotate refuses it
	}
	every := hours[when.Name]
	last := n * every // hours that a line is there at least
	where := o
	if days, err := strconv.Atoi(c.st.Get("maxage").Arg); err == nil && days > 0 && (n < 0 || every > 0 && days*24 < last) {
		last, where = days*24, c.st.Get("maxage")
	}
	const fix = "keep more: rotate 14"
	switch {
	case n == 0:
		c.r.warn(c.on(whatRotateKeep, where, "a log is deleted when it is rotated: what was not read by then is lost if ngxtap does not run just then, and if Kafka is away access_log.held_bytes bounds what is held", fix))
	case n < 0 && last <= 0:
		c.r.ok(c.on(whatRotateKeep, where, "rotated logs are never deleted", ""))
	case every == 0:
		c.r.ok(c.on(whatRotateKeep, where, fmt.Sprintf("%d rotated logs are kept, and they are rotated by size: a flood of requests shortens the time that an outage of Kafka, or of ngxtap, may last", n), ""))
	case last < 48:
		c.r.warn(c.on(whatRotateKeep, where, fmt.Sprintf("rotated logs are kept for %d hours: an outage of Kafka, or of ngxtap, of that time loses lines", last), fix))
	default:
		c.r.ok(c.on(whatRotateKeep, where, fmt.Sprintf("rotated logs are kept for %d days: an outage of Kafka, or of ngxtap, that is shorter loses nothing", last/24), ""))
	}
	for _, name := range []string{"size", "maxsize"} {
		if o := c.st.Get(name); o.Set() && every > 0 {
			c.r.ok(c.on(whatRotateKeep, o, name+" rotates earlier under a flood of requests, and so shortens that time", ""))
		}
	}
}

// folder looks whether logrotate refuses the folder: it does not work as root where others could put links.
func (c *stanzaCheck) folder() {
	st, err := os.Stat(filepath.Dir(c.log))
	if err != nil || c.st.Get("su").Set() {
		return
	}
	own := st.Sys().(*syscall.Stat_t)
	if st.Mode().Perm()&0o002 != 0 || st.Mode().Perm()&0o020 != 0 && own.Gid != 0 {
		c.r.warn(c.on(whatRotateFolder, logrotate.Option{}, fmt.Sprintf("logrotate refuses to rotate in %s, which others than root can write: the log grows until the disk is full", oneLine(filepath.Dir(c.log))),
			fmt.Sprintf("chmod go-w %s, or name the user and the group: su root %s", oneLine(filepath.Dir(c.log)), groupName(own.Gid))))
	}
}
