package e2e

// Shows: the Python readers accept what is right and name what is wrong. The messages are made by hand here, with goavro, so a
// mistake of ngxtap can't hide one of the readers.

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"ngxtap/test/components"
)

// handSchema has the fields of the contract that verify.py looks at.
const handSchema = `{"type":"record","name":"AccessEvent","namespace":"ngxtap.hand","fields":[
{"name":"event_time","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"site","type":"string"},
{"name":"origin","type":{"type":"record","name":"Origin","fields":[{"name":"host","type":"string"},{"name":"file","type":"string"},
{"name":"offset","type":"long"},{"name":"length","type":"int"},{"name":"crc32c","type":"int"}]}},
{"name":"remote_addr","type":["null","string"]},{"name":"remote_user","type":["null","string"]},{"name":"method","type":["null","string"]},
{"name":"path","type":["null","string"]},{"name":"query","type":["null","string"]},{"name":"protocol","type":["null","string"]},
{"name":"status","type":["null","int"]},{"name":"body_bytes_sent","type":["null","long"]},
{"name":"request_headers","type":{"type":"map","values":{"type":"array","items":"string"}}},
{"name":"response_headers","type":{"type":"map","values":{"type":"array","items":"string"}}},
{"name":"invalid_utf8","type":{"type":"array","items":"string"}}]}`

// hand is a small world: requests, the log lines they made, and their events.
type hand struct {
	codec  *goavro.Codec
	sent   []exchange
	lines  []string
	events []map[string]any
}

// newHand makes n requests, all right.
func newHand(t *testing.T, n int) *hand {
	t.Helper()
	codec, err := goavro.NewCodec(handSchema)
	if err != nil {
		t.Fatal(err)
	}
	h := &hand{codec: codec}
	offset := 0
	str := func(s string) any { return goavro.Union("string", s) }
	for i := range n {
		id := fmt.Sprintf("r%d", i)
		line := "line of " + id
		h.sent = append(h.sent, exchange{ID: id, Method: "GET", Target: []byte("/p?q=\xff"), Status: 200, Body: 5,
			Request:  []pair{p("X-E2e-Id", id), p("X-Bad", "a\xe2\x82(\xff"), p("x-bad", "é"), p("Cookie", "very-secret")},
			Response: []pair{p("Server", "nginx"), p("Content-Length", "5")}})
		h.lines = append(h.lines, line)
		h.events = append(h.events, map[string]any{
			"event_time": time.Unix(1_800_000_000, 0), "site": "hand", "remote_addr": str("127.0.0.1"), "remote_user": nil,
			"origin": map[string]any{"host": "h", "file": "g1", "offset": offset, "length": len(line),
				"crc32c": int32(crc32.Checksum([]byte(line), crc32.MakeTable(crc32.Castagnoli)))},
			"method": str("GET"), "path": str("/p"), "query": str("q=\uFFFD"), "protocol": str("HTTP/1.1"),
			"status": goavro.Union("int", 200), "body_bytes_sent": goavro.Union("long", 5),
			// One U+FFFD for a sequence that is cut short, one for a byte that never begins one.
			"request_headers": map[string]any{"x-e2e-id": []string{id}, "x-bad": []string{"a\uFFFD(\uFFFD", "é"},
				"cookie": []string{"hmac-sha256:00"}},
			"response_headers": map[string]any{"content-length": []string{"5"}},
			"invalid_utf8":     []string{"query", "request_headers.x-bad"},
		})
		offset += len(line) + 1
	}
	return h
}

// headers returns the request headers of event i, for spoiling.
func (h *hand) headers(i int) map[string]any { return h.events[i]["request_headers"].(map[string]any) }

// produce sends values to a topic in one transaction, which it commits or aborts.
func produce(t *testing.T, k *components.Kafka, commit kgo.TransactionEndTry, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.Bootstrap, ",")...), kgo.TransactionalID("hand-"+t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, commit); err != nil {
		t.Fatal(err)
	}
}

// records encodes the events with a prefix before each.
func (h *hand) records(t *testing.T, topic string, prefix []byte) []*kgo.Record {
	t.Helper()
	var out []*kgo.Record
	for _, event := range h.events {
		value, err := h.codec.BinaryFromNative(bytes.Clone(prefix), event)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, &kgo.Record{Topic: topic, Value: value})
	}
	return out
}

// register puts a schema into the registry and returns the framing prefix of its id.
func register(t *testing.T, r *components.Registry, subject, schema string) []byte {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schema": schema})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(r.URL+"/subjects/"+subject+"/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ ID uint32 }
	if err := json.Unmarshal(answer, &got); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("register: %s: %s", resp.Status, answer)
	}
	return binary.BigEndian.AppendUint32([]byte{0}, got.ID)
}

