package main

import (
	"log/slog"
	"path/filepath"

	"ngxtap/pkg/config"
	"ngxtap/pkg/schema"
)

func newRegistry(r *config.Registry, stateDir string, log *slog.Logger) (*schema.Registry, error) {
	c := schema.RegistryConfig{URLs: r.URLs, Username: r.Username, Password: r.Password.Reveal(), Bearer: r.Token.Reveal(),
		CacheFile: filepath.Join(stateDir, "schema-ids"), Logger: log}
	var err error
	if r.TLS.On() {
		if c.TLS, err = r.TLS.Client(); err != nil {
			return nil, err
		}
	}
	return schema.NewRegistry(c)
}
