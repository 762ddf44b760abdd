package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

// ErrNotFound is returned (wrapped) where those who keep schemas can be asked and don't have one.
var ErrNotFound = errors.New("the schema is not there")

// Schema returns the schema with an id. It is fetched once; ids never change their meaning while a registry runs. Where it refers to
// schemas of other subjects, the types that it takes from them are written into it. A schema that is not Avro is an error, and one that the
// registry says it does not have is ErrNotFound.
func (r *Registry) Schema(ctx context.Context, id int32) (string, error) {
	return r.text(ctx, ID{Number: id}, func(ctx context.Context, c *sr.Client) (sr.Schema, error) { return c.SchemaByID(ctx, int(id)) })
}

// SchemaByGUID is Schema for a GUID. Registries before Confluent 8 know none.
func (r *Registry) SchemaByGUID(ctx context.Context, guid [16]byte) (string, error) {
	id := ID{GUID: guid, HasGUID: true}
	return r.text(ctx, id, func(ctx context.Context, c *sr.Client) (sr.Schema, error) {
		found, err := c.SchemaByGUID(ctx, id.guid())
		return found.Schema, err
	})
}

func (r *Registry) text(ctx context.Context, id ID, get func(context.Context, *sr.Client) (sr.Schema, error)) (string, error) {
	r.mu.Lock()
	text, ok := r.texts[id]
	r.mu.Unlock()
	if ok {
		return text, nil
	}
	var found sr.Schema
	err := r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		found, err = get(ctx, c)
		return err
	})
	if err == nil {
		text, err = r.selfContained(ctx, found)
	}
	if notFound(err) {
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	if err != nil {
		return "", fmt.Errorf("fetch schema %s: %w", id, err)
	}
	r.mu.Lock()
	r.texts[id] = text
	r.mu.Unlock()
	return text, nil
}

// Latest returns the newest version that is registered under a subject. found is false, without an error, if the registry has no such
// subject. The errors are those of Schema, and a 404 that no registry gave, which tells of a wrong path in the URL.
func (r *Registry) Latest(ctx context.Context, subject string) (id ID, version int, schemaJSON string, found bool, err error) {
	var latest sr.SubjectSchema
	err = r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		latest, err = c.SchemaByVersion(ctx, subject, -1)
		return err
	})
	if notFound(err) {
		return ID{}, 0, "", false, nil
	}
	if err == nil {
		id, err = answeredID(latest.ID, latest.GUID)
	}
	if err == nil {
		schemaJSON, err = r.selfContained(ctx, latest.Schema)
	}
	if err != nil {
		return ID{}, 0, "", false, fmt.Errorf("fetch the latest schema of subject %q: %w", subject, err)
	}
	return id, latest.Version, schemaJSON, true, nil
}
