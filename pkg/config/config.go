// Package config reads the configuration: one file for the daemon and one for each site.
//
// The promise: what it returns is complete and valid. Every key is known (a key that is not is an error with file and line, so that
// a slip of the pen never silently means the default), every default is filled in, every name and path is checked, and secrets
// never print.
package config

import "time"

// Config is the whole configuration of a daemon.
type Config struct {
	Daemon
	Sites    []Site   // sorted by name
	Files    []string // every file read, the daemon's first
	Warnings []string // what works but should be mended, each "file:line: …"

	pos lines // of the daemon's file
}

// Daemon is the daemon's own file, ngxtap.yaml.
type Daemon struct {
	// Instance names this host in Kafka: in transactional ids, in the keys of ngxtap.state and as origin.host of every event.
	// Two hosts must never share one. Default: the host name.
	Instance string   `yaml:"instance"`
	Kafka    Kafka    `yaml:"kafka"`
	Registry Registry `yaml:"registry"`
	Admin    Admin    `yaml:"admin"`
	// StateDir holds a lock, the key for hashed secrets if none is configured, cached schema ids and, under --embedded, the
	// embedded servers' data. Default: /var/lib/ngxtap.
	StateDir string `yaml:"state_dir"`
}

// Kafka says where events go and how.
type Kafka struct {
	// Brokers are the addresses to start from, host:port. Default: 127.0.0.1:9092.
	Brokers []string `yaml:"brokers"`
	TLS     TLS      `yaml:"tls"`
	SASL    SASL     `yaml:"sasl"`
	// Compression is lz4, zstd, snappy, gzip or none. Default: lz4.
	Compression string `yaml:"compression"`
	// Delivery is exactly_once (transactions) or at_least_once (for brokers without them). Default: exactly_once.
	Delivery string `yaml:"delivery"`
	// CommitInterval is how long a transaction gathers events, so how late a read_committed reader sees them. Default: 200ms.
	CommitInterval time.Duration `yaml:"commit_interval"`
	// RequestTimeout is how long a broker may take for one request; after that the site goes back to its last commit. Default: 20s.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// TransactionTimeout is after how long the broker aborts a transaction that a dead or stopped daemon left open, and so how long
	// such a one can hold up read_committed readers. Default: 30s.
	TransactionTimeout time.Duration `yaml:"transaction_timeout"`
	// CreateTopics says whether missing topics may be created. Default: true.
	CreateTopics bool `yaml:"create_topics"`
	// Partitions of a site's topic when ngxtap creates it; 0 leaves it to the broker. Default: 0.
	Partitions int32 `yaml:"partitions"`
	// ReplicationFactor of topics that ngxtap creates; 0 leaves it to the broker. Default: 0.
	ReplicationFactor int16 `yaml:"replication_factor"`
	// StateTopic keeps positions, compacted. Default: ngxtap.state.
	StateTopic string `yaml:"state_topic"`
	// OnStateRegression is what to do when StateTopic knows less of a site than this host has seen committed (it was deleted, set back, or
	// brokers names another cluster): stop (exit 78, a person decides), trust_kafka (go on from the topic, which repeats lines; where it
	// knows nothing, as at a first start) or trust_local (go on from the position kept in StateDir; after a kill that may repeat the last
	// ten seconds). Default: stop.
	OnStateRegression string `yaml:"on_state_regression"`
	// SchemasTopic keeps writer schemas by fingerprint, compacted, where no registry does. Default: ngxtap.schemas.
	SchemasTopic string `yaml:"schemas_topic"`
}

// TLS of a connection. The server's certificate is always verified: there is no key that turns that off. TLS 1.2 is the oldest version spoken.
type TLS struct {
	// Enabled turns TLS on; naming any file or name below does so too. Default: false.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the certificates to trust, PEM. Default: the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile is the client's own certificate for mutual TLS, PEM, with the intermediate ones after it; it may hold the key too.
	CertFile string `yaml:"cert_file"`
	// KeyFile is the key of CertFile, PEM, not encrypted. Default: cert_file, if that is set.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name the server's certificate must bear, where it is not the address.
	ServerName string `yaml:"server_name"`
}

// On reports whether TLS is to be used.
func (t TLS) On() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != ""
}

