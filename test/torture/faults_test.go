package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pauses of the readers of tests, short so that tests are quick.
const (
	minAge  = 50 * time.Millisecond
	maxWait = 250 * time.Millisecond
)

// nobody is the user that the daemon runs as where it is not to be root.
const nobody = 65534

// setUser says as whom and with what the daemons run.
func (w *world) setUser() {
	must(w.t, os.Mkdir(w.state, 0o700))
	if w.s.tmpfs {
		must(w.t, unix.Mount("tmpfs", w.state, "tmpfs", 0, "size=1m,mode=700"))
		w.t.Cleanup(func() { _ = unix.Unmount(w.state, unix.MNT_DETACH) })
	}
	if w.s.plain {
		must(w.t, os.Chown(w.state, nobody, nobody))
		w.host.Attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if w.s.blind { // a namespace of its own has limits of its own
		w.host.Wrap = []string{"unshare", "--user", "--map-root-user", "sh", "-c", `echo 0 > /proc/sys/user/max_inotify_instances; exec "$@"`, "sh"}
		w.tally.fault("no inotify instance")
	}
}

// perform does one action of a script.
func (w *world) perform(o op) {
	var lw *logWorld
	if o.log < len(w.logs) {
		lw = w.logs[o.log]
	}
	switch o.do {
	case "pause":
		pause(o.wait)
	case "write":
		lw.write(w.t, o.m, o.n, o.text)
	case "half":
		lw.begin(w.t, o.m, o.n)
	case "torn end":
		lw.tornEnd(w.t, o.n)
	case "rename":
		lw.rename(w.t)
		w.tally.act("rotation")
	case "reopen":
		lw.reopen(w.t, o.m)
	case "reopen all":
		lw.reopenAll(w.t)
	case "copytruncate":
		lw.copyTruncate(w.t)
		w.tally.act("copytruncate")
	case "gzip":
		w.did("gzip", lw.gzip(w.t, o.n))
	case "switch link":
		w.switchLink(lw)
	case "delete":
		w.ship()
		w.did("rotated file deleted", lw.remove(w.t))
	case "new folder":
		w.ship()
		lw.site.newFolder(w.t)
		w.tally.act("log folder replaced")
	case "edit format":
		w.did("log_format edited", w.edit(lw.site))
	case "reload":
		w.did("worker reloaded", lw.reload(o.m))
	case "ship":
		if w.daemon != nil && w.life.point == "" {
			w.ship()
		}
	default:
		w.fault(o)
	}
}

func (w *world) did(what string, did bool) {
	if did {
		w.tally.act(what)
	}
}

// switchLink makes a link lead elsewhere. Where nobody looks in between, a second switch would hide the first target: a link's targets
// have nothing in common by which they could be found. So everything must be read first.
func (w *world) switchLink(lw *logWorld) {
	if w.daemon == nil || w.life == nil || w.life.point != "" {
		return
	}
	w.ship()
	lw.switchLink(w.t)
	lw.write(w.t, 0, 1, "plain")
	w.ship()
	w.tally.act("link switched")
}

// fault injects a fault.
func (w *world) fault(o op) {
	switch o.do {
	case "wire":
		w.b.wire(o)
		return
	case "answer":
		w.b.answer(o)
		return
	case "leaders move":
		w.b.moveLeaders(w.topics())
	case "coordinators change":
		w.b.RehashCoordinators()
	case "connections cut":
		for _, p := range w.b.proxies {
			p.Cut()
		}
	case "brokers hang":
		for _, p := range w.b.proxies {
			p.Stall()
		}
		pause(o.wait)
		for _, p := range w.b.proxies {
			p.Resume()
		}
	case "node away":
		if !w.b.leave(int32(o.n)) {
			return
		}
	case "fence":
		ctx, cancel := context.WithTimeout(w.t.Context(), patience)
		defer cancel()
		w.b.fence(ctx, w.t, w.transactions())
	case "tear state", "flip state", "delete state":
		if !w.spoil(o) {
			return
		}
	case "fill disk":
		f, err := os.Create(filepath.Join(w.state, "filler"))
		must(w.t, err)
		_, err = f.Write(make([]byte, 2<<20))
		must(w.t, f.Close())
		if err == nil {
			w.t.Fatal("the small disk is not full")
		}
	default:
		if !w.hostFault(o) {
			return
		}
	}
	w.tally.fault(o.do)
}

// hostFault injects a fault of the host that the daemon runs on.
func (w *world) hostFault(o op) bool {
	lw := w.logs[o.log]
	switch o.do {
	case "SIGSTOP":
		if w.daemon == nil || w.life.stop { // it may stand still already
			return false
		}
		w.stopped = syscall.Kill(w.daemon.PID(), syscall.SIGSTOP) == nil
		return w.stopped
	case "SIGCONT":
		pause(o.wait)
		w.resume()
		return false
	case "few descriptors":
		return w.starve(lw, o)
	case "lock state":
		w.started()
		w.shows = append(w.shows, hide(w.t, w.state))
	case "hide log":
		if lw.style == shift || lw.style == dated {
			lw.rename(w.t)
			lw.reopenAll(w.t)
		}
		w.shows = append(w.shows, hide(w.t, lw.Path))
	case "hide folder":
		w.shows = append(w.shows, hide(w.t, lw.site.dir))
	default:
		w.t.Fatalf("the script says %q, which nobody understands", o.do)
	}
	lw.write(w.t, 0, 10, "plain")
	pause(o.wait)
	w.showAll()
	return true
}

// started waits until a daemon has got past what it can't start without, or has met its failpoint.
func (w *world) started() {
	w.resume()
	w.await("the daemon to start", func() bool {
		w.look()
		_, err := w.usage()
		return err == nil
	})
}

// showAll gives all permissions back.
func (w *world) showAll() {
	for _, show := range w.shows {
		show()
	}
	w.shows = nil
}

// starve leaves the daemon few descriptors, or none, more than it has, while a log is rotated.
func (w *world) starve(lw *logWorld, o op) bool {
	if w.started(); w.daemon == nil {
		return false
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.daemon.PID()))
	if err != nil {
		return false // it has just died
	}
	var old unix.Rlimit
	if unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, nil, &old) != nil {
		return false
	}
	few := unix.Rlimit{Cur: uint64(len(fds) + o.n), Max: old.Max}
	if unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, &few, nil) != nil {
		return false
	}
	if lw.style == shift || lw.style == dated {
		lw.rename(w.t)
		lw.reopenAll(w.t)
	}
	lw.write(w.t, 0, 10, "plain")
	pause(o.wait)
	_ = unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, &old, nil) // fails if it has died
	return true
}

