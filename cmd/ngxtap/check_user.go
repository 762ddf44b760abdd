package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// serviceUser is who the service runs as where no unit says it.
const serviceUser = "ngxtap"

// identity is a user with all groups.
type identity struct {
	name   string
	uid    uint32
	gid    uint32
	groups []uint32
}

// checkUser returns whom to check as: nil for whoever runs the command. asked tells that name was given by --user.
func checkUser(name string, asked bool, u unit) (*identity, error) {
	if os.Geteuid() != 0 {
		if !asked || name == "" {
			return nil, nil
		}
		if who, err := user.Lookup(name); err != nil || who.Uid != strconv.Itoa(os.Geteuid()) {
			return nil, &exitError{exitUsage, fmt.Errorf("--user %s: only root can check as another user", oneLine(name))}
		}
		return nil, nil
	}
	if !asked {
		name = u.user
		if name == "" {
			name = serviceUser
		}
	}
	if name == "" {
		return nil, nil
	}
	who, err := user.Lookup(name)
	switch {
	case err != nil && asked:
		return nil, &exitError{exitUsage, fmt.Errorf("--user %s: %w", oneLine(name), err)}
	case err != nil:
		return nil, nil // the service is not installed here
	}
	id, err := identityOf(who, u.groups)
	if err != nil || id.uid == 0 {
		return nil, err
	}
	return id, nil
}

// identityOf finds the groups of a user and adds those that the unit gives it.
func identityOf(who *user.User, more []string) (*identity, error) {
	number := func(s string) (uint32, error) {
		n, err := strconv.ParseUint(s, 10, 32)
		return uint32(n), err
	}
	id := &identity{name: who.Username}
	var err error
	if id.uid, err = number(who.Uid); err != nil {
		return nil, err
	}
	if id.gid, err = number(who.Gid); err != nil {
		return nil, err
	}
	ids, err := who.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("groups of user %s: %w", who.Username, err)
	}
	for _, name := range more {
		g, err := user.LookupGroup(name)
		if err != nil {
			return nil, fmt.Errorf("SupplementaryGroups of the unit: %w", err)
		}
		ids = append(ids, g.Gid)
	}
	for _, s := range ids {
		n, err := number(s)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(id.groups, n) {
			id.groups = append(id.groups, n)
		}
	}
	return id, nil
}

// checkAs runs this command again as another user: a process has its user for all of its threads, and what it has opened as root before
// would tell nothing. /proc/self/exe needs no right on the folders above the program.
func (a *app) checkAs(ctx context.Context, id *identity) error {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", a.args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	if e, ok := a.err.(escaper); ok {
		cmd.Stderr = e.w // it has its own
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id.uid, Gid: id.gid, Groups: id.groups}}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return &exitError{code: exit.ExitCode()} // it has said why
	}
	return fmt.Errorf("run check as user %s: %w; --user root checks as root, who may read more", id.name, err)
}

// checkedAs says as whom the checks are made.
func checkedAs(r *report, u unit) {
	uid := os.Geteuid()
	f := finding{What: whatUser, Text: fmt.Sprintf("checked as user %s%s", userName(uint32(uid)), groupNames())}
	if uid == 0 {
		f.Text = "checked as root"
		f.Fix = "if the service runs as another user, say --user NAME: it may not be able to read what root can"
		if u.user == "root" || u.file != "" && u.user == "" {
			f.Text, f.Fix = "checked as root, as whom the service runs ("+u.file+")", ""
		}
	}
	r.ok(f)
}

func groupNames() string {
	ids, err := os.Getgroups()
	if err != nil || len(ids) == 0 {
		return ""
	}
	var names []string
	for _, id := range ids {
		names = append(names, groupName(uint32(id)))
	}
	slices.Sort(names)
	return ", groups " + strings.Join(slices.Compact(names), ", ")
}

// denied finds out why this user can't read path, or look into it: what is in the way, and what to do. ok is false if it can, or if the reason
// is no matter of rights.
func denied(path string) (why, fix string, ok bool) {
	path = filepath.Clean(path)
	var names []string
	for p := path; p != "/" && p != "."; p = filepath.Dir(p) {
		names = append(names, p)
	}
	slices.Reverse(names)
	for _, p := range names {
		st, err := os.Stat(p)
		if err != nil {
			return "", "", false
		}
		mode, bit, verb := uint32(unix.R_OK), fs.FileMode(0o040), "read"
		if st.IsDir() {
			mode, bit, verb = unix.X_OK, 0o010, "enter"
			if p == path {
				mode, bit, verb = unix.R_OK|unix.X_OK, 0o050, "list"
			}
		}
		if unix.Faccessat(unix.AT_FDCWD, p, mode, unix.AT_EACCESS) == nil {
			continue
		}
		own := st.Sys().(*syscall.Stat_t)
		me, group := userName(uint32(os.Geteuid())), groupName(own.Gid)
		why = fmt.Sprintf("user %s may not %s %s, which belongs to %s:%s with mode %04o", me, verb, oneLine(p), userName(own.Uid), group, st.Mode().Perm())
		switch {
		case st.Mode().Perm()&bit == bit && own.Gid != 0 && !inGroup(own.Gid):
			fix = fmt.Sprintf("let it join group %s: usermod -aG %s %s, or SupplementaryGroups=%s in the unit", group, group, me, group)
		case st.IsDir():
			fix = fmt.Sprintf("let it: setfacl -m u:%s:rx %s", me, oneLine(p))
		default:
			fix = fmt.Sprintf("let it: chgrp %s %s; chmod g+r %s", groupName(uint32(os.Getegid())), oneLine(p), oneLine(p))
		}
		return why, fix, true
	}
	return "", "", false
}

func inGroup(gid uint32) bool {
	ids, _ := os.Getgroups()
	return slices.Contains(ids, int(gid)) || os.Getegid() == int(gid)
}

var absolute = regexp.MustCompile(`/[^\s:;"]+`)

// explain adds to the text of an error which of the files in it this user may not read, and what to do.
func explain(f finding) finding {
	const credentials = "/run/credentials/"
	if strings.Contains(f.Text, credentials) && strings.Contains(f.Text, "no such file") {
		f.Fix = "systemd gives credentials to the service only while it runs: check it then"
		return f
	}
	for _, path := range absolute.FindAllString(f.Text, -1) {
		if why, fix, ok := denied(path); ok {
			f.Text, f.Fix = f.Text+" ("+why+")", fix
			return f
		}
	}
	return f
}
