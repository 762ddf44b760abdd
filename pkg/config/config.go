// Package config reads the configuration: one file for the daemon and one for each site.
//
// The promise: what it returns is complete and valid. Every key is known (a key that is not is an error with file and line, so that
// a slip of the pen never silently means the default), every default is filled in, every name and path is checked, and secrets
// never print.
//
// The structs below are where a key is documented, once. Its comment says what it is; its tags say the rest:
//
//	default:"lz4"        what it is if nobody sets it; a default that must be found out is said at the end of the comment ("Default: …")
//	oneof:"a|b"          the values that it may have; of a list, each item
//	min:"1s" max:"1m"    bounds, in the units of the key; above:"0" is a bound that is not itself allowed
//	form:"topic"         what a text must look like; forms (tags.go) has them
//	required:"…"         it must not be empty; the words say what to do
//	example:"…"          what the commented example shows where there is no default, in YAML
//
// Load fills and checks by the tags; `make generate` makes keydocs.go, configs/, the JSON Schemas and docs/configuration.md of it all.
package config

//go:generate go run ./internal/gen docs
//go:generate go run ./internal/gen files ../..

import "time"

// Config is the whole configuration of a daemon.
type Config struct {
	Daemon
	Sites    []Site   // sorted by name
	Files    []string // every file read, the daemon's first
	Warnings []string // what works but should be mended, each "file:line: …"

	// AdminByDefault says that nobody chose where the admin port is.
	AdminByDefault bool

	pos *places // of the daemon's file
}

// Daemon is the daemon's own file, ngxtap.yaml.
type Daemon struct {
	// Instance is this host's name in Kafka, which no two hosts may share. It stands in transactional ids, in the keys of ngxtap.state and
	// as origin.host in every event. Default: the host name.
	Instance string   `yaml:"instance" form:"name" example:"web-01"`
	Kafka    Kafka    `yaml:"kafka"`
	Registry Registry `yaml:"registry"`
	Admin    Admin    `yaml:"admin"`
	// StateDir is a cache and a lock: losing it changes no output. It holds the key for hashed secrets if none is configured, cached
	// schema ids and, under --embedded, the embedded servers' data.
	StateDir string `yaml:"state_dir" default:"/var/lib/ngxtap" required:"must not be empty"`
}

// Kafka says where events go and how.
type Kafka struct {
	// Brokers are the addresses to start from, host:port.
	Brokers []string `yaml:"brokers" default:"127.0.0.1:9092" form:"hostport" required:"name at least one, such as [127.0.0.1:9092]"`
	TLS     TLS      `yaml:"tls"`
	SASL    SASL     `yaml:"sasl"`
	// Compression of the batches: lz4, zstd, snappy, gzip or none.
	Compression string `yaml:"compression" default:"lz4" oneof:"lz4|zstd|snappy|gzip|none"`
	// Delivery is exactly_once (transactions) or at_least_once (for brokers without them).
	Delivery string `yaml:"delivery" default:"exactly_once" oneof:"exactly_once|at_least_once"`
	// CommitInterval is how long a transaction gathers events, so how late a read_committed reader sees them.
	CommitInterval time.Duration `yaml:"commit_interval" default:"200ms" min:"10ms" max:"10s"`
	// RequestTimeout is how long a broker may take for one request; after that the site goes back to its last commit.
	RequestTimeout time.Duration `yaml:"request_timeout" default:"20s" min:"1s" max:"5m"`
	// TransactionTimeout is after how long the broker aborts what a dead or stopped daemon left open. Until then such a transaction
	// holds up read_committed readers. Brokers allow 15 minutes at most by default.
	TransactionTimeout time.Duration `yaml:"transaction_timeout" default:"30s" min:"1s" max:"15m"`
	// CreateTopics says whether missing topics may be created.
	CreateTopics bool `yaml:"create_topics" default:"true"`
	// Partitions of a site's topic when ngxtap creates it; 0: the broker decides.
	Partitions int32 `yaml:"partitions" default:"0" min:"0"`
	// ReplicationFactor of topics that ngxtap creates; 0: the broker decides.
	ReplicationFactor int16 `yaml:"replication_factor" default:"0" min:"0"`
	// StateTopic keeps positions, compacted, written in the transaction of the events.
	StateTopic string `yaml:"state_topic" default:"ngxtap.state" form:"topic"`
	// OnStateRegression is what to do where StateTopic knows less of a site than this host has seen committed: stop, trust_kafka or
	// trust_local. That is so when it was deleted or set back, or when brokers names another cluster. stop exits with 78, a person decides;
	// trust_kafka goes on from the topic, which repeats lines (where it knows nothing, as at a first start); trust_local goes on from the
	// position kept in StateDir, which after a kill may repeat the last ten seconds.
	OnStateRegression string `yaml:"on_state_regression" default:"stop" oneof:"stop|trust_kafka|trust_local"`
	// SchemasTopic keeps writer schemas by fingerprint, compacted, where no registry does.
	SchemasTopic string `yaml:"schemas_topic" default:"ngxtap.schemas" form:"topic"`
}

