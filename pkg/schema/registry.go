package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// RegistryConfig says where a schema registry is and how to talk to it. Every registry with Confluent's API will do.
type RegistryConfig struct {
	// URLs are tried in turn. A path is kept as a prefix of every request, as in http://host:port/apis/ccompat/v7. A user and a
	// password in a URL count as Username and Password.
	URLs []string

	Username, Password string // HTTP basic authentication
	Bearer             string // token of an Authorization: Bearer header; excludes Username

	TLS      *tls.Config   // nil: the system's roots
	Timeout  time.Duration // for one request; 0: 5 s
	Attempts int           // how often a request is sent before the registry counts as away; 0: 3; to each URL once at least
	Backoff  time.Duration // wait before the second attempt, doubled before each further one; 0: 200 ms

	// CacheFile keeps the ids of registered schemas for starts at which the registry is away. Empty: no cache. Its folder must exist.
	CacheFile string

	Stats  *RegistryStats // counts requests; nil: nobody looks
	Logger *slog.Logger   // nil: nothing is logged
}

// Registry registers schemas and fetches them by id. It is safe for use by several goroutines. Close it after use.
type Registry struct {
	clients  []*sr.Client // one for each URL; not modified after NewRegistry
	http     *http.Client
	attempts int
	backoff  time.Duration
	sleep    func(context.Context, time.Duration) error // pause, but for tests
	stats    *RegistryStats
	log      *slog.Logger

	mu       sync.Mutex         // guards the following
	first    int                // index of the client that answered last
	cache    *idCache           // ids on disk
	verified map[schemaKey]ID   // ids that the registry itself confirmed to this process
	unsure   map[schemaKey]bool // schemas in use under an id that only the cache knows
	texts    map[ID]string      // self-contained schemas by number or by GUID
}

// ErrRefused is what a RefusedError wraps.
var ErrRefused = errors.New("the registry refuses the schema")

// RefusedError says that a registry answered, and does not accept a schema (HTTP 409 or 422). It is of use to ask again only when
// somebody has changed the registry's mind: its compatibility level, its mode, or the versions under the subject.
type RefusedError struct {
	Subject string
	Status  int    // the HTTP status: 409 where the schema is incompatible with an older one, 422 where it is invalid
	Message string // what the registry says, cut to a bounded length
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("register schema under subject %q: %v (HTTP %d: %s)", e.Subject, ErrRefused, e.Status, e.Message)
}

// Unwrap returns ErrRefused.
func (e *RefusedError) Unwrap() error { return ErrRefused }

// ErrUnavailable is returned (wrapped) when no registry answered within the configured attempts and the cache did not help.
var ErrUnavailable = errors.New("the schema registry can't be reached")

// NewRegistry checks the configuration and reads the cache. It sends nothing: a registry that is away is no error yet.
func NewRegistry(cfg RegistryConfig) (*Registry, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("open schema registry: no URL given")
	}
	if cfg.Bearer != "" && cfg.Username != "" {
		return nil, errors.New("open schema registry: give a user name or a bearer token, not both")
	}
	r := &Registry{
		attempts: cfg.Attempts, backoff: cfg.Backoff, sleep: pause, stats: cfg.Stats, log: cfg.Logger,
		http:     newHTTPClient(cfg.TLS, cfg.Timeout),
		verified: map[schemaKey]ID{}, unsure: map[schemaKey]bool{}, texts: map[ID]string{},
	}
	if r.attempts <= 0 {
		r.attempts = 3
	}
	r.attempts = max(r.attempts, len(cfg.URLs))
	if r.backoff <= 0 {
		r.backoff = 200 * time.Millisecond
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	bases := make([]string, 0, len(cfg.URLs))
	for _, raw := range cfg.URLs {
		client, base, err := newClient(raw, &cfg, r.http)
		if err != nil {
			return nil, err
		}
		r.clients = append(r.clients, client)
		bases = append(bases, base)
	}
	var err error
	if r.cache, err = openCache(cfg.CacheFile, bases); err != nil {
		r.log.Warn("the cache of schema ids can't be used and is started afresh", "file", cfg.CacheFile, "error", err)
	}
	return r, nil
}

// Close gives back the idle connections. Requests under way are not ended; cancel their contexts for that.
func (r *Registry) Close() { r.http.CloseIdleConnections() }

// Register returns the id of a schema under a subject, and registers the schema if the registry does not have it. The registry is
// asked once for each schema and process, by lookup first, so that a client who may only read is served too. Only ids are
// remembered: after an error the next call asks again.
//
// If no registry can be asked (it is away, it takes no login, there is something else at its URL), the id that it gave in an earlier
// run is taken from the cache, with a warning in the log; each further call tries the registry again until it has confirmed the
// id (Unverified). That holds if the deadline of ctx passes too, but not if ctx is cancelled. An id from the cache is never trusted
// when the registry says that it does not have the schema: one that keeps its ids in memory gives them to other schemas after a
// restart.
//
// Errors: *RefusedError, or one that wraps ErrUnavailable, or what else was answered, such as a login that is not taken.
func (r *Registry) Register(ctx context.Context, subject, schemaJSON string) (ID, error) {
	key := keyOf(subject, schemaJSON)
	r.mu.Lock()
	id, known := r.verified[key]
	cached, inCache := r.cache.get(key)
	r.mu.Unlock()
	if known {
		return id, nil
	}
	id, asked, err := r.lookupOrCreate(ctx, subject, schemaJSON)
	switch {
	case err == nil:
		r.confirm(key, id)
		return id, nil
	case inCache && !asked && !errors.Is(ctx.Err(), context.Canceled):
		r.mu.Lock()
		r.unsure[key] = true
		r.mu.Unlock()
		r.log.Warn("the schema registry can't be asked; the schema id of an earlier run is used", "subject", subject, "id", cached.String(), "error", err)
		return cached, nil
	}
	return ID{}, err
}

