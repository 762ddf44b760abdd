package importer

import (
	"fmt"
	"regexp"
	"strings"
)

// Logstash takes over what a pipeline says. An error names file and line.
func (im *Result) Logstash(file string, text []byte) error {
	plugins, err := parseLogstash(file, string(text))
	if err != nil {
		return err
	}
	topic := ""
	for _, p := range plugins {
		if p.section == "output" && p.name == "kafka" {
			for _, s := range p.settings {
				if s.name == "topic_id" {
					topic = s.value.text
				}
			}
		}
	}
	for i := range plugins {
		p := &plugins[i]
		where := fmt.Sprintf("%s:%d", file, p.line)
		switch {
		case p.section == "input" && p.name == "file":
			im.logstashFile(file, p, topic)
		case p.section == "output" && p.name == "kafka":
			im.logstashKafka(file, p)
		case p.section == "input":
			im.note(where, p.name, "not taken over: ngxtap reads log files of its own host")
		case p.section == "output":
			im.note(where, p.name, "not taken over: ngxtap sends to Kafka only; read the topic from there")
		default:
			im.note(where, p.name, "%s", logstashFilter(p.name))
		}
	}
	return nil
}

// logstashFilter says what becomes of a filter.
func logstashFilter(name string) string {
	switch name {
	case "grok", "dissect", "json", "kv", "csv":
		return "not needed: lines are cut by the log_format in nginx.conf itself"
	case "date":
		return "not needed: event_time comes from $msec, $time_iso8601 or $time_local"
	case "mutate":
		return "not taken over: types follow from the variables (access_log.types adds some), names are Nginx's; rename where the topic is read"
	case "geoip", "useragent", "dns", "translate":
		return "not taken over: do it where the topic is read; events have the address and the headers"
	case "drop":
		return "not taken over: every line is shipped; leave lines out with access_log … if= in nginx.conf"
	case "fingerprint", "uuid":
		return "not needed: (origin.file, origin.offset) identifies an event; secrets are hashed by themselves (headers.secrets)"
	case "urldecode":
		return "not taken over: paths and queries stay as the client sent them"
	case "multiline", "aggregate", "throttle", "ruby", "split", "clone":
		return "not taken over: one line is one event; do it where the topic is read"
	}
	return "not taken over: ngxtap changes nothing but secrets; do it where the topic is read"
}

func (im *Result) logstashFile(file string, p *lsPlugin, topic string) {
	var paths []string
	startAt := "end" // Logstash's default
	where := fmt.Sprintf("%s:%d", file, p.line)
	for _, s := range p.settings {
		at := fmt.Sprintf("%s:%d", file, s.line)
		switch s.name {
		case "path":
			paths = s.value.texts()
		case "start_position":
			startAt = s.value.text
		case "sincedb_path", "sincedb_write_interval", "sincedb_clean_after":
			im.note(at, s.name, "not needed: positions are in Kafka. They are not taken over: start_at says where the first start begins")
		case "exclude":
			im.note(at, s.name, "not needed: rotated and compressed files are told by what is in them")
		case "codec":
			im.note(at, s.name, "not needed: lines are cut by the log_format in nginx.conf")
		case "mode", "file_completed_action", "file_completed_log_path":
			im.note(at, s.name, "not taken over: files are always followed, and never deleted")
		case "id", "enable_metric":
		case "type", "tags", "add_field":
			im.note(at, s.name, "not taken over: events bear site and origin.host")
		default:
			im.note(at, s.name, "not needed: there is no such setting here")
		}
	}
	im.addSite(where, paths, startAt, topic)
}

