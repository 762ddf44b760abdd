// Package evolution shows what happens when the format of a log changes while everything runs: a real Nginx that is edited and reloaded
// under load, a real Kafka, a real registry that minds compatibility, the real ngxtap. Every line is decoded by the format that wrote it,
// each event bears the schema of its own line, each change is announced once, and nothing is lost, doubled or put into quarantine
// that a policy did not put there. The judges are package oracle and a reader in Python; neither shares code with ngxtap.
package evolution

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// long is how long one step may take on a machine that is slow and busy.
const long = 3 * time.Minute

// changesTopic is where ngxtap announces changes.
const changesTopic = "ngxtap.schema-changes"

// shared holds the Kafka and the registry of all tests of this package. The global level of the registry is BACKWARD.
var shared components.Shared

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return shared.Run(m)
}

// errAgain asks a poll to go on.
var errAgain = errors.New("not yet")

// brokers returns the shared Kafka's addresses.
func brokers(t *testing.T) []string {
	t.Helper()
	return strings.Split(shared.Kafka(t).Bootstrap, ",")
}

// within bounds one step of a test.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	t.Cleanup(cancel)
	return ctx
}

// changes returns what was announced of a site so far.
func changes(t *testing.T, src oracle.Source) []oracle.Change {
	t.Helper()
	all, err := oracle.Changes(within(t), src, changesTopic)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// awaitChanges waits until so many changes of a site are announced and returns them. More are an error.
func awaitChanges(t *testing.T, daemon *components.Program, src oracle.Source, want int) []oracle.Change {
	t.Helper()
	var all []oracle.Change
	components.Eventually(t, long, func() error {
		if err := daemon.Alive(); err != nil {
			return err
		}
		if all = changes(t, src); len(all) < want {
			return fmt.Errorf("%d of %d changes of site %s are announced", len(all), want, src.Site)
		}
		return nil
	})
	if len(all) > want {
		t.Fatalf("%d changes of site %s are announced, want %d:\n%s", len(all), src.Site, want, told(all))
	}
	return all
}

// told lists changes for people.
func told(all []oracle.Change) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%s %s (%s) %s: %s\n", c.Source, c.Class, c.Action, c.Format, c.Text)
	}
	return b.String()
}

// health returns the status and the text of /healthz.
func health(t *testing.T, admin string) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(text), err
}

// setLevel sets the compatibility level of a subject that exists.
func setLevel(t *testing.T, registry, subject, level string) {
	t.Helper()
	if status, answer := ask(t, http.MethodPut, registry+"/config/"+subject, `{"compatibility":"`+level+`"}`); status != http.StatusOK {
		t.Fatalf("set the level of %s to %s: %d: %s", subject, level, status, answer)
	}
}

// ask sends a request to the registry.
func ask(t *testing.T, method, url, body string) (status int, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}
