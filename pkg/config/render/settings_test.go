package render

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"ngxtap/pkg/config"
)

// settingsOf loads a configuration and returns it with what it prints.
func settingsOf(t testing.TB, daemon, site string) (c *config.Config, daemonYAML, siteYAML string) {
	t.Helper()
	c, err := load(t, daemon, site)
	if err != nil {
		t.Fatal(err)
	}
	return c, string(YAML(c.Settings())), string(YAML(c.Sites[0].Settings()))
}

// line returns the line of a text that holds a key.
func line(t testing.TB, text, key string) string {
	t.Helper()
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(l, " -"), key+":") {
			return strings.Join(strings.Fields(l), " ")
		}
	}
	t.Errorf("no %s in\n%s", key, text)
	return ""
}

func TestOrigins(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(secret, []byte("from-a-file-1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NGXTAP_KAFKA_COMMIT_INTERVAL", "1s")
	t.Setenv("NGXTAP_KAFKA_BROKERS", "a:1,b:2")
	t.Setenv("NGXTAP_KAFKA_STATE_TOPIC", "") // counts as none
	t.Setenv("NGXTAP_REGISTRY_TOKEN", "file:"+secret)
	t.Setenv("RENDER_PW", "hunter2hunter2hunter2")
	c, daemon, site := settingsOf(t, "instance: web-1\nkafka:\n  commit_interval: 300ms\n  compression:\n  sasl: {mechanism: SCRAM-SHA-512, username: u, password: '${RENDER_PW}'}\nregistry:\n  url: http://a:1\n  urls: [http://b:1]\n",
		plainSite+"headers:\n  hash_key: literal-key-of-the-site\non_change: {compatible: hold}\n")
	file, siteFile := c.Files[0], c.Files[1]
	for key, want := range map[string]string{
		"instance":        "instance: web-1 # " + file + ":1",
		"brokers":         "brokers: ['a:1', 'b:2'] # environment variable NGXTAP_KAFKA_BROKERS",
		"commit_interval": "commit_interval: 1s # environment variable NGXTAP_KAFKA_COMMIT_INTERVAL",
		"compression":     "compression: lz4 # default", // "compression:" with nothing behind it
		"state_topic":     "state_topic: ngxtap.state # default",
		"mechanism":       "mechanism: SCRAM-SHA-512 # " + file + ":5",
		"password":        "password: '[redacted]' # " + file + ":5, ${RENDER_PW}",
		"url":             "url: http://a:1 # " + file + ":7",
		"urls":            "urls: ['http://b:1'] # " + file + ":8",
		"framing":         "framing: confluent # default: confluent with a registry, else single-object",
		"listen":          "listen: 127.0.0.1:9464 # default",
	} {
		got := line(t, daemon, key)
		if strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(want, "'", "") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	// There is another key of this name, kafka.sasl.token.
	if want := "token: [redacted] # environment variable NGXTAP_REGISTRY_TOKEN, file:" + secret; !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(daemon, "'", "")), " "), want) {
		t.Errorf("want %s in\n%s", want, daemon)
	}
	for key, want := range map[string]string{
		"site":       "site: shop # " + siteFile + ":1",
		"paths":      "paths: [/var/log/nginx/shop.log] # " + siteFile + ":2",
		"hash_key":   "hash_key: [redacted] # " + siteFile + ":4",
		"topic":      "topic: nginx.shop.access # default: nginx.SITE.access",
		"compatible": "compatible: hold # " + siteFile + ":5",
		"full":       "full: hold # default: as compatible",
	} {
		if got := line(t, site, key); strings.ReplaceAll(got, "'", "") != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	text, err := json.Marshal([]any{Values(c.Settings()), Origins(c.Settings()), Values(c.Sites[0].Settings()), Origins(c.Sites[0].Settings())})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "from-a-file", "literal-key"} {
		if strings.Contains(daemon+site+string(text), secret) {
			t.Errorf("%s is printed", secret)
		}
	}
}

// An error in a value from the environment names the variable, not a line of the file that is right.
func TestErrorsNameTheVariable(t *testing.T) {
	t.Setenv("NGXTAP_KAFKA_COMPRESSION", "lzma")
	t.Setenv("NGXTAP_KAFKA_PARTITIONS", "many")
	_, err := load(t, "kafka: {compression: lz4}\n", plainSite)
	if err == nil || !strings.Contains(err.Error(), "environment variable NGXTAP_KAFKA_PARTITIONS: kafka.partitions") {
		t.Errorf("%v", err)
	}
	t.Setenv("NGXTAP_KAFKA_PARTITIONS", "")
	_, err = load(t, "kafka: {compression: lz4}\n", plainSite)
	if err == nil || !strings.Contains(err.Error(), `environment variable NGXTAP_KAFKA_COMPRESSION: kafka.compression: "lzma" is not one of`) {
		t.Errorf("%v", err)
	}
}

