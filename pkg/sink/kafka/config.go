package kafka

import (
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// The values of Config.Delivery.
const (
	ExactlyOnce = "exactly_once"
	AtLeastOnce = "at_least_once"
)

// Defaults of the names and sizes in Config.
const (
	DefaultStateTopic      = "ngxtap.state"
	DefaultSchemasTopic    = "ngxtap.schemas"
	DefaultChangesTopic    = "ngxtap.schema-changes"
	QuarantineSuffix       = ".quarantine"
	DefaultStatePartitions = 50
)

// Config says where a site's events go. The zero value of a field means its default, where it has one. It is not changed by this
// package, and may be used for many sinks; those of one site share its Owner.
type Config struct {
	Brokers  []string    // host:port; at least one
	ClientID string      // default: ngxtap
	TLS      *tls.Config // nil: none
	SASL     SASL
	// Renew, if set, is asked for the credentials of now whenever connections are opened anew, in place of TLS and SASL.Password: what was
	// rotated is used by then. An error is one that may pass.
	Renew func() (Credentials, error)

	Instance string // names this daemon; with Site it is the identity under which the position is kept
	Site     string
	Host     string // the machine, for the rule that a site moves to another host only when released; default: os.Hostname
	Takeover bool   // take the site over from another host that has not released it; counts for the first Recover of a run only
	Owner    *Owner // what this run of the program remembers from session to session; nil: each sink is a run of its own

	Topic      string // the site's events
	Quarantine string // default: Topic + ".quarantine"
	State      string // default: ngxtap.state
	Schemas    string // default: ngxtap.schemas
	Changes    string // default: ngxtap.schema-changes

	CreateTopics      bool  // create topics that are missing
	Partitions        int32 // of created topics other than State; default: the broker's default
	ReplicationFactor int16 // of created topics; default: the broker's default
	StatePartitions   int32 // of State; default: 50. It must be the real number, or start-up reads the whole topic

	Delivery         string // ExactlyOnce (default) or AtLeastOnce
	Compression      string // lz4 (default), zstd, snappy, gzip, none
	CompressionLevel int    // for zstd and gzip; 0: the codec's default

	DialTimeout    time.Duration // default: 10 s
	RequestTimeout time.Duration // how long a broker may take for one request; default: 20 s
	TxnTimeout     time.Duration // after which the broker aborts a transaction left open; default: 30 s
	CloseTimeout   time.Duration // how long Close may take to release the site; default: 5 s

	// StateFile is a local hint that tells when the state topic has gone back in time; "": none. Losing it changes no output.
	StateFile string
	// OnRegression is what to do then: RegressionStop (default), RegressionTrustKafka, which repeats every line after the topic's
	// position, or RegressionTrustLocal, which goes on from StateFile. That file is written every ten seconds, when a session ends with
	// an error and at Close: after a kill, trust_local may repeat what was committed in the ten seconds before it; while the daemon runs,
	// and after an orderly end, it repeats nothing but a last commit whose reply was lost.
	OnRegression string
	Logger       *slog.Logger // default: says nothing
	Stats        *Stats       // counts what is done; sinks of one site share it. nil: nobody looks
	// Alive is called whenever something has come of a wait for a broker: a connection that is made or refused, bytes that went out or
	// came, or a time-out. It may be called from several goroutines at once. Default: does nothing.
	Alive func()
}

// Owner is what one run of the program remembers about one site from session to session: that it was the owner before, so that it
// notices when another run took the site over, what was committed, which topics were there, and which batch size the broker accepts.
// It belongs to the goroutine that runs the site.
type Owner struct {
	run         string
	sessions    int
	established bool             // a session of this run has seen itself as owner
	outrun      bool             // a session of this run was fenced while it started: another run starts too
	before      string           // the run that was owner when the last session was about to fence it, "" if there was none
	maxBatch    int              // bytes of uncompressed records in a batch
	last        hint             // the newest commit that was confirmed in this run
	partitions  map[string]int32 // how many the topics had when they were last looked up
}

// NewOwner returns the memory of a run that has not owned its site yet.
func NewOwner() *Owner {
	return &Owner{run: rand.Text(), maxBatch: maxBatchBytes, partitions: map[string]int32{}}
}

// nonce returns a word never used before that shows the run it is from.
func (o *Owner) nonce() string {
	o.sessions++
	return fmt.Sprintf("%s.%d", o.run, o.sessions)
}

// wrote reports whether nonce is from this run.
func (o *Owner) wrote(nonce string) bool { return runOf(nonce) == o.run }

// runOf returns the run that a nonce is from.
func runOf(nonce string) string {
	run, _, _ := strings.Cut(nonce, ".")
	return run
}

// complete returns cfg with its defaults filled in.
func (cfg Config) complete() Config {
	cfg.ClientID = cmp.Or(cfg.ClientID, "ngxtap")
	cfg.Quarantine = cmp.Or(cfg.Quarantine, cfg.Topic+QuarantineSuffix)
	cfg.State = cmp.Or(cfg.State, DefaultStateTopic)
	cfg.Schemas = cmp.Or(cfg.Schemas, DefaultSchemasTopic)
	cfg.Changes = cmp.Or(cfg.Changes, DefaultChangesTopic)
	cfg.Partitions = cmp.Or(cfg.Partitions, -1)
	cfg.ReplicationFactor = cmp.Or(cfg.ReplicationFactor, -1)
	cfg.StatePartitions = cmp.Or(cfg.StatePartitions, DefaultStatePartitions)
	cfg.Delivery = cmp.Or(cfg.Delivery, ExactlyOnce)
	cfg.Compression = cmp.Or(cfg.Compression, "lz4")
	cfg.OnRegression = cmp.Or(cfg.OnRegression, RegressionStop)
	cfg.DialTimeout = cmp.Or(cfg.DialTimeout, 10*time.Second)
	cfg.RequestTimeout = cmp.Or(cfg.RequestTimeout, 20*time.Second)
	cfg.TxnTimeout = cmp.Or(cfg.TxnTimeout, 30*time.Second)
	cfg.CloseTimeout = cmp.Or(cfg.CloseTimeout, 5*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Stats == nil {
		cfg.Stats = &Stats{}
	}
	if cfg.Alive == nil {
		cfg.Alive = func() {}
	}
	if cfg.Owner == nil {
		cfg.Owner = NewOwner()
	}
	if cfg.Host == "" {
		cfg.Host, _ = os.Hostname()
	}
	return cfg
}

// topicName is what Kafka accepts as a topic (org.apache.kafka.common.internals.Topic).
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// validate returns every finding about a completed cfg, joined, each wrapped in sink.ErrConfig.
func (cfg *Config) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("kafka: "+format+": %w", append(args, sink.ErrConfig)...))
	}
	for _, n := range [...]struct{ what, name string }{{"instance", cfg.Instance}, {"site", cfg.Site}} {
		if n.name == "" || strings.Contains(n.name, "/") {
			bad("%s %q: want a name without a slash", n.what, n.name)
		}
	}
	seen := map[string]string{}
	for _, t := range cfg.topics() {
		if !topicName.MatchString(t.name) || t.name == "." || t.name == ".." {
			bad("topic %q for %s: want 1 to 249 of the characters a-z A-Z 0-9 . _ -", t.name, t.what)
		}
		if other, ok := seen[t.name]; ok {
			bad("topic %q is named for %s and for %s: give each its own", t.name, other, t.what)
		}
		seen[t.name] = t.what
	}
	if cfg.Delivery != ExactlyOnce && cfg.Delivery != AtLeastOnce {
		bad("delivery %q: want %s or %s", cfg.Delivery, ExactlyOnce, AtLeastOnce)
	}
	if r := cfg.OnRegression; r != RegressionStop && r != RegressionTrustKafka && r != RegressionTrustLocal {
		bad("on_state_regression %q: want %s, %s or %s", r, RegressionStop, RegressionTrustKafka, RegressionTrustLocal)
	}
	if _, err := cfg.codec(); err != nil {
		errs = append(errs, err)
	}
	if _, err := cfg.client(nil, Credentials{cfg.TLS, cfg.SASL.Password}); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// codec returns sarama's name for the compression.
