package components

// Shows: the registry speaks Confluent's API and refuses an incompatible schema as the real one does.

import (
	"net/http"
	"strings"
	"testing"
)

func TestRegistryRefusesAnIncompatibleSchema(t *testing.T) {
	r := shared.Registry(t)
	register := func(schema string) error {
		body := `{"schema":"` + strings.ReplaceAll(schema, `"`, `\"`) + `"}`
		return r.request(http.MethodPost, "/subjects/components-value/versions", body)
	}
	if err := register(`{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`); err != nil {
		t.Fatal(err)
	}
	err := register(`{"type":"record","name":"R","fields":[{"name":"a","type":"string"},{"name":"b","type":"int"}]}`)
	if err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("a field without a default gave %v, want 409", err)
	}
}