// Whatever is configured, what is printed is valid YAML that means the same when it is loaded.
func TestYAMLRoundTrip(t *testing.T) {
	texts := rapid.OneOf(rapid.SampledFrom([]string{"off", "yes", "null", "~", "1", "0x1f", "1e3", "12:30", "a: b", "a #b", "# a", "[x]", "{a}", "- a", "a,b", "'", `"`, `\`, "${X", "%a", "@a", "`a",
		"!a", "&a", "*a", "|", ">", "?", "a\nb", "\t", " a ", "é", "\u0085", "\u202e", "\u009b", "🙂", "true", "2026-01-01", ".inf", "<<", "="}),
		rapid.StringMatching(`[ -~]{1,20}`), rapid.String().Filter(func(s string) bool { return s != "" }))
	rapid.Check(t, func(rt *rapid.T) {
		format, prefix := texts.Draw(rt, "format"), texts.Draw(rt, "prefix")
		keep := rapid.SliceOfN(texts, 0, 3).Draw(rt, "keep")
		in := map[string]any{"site": "shop", "access_log": map[string]any{"paths": []string{"/x"}, "log_format": format, "types": []map[string]string{{"name": "a", "type": "long"}, {"name": "b", "type": "int"}}},
			"headers": map[string]any{"keep": keep, "promote": keep}, "topic": "x"}
		text, err := yaml.Marshal(in)
		if err != nil {
			rt.Fatal(err)
		}
		text2, err := yaml.Marshal(map[string]any{"kafka": map[string]any{"tls": map[string]any{"server_name": prefix}}})
		if err != nil {
			rt.Fatal(err)
		}
		c, err := load(t, string(text2), string(text))
		if err != nil {
			rt.Skip(err) // not every text is a valid value
		}
		again, err := load(t, string(YAML(c.Settings())), string(YAML(c.Sites[0].Settings())))
		if err != nil {
			rt.Fatalf("%v\n%s\n%s", err, YAML(c.Settings()), YAML(c.Sites[0].Settings()))
		}
		for _, x := range []*config.Config{c, again} {
			if x.Registry.URLs == nil {
				x.Registry.URLs = []string{}
			}
		}
		if !reflect.DeepEqual(c.Daemon, again.Daemon) || !normal(c.Sites)[0].Same(&normal(again.Sites)[0]) {
			rt.Fatalf("in\n%s%sprinted\n%s%s\nloads as %+v\n%+v", text, text2, YAML(c.Settings()), YAML(c.Sites[0].Settings()), again.Sites, c.Sites)
		}
	})
}

// normal makes lists that are not there empty ones, as [] in a file is.
func normal(sites []config.Site) []config.Site {
	for i := range sites {
		for _, l := range []*[]string{&sites[i].Headers.Keep, &sites[i].Headers.Promote, &sites[i].Headers.Allow, &sites[i].Headers.Deny, &sites[i].Headers.Cookies.Keep,
			&sites[i].AccessLog.RotatedDirs, &sites[i].AccessLog.SymlinkRoots} {
			if *l == nil {
				*l = []string{}
			}
		}
	}
	return sites
}

func TestPick(t *testing.T) {
	c, _, _ := settingsOf(t, "kafka: {tls: {enabled: true}}\n", plainSite+"headers: {keep: [a]}\n")
	got := string(YAML(Changed(c.Settings())))
	if want := "kafka:\n  tls:\n    enabled: true"; !strings.HasPrefix(got, want) || strings.Count(got, "\n") > 4 {
		t.Errorf("got %s", got)
	}
	k, err := config.Find("kafka.tls")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(YAML(Below(c.Settings(), k))); !strings.HasPrefix(got, "kafka:\n  tls:\n    enabled: true") || !strings.Contains(got, "server_name") || strings.Contains(got, "brokers") {
		t.Errorf("got %s", got)
	}
	if k, err = config.Find("access_log.types[0].type"); err != nil {
		t.Fatal(err)
	}
	if got := string(YAML(Below(c.Sites[0].Settings(), k))); !strings.HasPrefix(got, "access_log:\n  types: []") {
		t.Errorf("got %s", got)
	}
	if k, err = config.Find("kafka.tls"); err != nil {
		t.Fatal(err)
	}
	if got := Below(c.Sites[0].Settings(), k); len(got) > 0 {
		t.Errorf("a key of the daemon is in a site: %v", got)
	}
}