// TLS of the connection. The server's certificate is always verified: there is no key that turns that off.
type TLS struct {
	// Enabled turns TLS on, 1.2 or newer; naming any file or name below does so too.
	Enabled bool `yaml:"enabled" default:"false"`
	// CAFile holds the certificates to trust, PEM. Default: the system's certificates.
	CAFile string `yaml:"ca_file" example:"/etc/ssl/certs/ca.pem"`
	// CertFile is the client's own certificate for mutual TLS, PEM, with the intermediate ones after it; it may hold the key too.
	CertFile string `yaml:"cert_file" example:"/etc/ngxtap/client.pem"`
	// KeyFile is the key of CertFile, PEM, not encrypted. Default: the key in cert_file.
	KeyFile string `yaml:"key_file" example:"/etc/ngxtap/client.key"`
	// ServerName is the name that the server's certificate must bear, where it is not the address.
	ServerName string `yaml:"server_name" example:"kafka.example.com"`
}

// On reports whether TLS is to be used.
func (t TLS) On() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != ""
}

// SASL is how to log in to Kafka.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM. Default: no login.
	Mechanism string `yaml:"mechanism" oneof:"PLAIN|SCRAM-SHA-256|SCRAM-SHA-512|OAUTHBEARER|AWS_MSK_IAM" example:"SCRAM-SHA-512"`
	// Username is the name to log in with, of PLAIN and SCRAM.
	Username string `yaml:"username" example:"ngxtap"`
	// Password goes with Username, as ${VAR} or file:PATH; a file is read again for each session, so a new password needs no restart. The
	// password itself may stand here too, if nobody else may read the file.
	Password Secret `yaml:"password" example:"${KAFKA_PASSWORD}"`
	// Token is that of OAUTHBEARER, where another program renews it, as file:PATH, which is read again for each login.
	Token Secret `yaml:"token" example:"file:/var/run/secrets/tokens/kafka"`
	// OAuth asks a token endpoint for the tokens of OAUTHBEARER (client credentials grant, RFC 6749), instead of Token.
	OAuth OAuth `yaml:"oauth"`
	// Extensions go to the broker with the token of OAUTHBEARER.
	Extensions []Extension `yaml:"extensions" example:"[{name: logicalCluster, value: lkc-12345}]"`
	// AWS says which credentials AWS_MSK_IAM signs with; without any key they are found as other AWS programs find them.
	AWS AWS `yaml:"aws"`

	PasswordFile string `yaml:"-"` // where Password came from, if that is a file; absolute
	TokenFile    string `yaml:"-"` // the same of Token
}

// OAuth is where tokens come from. A token is renewed before it ends.
type OAuth struct {
	// TokenURL is the token endpoint.
	TokenURL string `yaml:"token_url" example:"https://idp.example.com/oauth2/token"`
	// ClientID is the name of this program there.
	ClientID string `yaml:"client_id" example:"ngxtap"`
	// ClientSecret goes with ClientID, as ${VAR} or file:PATH; a file is read again for each token.
	ClientSecret Secret `yaml:"client_secret" example:"file:/etc/ngxtap/client-secret"`
	// ClientAuth is how id and secret are sent: basic (in the Authorization header) or post (in the body). Default: basic.
	ClientAuth string `yaml:"client_auth" oneof:"basic|post" example:"post"`
	// Scope is what to ask for, several with spaces between them.
	Scope string `yaml:"scope" example:"kafka"`
	// Audience is whom the token is for, where the endpoint wants to be told.
	Audience string `yaml:"audience" example:"kafka"`
	TLS      TLS    `yaml:"tls"`

	ClientSecretFile string `yaml:"-"` // where ClientSecret came from, if that is a file; absolute
}

// Extension is one extension of OAUTHBEARER.
type Extension struct {
	// Name has letters only; case counts.
	Name string `yaml:"name" example:"logicalCluster"`
	// Value is what the broker gets.
	Value string `yaml:"value" example:"lkc-12345"`
}

