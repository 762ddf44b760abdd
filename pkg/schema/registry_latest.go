package schema

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/twmb/franz-go/pkg/sr"
)

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
		schemaJSON, err = selfContained(latest.Schema)
	}
	if err != nil {
		return ID{}, 0, "", false, fmt.Errorf("fetch the latest schema of subject %q: %w", subject, err)
	}
	return id, latest.Version, schemaJSON, true, nil
}

// notFound tells whether err is a registry's word that it has no such subject, version or schema. Confluent's codes for that begin
// with 404 and have two digits more. A plain 404 comes from a server at whose path there is no registry.
func notFound(err error) bool {
	var answer *sr.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound && answer.ErrorCode/100 == http.StatusNotFound
}

// selfContained returns the text of a schema that needs no other.
func selfContained(s sr.Schema) (string, error) {
	switch {
	case s.Type != sr.TypeAvro:
		return "", fmt.Errorf("it is of type %s, want Avro", s.Type)
	case len(s.References) > 0:
		return "", fmt.Errorf("it refers to schemas of other subjects (%s), which is not supported", s.References[0].Subject)
	}
	return s.Schema, nil
}