func (cfg *Config) codec() (sarama.CompressionCodec, error) {
	switch cfg.Compression {
	case "lz4":
		return sarama.CompressionLZ4, nil
	case "zstd":
		return sarama.CompressionZSTD, nil
	case "snappy":
		return sarama.CompressionSnappy, nil
	case "gzip":
		return sarama.CompressionGZIP, nil
	case "none":
		return sarama.CompressionNone, nil
	}
	return 0, fmt.Errorf("kafka: compression %q: want lz4, zstd, snappy, gzip or none: %w", cfg.Compression, sink.ErrConfig)
}

// client returns sarama's configuration of connections that are opened by d.
func (cfg *Config) client(d *dialer, creds Credentials) (*sarama.Config, error) {
	if len(cfg.Brokers) == 0 {
		return nil, fmt.Errorf("kafka: no brokers: name at least one as host:port: %w", sink.ErrConfig)
	}
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0 // the newest requests we use; each is lowered to what the broker offers
	c.ClientID = cfg.ClientID
	c.MetricRegistry = noMetrics{}
	c.Net.MaxOpenRequests = maxInFlight
	c.Net.DialTimeout = cfg.DialTimeout
	c.Net.WriteTimeout = cfg.RequestTimeout
	c.Net.ReadTimeout = cfg.RequestTimeout + 5*time.Second // the broker's own time-out must come first
	c.Net.Proxy.Enable, c.Net.Proxy.Dialer = true, d       // it does TLS too
	// Every wait and retry is ours, so that a context ends it.
	c.Metadata.Full = false
	c.Metadata.Retry.Max = 0
	c.Metadata.RefreshFrequency = 0
	c.Metadata.AllowAutoTopicCreation = false
	if err := cfg.applyLogin(c, d, creds); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w: %w", err, sink.ErrConfig)
	}
	return c, nil
}

// topicUse is a topic and what it is for.
type topicUse struct{ name, what string }

// topics returns the topics of a completed cfg: those of the streams by their number, and the state topic last.
func (cfg *Config) topics() [sink.NumStreams + 1]topicUse {
	return [...]topicUse{
		sink.Events:     {cfg.Topic, "events"},
		sink.Quarantine: {cfg.Quarantine, "quarantine"},
		sink.Schemas:    {cfg.Schemas, "schemas"},
		sink.Changes:    {cfg.Changes, "schema changes"},
		sink.NumStreams: {cfg.State, "state"},
	}
}
