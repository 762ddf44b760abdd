package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"ngxtap/pkg/pipeline"
)

func (a *app) runCmd() *cobra.Command {
	var once, takeover bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: `Tail the access logs of every site and ship them until stopped (SIGTERM: commit, leave). SIGHUP reads the configuration and nginx.conf
again; if they are wrong, the old ones stay in force. What can't be reached is waited for; what a restart can't cure exits with 78.`,
		Example: `  ngxtap run
  ngxtap run --once --embedded -c configs/quickstart/ngxtap.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return failed(a.runDaemon(c.Context(), once, takeover)) },
	}
	cmd.Flags().BoolVar(&once, "once", false, "read every file to its end, commit, exit")
	cmd.Flags().StringVar(&a.cpuProfile, "cpuprofile", "", "write a profile of the processor time to this file (make profile)")
	_ = cmd.Flags().MarkHidden("cpuprofile") // fails only for a flag that does not exist
	cmd.Flags().BoolVar(&takeover, "takeover", false, "take the sites over from another host that did not release them")
	return cmd
}

// profile starts a profile of the processor time, if one was asked for, and returns what ends it.
func (a *app) profile() (stop func(), err error) {
	if a.cpuProfile == "" {
		return func() {}, nil
	}
	f, err := os.Create(a.cpuProfile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}

func (a *app) runDaemon(ctx context.Context, once, takeover bool) (err error) {
	// From the first moment to the last: SIGHUP would end the process, and systemd takes that for an end in good order and does not start it again.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	a.seen = newObserved()
	log := a.logger()
	// What the daemon reads is in its memory as Nginx wrote it: that must not end in a file.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		log.Warn("core dumps can't be forbidden; they would hold lines of the logs in clear text", "error", err)
	}
	stopProfile, err := a.profile()
	if err != nil {
		return err
	}
	defer stopProfile()
	cfg, err := a.load(log)
	if err != nil {
		return err
	}
	d := &daemon{cfg: cfg, log: log}
	if err := d.own(); err != nil {
		return err
	}
	lock := d.lock
	d, err = a.newDaemon(ctx, cfg, log)
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	d.lock, d.takeover, d.manager = lock, takeover, newManager(log)
	defer func() {
		if cerr := d.close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	sites, err := d.sites(once)
	if err != nil {
		return err
	}
	d.log.Info("starting", "version", versionLine(), "instance", cfg.Instance, "brokers", cfg.Kafka.Brokers, "registry", cfg.Registry.URLs, "framing", cfg.Registry.Framing)
	f := newFleet(ctx, d, sites)
	defer f.end()
	for {
		next, err := a.serve(ctx, d, f, once, hup)
		if next == nil {
			return err
		}
		d = next
	}
}

// serve runs the sites until ctx ends, none is left, or the configuration was changed and SIGHUP sent; then it returns the daemon to go on
// with.
func (a *app) serve(ctx context.Context, d *daemon, f *fleet, once bool, hup <-chan os.Signal) (*daemon, error) {
	sites := f.sites()
	stop, err := a.show(ctx, d, sites, once)
	if err != nil {
		return nil, err
	}
	defer d.supervise(sites)()
	stopped := ctx.Done()
	for f.left > 0 {
		select {
		case <-stopped:
			stopped = nil
			d.manager.stopping()
		case t := <-f.ended:
			f.note(t)
		case <-hup:
			if ctx.Err() != nil {
				continue // it is leaving
			}
			d.manager.reloading()
			next, nextSites, err := a.reload(d, once)
			a.seen.reload(err)
			if err != nil {
				d.log.Error("the new configuration is refused; the old one stays in force", "error", err)
				d.manager.refused(err)
				continue
			}
			tr := f.plan(next.cfg, !next.shares(d))
			if gone := f.leave(&tr); len(gone) > 0 { // the admin port tells of it meanwhile
				summary(a, gone, false)
			}
			stop()
			d.give(next)
			f.enter(&tr, next, nextSites)
			next.log.Info("configuration reloaded", "added", tr.added, "changed", tr.changed, "removed", tr.removed, "restarted", tr.restarted, "unchanged", tr.kept)
			return next, nil
		}
	}
	stop()
	return nil, a.outcome(ctx, sites, once, f.err())
}

// outcome makes the error of a run that has ended.
func (a *app) outcome(ctx context.Context, sites []*pipeline.Site, once bool, err error) error {
	if once && err == nil && ctx.Err() != nil {
		err = &exitError{exitFailed, errors.New("stopped before the end of the files; what was committed counts, run it again for the rest")}
	}
	if rejected := summary(a, sites, once); err == nil {
		err = rejected // a failure is worse than refused lines
	}
	return err
}

// summary tells what became of every line, and makes rejected lines the exit code of a run that has an end.
func summary(a *app, sites []*pipeline.Site, once bool) error {
	var rejected int64
	for _, s := range sites {
		st := s.Stats()
		b := st.Bytes()
		fmt.Fprintf(a.err, "site %s: %d events, %d quarantined, %d blank; %d bytes read = %d in events + %d quarantined + %d blank + %d lost\n",
			s.Name(), st.Events.Load(), st.Quarantined.Load(), st.Blank.Load(), b.Read, b.Events, b.Quarantined, b.Blank, b.Lost)
		rejected += st.Quarantined.Load()
	}
	if once && rejected > 0 {
		return &exitError{code: exitRejected}
	}
	return nil
}
