package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"ngxtap/pkg/config"
)

// validator compiles the schema of a file with an implementation that is not ours.
func validator(t testing.TB, file config.File) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema(file)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("s.json") // which checks it against the meta-schema of its draft
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is what an editor validates: YAML read as JSON would be.
func asJSON(t testing.TB, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// load puts a configuration of two files into a folder and loads it.
func load(t testing.TB, daemon, site string) (*config.Config, error) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"ngxtap.yaml": daemon, "sites.d/shop.yaml": site} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(filepath.Join(dir, "ngxtap.yaml"))
}

const plainSite = "site: shop\naccess_log: {paths: [/var/log/nginx/shop.log]}\n"

// The examples load, mean just the defaults, and show every key.
func TestExamples(t *testing.T) {
	daemon, site := string(Example(config.DaemonFile)), string(Example(config.SiteFile))
	shown, err := load(t, daemon, site)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := load(t, "", "site: shop\naccess_log: {paths: [/var/log/nginx/access.log]}\n")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(shown.Daemon, plain.Daemon) {
		t.Errorf("example %+v\ndefault %+v", shown.Daemon, plain.Daemon)
	}
	if !shown.Sites[0].Same(&plain.Sites[0]) {
		t.Errorf("example %+v\ndefault %+v", shown.Sites, plain.Sites)
	}
	for file, text := range map[config.File]string{config.DaemonFile: daemon, config.SiteFile: site} {
		if err := validator(t, file).Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		checkUncommented(t, file, text)
	}
}

// checkUncommented takes the "# " from before every key that is shown as a comment, as a user would: each must be where it belongs, and
// its example must be valid.
func checkUncommented(t *testing.T, file config.File, text string) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if body, ok := strings.CutPrefix(strings.TrimLeft(l, " "), "# "); ok && i > 5 && len(l)-len(strings.TrimLeft(l, " ")) < commentColumn {
			lines[i] = l[:len(l)-len(body)-2] + body
		}
	}
	var got any
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &got); err != nil {
		t.Fatalf("%s: with all comments taken away: %v\n%s", file, err, strings.Join(lines, "\n"))
	}
	config.Root(file).Walk(func(k *config.Key) {
		at := got
		for part := range strings.SplitSeq(k.Path, ".") {
			if list, ok := at.([]any); ok {
				at = list[0]
			}
			m, _ := at.(map[string]any)
			v, ok := m[strings.TrimSuffix(part, "[]")]
			if !ok {
				t.Errorf("%s: the example does not show %s", file, k.Path)
				return
			}
			at = v
		}
	})
	if err := validator(t, file).Validate(asJSON(t, strings.Join(lines, "\n"))); err != nil {
		t.Errorf("%s: an example in a comment is not valid: %v", file, err)
	}
}