// SASL is how to log in to Kafka.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; empty means no login.
	Mechanism string `yaml:"mechanism"`
	// Username goes with PLAIN and SCRAM.
	Username string `yaml:"username"`
	// Password is the password itself, ${VAR} for an environment variable, or file:PATH. A file is read again for each session, so a
	// new password needs no restart.
	Password Secret `yaml:"password"`
	// Token is the token of OAUTHBEARER that another program renews, best as file:PATH, which is read again for each login.
	Token Secret `yaml:"token"`
	// OAuth asks a token endpoint for the tokens of OAUTHBEARER (client credentials grant, RFC 6749), instead of Token.
	OAuth OAuth `yaml:"oauth"`
	// Extensions go to the broker with the token of OAUTHBEARER, such as logicalCluster and identityPoolId.
	Extensions []Extension `yaml:"extensions"`
	// AWS says which credentials AWS_MSK_IAM signs with. Default: as other AWS programs find them.
	AWS AWS `yaml:"aws"`

	PasswordFile string `yaml:"-"` // where Password came from, if that is a file; absolute
	TokenFile    string `yaml:"-"` // the same of Token
}

// OAuth is where tokens come from. A token is renewed before it ends.
type OAuth struct {
	// TokenURL is the token endpoint, https://….
	TokenURL string `yaml:"token_url"`
	// ClientID is the name of this program there.
	ClientID string `yaml:"client_id"`
	// ClientSecret is the secret itself, ${VAR} or file:PATH. A file is read again for each token.
	ClientSecret Secret `yaml:"client_secret"`
	// ClientAuth is how id and secret are sent: basic (in the Authorization header) or post (in the body). Default: basic.
	ClientAuth string `yaml:"client_auth"`
	// Scope is what to ask for, several with spaces between them. Default: none.
	Scope string `yaml:"scope"`
	// Audience is whom the token is for, where the endpoint wants to be told. Default: none.
	Audience string `yaml:"audience"`
	// TLS of the connection to the endpoint. Default: the system's certificates.
	TLS TLS `yaml:"tls"`

	ClientSecretFile string `yaml:"-"` // where ClientSecret came from, if that is a file; absolute
}

// Extension is one extension of OAUTHBEARER.
type Extension struct {
	// Name has letters only; case counts.
	Name string `yaml:"name"`
	// Value is what the broker gets.
	Value string `yaml:"value"`
}

// AWS says which credentials to sign with. Without a key of it they come from environment variables, the shared files, a web identity (EKS),
// the container (ECS, EKS) or the instance (EC2), in this order. Keys themselves are never given here.
type AWS struct {
	// Region of the cluster. Default: the one in the brokers' names, else AWS_REGION.
	Region string `yaml:"region"`
	// Profile of the shared files. Default: AWS_PROFILE, else default.
	Profile string `yaml:"profile"`
	// RoleARN is a role to take on with the credentials found. Default: none.
	RoleARN string `yaml:"role_arn"`
	// ExternalID is what that role asks for, if it does.
	ExternalID string `yaml:"external_id"`
}

// Registry is the schema registry, if there is one.
type Registry struct {
	// URL of the Confluent API, path prefix included. Empty: no registry, writer schemas go to the schemas topic.
	URL string `yaml:"url"`
	// URLs are further addresses of the same registry, tried in turn.
	URLs []string `yaml:"urls"`
	// Framing of Kafka values: confluent (the schema id before the event) or header (the id in the record header __value_schema_id), which
	// need a registry, or single-object. Default: confluent with a registry, else single-object.
	Framing string `yaml:"framing"`
	// Subject is the naming strategy: topic, record or topic-record. Default: topic.
	Subject  string `yaml:"subject"`
	Username string `yaml:"username"`
	// Password goes with Username (basic auth).
	Password Secret `yaml:"password"`
	// Token is a bearer token.
	Token Secret `yaml:"token"`
	TLS   TLS    `yaml:"tls"`
}

// Admin is the daemon's own HTTP port.
type Admin struct {
	// Listen is the address of metrics and health; "off" for none. It tells nothing secret and changes nothing, but keep it
	// on the host. Default: off.
	Listen string `yaml:"listen"`
}