// AWS says which credentials to sign with; keys themselves are never given here. Without a profile or a role they come from environment variables,
// the shared files, a web identity (EKS), the container (ECS, EKS) or the instance (EC2), in this order.
type AWS struct {
	// Region of the cluster. Default: the one in the brokers' names, else AWS_REGION.
	Region string `yaml:"region" example:"eu-central-1"`
	// Profile of the shared files. Default: AWS_PROFILE, else default.
	Profile string `yaml:"profile" example:"kafka"`
	// RoleARN is a role to take on with the credentials found.
	RoleARN string `yaml:"role_arn" example:"arn:aws:iam::123456789012:role/kafka-writer"`
	// ExternalID is what that role asks for, if it does.
	ExternalID string `yaml:"external_id" example:"ngxtap"`
}

// Registry is the schema registry, if there is one.
type Registry struct {
	// URL of the Confluent API, path prefix included, such as http://127.0.0.1:8080/apis/ccompat/v7. Default: no registry; writer
	// schemas go to the schemas topic.
	URL string `yaml:"url" form:"url" example:"http://127.0.0.1:8081"`
	// URLs are more addresses of the same registry, tried in turn.
	URLs []string `yaml:"urls" form:"url" example:"[http://127.0.0.1:8082]"`
	// Framing of Kafka values: confluent (the schema id before the event) or header (the id in the record header __value_schema_id), which
	// need a registry, or single-object. Default: confluent with a registry, else single-object.
	Framing string `yaml:"framing" oneof:"confluent|header|single-object" example:"confluent"`
	// Subject is the naming strategy: topic, record or topic-record.
	Subject string `yaml:"subject" default:"topic" oneof:"topic|record|topic-record"`
	// Username of basic auth, with Password.
	Username string `yaml:"username" example:"ngxtap"`
	// Password goes with Username: ${VAR} or file:PATH.
	Password Secret `yaml:"password" example:"${REGISTRY_PASSWORD}"`
	// Token is a bearer token, instead of Username and Password: ${VAR} or file:PATH.
	Token Secret `yaml:"token" example:"file:/etc/ngxtap/token"`
	TLS   TLS    `yaml:"tls"`
}

// Admin is the daemon's own HTTP port.
type Admin struct {
	// Listen is the address of status page, metrics and health: host:port, unix:PATH or off. A host other than the loopback wants AllowRemote. A unix
	// socket has the mode 0660. It tells nothing secret and changes nothing. If the default is taken the daemon warns and ships all the same, and
	// run --once does without.
	Listen string `yaml:"listen" default:"127.0.0.1:9464" form:"listen"`
	// AllowRemote lets Listen be an address that other hosts reach; there is no login. That is for probes and scrapes from elsewhere. Whoever
	// reaches it can read the names of sites, files, formats and headers.
	AllowRemote bool `yaml:"allow_remote" default:"false"`
}

// AdminOff is the value of admin.listen for no admin port.
const AdminOff = "off"

// AdminDefault is where the admin port is unless somebody says otherwise.
const AdminDefault = "127.0.0.1:9464"

// Site is one site's file, sites.d/NAME.yaml.
type Site struct {
	// Site is its name: part of the Avro namespace (ngxtap.shop) and of the transactional id. Letters, digits, ".", "_" and "-".
	Site string `yaml:"site" form:"name" required:"the site needs a name" example:"shop"`
	// AccessLog says which files to read and what their lines look like.
	AccessLog AccessLog `yaml:"access_log"`
	// Topic the events go to; rejected lines go to it with .quarantine. Default: nginx.SITE.access.
	Topic string `yaml:"topic" form:"site_topic" example:"nginx.shop.access"`
	// PartitionBy is none (one partition per host, in file order), host, or a variable of the format such as request_id. With none there is
	// no key; host makes the instance's name the key. A variable's value becomes the key, so the order holds per value; it can't be a
	// header, nor what may hold secrets.
	PartitionBy string  `yaml:"partition_by" default:"none" form:"field"`
	Headers     Headers `yaml:"headers"`
	// Addresses of clients: keep, truncate (to /24 and /48), hash, with the key of secrets, or encrypt. That is for variables such as
	// $remote_addr and for headers such as X-Forwarded-For. The key for encrypt follows from that of secrets; `ngxtap decrypt` turns it back.
	Addresses   string      `yaml:"addresses" default:"keep" oneof:"keep|truncate|hash|encrypt"`
	Quarantine  Quarantine  `yaml:"quarantine"`
	OnChange    OnChange    `yaml:"on_change"`
	DataChanges DataChanges `yaml:"data_changes"`
	// Outputs that get the events; kafka is the only one yet.
	Outputs []string `yaml:"outputs" default:"kafka" oneof:"kafka" required:"name at least one: [kafka]"`

	File string `yaml:"-"` // the file this was read from
	Line int    `yaml:"-"` // where in it the site's own keys start

	pos *places // of File; nil for a site without one
}

