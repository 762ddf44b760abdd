package importer

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Filebeat takes over what filebeat.yml or a file of modules.d says. An error names file and line.
func (im *Result) Filebeat(file string, text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: not valid YAML: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil
	}
	fb := &filebeat{im: im, file: file}
	root := doc.Content[0]
	if root.Kind == yaml.SequenceNode { // modules.d/nginx.yml
		fb.modules(root)
		return nil
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: not a configuration of Filebeat", file, root.Line)
	}
	settings := fb.flatten("", root)
	if fb.seen >= maxSettings {
		return fmt.Errorf("%s: over %d settings, perhaps an alias within itself", file, maxSettings)
	}
	for _, s := range settings {
		if s.key == "output.kafka.topic" {
			fb.topic = s.node.Value
		}
	}
	for _, s := range settings {
		fb.setting(s)
	}
	fb.end()
	return nil
}

// filebeat is the reading of one file.
type filebeat struct {
	im    *Result
	file  string
	topic string
	seen  int // settings met so far

	mechanism, user string
	password        string // where it stands
	ssl             *bool  // ssl.enabled, if it is set
}

// fbSetting is one setting by its dotted name, however it was nested.
type fbSetting struct {
	key  string
	node *yaml.Node
	at   string
}

// maxSettings is more than anybody writes: aliases within aliases would make as many as one likes.
const maxSettings = 20_000

// flatten gives settings their dotted names. Lists stay as they are.
func (fb *filebeat) flatten(prefix string, n *yaml.Node) []fbSetting {
	var all []fbSetting
	for i := 0; i+1 < len(n.Content) && fb.seen < maxSettings; i += 2 {
		fb.seen++
		k, v := n.Content[i], n.Content[i+1]
		for hops := 0; v.Kind == yaml.AliasNode && hops < 100; hops++ {
			v = v.Alias
		}
		key := k.Value
		if prefix != "" {
			key = prefix + "." + k.Value
		}
		if v.Kind == yaml.MappingNode && strings.Count(key, ".") < 20 {
			all = append(all, fb.flatten(key, v)...)
			continue
		}
		all = append(all, fbSetting{key, v, fmt.Sprintf("%s:%d", fb.file, k.Line)})
	}
	return all
}

func (fb *filebeat) setting(s fbSetting) {
	switch {
	case s.key == "filebeat.inputs" || s.key == "filebeat.prospectors":
		fb.inputs(s.node)
	case s.key == "filebeat.modules":
		fb.modules(s.node)
	case strings.HasPrefix(s.key, "filebeat.config."):
		if strings.HasSuffix(s.key, ".path") {
			fb.im.note(s.at, s.key, "%s is not followed: name these files too", s.node.Value)
		}
	case strings.HasPrefix(s.key, "output.kafka."):
		fb.kafka(s, strings.TrimPrefix(s.key, "output.kafka."))
	case strings.HasPrefix(s.key, "output."):
		if strings.HasSuffix(s.key, ".hosts") {
			fb.im.note(s.at, s.key, "not taken over: ngxtap sends to Kafka only; set kafka.brokers")
		}
	case s.key == "processors":
		fb.processors(s.node)
	case s.key == "name":
		fb.im.note(s.at, s.key, "not taken over: instance names this host, and must never be shared by two")
	case s.key == "tags" || strings.HasPrefix(s.key, "fields."):
		fb.im.note(s.at, s.key, "not taken over: events bear site and origin.host")
	case strings.HasPrefix(s.key, "queue."):
		fb.im.note(s.at, s.key, "not needed: the log file is the queue")
	case strings.HasPrefix(s.key, "setup.") || strings.HasPrefix(s.key, "logging.") || strings.HasPrefix(s.key, "monitoring.") ||
		strings.HasPrefix(s.key, "http.") || strings.HasPrefix(s.key, "path."): // of Filebeat itself and of Elasticsearch
	default:
		fb.im.note(s.at, s.key, "not needed: there is no such setting here")
	}
}