// verify runs verify.py on the hand's topic and returns its exit code and what it wrote to standard error.
func (h *hand) verify(t *testing.T, k *components.Kafka, topic string, more ...string) (code int, stderr string) {
	t.Helper()
	log := t.TempDir() + "/access.log"
	writeFile(t, log, strings.Join(h.lines, "\n")+"\n")
	args := append([]string{"--bootstrap", k.Bootstrap, "--topic", topic, "--site", "hand", "--secret", "very-secret",
		"--sent", writeLines(t, "sent.jsonl", h.sent), "--files", writeLines(t, "files.jsonl", describe(t, log))}, more...)
	_, stderr, code = components.TryPython(t, "verify.py", args...)
	return code, stderr
}

func TestReaderAcceptsAndRefuses(t *testing.T) {
	k, r := shared.Kafka(t), shared.Registry(t)
	prefix := register(t, r, "hand-value", handSchema)
	tests := []struct {
		name  string
		spoil func(h *hand)
		want  string // part of standard error; "" for none at all
	}{
		{"all right", func(*hand) {}, ""},
		{"lost", func(h *hand) { h.events = slices.Delete(h.events, 1, 2) }, "request r1 has no event"},
		{"lost line", func(h *hand) { h.events = slices.Delete(h.events, 1, 2) }, "the line at offset 11, length 10"},
		{"twice", func(h *hand) { h.events = append(h.events, h.events[2]) }, "request r2 again"},
		{"out of order", func(h *hand) { h.events[0], h.events[1] = h.events[1], h.events[0] }, "out of order"},
		{"other header", func(h *hand) { h.headers(1)["x-bad"] = []string{"a\uFFFD\uFFFD(\uFFFD", "é"} }, "x-bad is"},
		{"header lost", func(h *hand) { delete(h.headers(1), "x-bad") }, "x-bad is None"},
		{"header too many", func(h *hand) { h.headers(1)["x-new"] = []string{""} }, "x-new is ['']"},
		{"secret in clear", func(h *hand) { h.headers(1)["cookie"] = []string{"very-secret"} }, "in clear text"},
		{"wrong checksum", func(h *hand) { h.events[1]["origin"].(map[string]any)["crc32c"] = 1 }, "crc 00000001 is there 1 times too often"},
		{"wrong status", func(h *hand) { h.events[1]["status"] = goavro.Union("int", 404) }, "status is 404, want 200"},
		{"repair not told", func(h *hand) { h.events[1]["invalid_utf8"] = []string{} }, "invalid_utf8"},
		{"wrong site", func(h *hand) { h.events[1]["site"] = "other" }, "site is 'other'"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			topic := fmt.Sprintf("hand-%d", i)
			k.CreateTopic(t, topic, 1)
			h := newHand(t, 3)
			produce(t, k, kgo.TryAbort, h.records(t, topic, prefix)...) // must not be seen
			tt.spoil(h)
			produce(t, k, kgo.TryCommit, h.records(t, topic, prefix)...)
			code, stderr := h.verify(t, k, topic, "--framing", "confluent", "--registry", r.URL)
			if right := tt.want == ""; right != (code == 0) || right != (stderr == "") || !strings.Contains(stderr, tt.want) {
				t.Errorf("exit code %d; standard error, which should say %q:\n%s", code, tt.want, stderr)
			}
		})
	}
}

func TestReaderKnowsSingleObjectFraming(t *testing.T) {
	k := shared.Kafka(t)
	h := newHand(t, 3)
	// goavro's canonical form keeps {"type":"long"} where a logical type was, which the specification reduces to "long".
	bare, err := goavro.NewCodec(strings.Replace(handSchema, `{"type":"long","logicalType":"timestamp-micros"}`, `"long"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := binary.LittleEndian.AppendUint64(nil, bare.Rabin)
	prefix := append([]byte{0xC3, 0x01}, fingerprint...)
	args := []string{"--framing", "single-object", "--schemas-topic"}
	setup := func(t *testing.T, name string, key []byte) string {
		for _, topic := range []string{name, name + "-schemas"} {
			k.CreateTopic(t, topic, 1)
		}
		produce(t, k, kgo.TryCommit, append(h.records(t, name, prefix), &kgo.Record{Topic: name + "-schemas", Key: key, Value: []byte(handSchema)})...)
		return name
	}
	t.Run("right", func(t *testing.T) {
		topic := setup(t, "single-right", fingerprint)
		if code, stderr := h.verify(t, k, topic, append(args, topic+"-schemas")...); code != 0 {
			t.Errorf("exit code %d:\n%s", code, stderr)
		}
	})
	t.Run("wrong fingerprint", func(t *testing.T) {
		topic := setup(t, "single-wrong", []byte("abcdefgh"))
		if code, stderr := h.verify(t, k, topic, append(args, topic+"-schemas")...); code == 0 || !strings.Contains(stderr, "fingerprint") {
			t.Errorf("exit code %d:\n%s", code, stderr)
		}
	})
}