// What is wrong must be wrong for both: an editor marks what Load refuses.
func TestSchemaAndLoadRefuse(t *testing.T) {
	daemon, site := validator(t, config.DaemonFile), validator(t, config.SiteFile)
	for _, text := range []string{
		"kafak: {}", "kafka: {broker: [a:1]}", "kafka: 9092", "kafka: {brokers: []}", "kafka: {brokers: [kafka]}", "kafka: {brokers: {a: 1}}",
		"kafka: {brokers: [':9092']}", "kafka: {brokers: ['::1:9092']}", "instance: [a]", "instance: a b", "instance: '@replay'", "kafka: {compression: lzma}",
		"kafka: {compression: ''}", "kafka: {delivery: twice}", "kafka: {commit_interval: 200}", "kafka: {commit_interval: soon}", "kafka: {commit_interval: 1 s}",
		"kafka: {partitions: -1}", "kafka: {partitions: 3000000000}", "kafka: {replication_factor: 40000}", "kafka: {partitions: many}",
		"kafka: {create_topics: maybe}", "kafka: {state_topic: a b}", "kafka: {schemas_topic: ''}", "kafka: {on_state_regression: go}",
		"kafka: {sasl: {mechanism: KERBEROS, username: a, password: b}}", "kafka: {sasl: {mechanism: PLAIN, username: a, password: '${}'}}",
		"kafka: {sasl: {mechanism: PLAIN, username: a, password: 'file:'}}", "kafka: {tls: {enabled: soon}}", "kafka: {tls: {ca: x}}",
		"registry: {url: 'ftp://a'}", "registry: {url: 'http://a:b@c'}", "registry: {url: 'http://'}", "registry: {urls: ['x']}", "registry: {framing: bare}",
		"registry: {subject: name}", "admin: {listen: localhost}", "admin: {port: 9464}", "state_dir: ''", "- a", "just words",
	} {
		_, err := load(t, text, plainSite)
		refused(t, text, err, daemon.Validate(asJSON(t, text)))
	}
	const access = "site: shop\naccess_log: {paths: [/x], "
	for _, text := range []string{
		"", "site: shop", "access_log: {paths: [/x]}", "site: ''\naccess_log: {paths: [/x]}", "site: shop\naccess_log: {}", "site: shop\naccess_log:\n",
		"site: shop\naccess_log: {paths: []}", "site: shop\naccess_log: {paths: ['']}", plainSite + "topik: x", plainSite + "topic: a b",
		plainSite + "topic: " + strings.Repeat("x", 239), plainSite + "partition_by: a-b", plainSite + "partition_by: ''", plainSite + "addresses: shorten",
		plainSite + "outputs: []", plainSite + "outputs: [s3]", plainSite + "quarantine: {raw: masked}", plainSite + "on_change: {breaking: stop}",
		plainSite + "on_change: {forward: stop}", plainSite + "on_change: {refused: evolve}", plainSite + "data_changes: {rejected_share: 0}",
		plainSite + "data_changes: {header_share: 1.5}", plainSite + "data_changes: {report: 7x}", plainSite + "headers: {secrets: keep}",
		plainSite + "headers: {allow: ['x-*-y']}", plainSite + "headers: {deny: ['']}", plainSite + "headers: {deny: ['**']}", plainSite + "headers: {keep: ['']}",
		plainSite + "headers: {cookies: {keep: ['']}}", plainSite + "headers: {max_headers: 0}", plainSite + "headers: {max_headers: 10001}",
		plainSite + "headers: {max_value: 8}", plainSite + "headers: {max_value: 2000000}", plainSite + "headers: {max_value: much}",
		access + "start_at: middle}", access + "max_line: 1}", access + "held_bytes: 1000}", access + "escape: html, log_format: x}",
		access + "types: [{name: a}]}", access + "types: [{type: long}]}", access + "types: [{name: $a, type: long}]}", access + "types: [{name: a, type: float}]}",
		access + "types: {app_ms: long}}", access + "types: [app_ms=long]}", access + "rotated_dirs: ['']}", access + "trust_unescaped: perhaps}",
	} {
		_, err := load(t, "", text)
		refused(t, text, err, site.Validate(asJSON(t, text)))
	}
}

func refused(t *testing.T, text string, byLoad, bySchema error) {
	t.Helper()
	if byLoad == nil {
		t.Errorf("Load takes\n%s", text)
	}
	if bySchema == nil {
		t.Errorf("the JSON Schema takes\n%s", text)
	}
}