func (im *Result) logstashKafka(file string, p *lsPlugin) {
	if p.when != "" {
		im.note(fmt.Sprintf("%s:%d", file, p.line), "if "+p.when, "not taken over: all lines of a site go to its topic")
	}
	for _, s := range p.settings {
		at, v := fmt.Sprintf("%s:%d", file, s.line), s.value.text
		switch s.name {
		case "bootstrap_servers":
			im.brokers(at, s.value.texts())
		case "topic_id", "id", "enable_metric", "client_id":
		case "compression_type":
			im.compression(at, v)
		case "security_protocol":
			im.protocol(v)
		case "sasl_mechanism":
			im.mechanism(at, v)
		case "sasl_jaas_config":
			im.jaas(at, v)
		case "ssl_truststore_location", "ssl_keystore_location":
			im.tls()
			im.note(at, s.name, "not taken over: Java's stores can't be read here; export PEM files (keytool -exportcert -rfc, openssl pkcs12) and name them in kafka.tls")
		case "ssl_truststore_password", "ssl_keystore_password", "ssl_key_password", "ssl_truststore_type", "ssl_keystore_type":
			im.note(at, s.name, "not taken over: kafka.tls has PEM files without a password")
		case "ssl_endpoint_identification_algorithm":
			if v == "" {
				im.note(at, s.name, "not taken over: the name in a certificate is always checked; kafka.tls.server_name says which it is")
			}
		case "acks", "retries", "retry_backoff_ms", "linger_ms", "batch_size", "buffer_memory", "max_in_flight_requests_per_connection":
			im.note(at, s.name, "not needed: every line is sent once, in transactions (kafka.commit_interval)")
		case "codec":
			im.codec(at, s.value)
		case "message_key":
			im.note(at, s.name, "not taken over: see partition_by (none, host or a variable)")
		case "kerberos_config", "jaas_path", "sasl_kerberos_service_name":
			im.note(at, s.name, "not taken over: Kerberos is not supported")
		default:
			im.note(at, s.name, "not needed: there is no such setting here")
		}
	}
}

func (im *Result) codec(at string, v lsValue) {
	if v.codec != nil {
		for _, s := range v.codec.settings {
			if s.name == "endpoint" && len(s.value.texts()) > 0 {
				im.registry = s.value.texts()[0]
				im.note(at, "codec", "%s: its registry is taken over; the schema follows from the log_format, under a subject of its own", v.text)
				return
			}
		}
	}
	im.note(at, "codec", "%s is not taken over: events are Avro, with a schema that follows from the log_format", v.text)
}

// brokers takes over addresses, which come as a list or as one text with commas.
func (im *Result) brokers(at string, values []string) {
	for _, v := range values {
		for _, b := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			switch {
			case strings.Contains(b, "${"):
				im.note(at, b, "not taken over: write the address into kafka.brokers, or set NGXTAP_KAFKA_BROKERS")
			case !strings.Contains(b, ":"):
				im.kafka.Brokers = append(im.kafka.Brokers, b+":9092")
			default:
				im.kafka.Brokers = append(im.kafka.Brokers, b)
			}
		}
	}
}

func (im *Result) compression(at, v string) {
	switch v {
	case "none", "gzip", "snappy", "lz4", "zstd":
		im.kafka.Compression = v
	default:
		im.note(at, "compression", "%q is not known here; lz4 is used", v)
	}
}

func (im *Result) protocol(v string) {
	if strings.HasSuffix(v, "SSL") {
		im.tls().Enabled = true
	}
	if strings.HasPrefix(v, "SASL_") {
		im.sasl()
	}
}

func (im *Result) mechanism(at, v string) {
	switch strings.ToUpper(v) {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM":
		im.sasl().Mechanism = strings.ToUpper(v)
	default:
		im.note(at, "mechanism", "%s is not supported", v)
	}
}

var jaasUser = regexp.MustCompile(`\busername\s*=\s*["']?([^"'\s;]+)`)

// jaas takes the user out of a JAAS configuration, and leaves the password there.
func (im *Result) jaas(at, v string) {
	s := im.sasl()
	if m := jaasUser.FindStringSubmatch(v); m != nil {
		s.Username = m[1]
	}
	im.password(at)
}

// password makes room for one that is not copied.
func (im *Result) password(at string) {
	im.sasl().Password = "file:kafka.password"
	im.login = at
}
