package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// DefaultFile is where the daemon's file lies unless -c names another.
const DefaultFile = "/etc/ngxtap/ngxtap.yaml"

// EnvPrefix starts the environment variables that override scalars of the daemon's file: NGXTAP_KAFKA_COMMIT_INTERVAL=1s.
const EnvPrefix = "NGXTAP"

// Load reads file and the sites.d/*.yaml beside it. All that is wrong is reported in one error, a line for each finding, each with
// file and line.
func Load(file string) (*Config, error) {
	c, errs := loadDaemon(file)
	if c == nil {
		return nil, errors.Join(errs...)
	}
	base := filepath.Dir(c.Files[0])
	siteFiles, err := filepath.Glob(filepath.Join(base, "sites.d", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("list the sites: %w", err)
	}
	sort.Strings(siteFiles)
	for _, sf := range siteFiles {
		s := siteDefaults()
		pos, err := read(sf, &s, false)
		c.Files = append(c.Files, sf)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.File, s.Line, s.pos = sf, max(pos["site"], 1), pos
		errs = append(errs, s.finish(sf, pos, c)...)
		c.Sites = append(c.Sites, s)
	}
	if len(siteFiles) == 0 {
		errs = append(errs, fmt.Errorf("%s: no site is configured: put one YAML file per site into it", filepath.Join(base, "sites.d")+"/"))
	}
	errs = append(errs, c.crossCheck()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sort.Slice(c.Sites, func(i, j int) bool { return c.Sites[i].Site < c.Sites[j].Site })
	return c, nil
}

// LoadDaemon reads the daemon's own file only, for commands that need no site.
func LoadDaemon(file string) (*Config, error) {
	c, errs := loadDaemon(file)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// loadDaemon returns nil if the file can't be read at all.
func loadDaemon(file string) (*Config, []error) {
	c := &Config{Daemon: daemonDefaults()}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, []error{fmt.Errorf("find the configuration: %w", err)}
	}
	pos, err := read(file, &c.Daemon, true)
	if err != nil {
		return nil, []error{err}
	}
	c.Files, c.pos = append(c.Files, file), pos
	return c, c.finishDaemon(file, filepath.Dir(file), pos)
}

// SiteDefaults returns a site with every default filled in, for commands that work without a configuration file.
func SiteDefaults(name string) Site {
	s := siteDefaults()
	s.Site = name
	s.Topic = defaultTopic(name)
	return s
}

func daemonDefaults() Daemon {
	return Daemon{
		Kafka: Kafka{Brokers: []string{"127.0.0.1:9092"}, Compression: "lz4", Delivery: "exactly_once", CommitInterval: 200 * time.Millisecond,
			RequestTimeout: 20 * time.Second, TransactionTimeout: 30 * time.Second, CreateTopics: true, StateTopic: "ngxtap.state", OnStateRegression: "stop", SchemasTopic: "ngxtap.schemas"},
		Registry: Registry{Subject: "topic"},
		Admin:    Admin{Listen: "off"},
		StateDir: "/var/lib/ngxtap",
	}
}

func siteDefaults() Site {
	return Site{
		AccessLog:   AccessLog{StartAt: "beginning", MaxLine: 1 << 20, RotateGrace: 10 * time.Second, HeldBytes: 1 << 30},
		PartitionBy: "none",
		Headers:     Headers{Secrets: "hash", MaxHeaders: 256, MaxValue: 16 << 10, Census: true},
		Addresses:   "keep",
		Quarantine:  Quarantine{Raw: "encrypted"},
		OnChange:    OnChange{Compatible: "evolve", Breaking: "quarantine", Refused: "quarantine", RegistryAway: "hold"},
		DataChanges: DataChanges{Report: true, RejectedShare: 0.01, HeaderShare: 0.01, RareHeaders: true},
		Outputs:     []string{"kafka"},
	}
}

// read checks the keys of a YAML file, then lets viper put it over the defaults already in into. env says whether environment
// variables may override scalars.
func read(file string, into any, env bool) (lines, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	pos, err := checkKeys(file, data, reflect.TypeOf(into).Elem())
	if err != nil {
		return nil, err
	}
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(strings.NewReader(string(data))); err != nil {
		return nil, fmt.Errorf("%s:1: %w", file, err)
	}
	if env {
		v.SetEnvPrefix(EnvPrefix)
		v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
		bindScalars(v, "", reflect.TypeOf(into).Elem())
	}
	hook := viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(
		refuseBareDurations, mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), mapstructure.StringToSliceHookFunc(",")))
	tag := func(c *mapstructure.DecoderConfig) { c.TagName = "yaml" }
	if err := v.UnmarshalExact(into, hook, tag); err != nil {
		return nil, placeErrors(file, pos, err)
	}
	return pos, nil
}

// bindScalars lets viper look into the environment for every scalar, whether it stands in the file or not.
func bindScalars(v *viper.Viper, path string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := join(path, keyName(f))
		switch {
		case keyName(f) == "":
		case f.Type.Kind() == reflect.Struct:
			bindScalars(v, key, f.Type)
		default:
			_ = v.BindEnv(key) // fails only without a key
		}
	}
}

// refuseBareDurations keeps "commit_interval: 200" from meaning 200 nanoseconds.
func refuseBareDurations(from, to reflect.Type, data any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String && from != to {
		return nil, fmt.Errorf("%v needs a unit: 200ms, 10s or 5m", data)
	}
	return data, nil
}

// placeErrors gives each of the decoder's complaints the file and line of the key it is about.
func placeErrors(file string, pos lines, err error) error {
	var errs []error
	for _, e := range flatten(err) {
		var de *mapstructure.DecodeError
		if errors.As(e, &de) {
			key := strings.TrimPrefix(de.Name(), ".")
			errs = append(errs, fmt.Errorf("%s: %s: %w", pos.at(file, key), key, de.Unwrap()))
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %w", file, e))
	}
	return errors.Join(errs...)
}

func flatten(err error) []error {
	if m, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range m.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if u := errors.Unwrap(err); u != nil {
		if _, ok := err.(*mapstructure.DecodeError); !ok {
			return flatten(u)
		}
	}
	return []error{err}
}

func abs(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
