// Package registry holds schema.Compare against a real schema registry.
package registry

// Shows, over some thousand generated pairs, that schema.Compare and the registry (Apicurio, which asks Avro's own Java library)
// give the same verdict for BACKWARD, FORWARD and FULL, except in the listed ways.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/testkit/avrogen"
	"ngxtap/test/components"
)

const pairs = 2000

var shared components.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// known is every way in which the registry judges in another way than Compare, each with the smallest pair that shows it. Generated
// pairs may differ in the first way only: decimals are taken out of a pair that differs, and then it must not differ any more.
// docs/schema-changes.md has the reasons.
var known = []struct {
	name     string
	old, new string
	class    schema.Class // what Compare says
	backward string       // what the registry says at the level BACKWARD: "true", "false", 422 for no answer, 500 for no registration
}{
	{
		"decimals of another precision or scale match nothing in the specification; the registry does not look at logical types",
		`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, `{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`,
		schema.ClassBreaking, "true",
	},
	{
		"a reader takes the branch of the same full name; the registry asks whether any branch would do",
		`{"type":"record","name":"a.R","fields":[]}`,
		`[{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]},{"type":"record","name":"c.R","fields":[]}]`,
		schema.ClassForward, "true",
	},
	{
		"an alias that makes two fields of the writer one is a failure to read; the registry refuses to answer",
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int","aliases":["b"]}]}`,
		schema.ClassBreaking, "422",
	},
	{
		"the registry fails (its stack overflows) on a schema that is recursive through a map",
		`{"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":"R"}}]}`,
		`{"type":"record","name":"R","doc":"d","fields":[{"name":"m","type":{"type":"map","values":"R"}}]}`,
		schema.ClassFull, "500",
	},
}

func TestKnownDifferencesFromARegistry(t *testing.T) {
	c := newClient(t)
	c.must(t, http.MethodPut, "/config", map[string]string{"compatibility": "NONE"})
	for i, k := range known {
		ok, err := c.register(fmt.Sprintf("known-%d", i), k.old)
		if err != nil || ok == (k.backward == "500") {
			t.Fatalf("%s: registered %v, %v", k.name, ok, err)
		}
	}
	c.must(t, http.MethodPut, "/config", map[string]string{"compatibility": "BACKWARD"})
	for i, k := range known {
		change, err := schema.Compare(k.old, k.new)
		if err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
		verdict := "500"
		if k.backward != verdict {
			if verdict, err = c.compatible(fmt.Sprintf("known-%d", i), k.new); err != nil {
				t.Fatalf("%s: %v", k.name, err)
			}
		}
		if change.Class != k.class || verdict != k.backward {
			t.Errorf("%s: Compare says %v, want %v; the registry says %s, want %s", k.name, change.Class, k.class, verdict, k.backward)
		}
	}
}

// sample is one pair and what Compare says of it.
type sample struct {
	subject, old, new string
	edits             []string
	change            *schema.Change
}

func TestCompareAgreesWithARegistry(t *testing.T) {
	c := newClient(t)
	g := avrogen.New(11)
	var samples []*sample
	for len(samples) < pairs {
		old, new, edits := g.Pair()
		if change, err := schema.Compare(old, new); err == nil {
			samples = append(samples, &sample{fmt.Sprintf("compare-%d", len(samples)), old, new, edits, change})
		}
	}
	c.must(t, http.MethodPut, "/config", map[string]string{"compatibility": "NONE"})
	var mu sync.Mutex // guards registered
	var registered []*sample
	each(t, samples, func(s *sample) error {
		ok, err := c.register(s.subject, s.old)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ok:
			registered = append(registered, s)
		case err == nil && !strings.Contains(s.old, `"map"`):
			err = errors.New("the registry fails on a schema without a map")
		}
		return err
	})
	if lost := len(samples) - len(registered); lost > pairs/50 {
		t.Errorf("the registry failed on %d of %d schemas", lost, pairs)
	}
	for level, some := range map[string][]*sample{"BACKWARD": registered, "FORWARD": registered, "FULL": registered[:pairs/10]} {
		c.must(t, http.MethodPut, "/config", map[string]string{"compatibility": level})
		each(t, some, func(s *sample) error {
			verdict, err := c.compatible(s.subject, s.new)
			if err != nil {
				return err
			}
			if (verdict == "true") == allows(level, s.change.Class) {
				return nil
			}
			plain, err := schema.Compare(withoutDecimals(s.old), withoutDecimals(s.new))
			if err != nil || (verdict == "true") != allows(level, plain.Class) {
				return fmt.Errorf("%s: the registry says %s", level, verdict)
			}
			return nil
		})
	}
}

// each calls do for all samples, four at a time.
func each(t *testing.T, samples []*sample, do func(s *sample) error) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan *sample)
	for range 4 {
		wg.Go(func() {
			for s := range next {
				if err := do(s); err != nil {
					t.Errorf("%v\n%q %v\nold %s\nnew %s\n%+v", err, s.edits, s.change.Class, s.old, s.new, s.change.Diffs)
				}
			}
		})
	}
	for _, s := range samples {
		next <- s
	}
	close(next)
	wg.Wait()
}

// withoutDecimals gives decimals a logical type that nobody knows.
func withoutDecimals(s string) string { return strings.ReplaceAll(s, `"decimal"`, `"none"`) }

// allows tells whether a registry with a compatibility level takes a change of a class.
func allows(level string, c schema.Class) bool {
	backward := c != schema.ClassForward && c != schema.ClassBreaking
	forward := c != schema.ClassBackward && c != schema.ClassBreaking
	switch level {
	case "BACKWARD":
		return backward
	case "FORWARD":
		return forward
	}
	return backward && forward
}

// client asks a registry.
type client struct {
	url  string
	http http.Client
}

func newClient(t *testing.T) *client {
	c := &client{url: shared.Registry(t).URL, http: http.Client{Timeout: time.Minute}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// register makes a schema the first version of a subject. It is false if the registry answers that it failed, see known.
func (c *client) register(subject, text string) (bool, error) {
	status, answer, err := c.do(http.MethodPost, "/subjects/"+subject+"/versions", map[string]string{"schema": text})
	if err != nil || status == http.StatusInternalServerError {
		return false, err
	}
	if status != http.StatusOK {
		err = fmt.Errorf("register: %d %s", status, answer)
	}
	return err == nil, err
}

// compatible asks whether a schema may follow in a subject: "true", "false", or the HTTP status if the registry refuses to answer.
func (c *client) compatible(subject, text string) (string, error) {
	status, answer, err := c.do(http.MethodPost, "/compatibility/subjects/"+subject+"/versions/latest", map[string]string{"schema": text})
	if err != nil {
		return "", err
	}
	if status == http.StatusUnprocessableEntity {
		return strconv.Itoa(status), nil
	}
	var verdict struct {
		Compatible bool `json:"is_compatible"`
	}
	if err := json.Unmarshal(answer, &verdict); err != nil || status != http.StatusOK {
		return "", fmt.Errorf("the registry answers %d %s", status, answer)
	}
	return strconv.FormatBool(verdict.Compatible), nil
}

// do sends a request and returns the status and the body of the answer.
func (c *client) do(method, path string, body any) (int, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(method, c.url+path, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, answer, err
}

func (c *client) must(t *testing.T, method, path string, body any) {
	t.Helper()
	status, answer, err := c.do(method, path, body)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, status, answer, err)
	}
}