func (fb *filebeat) processors(n *yaml.Node) {
	for _, p := range n.Content {
		for _, s := range fb.flatten("", p) {
			name, _, _ := strings.Cut(s.key, ".")
			fb.im.note(s.at, "processors."+name, "not taken over: ngxtap changes nothing but secrets; do it where the topic is read")
			break
		}
	}
}

// inputs takes over the log and filestream inputs that are switched on.
func (fb *filebeat) inputs(n *yaml.Node) {
	for _, item := range n.Content {
		where := fmt.Sprintf("%s:%d", fb.file, item.Line)
		in := fbInput{kind: "log", startAt: "beginning"}
		for _, s := range fb.flatten("", item) {
			fb.inputSetting(&in, s)
		}
		switch {
		case in.off:
			fb.im.note(where, "input", "not taken over: it is switched off")
		case in.kind != "log" && in.kind != "filestream":
			fb.im.note(where, in.kind, "not taken over: ngxtap reads log files of its own host")
		default:
			fb.im.addSite(where, in.paths, in.startAt, in.resolve(fb.topic))
		}
	}
}

// fbInput is what is known of one input.
type fbInput struct {
	kind, startAt string
	paths         []string
	off           bool
	fields        map[string]string
}

func (fb *filebeat) inputSetting(in *fbInput, s fbSetting) {
	name, _, _ := strings.Cut(s.key, ".")
	switch name {
	case "type", "input_type":
		in.kind = s.node.Value
	case "enabled":
		in.off = s.node.Value == "false"
	case "paths":
		in.paths = texts(s.node)
	case "tail_files":
		if s.node.Value == "true" {
			in.startAt = "end"
		}
	case "seek":
		in.startAt = map[string]string{"tail": "end"}[s.node.Value]
	case "id", "fields_under_root", "index", "pipeline", "encoding":
	case "fields":
		if in.fields == nil {
			in.fields = map[string]string{}
		}
		in.fields[s.key] = s.node.Value
	case "exclude_files":
		fb.im.note(s.at, s.key, "not needed: rotated and compressed files are told by what is in them")
	case "include_lines", "exclude_lines":
		fb.im.note(s.at, s.key, "not taken over: every line is shipped; leave lines out with access_log … if= in nginx.conf")
	case "multiline", "parsers", "json":
		fb.im.note(s.at, s.key, "not needed: lines are cut by the log_format in nginx.conf")
	case "tags", "processors":
		fb.im.note(s.at, s.key, "not taken over: do it where the topic is read; events bear site and origin.host")
	case "close_removed", "close_inactive", "close_renamed", "close_eof", "close_timeout", "close", "clean_removed", "clean_inactive", "ignore_older":
		fb.im.note(s.at, s.key, "not needed: a file is let go when it was read to its end and has been quiet (access_log.rotate_grace, held_bytes)")
	case "max_bytes", "message_max_bytes", "harvester_buffer_size", "buffer_size":
		fb.im.note(s.at, s.key, "not taken over: see access_log.max_line, at most 1MiB")
	case "symlinks":
		fb.im.note(s.at, s.key, "not taken over: see access_log.follow_symlinks")
	default:
		fb.im.note(s.at, s.key, "not needed: there is no such setting here")
	}
}

var topicField = regexp.MustCompile(`%\{\[([^\]]+)\]\}`)

// resolve puts an input's fields into the topic's name.
func (in *fbInput) resolve(topic string) string {
	return topicField.ReplaceAllStringFunc(topic, func(m string) string {
		name := topicField.FindStringSubmatch(m)[1]
		for _, key := range []string{name, "fields." + name} {
			if v, ok := in.fields[key]; ok {
				return v
			}
		}
		return m
	})
}

// modules takes over the access logs of the nginx module.
func (fb *filebeat) modules(n *yaml.Node) {
	for _, item := range n.Content {
		where := fmt.Sprintf("%s:%d", fb.file, item.Line)
		module, off, paths := "", false, []string{"/var/log/nginx/access.log*"} // the module's default on Linux
		for _, s := range fb.flatten("", item) {
			switch s.key {
			case "module":
				module = s.node.Value
			case "access.enabled", "enabled":
				off = off || s.node.Value == "false"
			case "access.var.paths":
				if p := texts(s.node); len(p) > 0 {
					paths = p
				}
			}
		}
		switch {
		case module != "nginx":
			fb.im.note(where, "module "+module, "not taken over: ngxtap ships access logs of Nginx")
		case off:
			fb.im.note(where, "module nginx", "not taken over: its access logs are switched off")
		default:
			fb.im.note(where, "module nginx", "its access logs are taken over; they are cut here, by nginx.conf, and not by an ingest pipeline")
			fb.im.addSite(where, paths, "beginning", fb.topic)
		}
	}
}