// Unverified returns how many schemas are in use under an id that only the cache vouches for.
func (r *Registry) Unverified() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.unsure)
}

// confirm keeps an id that the registry itself gave.
func (r *Registry) confirm(key schemaKey, id ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.cache.get(key); ok && old.Number != id.Number {
		r.log.Warn("the schema registry gives another id than in an earlier run", "subject", key.Subject, "id", id.String(), "earlier", old.String())
	}
	r.verified[key] = id
	delete(r.unsure, key)
	if err := r.cache.put(key, id); err != nil {
		r.log.Warn("the schema id can't be cached; without the registry the next start will not know it", "subject", key.Subject, "id", id.String(), "error", err)
	}
}

// lookupOrCreate asks the registry for the id of a schema and registers it only if the lookup did not find it. A refusal is believed
// when it is given twice: a registry that is told the same schema by two clients at once may answer one of them with 409
// ("already exists"), and then the next lookup finds it. asked tells, beside an error, that the registry spoke of this schema.
func (r *Registry) lookupOrCreate(ctx context.Context, subject, schemaJSON string) (id ID, asked bool, err error) {
	for range 2 {
		id, err = r.lookup(ctx, subject, schemaJSON)
		var answer *sr.ResponseError
		// Registries differ in the code for an unknown subject, and some let a client register but not look up: whatever
		// a registry answers, registering tells for certain.
		if !errors.As(err, &answer) || retryable(err) {
			break
		}
		asked = asked || notFound(err)
		id, err = r.create(ctx, subject, schemaJSON)
		if !refusal(err) {
			break
		}
		asked = true
	}
	var answer *sr.ResponseError
	switch {
	case err == nil:
		return id, true, nil
	case refusal(err) && errors.As(err, &answer):
		return ID{}, true, &RefusedError{Subject: subject, Status: answer.StatusCode, Message: bounded(answer.Error())}
	}
	return ID{}, asked, fmt.Errorf("register schema under subject %q: %w", subject, err)
}

func (r *Registry) lookup(ctx context.Context, subject, schemaJSON string) (ID, error) {
	var found sr.SubjectSchema
	err := r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		found, err = c.LookupSchema(ctx, subject, sr.Schema{Schema: schemaJSON})
		return err
	})
	if err != nil {
		return ID{}, err
	}
	return answeredID(found.ID, found.GUID)
}

// create registers a schema. It does not use RegisterSchema of the client, which drops the GUID.
func (r *Registry) create(ctx context.Context, subject, schemaJSON string) (ID, error) {
	var created struct {
		ID   int    `json:"id"`
		GUID string `json:"guid"`
	}
	err := r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		return c.Do(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions", sr.Schema{Schema: schemaJSON}, &created)
	})
	if err != nil {
		return ID{}, err
	}
	return answeredID(created.ID, created.GUID)
}

// Try finds out what Register would do, without registering anything: known says that the registry has the schema under the
// subject; otherwise err is a *RefusedError if it would refuse it, and nil if it would take it.
func (r *Registry) Try(ctx context.Context, subject, schemaJSON string) (known bool, err error) {
	_, err = r.lookup(ctx, subject, schemaJSON)
	var answer *sr.ResponseError
	if !errors.As(err, &answer) || retryable(err) {
		return err == nil, err
	}
	var result sr.CheckCompatibilityResult
	err = r.do(ctx, func(ctx context.Context, c *sr.Client) error {
		var err error
		result, err = c.CheckCompatibility(ctx, subject, -1, sr.Schema{Schema: schemaJSON})
		return err
	})
	switch {
	case notFound(err):
		return false, nil // no version to be compared with yet
	case refusal(err) && errors.As(err, &answer):
		return false, &RefusedError{Subject: subject, Status: answer.StatusCode, Message: bounded(answer.Error())}
	case err != nil:
		return false, fmt.Errorf("check schema under subject %q: %w", subject, err)
	case !result.Is:
		return false, &RefusedError{Subject: subject, Status: http.StatusConflict, Message: bounded(strings.Join(result.Messages, "; "))}
	}
	return false, nil
}

// newClient returns a client of one registry URL, and the URL without user and password, which must not reach a log or the cache.
func newClient(raw string, cfg *RegistryConfig, h *http.Client) (*sr.Client, string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, "", errors.New("open schema registry: a URL is not of the form http(s)://host:port/prefix")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, "", fmt.Errorf("open schema registry: the URL of %s has a query or a fragment; only a path can be kept", u.Host)
	}
	user, password := cfg.Username, cfg.Password
	if u.User != nil && user == "" {
		user = u.User.Username()
		password, _ = u.User.Password()
	}
	u.User = nil
	base := strings.TrimRight(u.String(), "/")
	opts := []sr.ClientOpt{sr.URLs(base), sr.HTTPClient(h), sr.UserAgent("ngxtap")}
	switch {
	case cfg.Bearer != "":
		opts = append(opts, sr.BearerToken(cfg.Bearer))
	case user != "":
		opts = append(opts, sr.BasicAuth(user, password))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, "", fmt.Errorf("open schema registry %s: %w", base, err)
	}
	return client, base, nil
}
