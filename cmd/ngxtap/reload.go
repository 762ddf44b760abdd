package main

import (
	"fmt"
	"net"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// reload reads the configuration anew and builds the daemon and its sites from it, beside those that run. Nothing of the old ones is
// touched unless it succeeds; then the lock and the embedded servers belong to the new daemon.
func (a *app) reload(old *daemon, once bool) (*daemon, []*pipeline.Site, error) {
	cfg, err := a.load(old.log)
	if err != nil {
		return nil, nil, err
	}
	if err := sameIdentity(old.cfg, cfg); err != nil {
		return nil, nil, err
	}
	d := &daemon{cfg: cfg, log: old.log, servers: old.servers}
	if err := d.connect(); err != nil {
		return nil, nil, err
	}
	sites, err := d.sites(once)
	if err == nil {
		err = d.startable(old)
	}
	if err != nil {
		if d.registry != nil {
			d.registry.Close()
		}
		return nil, nil, err
	}
	d.tellNewKeys(old)
	d.lock = old.lock
	old.lock, old.servers = nil, nil
	return d, sites, nil
}

// tellNewKeys says which sites have another key than before: their hashes can't be joined across the change.
func (d *daemon) tellNewKeys(old *daemon) {
	host, err := readKey(keyFile(d.cfg.StateDir))
	if err != nil { // the sites have just read it
		d.log.Warn("the keys for hashed secrets can't be compared with those before", "error", err)
		return
	}
	before := map[string]string{}
	for i := range old.cfg.Sites {
		before[old.cfg.Sites[i].Site] = avro.KeyID(siteKey(&old.cfg.Sites[i], host))
	}
	for i := range d.cfg.Sites {
		s := &d.cfg.Sites[i]
		if was, id := before[s.Site], avro.KeyID(siteKey(s, host)); was != "" && was != id {
			d.log.Info("the key for hashed secrets has changed; hashes and encrypted lines name the new one from here on", "site", s.Site, "key", id, "before", was)
		}
	}
}

// startable looks at what only the start itself would find out, when the old sites are gone already: a port that is taken, a
// certificate that is none.
func (d *daemon) startable(old *daemon) error {
	if listen := d.cfg.Admin.Listen; listen != "off" && listen != old.cfg.Admin.Listen {
		l, err := net.Listen("tcp", listen)
		if err != nil {
			return fmt.Errorf("admin.listen: %w", err)
		}
		l.Close()
	}
	for i := range d.cfg.Sites {
		if _, err := d.kafkaConfig(&d.cfg.Sites[i]); err != nil {
			return err
		}
	}
	return nil
}

// sameIdentity refuses changes that only a restart can make: they would move the lock, or the position of every file.
func sameIdentity(old, cfg *config.Config) error {
	switch {
	case old.Instance != cfg.Instance:
		return fmt.Errorf("instance was %s and is now %s: restart ngxtap for that; positions are kept by instance, so every file begins anew", old.Instance, cfg.Instance)
	case old.StateDir != cfg.StateDir:
		return fmt.Errorf("state_dir was %s and is now %s: restart ngxtap for that", old.StateDir, cfg.StateDir)
	}
	return nil
}
