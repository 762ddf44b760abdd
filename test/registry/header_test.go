package registry

// Shows that the framing `header` does what Confluent's clients expect: what pkg/sink/kafka writes with the header of a schema's id
// or GUID is read by Confluent's own deserializer and by `ngxtap cat`, beside records with the id in the value.

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
	"ngxtap/test/components"
)

const numbered = `{"type":"record","name":"E","namespace":"test","fields":[{"name":"n","type":"long"},{"name":"s","type":"string"}]}`

// datum is {"n":0,"s":"täglich"}: it begins with the byte that marks an id in the value, and must not be taken for one. It has more
// than five bytes, for Confluent's client for Python refuses shorter values, header or not.
const datum = "\x00\x10täglich"

func TestHeaderFraming(t *testing.T) {
	k, ngxtap := shared.Kafka(t), build(t)
	for _, c := range []struct {
		name, url string
		guid      bool
	}{
		{"id", shared.Registry(t).URL, false},
		{"guid", newer(t), true}, // the registry of components.md is older than GUIDs
	} {
		t.Run(c.name, func(t *testing.T) {
			topic := "header-" + c.name
			if _, err := open(t, c.url).Register(t.Context(), topic+"-value", numbered); err != nil {
				t.Fatal(err)
			}
			id, err := open(t, c.url).Register(t.Context(), topic+"-value", numbered) // by lookup, where the newer one gives the GUID
			if err != nil || id.HasGUID != c.guid {
				t.Fatalf("id %+v, %v", id, err)
			}
			h := &sink.Header{Name: schema.HeaderName, Value: schema.AppendHeader(nil, id)}
			produce(t, k, topic, func(b *sink.Batch) {
				b.Header, b.Buf = h, append(b.Buf, datum...)
				b.Add(sink.Events, time.Now().UnixMicro())
				b.Header, b.Buf = nil, append(schema.AppendConfluent(b.Buf, id.Number), datum...)
				b.Add(sink.Events, time.Now().UnixMicro())
			})

			headers := `{"__value_schema_id": "` + hex.EncodeToString(h.Value) + `"}`
			want := `{"headers": ` + headers + `, "event": {"n": 0, "s": "t\u00e4glich"}}` + "\n" + `{"headers": {}, "event": {"n": 0, "s": "t\u00e4glich"}}` + "\n"
			if got := components.Python(t, "reader.py", "--bootstrap", k.Bootstrap, "--registry", c.url, topic); string(got) != want {
				t.Errorf("Confluent's client reads\n%swant\n%s", got, want)
			}

			config := filepath.Join(t.TempDir(), "ngxtap.yaml")
			text := fmt.Sprintf("state_dir: %s\nkafka: {brokers: ['%s']}\nregistry: {url: '%s', framing: header}\nadmin: {listen: 'off'}\n", t.TempDir(), k.Bootstrap, c.url)
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cat := exec.CommandContext(t.Context(), ngxtap, "cat", "-c", config, topic)
			var errs bytes.Buffer
			cat.Stderr = &errs
			out, err := cat.Output()
			if want := "{\"n\":0,\"s\":\"täglich\"}\n"; err != nil || string(out) != want+want {
				t.Errorf("ngxtap cat: %v\n%s%s", err, out, &errs)
			}
		})
	}
}

