package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ngxtap/pkg/config"
)

func TestImportedSiteNames(t *testing.T) {
	for log, want := range map[string]string{
		"/var/log/nginx/shop.access.log":      "shop",
		"/var/log/nginx/shop-access.log":      "shop",
		"/var/log/nginx/shop_access.log":      "shop",
		"/var/log/nginx/access.log":           "nginx",
		"/srv/shop.example/logs/access.log":   "logs",
		"/var/log/nginx/access.shop.log":      "access.shop",
		"/var/log/nginx/*.log":                "nginx",
		"/access.log":                         "nginx",
		"/var/log/nginx/käse access.log":      "kse",
		"/var/log/nginx/shop.example.com.log": "shop.example.com",
	} {
		if got := siteName(log); got != want {
			t.Errorf("%s: site %q, want %q", log, got, want)
		}
	}
}

func TestImportedPaths(t *testing.T) {
	for _, c := range []struct {
		in    []string
		want  []string
		notes int
	}{
		{[]string{"/var/log/nginx/access.log"}, []string{"/var/log/nginx/access.log"}, 0},
		{[]string{"/var/log/nginx/access.log*", "/var/log/nginx/access.log"}, []string{"/var/log/nginx/access.log"}, 1},
		{[]string{"/var/log/nginx/access.log.[0-9]"}, []string{"/var/log/nginx/access.log"}, 1},
		{[]string{"/var/log/nginx/access.log.*.gz"}, []string{"/var/log/nginx/access.log"}, 1},
		{[]string{"/var/log/nginx/*.access.log"}, []string{"/var/log/nginx/*.access.log"}, 0},
		{[]string{"/var/log/nginx/*access*"}, []string{"/var/log/nginx/*access*"}, 0},
		{[]string{"/var/log/nginx/error.log"}, nil, 1},
		{[]string{"/var/log/syslog"}, nil, 1},
		{[]string{`C:\nginx\logs\access.log`}, nil, 1},
		{[]string{"/var/log/**/access.log"}, nil, 1},
		{[]string{"${LOGS}/access.log"}, nil, 1},
		{nil, nil, 0},
	} {
		im := &Result{}
		im.addSite("f:1", c.in, "", "")
		var got []string
		for _, s := range im.sites {
			got = append(got, s.paths...)
		}
		if !slices.Equal(got, c.want) || len(im.Notes) != c.notes {
			t.Errorf("%q: %q with notes %v, want %q with %d", c.in, got, im.Notes, c.want, c.notes)
		}
	}
}

// Every plugin and setting of a pipeline ends in the configuration or in a note.
func TestImportLogstashForgetsNothing(t *testing.T) {
	for _, c := range []struct{ pipeline, want string }{
		{`input { file { path => "/var/log/nginx/access.log" nosuch => 1 } }`, "nosuch"},
		{`input { file { path => "/var/log/nginx/access.log" codec => multiline { pattern => "^\s" what => "previous" } } }`, "codec"},
		{`filter { if [a] { if [b] { ruby { code => "event.set('a', '}')" } } } }`, "ruby"},
		{`output { kafka { sasl_mechanism => "GSSAPI" } }`, "mechanism"},
		{`output { kafka { codec => json } }`, "codec"},
		{`output { kafka { bootstrap_servers => "${B}" } }`, "${B}"},
		{`output { kafka { key_serializer => "x" } }`, "key_serializer"},
		{`output { if "a" == '}' { null { } } }`, "null"},
	} {
		im := &Result{}
		if err := im.Logstash("f", []byte(c.pipeline)); err != nil {
			t.Errorf("%s: %v", c.pipeline, err)
			continue
		}
		if !slices.ContainsFunc(im.Notes, func(n Note) bool { return n.Key == c.want && n.Text != "" && strings.HasPrefix(n.Where, "f:1") }) {
			t.Errorf("%s: no note on %s in %v", c.pipeline, c.want, im.Notes)
		}
	}
}

func TestParseLogstashErrors(t *testing.T) {
	for in, want := range map[string]string{
		"inputs {}":                         "f:1: ",
		"input {\n file {":                  "f:2: ",
		"input { file { a => \"x } }":       "never ends",
		"input { file { a => [1, 2 } }":     `"]" should stand here`,
		"input { file { a 1 } }":            `"=>" should stand here`,
		"input { if [a] =~ /x { file {} }":  "never ends",
		"input { file { a => 1, b => 2 } }": "not separated by commas",
		strings.Repeat("input { if a ", 1) + strings.Repeat("{ if a ", 500): "too deeply",
		"input { x { a => " + strings.Repeat("[", 500):                      "too deeply",
	} {
		if _, err := parseLogstash("f", in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", in, err, want)
		}
	}
}

// What import writes is a configuration that loads, whatever it was made from.
func checkImported(t *testing.T, im *Result) {
	t.Helper()
	im.Finish()
	docs, err := im.Documents("test", []string{"f"})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range docs[1:] {
		var s struct{ Site string }
		if err := yaml.Unmarshal(d.Text, &s); err != nil {
			t.Fatalf("%v in\n%s", err, d.Text)
		}
	}
	if len(im.sites) == 0 || im.kafka.TLS != nil || im.kafka.SASL != nil || im.registry != "" {
		return // names files and servers of its own
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sites.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		if err := os.WriteFile(filepath.Join(dir, d.Name), d.Text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := config.Load(filepath.Join(dir, docs[0].Name)); err != nil && !strings.Contains(err.Error(), "kafka.brokers") &&
		!strings.Contains(err.Error(), "is not a path or glob") && !strings.Contains(err.Error(), "start_at") {
		t.Fatalf("%v in\n%s", err, docs)
	}
}

func FuzzImportLogstash(f *testing.F) {
	for _, s := range []string{
		`input { file { path => ["/var/log/nginx/a.access.log"] } }`,
		`filter { if [a] =~ /x\/y/ { grok { match => { "m" => "%{X} \"q\"" } } } else if "b" in [c] { date { } } else { geoip {} } }`,
		`output { kafka { bootstrap_servers => "a:1,b" codec => avro { schema_uri => "x" } } } # end`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		im := &Result{}
		if im.Logstash("f", text) == nil {
			checkImported(t, im)
		}
	})
}

func FuzzImportFilebeat(f *testing.F) {
	for _, s := range []string{
		"filebeat.inputs:\n- type: log\n  paths: [/var/log/nginx/access.log*]\noutput.kafka: {hosts: [a], topic: '%{[type]}'}\n",
		"- module: nginx\n  access: {var.paths: ['/x/access.log']}\n",
		"a: &a [*a]\n",
		"a: &a {b: *a, c: *a, d: *a, e: *a}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		im := &Result{}
		if im.Filebeat("f", text) == nil {
			checkImported(t, im)
		}
	})
}