// AccessLog says which files to read and what their lines look like.
type AccessLog struct {
	// Paths of the log files; globs allowed. Rotated files are found by themselves.
	Paths []string `yaml:"paths" form:"path" required:"name at least one log file, such as [/var/log/nginx/access.log]" example:"[/var/log/nginx/access.log]"`
	// NginxConf is the nginx.conf that the format is read from. Default: /etc/nginx/nginx.conf, unless LogFormat is given.
	NginxConf string `yaml:"nginx_conf" example:"/etc/nginx/nginx.conf"`
	// NginxPrefix is what nginx -p was given, for relative paths in nginx.conf. Default: found from NginxConf.
	NginxPrefix string `yaml:"nginx_prefix" example:"/usr/share/nginx"`
	// Format is the name of the log_format. Default: what the access_log directives for these paths use.
	Format string `yaml:"format" example:"main"`
	// LogFormat is the format itself, instead of NginxConf and Format.
	LogFormat string `yaml:"log_format" example:"'$remote_addr [$time_local] \"$request\" $status'"`
	// Escape of LogFormat: default, json or none. Default: default.
	Escape string `yaml:"escape" oneof:"default|json|none" example:"json"`
	// TrustUnescaped accepts a format with escape=none, in which clients can forge lines.
	TrustUnescaped bool `yaml:"trust_unescaped" default:"false"`
	// Types of variables of which ngxtap knows no better than that they are strings: those of map, set, geo, js_set and other
	// people's modules. A type given here wins over the known one, too. A value that does not fit sends its line to quarantine.
	Types []VariableType `yaml:"types"`
	// StartAt is where to begin on the very first start: beginning or end.
	StartAt string `yaml:"start_at" default:"beginning" oneof:"beginning|end"`
	// MaxLine is the longest line accepted; a longer one goes to quarantine. More could not become an event within Kafka's default message size.
	MaxLine Size `yaml:"max_line" default:"1MiB" min:"4KiB" max:"1MiB"`
	// RotateGrace is how long a rotated file must be quiet before it is let go.
	RotateGrace time.Duration `yaml:"rotate_grace" default:"10s" min:"100ms" max:"1h"`
	// HeldBytes is how much of the disk deleted log files with unread lines may take; then the oldest are given up. They are held open, and
	// those given up are declared lost. With less than 1MiB logs that are being read would be given up.
	HeldBytes Size `yaml:"held_bytes" default:"1GiB" min:"1MiB"`
	// FollowSymlinks allows a log file to be a symbolic link that leads to a file in the folder of its path, or below.
	FollowSymlinks bool `yaml:"follow_symlinks" default:"false"`
	// RotatedDirs are the folders that rotated files are moved to, if they do not stay beside the log: what logrotate calls olddir. A
	// relative one is relative to the log's folder.
	RotatedDirs []string `yaml:"rotated_dirs" form:"folder" example:"[old]"`
	// SymlinkRoots are more folders that such links may lead to; with FollowSymlinks only.
	SymlinkRoots []string `yaml:"symlink_roots" form:"folder" example:"[/var/log/pods]"`
	// AllowHardLinks reads files that have other names when they are first seen: they may be somebody else's. Whoever can write the folder
	// can then have such a file read.
	AllowHardLinks bool `yaml:"allow_hard_links" default:"false"`
}

// VariableType gives a variable of the log_format a type.
type VariableType struct {
	// Name of the variable, without "$"; not a header, $request or a time.
	Name string `yaml:"name" form:"variable" required:"name the variable, such as app_ms" example:"app_ms"`
	// Type is string, int (0 to 2147483647), long (with a sign, 64 bits) or double. A value that is missing is null.
	Type string `yaml:"type" oneof:"string|int|long|double" required:"say which: string, int, long or double" example:"long"`
}