// Site is one site's file, sites.d/NAME.yaml.
type Site struct {
	// Site is its name: part of the Avro namespace and of the transactional id. Letters, digits, ".", "_" and "-".
	Site      string    `yaml:"site"`
	AccessLog AccessLog `yaml:"access_log"`
	// Topic the events go to. Default: nginx.<site>.access.
	Topic string `yaml:"topic"`
	// PartitionBy is none (no key; all events of this site from this host go to one partition, so the order of the file holds),
	// host (the key is the instance name) or the name of a variable of the format whose value becomes the key, such as request_id
	// or remote_addr, but not a header nor what may hold secrets. Default: none.
	PartitionBy string  `yaml:"partition_by"`
	Headers     Headers `yaml:"headers"`
	// Addresses of clients, in variables such as $remote_addr and in headers such as X-Forwarded-For: keep, truncate (to /24 and /48) or
	// hash, with the key of secrets. Default: keep.
	Addresses   string      `yaml:"addresses"`
	Quarantine  Quarantine  `yaml:"quarantine"`
	OnChange    OnChange    `yaml:"on_change"`
	DataChanges DataChanges `yaml:"data_changes"`
	// Outputs that get the events. Default: [kafka], the only one yet.
	Outputs []string `yaml:"outputs"`

	File string `yaml:"-"` // the file this was read from
	Line int    `yaml:"-"` // where in it the site's own keys start

	pos lines // of File; nil for a site without one
}

// AccessLog says which files to read and what their lines look like.
type AccessLog struct {
	// Paths of the log files; globs allowed. Rotated files are found by themselves.
	Paths []string `yaml:"paths"`
	// NginxConf is the nginx.conf that the format is read from. Default: /etc/nginx/nginx.conf, unless LogFormat is given.
	NginxConf string `yaml:"nginx_conf"`
	// NginxPrefix is what nginx -p was given, for relative paths in nginx.conf. Default: found from NginxConf.
	NginxPrefix string `yaml:"nginx_prefix"`
	// Format is the name of the log_format. Default: what the access_log directives for these paths use.
	Format string `yaml:"format"`
	// LogFormat is the format itself, instead of nginx_conf and format.
	LogFormat string `yaml:"log_format"`
	// Escape of LogFormat: default, json or none. Default: default.
	Escape string `yaml:"escape"`
	// TrustUnescaped accepts a format with escape=none, in which a client can forge lines. Default: false.
	TrustUnescaped bool `yaml:"trust_unescaped"`
	// Types of variables of which ngxtap knows no better than that they are strings: those of map, set, geo, js_set and other
	// people's modules. A type given here wins over the known one, too. A value that does not fit sends its line to quarantine.
	Types []VariableType `yaml:"types"`
	// StartAt is where to begin on the very first start: beginning or end. Default: beginning.
	StartAt string `yaml:"start_at"`
	// MaxLine is the longest line accepted; a longer one goes to quarantine. Default: 1MiB, which is also the most.
	MaxLine Size `yaml:"max_line"`
	// RotateGrace is how long a rotated file must be quiet before it is let go. Default: 10s.
	RotateGrace time.Duration `yaml:"rotate_grace"`
	// HeldBytes is how much of the disk deleted log files may take that are held open because they have unread lines. When it is
	// more, the oldest are given up and declared lost. Default: 1GiB.
	HeldBytes Size `yaml:"held_bytes"`
	// FollowSymlinks allows a log file to be a symbolic link that leads to a file in the folder of its path, or below. Default: false.
	FollowSymlinks bool `yaml:"follow_symlinks"`
	// RotatedDirs are the folders that rotated files are moved to, if they do not stay beside the log: what logrotate calls olddir. A
	// relative one is relative to the log's folder.
	RotatedDirs []string `yaml:"rotated_dirs"`
	// SymlinkRoots are more folders that such links may lead to; with follow_symlinks only.
	SymlinkRoots []string `yaml:"symlink_roots"`
	// AllowHardLinks reads files that have other names when they are first seen; whoever can write the folder could otherwise have
	// somebody else's file read. Default: false.
	AllowHardLinks bool `yaml:"allow_hard_links"`
}

// VariableType gives a variable of the log_format a type.
type VariableType struct {
	// Name of the variable, without "$". Not a header, $request or a time.
	Name string `yaml:"name"`
	// Type is string, int (0 to 2147483647), long (with a sign, 64 bits) or double. A value that is missing is null.
	Type string `yaml:"type"`
}

