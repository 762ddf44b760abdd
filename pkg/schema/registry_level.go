package schema

import (
	"context"

	"github.com/twmb/franz-go/pkg/sr"
)

// Level returns the compatibility level that the registry goes by for a subject, such as BACKWARD: its own, or else the global one.
func (r *Registry) Level(ctx context.Context, subject string) (string, error) {
	var level string
	err := r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		for _, s := range []string{subject, sr.GlobalSubject} {
			result := c.Compatibility(ctx, s)[0]
			if level, err = result.Level.String(), result.Err; err == nil {
				return nil
			}
		}
		return err
	})
	return level, err
}

// ReadOnly reports whether the registry takes no new schemas of a subject. Registries that have no such mode answer with an error.
func (r *Registry) ReadOnly(ctx context.Context, subject string) (bool, error) {
	var mode sr.Mode
	err := r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		for _, s := range []string{subject, sr.GlobalSubject} {
			result := c.Mode(ctx, s)[0]
			if mode, err = result.Mode, result.Err; err == nil {
				return nil
			}
		}
		return err
	})
	return err == nil && mode == sr.ModeReadOnly, err
}