// Headers says what happens to headers on their way.
type Headers struct {
	// Secrets in Authorization, Cookie, Set-Cookie, *-Token and the like: hash (keyed HMAC-SHA-256, so that joins still work) or drop.
	Secrets string `yaml:"secrets" default:"hash" oneof:"hash|drop"`
	// Keep lists secret headers and query parameters that may leave the host in clear text all the same.
	Keep []string `yaml:"keep" form:"kept" example:"[x-api-key]"`
	// HashKey is ${VAR} or file:PATH (a systemd credential, say), the same on all hosts if hashes are to be joined. At least 16 characters.
	// Default: made at the first start and kept in state_dir.
	HashKey Secret `yaml:"hash_key" example:"file:/etc/ngxtap/hash.key"`
	// PreviousHashKey is the key before it, with which lines in quarantine and encrypted addresses can still be read. Default: none.
	PreviousHashKey Secret `yaml:"previous_hash_key" example:"${PREVIOUS_HASH_KEY}"`
	// Cookies says what happens to single cookies.
	Cookies Cookies `yaml:"cookies"`
	// Allow lists the headers that become part of events; "*" may begin or end a name, and x_app means x-app too. Default: all.
	Allow []string `yaml:"allow" form:"header" example:"[user-agent, 'x-app-*']"`
	// Deny lists headers, in the same way, that never do, also if Allow has them.
	Deny []string `yaml:"deny" form:"header" example:"[x-internal]"`
	// MaxHeaders is how many header values of one request or response an event holds; the rest is left out, counted, and named in the field
	// cut.
	MaxHeaders int `yaml:"max_headers" default:"256" min:"1" max:"10000"`
	// MaxValue is how long the value of a header may be; a longer one is cut, counted, and named in the field cut. More could not become an
	// event within Kafka's default message size.
	MaxValue Size `yaml:"max_value" default:"16KiB" min:"64B" max:"1MiB"`
	// Census says whether to keep a list of all header names that were ever seen, which `ngxtap headers` shows.
	Census bool `yaml:"census" default:"true"`
	// Promote lists request headers that also become fields of their own.
	Promote []string `yaml:"promote" form:"promoted" example:"[x-request-id]"`
}

// Cookies says what happens to single cookies.
type Cookies struct {
	// Keep lists cookies whose values may leave the host in clear text, in any case.
	Keep []string `yaml:"keep" form:"kept" example:"[lang]"`
}

// Quarantine says what happens to lines that fit no format.
type Quarantine struct {
	// Raw is encrypted (with a key that follows from headers.hash_key, or from the one in state_dir) or clear. Only who has the key can list
	// or replay the lines.
	Raw string `yaml:"raw" default:"encrypted" oneof:"encrypted|clear"`
}

// OnChange says what to do about a changed format, by the class of the change: evolve (register the schema and go on), quarantine (go
// on, the lines of the new format are kept in quarantine) or hold (stop the site before the first such line; the log file is the queue).
// `ngxtap schema accept` lets a change through.
type OnChange struct {
	// Compatible is for the classes full, backward and forward together.
	Compatible string `yaml:"compatible" default:"evolve" oneof:"evolve|quarantine|hold"`
	// Full is for changes after which old and new readers read old and new events. Default: as compatible.
	Full string `yaml:"full" oneof:"evolve|quarantine|hold" example:"evolve"`
	// Backward is for changes after which old readers fail on new events. Default: as compatible.
	Backward string `yaml:"backward" oneof:"evolve|quarantine|hold" example:"evolve"`
	// Forward is for changes after which new readers fail on old events. Default: as compatible.
	Forward string `yaml:"forward" oneof:"evolve|quarantine|hold" example:"evolve"`
	// Breaking is for changes after which neither reads the events of the other.
	Breaking string `yaml:"breaking" default:"quarantine" oneof:"evolve|quarantine|hold"`
	// Refused is for schemas that the registry does not take: quarantine or hold. It is asked again now and then.
	Refused string `yaml:"refused" default:"quarantine" oneof:"quarantine|hold"`
	// RegistryAway is for new schemas while no registry answers: hold or quarantine. Known schemas go on.
	RegistryAway string `yaml:"registry_away" default:"hold" oneof:"hold|quarantine"`
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
	// Report says whether any are: headers that come or go, more lines that do not fit.
	Report bool `yaml:"report" default:"true"`
	// RejectedShare of the lines of a minute that go to quarantine is worth telling; of those that fail in one column a tenth of it.
	RejectedShare float64 `yaml:"rejected_share" default:"0.01" above:"0" max:"1"`
	// HeaderShare of the events must have a header that is new, or was known, for that to be told.
	HeaderShare float64 `yaml:"header_share" default:"0.01" above:"0" max:"1"`
	// RareHeaders says whether new headers are told, too, that are in fewer events but come again and again; needs headers.census.
	RareHeaders bool `yaml:"rare_headers" default:"true"`
}