// Headers says what happens to headers on their way.
type Headers struct {
	// Secrets is hash (keyed HMAC-SHA-256, so that joins still work) or drop. Default: hash.
	Secrets string `yaml:"secrets"`
	// Keep lists secret headers and query parameters that may leave the host in clear text all the same.
	Keep []string `yaml:"keep"`
	// HashKey is the key itself, ${VAR} or file:PATH; the same on all hosts if hashes are to be joined. Default: made at the
	// first start and kept in state_dir.
	HashKey Secret `yaml:"hash_key"`
	// PreviousHashKey is the key before the present one. Only lines in quarantine are read with it. Default: none.
	PreviousHashKey Secret `yaml:"previous_hash_key"`
	// Cookies says what happens to single cookies.
	Cookies Cookies `yaml:"cookies"`
	// Allow lists the headers that become part of events; the first or the last character may be "*". Empty: all.
	Allow []string `yaml:"allow"`
	// Deny lists headers, in the same way, that never do, also if Allow has them.
	Deny []string `yaml:"deny"`
	// MaxHeaders is how many header values of one request or response an event holds; what comes after them is left out. Default: 256.
	MaxHeaders int `yaml:"max_headers"`
	// MaxValue is how long the value of a header may be; what is longer is cut. Default: 16KiB.
	MaxValue Size `yaml:"max_value"`
	// Census says whether to keep a list of all header names that were ever seen, which `ngxtap headers` shows. Default: true.
	Census bool `yaml:"census"`
	// Promote lists request headers that also become fields of their own.
	Promote []string `yaml:"promote"`
}

// Cookies says what happens to single cookies.
type Cookies struct {
	// Keep lists cookies whose values may leave the host in clear text, in any case.
	Keep []string `yaml:"keep"`
}

// Quarantine says what happens to lines that fit no format.
type Quarantine struct {
	// Raw is encrypted (with a key that follows from headers.hash_key, or from the one in state_dir: only who has that can list or replay
	// the lines) or clear. Default: encrypted.
	Raw string `yaml:"raw"`
}

// OnChange says what to do about a changed format, by the class of the change: evolve (register the schema and go on), quarantine (go
// on, the lines of the new format are kept in quarantine) or hold (stop the site before the first such line; the log file is the queue).
// `ngxtap schema accept` lets a change through.
type OnChange struct {
	// Compatible is for the classes full, backward and forward together. Default: evolve.
	Compatible string `yaml:"compatible"`
	// Full is for changes after which old and new readers read old and new events. Default: as compatible.
	Full string `yaml:"full"`
	// Backward is for changes after which old readers fail on new events. Default: as compatible.
	Backward string `yaml:"backward"`
	// Forward is for changes after which new readers fail on old events. Default: as compatible.
	Forward string `yaml:"forward"`
	// Breaking is for changes after which neither reads the events of the other. Default: quarantine.
	Breaking string `yaml:"breaking"`
	// Refused is for schemas that the registry does not take: quarantine or hold. It is asked again now and then. Default: quarantine.
	Refused string `yaml:"refused"`
	// RegistryAway is for new schemas while no registry answers: hold or quarantine. Known schemas go on. Default: hold.
	RegistryAway string `yaml:"registry_away"`
}

// complete gives the classes that are not set the policy of Compatible.
func (o *OnChange) complete() {
	for _, p := range []*string{&o.Full, &o.Backward, &o.Forward} {
		if *p == "" {
			*p = o.Compatible
		}
	}
}

// DataChanges says which changes of the data are told on the topic ngxtap.schema-changes, in the log and as a metric.
type DataChanges struct {
	// Report says whether any are. Default: true.
	Report bool `yaml:"report"`
	// RejectedShare of the lines of a minute that go to quarantine is worth telling; of those that fail in one column a tenth of it.
	// Default: 0.01.
	RejectedShare float64 `yaml:"rejected_share"`
	// HeaderShare of the events must have a header that is new, or was known, for that to be told. Default: 0.01.
	HeaderShare float64 `yaml:"header_share"`
	// RareHeaders says whether new headers are told, too, that are in fewer events but come again and again; needs headers.census. Default: true.
	RareHeaders bool `yaml:"rare_headers"`
}
