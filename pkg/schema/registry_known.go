package schema

import (
	"context"
	"fmt"
)

// Known returns the id that the registry has for a schema under a subject. It registers nothing: found is false if the registry does not have
// the schema there.
func (r *Registry) Known(ctx context.Context, subject, schemaJSON string) (id ID, found bool, err error) {
	id, err = r.lookup(ctx, subject, schemaJSON)
	switch {
	case notFound(err):
		return ID{}, false, nil
	case err != nil:
		return ID{}, false, fmt.Errorf("look for the schema under subject %q: %w", subject, err)
	}
	return id, true, nil
}
