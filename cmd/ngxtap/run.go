package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync"
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
	d.lock, d.takeover = lock, takeover
	defer func() {
		if cerr := d.close(); cerr != nil {
			err = errors.Join(err, cerr)
		}
	}()
	sites, err := d.sites(once)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		next, nextSites, err := a.serve(ctx, d, sites, once, hup)
		if next == nil {
			return err
		}
		if err := d.close(); err != nil {
			log.Warn("close what the old configuration used", "error", err)
		}
		d, sites = next, nextSites
	}
}

// serve runs the sites until ctx ends, none is left, or the configuration was changed and SIGHUP sent; then it returns the daemon and
// the sites to go on with.
func (a *app) serve(ctx context.Context, d *daemon, sites []*pipeline.Site, once bool, hup <-chan os.Signal) (*daemon, []*pipeline.Site, error) {
	cfg := d.cfg
	d.log.Info("starting", "version", versionLine(), "instance", cfg.Instance, "brokers", cfg.Kafka.Brokers, "registry", cfg.Registry.URLs, "framing", cfg.Registry.Framing)
	stop, err := a.show(ctx, d, sites, once)
	if err != nil {
		return nil, nil, err
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- runSites(work, d, sites) }()
	for {
		select {
		case err := <-ended:
			stop()
			return nil, nil, a.outcome(ctx, sites, once, err)
		case <-hup:
			next, nextSites, err := a.reload(d, once)
			a.seen.reload(err)
			if err != nil {
				d.log.Error("the new configuration is refused; the old one stays in force", "error", err)
				continue
			}
			cancel()
			err = <-ended
			stop()
			summary(a, sites, false)
			if err != nil {
				d.log.Warn("sites that had failed are started again", "error", err)
			}
			return next, nextSites, nil
		}
	}
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

// runSites runs all sites until ctx ends or none is left. One site that can't go on does not stop the others.
func runSites(ctx context.Context, d *daemon, sites []*pipeline.Site) error {
	var wg sync.WaitGroup
	errs := make([]error, len(sites))
	for i, s := range sites {
		wg.Go(func() {
			if errs[i] = s.Run(ctx); errs[i] != nil {
				d.log.Error("a site can't go on; the others do", "site", s.Name(), "error", errs[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
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
