package main

import (
	"path/filepath"

	"ngxtap/pkg/schema"
)

func newRegistry(d *daemon) (*schema.Registry, error) {
	r := &d.cfg.Registry
	c := schema.RegistryConfig{URLs: r.URLs, Username: r.Username, Password: r.Password.Reveal(), Bearer: r.Token.Reveal(),
		CacheFile: filepath.Join(d.cfg.StateDir, "schema-ids"), Stats: d.seen.registryStats(), Logger: d.log}
	var err error
	if r.TLS.On() {
		if c.TLS, err = r.TLS.Client(); err != nil {
			return nil, err
		}
	}
	return schema.NewRegistry(c)
}