// What Load takes, an editor does not mark.
func TestSchemaAndLoadTake(t *testing.T) {
	daemon, site := validator(t, config.DaemonFile), validator(t, config.SiteFile)
	t.Setenv("RENDER_TEST_SECRET", "sixteen characters")
	for _, text := range []string{
		"", "kafka:\n", "kafka: {sasl: , tls: , brokers: }", "registry: {urls: }", "admin:", "kafka: {brokers: ['[::1]:9092', a.b:1]}", "admin: {listen: ':9464'}", "admin: {listen: ''}",
		"admin: {listen: 'off'}", "admin: {listen: '[::]:1'}", "instance: ''", "kafka: {commit_interval: 1.5s, request_timeout: 1m30s, transaction_timeout: +30s}",
		"registry: {url: 'HTTPS://x/y?z@', framing: '', urls: [], token: '${RENDER_TEST_SECRET}'}", "kafka: {sasl: {mechanism: '', username: '', password: ''}}",
		"kafka: {partitions: 2147483647, replication_factor: 3}", "x: &a 1\n",
	} {
		_, err := load(t, text, plainSite)
		if strings.HasPrefix(text, "x:") { // shows that this test could fail
			refused(t, text, err, daemon.Validate(asJSON(t, text)))
			continue
		}
		taken(t, text, err, daemon.Validate(asJSON(t, text)))
	}
	const access = "site: shop\naccess_log: {paths: [/x], "
	for _, text := range []string{
		plainSite, plainSite + "topic: ''", plainSite + "headers: {allow: ['*', 'x*', '*x', '*x*'], hash_key: '${RENDER_TEST_SECRET}', keep: }", plainSite + "on_change: {full: '', forward: hold}",
		access + "max_line: 5000}", access + "max_line: 64 KiB}", access + "held_bytes: 10GB}", access + "types: []}", access + "types: }", access + "escape: ''}", access + "log_format: '', format: ''}",
		access + "types: [{name: 9a, type: long}]}", plainSite + "data_changes: {rejected_share: 1, header_share: 1e-3}", plainSite + "partition_by: host",
	} {
		_, err := load(t, "", text)
		taken(t, text, err, site.Validate(asJSON(t, text)))
	}
	quick, err := filepath.Glob("../../../configs/quickstart/sites.d/*.yaml")
	if err != nil || len(quick) == 0 {
		t.Fatal("no quickstart", err)
	}
	for _, file := range append(quick, "../../../configs/quickstart/ngxtap.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		v := site
		if strings.HasSuffix(file, "ngxtap.yaml") {
			v = daemon
		}
		if err := v.Validate(asJSON(t, string(text))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if _, err := config.Load("../../../configs/quickstart/ngxtap.yaml"); err != nil {
		t.Error(err)
	}
}

func taken(t *testing.T, text string, byLoad, bySchema error) {
	t.Helper()
	if byLoad != nil {
		t.Errorf("Load refuses\n%s\n%v", text, byLoad)
	}
	if bySchema != nil {
		t.Errorf("the JSON Schema refuses\n%s\n%v", text, bySchema)
	}
}

// Every value that the tags allow is allowed by both, and none else.
func TestEveryAllowedValue(t *testing.T) {
	daemon, site := validator(t, config.DaemonFile), validator(t, config.SiteFile)
	n := 0
	for _, file := range []config.File{config.DaemonFile, config.SiteFile} {
		config.Root(file).Walk(func(k *config.Key) {
			for _, value := range append(k.OneOf, "no-such-value") {
				if k.OneOf == nil || strings.Contains(k.Path, "[]") {
					continue
				}
				n++
				text := nested(k, value)
				var byLoad, bySchema error
				if file == config.DaemonFile {
					_, byLoad = load(t, text, plainSite)
					bySchema = daemon.Validate(asJSON(t, text))
				} else {
					text = mergeSite(t, text)
					_, byLoad = load(t, "", text)
					bySchema = site.Validate(asJSON(t, text))
				}
				says := byLoad != nil && strings.Contains(byLoad.Error(), k.Path+`: "`+value+`" is not one of `) // other keys may be missing
				if bad := value == "no-such-value"; bad != says || bad != (bySchema != nil) {
					t.Errorf("%s: %s: Load says %v, the JSON Schema %v", k.Path, value, byLoad, bySchema)
				}
			}
		})
	}
	if n < 40 {
		t.Errorf("only %d values", n)
	}
}

// Load never takes what an editor marks, whatever keys are set together, as long as values have the type of YAML that they stand for.
func TestSchemaIsNeverStricter(t *testing.T) {
	schemas := map[config.File]*jsonschema.Schema{config.DaemonFile: validator(t, config.DaemonFile), config.SiteFile: validator(t, config.SiteFile)}
	taken := map[config.File]int{}
	rapid.Check(t, func(rt *rapid.T) {
		file := rapid.SampledFrom([]config.File{config.DaemonFile, config.SiteFile}).Draw(rt, "file")
		doc := randomSection(rt, config.Root(file), seldom)
		if file == config.SiteFile && rapid.SampledFrom(mostly).Draw(rt, "complete") {
			doc["site"] = "shop"
			access, _ := doc["access_log"].(map[string]any)
			if access == nil {
				access = map[string]any{}
				doc["access_log"] = access
			}
			access["paths"] = []any{"/x"}
		}
		b, err := yaml.Marshal(doc)
		if err != nil {
			rt.Fatal(err)
		}
		text := string(b)
		var byLoad error
		if file == config.DaemonFile {
			_, byLoad = load(t, text, plainSite)
		} else {
			_, byLoad = load(t, "", text)
		}
		if byLoad == nil {
			taken[file]++
			if err := schemas[file].Validate(asJSON(t, text)); err != nil {
				rt.Fatalf("Load takes\n%s\n%v", text, err)
			}
		}
	})
	t.Logf("valid: %v", taken)
	if !t.Failed() && (taken[config.DaemonFile] < 3 || taken[config.SiteFile] < 3) {
		t.Errorf("hardly anything was valid: %v", taken)
	}
}

// someTexts are texts that suit one key or another.
var someTexts = []any{"", "x", "a b", "shop", "a:1", "[::1]:2", ":3", "off", "http://a:1", "https://u:p@a", "HTTP://A/b", "none", "host", "*", "x-*", "**", "x y", "$a", "file:", "${}", "/x", "1.5",
	strings.Repeat("y", 101), strings.Repeat("z", 240), strings.Repeat("k", 20), "É", "a\nb"}

// How many of the keys are set.
var seldom, mostly = append(make([]bool, 29), true), []bool{true, true, true, true, false}

// randomSection is a section with some of its keys set.
func randomSection(rt *rapid.T, section *config.Key, set []bool) map[string]any {
	m := map[string]any{}
	for _, k := range section.Keys {
		if (k.Kind != config.Section || k.List) && !rapid.SampledFrom(set).Draw(rt, k.Path) {
			continue
		}
		switch {
		case k.List:
			list := []any{}
			for range rapid.IntRange(0, 2).Draw(rt, "items") {
				if k.Kind == config.Section {
					list = append(list, randomSection(rt, k, mostly))
				} else {
					list = append(list, randomValue(rt, k))
				}
			}
			m[k.Name] = list
		case k.Kind == config.Section:
			m[k.Name] = randomSection(rt, k, set)
		default:
			m[k.Name] = randomValue(rt, k)
		}
	}
	return m
}

func randomValue(rt *rapid.T, k *config.Key) any {
	pick := func(all ...any) any { return rapid.SampledFrom(all).Draw(rt, "value of "+k.Path) }
	switch k.Kind {
	case config.Bool:
		return pick(true, false)
	case config.Number:
		return pick(-1, 0, 1, 256, 10000, 10001, 32767, 32768, 2147483647, 2147483648)
	case config.Fraction:
		return pick(-0.5, 0, 0.0001, 0.5, 1, 1.01)
	case config.Duration:
		return pick("0", "-1s", "9ms", "10ms", "1s", "1.5s", "1m30s", "+2s", ".5s", "1.s", "15m", "1h", "2h", "1d", "s", "1 s", "100µs")
	case config.Bytes:
		return pick(0, 1, 64, 4096, 65536, 1048576, 1048577, "1MiB", "64 kB", "+9KiB", " 5000 ", "1 TiB", "1.5MiB", "2GiB", "8B", "-1")
	}
	texts := someTexts
	for _, v := range k.OneOf {
		texts = append(texts[:len(texts):len(texts)], v, v, v, v)
	}
	return pick(texts...)
}

// nested is a file in which only one key is set.
func nested(k *config.Key, value string) string {
	var b strings.Builder
	parts := strings.Split(k.Path, ".")
	for i, p := range parts {
		fmt.Fprintf(&b, "%s%s:", strings.Repeat("  ", i), p)
		if i < len(parts)-1 {
			b.WriteByte('\n')
		}
	}
	if k.List {
		return b.String() + " [" + value + "]\n"
	}
	return b.String() + " " + value + "\n"
}

// mergeSite adds what every site needs.
func mergeSite(t *testing.T, text string) string {
	t.Helper()
	m := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	m["site"] = "shop"
	access, _ := m["access_log"].(map[string]any)
	if access == nil {
		access = map[string]any{}
		m["access_log"] = access
	}
	access["paths"] = []string{"/x"}
	out, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