func texts(n *yaml.Node) []string {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		return []string{n.Value}
	}
	var all []string
	for _, c := range n.Content {
		all = append(all, c.Value)
	}
	return all
}

func (fb *filebeat) kafka(s fbSetting, key string) {
	im := fb.im
	switch key {
	case "hosts":
		im.brokers(s.at, texts(s.node))
	case "topic", "client_id", "version", "enabled", "metadata.retry.max":
	case "topics":
		im.note(s.at, key, "not taken over: all lines of a site go to its topic")
	case "compression":
		im.compression(s.at, s.node.Value)
	case "username":
		fb.user = s.node.Value
	case "password":
		fb.password = s.at
	case "sasl.mechanism":
		fb.mechanism = s.node.Value
	case "ssl.enabled":
		on := s.node.Value != "false"
		fb.ssl = &on
	case "ssl.certificate_authorities":
		cas := texts(s.node)
		if len(cas) > 0 && !strings.Contains(cas[0], "BEGIN") {
			im.tls().CAFile = cas[0]
		}
		if len(cas) != 1 || strings.Contains(cas[0], "BEGIN") {
			im.note(s.at, key, "put all certificates to trust into one PEM file and name it in kafka.tls.ca_file")
		}
	case "ssl.certificate":
		im.pem(s, &im.tls().CertFile, "cert_file")
	case "ssl.key":
		im.pem(s, &im.tls().KeyFile, "key_file")
	case "ssl.key_passphrase":
		im.note(s.at, key, "not taken over: kafka.tls.key_file has no password; protect the file by its mode")
	case "ssl.verification_mode":
		if s.node.Value != "full" && s.node.Value != "strict" {
			im.note(s.at, key, "not taken over: certificates and their names are always checked; kafka.tls.server_name says which name it is")
		}
	case "required_acks", "max_retries", "bulk_max_size", "timeout", "broker_timeout", "channel_buffer_size", "backoff.init", "backoff.max", "keep_alive",
		"worker", "bulk_flush_frequency", "max_message_bytes", "compression_level":
		im.note(s.at, key, "not needed: every line is sent once, in transactions (kafka.commit_interval)")
	default:
		switch first, _, _ := strings.Cut(key, "."); first {
		case "partition", "key":
			im.note(s.at, key, "not taken over: see partition_by (none, host or a variable)")
		case "codec":
			im.note(s.at, key, "not taken over: events are Avro, with a schema that follows from the log_format")
		case "kerberos":
			im.note(s.at, key, "not taken over: Kerberos is not supported")
		default:
			im.note(s.at, key, "not needed: there is no such setting here")
		}
	}
}

// pem takes over the name of a file, and not a certificate that stands in the configuration itself.
func (im *Result) pem(s fbSetting, to *string, key string) {
	if strings.Contains(s.node.Value, "BEGIN") {
		im.note(s.at, s.key, "put it into a PEM file and name it in kafka.tls.%s", key)
		return
	}
	*to = s.node.Value
}

// end puts together what came in parts.
func (fb *filebeat) end() {
	if fb.user != "" || fb.password != "" || fb.mechanism != "" {
		s := fb.im.sasl()
		s.Username, s.Mechanism = fb.user, "PLAIN" // Filebeat's default
		if fb.mechanism != "" {
			fb.im.mechanism(fb.file, fb.mechanism)
		}
		if fb.password != "" {
			fb.im.password(fb.password)
		}
	}
	if fb.ssl != nil {
		if *fb.ssl {
			fb.im.tls().Enabled = true
		} else {
			fb.im.kafka.TLS = nil
		}
	}
}
