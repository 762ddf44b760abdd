package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/schema"
)

// avroSecrets keeps signatures short.
type avroSecrets = avro.Secrets

func newRegistry(r *config.Registry, stateDir string, log *slog.Logger) (*schema.Registry, error) {
	c := schema.RegistryConfig{URLs: r.URLs, Username: r.Username, Password: r.Password.Reveal(), Bearer: r.Token.Reveal(),
		CacheFile: filepath.Join(stateDir, "schema-ids"), Logger: log}
	var err error
	if r.TLS.On() {
		if c.TLS, err = tlsConfig(r.TLS); err != nil {
			return nil, err
		}
	}
	return schema.NewRegistry(c)
}

// waitForID registers a schema. A registry that is away is waited for, with a word about it; its refusal is final.
func waitForID(ctx context.Context, r *schema.Registry, subject, schemaJSON string, log *slog.Logger) (int32, error) {
	wait := time.Second
	for {
		id, err := r.Register(ctx, subject, schemaJSON)
		if err == nil || errors.Is(err, schema.ErrRefused) || ctx.Err() != nil {
			return id, err
		}
		log.Warn("the registry gives no id for the schema yet; waiting, nothing is lost", "subject", subject, "error", err, "retry_in", wait.String())
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, 30*time.Second)
	}
}
