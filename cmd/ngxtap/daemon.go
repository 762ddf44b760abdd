package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/embedded"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/login"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
	"ngxtap/pkg/tail"
)

// daemon is everything one process of `ngxtap run` holds, or of another command that talks to Kafka.
type daemon struct {
	cfg      *config.Config
	log      *slog.Logger
	seen     *observed // nil: not the daemon, but another command
	framing  schema.Framing
	servers  *embedded.Servers // nil without --embedded
	registry *schema.Registry  // nil without a registry
	tokens   login.Source      // of logins with tokens; nil without
	lock     *os.File
	takeover bool
	material [sha256.Size]byte        // of the files that the configuration names, as they were when the sites were built
	manager  *manager                 // the service manager, if there is one
	hanging  atomic.Pointer[[]string] // see stuck
}

// load reads the configuration and logs its warnings.
func (a *app) load(log *slog.Logger) (*config.Config, error) {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return nil, configError(err)
	}
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
	return cfg, nil
}

// newDaemon reaches for what all sites share: the embedded servers, if asked for, and the registry.
func (a *app) newDaemon(ctx context.Context, cfg *config.Config, log *slog.Logger) (*daemon, error) {
	d := &daemon{cfg: cfg, log: log, seen: a.seen}
	if a.embedded {
		var err error
		d.servers, err = embedded.Start(ctx, embedded.Config{Dir: embeddedDir(cfg.StateDir), Logger: log})
		if err != nil {
			return nil, fmt.Errorf("start the embedded servers: %w", err)
		}
	}
	if err := d.connect(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// connect prepares for the servers that the configuration names, or for the embedded ones in their place.
func (d *daemon) connect() error {
	if d.servers != nil {
		d.cfg.Kafka.Brokers = d.servers.Brokers()
		d.cfg.Kafka.TLS, d.cfg.Kafka.SASL = config.TLS{}, config.SASL{}
		d.cfg.Registry = config.Registry{URLs: []string{d.servers.RegistryURL()}, Framing: schema.Confluent.String(), Subject: d.cfg.Registry.Subject}
	}
	var err error
	if d.framing, err = schema.ParseFraming(d.cfg.Registry.Framing); err != nil {
		return configError(err)
	}
	if d.tokens, err = newTokens(&d.cfg.Kafka.SASL, d.cfg.Kafka.Brokers, d.cfg.Instance, d.log); err != nil {
		return configError(err)
	}
	if len(d.cfg.Registry.URLs) > 0 {
		if d.registry, err = newRegistry(d); err != nil {
			return configError(err)
		}
	}
	return nil
}

func (d *daemon) close() error {
	var errs []error
	if d.registry != nil {
		d.registry.Close()
	}
	if d.servers != nil {
		errs = append(errs, d.servers.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// own takes the lock of the state folder: two daemons with one state would be two owners of the same sites.
func (d *daemon) own() error {
	if err := os.MkdirAll(d.cfg.StateDir, 0o700); err != nil {
		return stateError(fmt.Errorf("state_dir: %w; make it writable for this user, or set state_dir", err))
	}
	f, err := os.OpenFile(filepath.Join(d.cfg.StateDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return stateError(fmt.Errorf("state_dir: %w; make it writable for this user, or set state_dir", err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return configError(fmt.Errorf("another ngxtap runs already with state_dir %s; stop it first", d.cfg.StateDir))
	}
	d.lock = f
	return nil
}

// stateError marks an error about the state folder: a restart may cure what is short for a while, and nothing else.
func stateError(err error) error {
	for _, passing := range []error{unix.ENOSPC, unix.EDQUOT, unix.EMFILE, unix.ENFILE, unix.EIO} {
		if errors.Is(err, passing) {
			return failed(err)
		}
	}
	return configError(err)
}

// sites builds every site. Their formats are read from nginx.conf here, once; what is wrong with any of them is reported together.
func (d *daemon) sites(once bool) ([]*pipeline.Site, error) {
	key, err := hostKey(d.cfg.StateDir)
	if err != nil {
		return nil, stateError(err)
	}
	d.readMaterial() // before any site reads them: a file that changes in between counts as changed at the next reload
	var sites []*pipeline.Site
	var errs []error
	for i := range d.cfg.Sites {
		s, err := d.site(&d.cfg.Sites[i], key, once)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		sites = append(sites, s)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return sites, nil
}

func (d *daemon) site(s *config.Site, key []byte, once bool) (*pipeline.Site, error) {
	log := d.log.With("site", s.Site)
	watch := newConfWatch(s)
	formats, conf, err := watch.read()
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: site %s: %w", s.File, s.Line, s.Site, err))
	}
	if conf != nil {
		for _, w := range conf.Warnings {
			log.Warn(w)
		}
	}
	secrets, err := newSecrets(s, key)
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: site %s: %w", s.File, s.Line, s.Site, err))
	}
	seal, err := sealKey(s, key)
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: site %s: %w", s.File, s.Line, s.Site, err))
	}
	log.Info("secrets", "mode", s.Headers.Secrets, "key", avro.KeyID(siteKey(s, key)), "addresses", s.Addresses, "quarantine", s.Quarantine.Raw)
	strategy, err := schema.ParseSubjectStrategy(d.cfg.Registry.Subject)
	if err != nil {
		return nil, configError(err)
	}
	stats, brokers := d.seen.site(s.Site)
	run := sinkRun{owner: kafka.NewOwner(), stats: brokers, pulse: &pipeline.Pulse{}}
	files := tailConfig(&s.AccessLog, log)
	files.Alive = run.pulse.Beat
	site, err := pipeline.New(pipeline.Config{
		Site: s.Site, Instance: d.cfg.Instance, Tail: files, Formats: formats, Pulse: run.pulse,
		PartitionBy: s.PartitionBy, CommitInterval: d.cfg.Kafka.CommitInterval, Once: once, Logger: log,
		OnChange: policyOf(&s.OnChange), Drift: driftOf(&s.DataChanges), Secrets: secrets, Headers: headerRules(s), Seal: seal, Edited: watch.edited,
		NoCensus: !s.Headers.Census, CensusFile: censusFile(d.hintDir(), s.Site),
		Frame: func(ctx context.Context, stream sink.Stream, record, schemaJSON string) (*pipeline.Frame, error) {
			return d.frame(ctx, strategy.Subject(topicOf(s, stream), record), schemaJSON)
		},
		Compile: func(def *logformat.Definition, recipe string) (*pipeline.Format, error) {
			return recompile(def, recipe, s.Site)
		},
		Registered: d.registered(s, strategy),
		Accepted:   newAcceptance(d.cfg.StateDir, s.Site, log).has,
		Seen:       func() sink.Position { return kafka.SeenPosition(d.positionFile(s), d.cfg.Instance, s.Site) },
		Stats:      stats,
		Open:       func() (sink.Sink, error) { return d.sink(s, run) },
	})
	if err != nil {
		return nil, configError(fmt.Errorf("%s:%d: %w", s.File, s.Line, err))
	}
	return site, nil
}

// policyOf returns what a site does about changes.
func policyOf(c *config.OnChange) pipeline.Policy {
	return pipeline.Policy{
		Full: schema.Action(c.Full), Backward: schema.Action(c.Backward), Forward: schema.Action(c.Forward), Breaking: schema.Action(c.Breaking),
		Refused: schema.Action(c.Refused), Away: schema.Action(c.RegistryAway),
	}
}

// driftOf returns which changes of the data are told.
func driftOf(c *config.DataChanges) *pipeline.Drift {
	if !c.Report {
		return nil
	}
	return &pipeline.Drift{RejectedShare: c.RejectedShare, HeaderShare: c.HeaderShare, NoRare: !c.RareHeaders}
}

// topicOf returns the topic of a stream whose values have a schema.
func topicOf(s *config.Site, stream sink.Stream) string {
	switch stream {
	case sink.Quarantine:
		return s.Topic + kafka.QuarantineSuffix
	case sink.Changes:
		return kafka.DefaultChangesTopic
	}
	return s.Topic
}

// registered is pipeline.Config.Registered.
func (d *daemon) registered(s *config.Site, strategy schema.SubjectStrategy) func(context.Context, string) (string, error) {
	if d.framing == schema.SingleObject {
		return nil
	}
	return func(ctx context.Context, record string) (string, error) {
		_, _, text, _, err := d.registry.Latest(ctx, strategy.Subject(s.Topic, record))
		return text, err
	}
}

// frame gets the framing of values with a schema. It asks the registry, where there is one, and does not wait for it.
func (d *daemon) frame(ctx context.Context, subject, schemaJSON string) (*pipeline.Frame, error) {
	fp, err := schema.Fingerprint(schemaJSON)
	if err != nil {
		return nil, err
	}
	var id schema.ID
	if d.framing != schema.SingleObject {
		if id, err = d.registry.Register(ctx, subject, schemaJSON); err != nil {
			return nil, err
		}
		d.log.Info("schema", "subject", subject, "id", id.Number)
	}
	return frameOf(d.framing, id, fp), nil
}

// embeddedDir is where the embedded servers keep their data.
func embeddedDir(stateDir string) string { return filepath.Join(stateDir, "embedded") }

// hintDir is where what this host knows of positions is kept: beside the data of the cluster that it is about.
func (d *daemon) hintDir() string {
	if d.servers != nil {
		return embeddedDir(d.cfg.StateDir)
	}
	return d.cfg.StateDir
}

// positionFile is where this host keeps what it has seen committed of a site.
func (d *daemon) positionFile(s *config.Site) string {
	return filepath.Join(d.hintDir(), "position-"+s.Site)
}

// sinkRun is what the sinks of one site share.
type sinkRun struct {
	owner *kafka.Owner
	stats *kafka.Stats
	pulse *pipeline.Pulse
}

func (d *daemon) sink(s *config.Site, run sinkRun) (sink.Sink, error) {
	c, err := d.kafkaConfig(s) // its logger adds the site itself
	if err != nil {
		return nil, err
	}
	c.Owner, c.Stats, c.Takeover, c.Alive = run.owner, run.stats, d.takeover, run.pulse.Beat
	c.StateFile = d.positionFile(s)
	return kafka.New(c)
}

func tailConfig(a *config.AccessLog, log *slog.Logger) tail.Config {
	start := tail.Beginning
	if a.StartAt == "end" {
		start = tail.End
	}
	return tail.Config{Paths: a.Paths, StartAt: start, MaxLine: int(a.MaxLine), RotateGrace: a.RotateGrace, HeldBytes: int64(a.HeldBytes), Logger: log,
		RotatedDirs: a.RotatedDirs, FollowSymlinks: a.FollowSymlinks, SymlinkRoots: a.SymlinkRoots, AllowHardLinks: a.AllowHardLinks}
}

func kafkaConfig(c *config.Config, s *config.Site, log *slog.Logger) (kafka.Config, error) {
	k := &c.Kafka
	kc := kafka.Config{
		Brokers: k.Brokers, Instance: c.Instance, Delivery: k.Delivery, Compression: k.Compression, CreateTopics: k.CreateTopics,
		Partitions: k.Partitions, ReplicationFactor: k.ReplicationFactor, State: k.StateTopic, Schemas: k.SchemasTopic,
		RequestTimeout: k.RequestTimeout, TxnTimeout: k.TransactionTimeout,
		OnRegression: k.OnStateRegression, Logger: log,
	}
	if s != nil {
		kc.Site, kc.Topic = s.Site, s.Topic
		kc.Quarantine = s.Topic + ".quarantine"
	}
	return kc, addCredentials(&kc, k, log)
}