// The daemon marks events and quarantined lines with the ids of their schemas, each with its own.
func TestDaemonWithHeaderFraming(t *testing.T) {
	k, ngxtap, url, dir := shared.Kafka(t), build(t), shared.Registry(t).URL, t.TempDir()
	const topic = "nginx.headers.access"
	log := "200 one\nno status\n404 two\nno status either\n"
	for name, text := range map[string]string{
		"access.log": log,
		"ngxtap.yaml": fmt.Sprintf("instance: web-01\nstate_dir: state\nkafka: {brokers: ['%s']}\nregistry: {url: '%s', framing: header}\nadmin: {listen: 'off'}\n",
			k.Bootstrap, url),
		"sites.d/headers.yaml": "site: headers\naccess_log: {paths: [../access.log], log_format: '$status $http_x_name'}\ntopic: " + topic + "\nquarantine: {raw: clear}\n",
	} {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), ngxtap, "run", "--once", "-c", filepath.Join(dir, "ngxtap.yaml"))
	out, err := run.CombinedOutput()
	if run.ProcessState.ExitCode() != 3 { // some lines were rejected
		t.Fatalf("ngxtap run: %v\n%s", err, out)
	}
	for _, c := range []struct {
		topic string
		parts []string // of the events, in order
	}{
		{topic, []string{`"x-name": ["one"]`, `"x-name": ["two"]`}},
		{topic + ".quarantine", []string{`no status'`, `no status either'`}},
	} {
		id, _, _, found, err := open(t, url).Latest(t.Context(), c.topic+"-value")
		if err != nil || !found {
			t.Fatalf("%s: %v, %v", c.topic, found, err)
		}
		got := string(components.Python(t, "reader.py", "--bootstrap", k.Bootstrap, "--registry", url, c.topic))
		lines := strings.Split(strings.TrimSpace(got), "\n")
		mark := `{"headers": {"__value_schema_id": "` + hex.EncodeToString(schema.AppendHeader(nil, id)) + `"}, "event": {`
		for i, want := range c.parts {
			if len(lines) != len(c.parts) || !strings.HasPrefix(lines[i], mark) || !strings.Contains(lines[i], want) {
				t.Errorf("%s: want %d events, the next with %s and %s, got\n%s", c.topic, len(c.parts), mark, want, got)
				break
			}
		}
	}
}

// newer starts a registry that knows GUIDs.
func newer(t *testing.T) string {
	reg := srfake.New()
	t.Cleanup(reg.Close)
	return reg.URL()
}

// build makes the ngxtap of this checkout.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ngxtap")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/ngxtap")
	cmd.Dir = components.Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/ngxtap: %v\n%s", err, out)
	}
	return path
}

// produce writes one batch and commits it.
func produce(t *testing.T, k *components.Kafka, topic string, fill func(*sink.Batch)) {
	t.Helper()
	s, err := kafka.New(kafka.Config{Brokers: []string{k.Bootstrap}, Instance: "web-01", Site: topic, Topic: topic, Host: "host-a", CreateTopics: true,
		Owner: kafka.NewOwner()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := sink.NewBatch(1024, nil)
	fill(b)
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), sink.Position("done")); err != nil {
		t.Fatal(err)
	}
}

// A schema that refers to other subjects, registered the usual way, comes back as one text that decodes.
func TestReferencesOfARegistry(t *testing.T) {
	c := newClient(t)
	c.must(t, "POST", "/subjects/ref-color/versions", map[string]any{"schema": `{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}`})
	c.must(t, "POST", "/subjects/ref-item/versions", map[string]any{"schema": `{"type":"record","name":"n.Item","fields":[{"name":"color","type":"Color"}]}`,
		"references": []map[string]any{{"name": "n.Color", "subject": "ref-color", "version": 1}}})
	c.must(t, "POST", "/subjects/ref-order/versions", map[string]any{"schema": `{"type":"record","name":"n.Order","fields":[{"name":"items","type":{"type":"array","items":"Item"}},{"name":"color","type":"Color"}]}`,
		"references": []map[string]any{{"name": "n.Item", "subject": "ref-item", "version": 1}, {"name": "n.Color", "subject": "ref-color", "version": 1}}})
	r := open(t, c.url)
	id, version, text, found, err := r.Latest(t.Context(), "ref-order")
	if err != nil || !found || version != 1 {
		t.Fatalf("%v, version %d, %v, %v", id, version, found, err)
	}
	want := `{"type":"record","name":"n.Order","fields":[{"name":"items","type":{"type":"array","items":{"type":"record","name":"n.Item","fields":[
		{"name":"color","type":{"type":"enum","name":"n.Color","symbols":["RED","GREEN"]}}]}}},{"name":"color","type":"n.Color"}]}`
	if change, err := schema.Compare(want, text); err != nil || change.Class != schema.ClassNone {
		t.Errorf("%+v, %v\n%s", change, err, text)
	}
	if byID, err := r.Schema(t.Context(), id.Number); err != nil || byID != text {
		t.Errorf("by id: %s, %v", byID, err)
	}
	var tree struct{ Fields []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &tree); err != nil || !slices.ContainsFunc(tree.Fields, func(f json.RawMessage) bool { return bytes.Contains(f, []byte("GREEN")) }) {
		t.Errorf("the types are not written out: %s, %v", text, err)
	}
}