// spoil harms what the daemon keeps on its own disk.
func (w *world) spoil(o op) bool {
	files, err := filepath.Glob(filepath.Join(w.state, "position-*"))
	must(w.t, err)
	if len(files) == 0 {
		return false
	}
	path := files[o.n%len(files)]
	data, err := os.ReadFile(path)
	must(w.t, err)
	switch {
	case o.do == "delete state":
		must(w.t, os.Remove(path))
		return true
	case len(data) == 0:
		return false
	case o.do == "tear state":
		data = data[:o.n%len(data)]
	default:
		data = bytes.Clone(data)
		data[o.n/8%len(data)] ^= 1 << (o.n % 8)
	}
	must(w.t, os.WriteFile(path, data, 0o600))
	return true
}

// resume lets a daemon go on that we have stopped.
func (w *world) resume() {
	if w.stopped && w.daemon != nil && w.daemon.Alive() == nil {
		w.daemon.Signal(w.t, syscall.SIGCONT)
	}
	w.stopped = false
}

// calm ends all faults.
func (w *world) calm() {
	w.resume()
	w.showAll()
	if err := os.Remove(filepath.Join(w.state, "filler")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	w.b.calm0(w.tally)
	must(w.t, w.b.comeBack(w.s.nodes))
}

// standsStill says whether a process is stopped by a signal.
func standsStill(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	i := bytes.LastIndexByte(stat, ')')
	return i >= 0 && len(stat) > i+2 && stat[i+2] == 'T'
}

// topics are those of our sites.
func (w *world) topics() []string {
	all := []string{"ngxtap.state", "ngxtap.schemas"}
	for _, s := range w.sites {
		all = append(all, "nginx."+s.name+".access", "nginx."+s.name+".access.quarantine")
	}
	return all
}

// transactions are the transactional ids of our sites.
func (w *world) transactions() []string {
	var all []string
	for _, s := range w.sites {
		all = append(all, "ngxtap."+w.host.Instance+"/"+s.name)
	}
	return all
}

// calm0 is calm, with its outcome in the tally.
func (b *brokers) calm0(sum *tally) {
	struck, missed := b.calm()
	for _, what := range struck {
		sum.fault(what)
	}
	for _, what := range missed {
		sum.missed(what)
	}
}
