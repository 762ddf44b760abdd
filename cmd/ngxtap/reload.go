package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"reflect"

	"ngxtap/pkg/admin"
	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// reload reads the configuration anew and builds the daemon and its sites from it, beside those that run. Nothing of the old ones is
// touched. The old daemon gives the new one what it holds when the sites have changed over.
func (a *app) reload(old *daemon, once bool) (*daemon, []*pipeline.Site, error) {
	cfg, err := a.load(old.log)
	if err != nil {
		return nil, nil, err
	}
	if err := sameIdentity(old.cfg, cfg); err != nil {
		return nil, nil, err
	}
	d := &daemon{cfg: cfg, log: old.log, seen: old.seen, servers: old.servers, manager: old.manager}
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
	return d, sites, nil
}

// shares reports whether all that the sites of both daemons share is the same, so that a site of the old one may go on beside those of the new one:
// the settings of Kafka and of the registry with the credentials in them, the certificates, the key of the host.
func (d *daemon) shares(old *daemon) bool {
	a, b := d.cfg.Daemon, old.cfg.Daemon
	a.Admin, b.Admin = config.Admin{}, config.Admin{}
	return reflect.DeepEqual(a, b) && d.material == old.material
}

// give hands on what outlives a reload: the lock, the embedded servers, and, if sites of the old configuration go on, the registry that they use. The
// sites that go on keep the old daemon, whose configuration is the same for them.
func (d *daemon) give(next *daemon) {
	next.lock, next.servers = d.lock, d.servers
	unused := d.registry
	if next.shares(d) {
		unused, next.registry = next.registry, d.registry
	}
	if unused != nil {
		unused.Close()
	}
}

// readMaterial reads the files whose content counts and which the configuration only names: a renewed certificate or key is a change too. A file
// that can't be read has been complained of, or will be when it is used.
func (d *daemon) readMaterial() {
	sum := sha256.New()
	k, r, o := d.cfg.Kafka.TLS, d.cfg.Registry.TLS, d.cfg.Kafka.SASL.OAuth.TLS
	for _, path := range []string{k.CAFile, k.CertFile, k.KeyFile, r.CAFile, r.CertFile, r.KeyFile, o.CAFile, o.CertFile, o.KeyFile, keyFile(d.cfg.StateDir)} {
		var data []byte
		if path != "" {
			data, _ = os.ReadFile(path)
		}
		one := sha256.Sum256(data)
		sum.Write(one[:])
	}
	d.material = [sha256.Size]byte(sum.Sum(nil))
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
	if a := d.cfg.Admin; a.Listen != config.AdminOff && !d.cfg.AdminByDefault && a.Listen != old.cfg.Admin.Listen {
		l, err := admin.Listen(a.Listen, a.AllowRemote)
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
