// Package embedded runs a Kafka-compatible broker and a schema registry in this process, on loopback, with their data in a local
// directory: for a first run without servers.
//
// The promise: what a read_committed reader saw stays, through Close and through kill -9 at any moment: committed transactions
// whole, in all of their partitions, uncommitted ones not at all; compacted topics, topic ids, consumer groups' offsets, producers'
// sequence numbers, schemas and their ids. A producer whose transaction was open when the process died is fenced. Everybody else who
// starts on the same directory joins the servers that run.
//
// The broker is kfake of franz-go, a single node, made whole after a crash by package brokerlog. Its limits:
//   - Nothing is synced to disk as it is written, as in Kafka itself; here no replica makes up for it. A kill of the process loses
//     nothing; a power cut may lose the last seconds, and not in all partitions the same ones.
//   - Records lie on disk and are read through the page cache. In memory are about 80 bytes per batch, of which each commit writes
//     two per partition: a site that commits five times a second all day adds some 140 MB in a day without retention.
//   - Topics that are not compacted keep at most 1 GiB per partition unless they are created with a retention.bytes of their own;
//     age deletes nothing unless they have a retention.ms. A retention.ms that empties a partition lets its offsets start at 0
//     again at the next start.
//   - Compacted topics are compacted at the start only and grow until the next one, by a record and a marker with each commit.
//   - A start reads all data once, a second or less per GiB, in the memory of a segment (16 MiB) per partition.
//   - Offsets that a consumer group commits within a transaction (TxnOffsetCommit) may be lost if the process is killed just then.
//   - No authentication, no encryption, no access control: it listens on 127.0.0.1 only, and whoever is on this machine may use it.
//   - A topic's name is never auto-created: create it first.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"ngxtap/pkg/embedded/brokerlog"
	"ngxtap/pkg/embedded/registry"
)

// The ports that clients expect.
const (
	DefaultBrokerPort   = 9092
	DefaultRegistryPort = 8081
)

// Config says where the servers keep their data and listen.
type Config struct {
	Dir          string       // their data; created with mode 0700
	BrokerPort   int          // preferred port; 0: DefaultBrokerPort; negative, or if taken: any free port
	RegistryPort int          // preferred port; 0: DefaultRegistryPort; negative, or if taken: any free port
	Logger       *slog.Logger // nil: silent
}

// Servers are the servers of a directory: ours, or those of another process.
type Servers struct {
	ends      endpoints
	joined    bool
	closeOnce sync.Once
	closeErr  error

	// The following are ours if not joined, in the order in which Close gives them back, from the last to the first.
	lock     *os.File
	broker   *broker
	registry *registry.Registry
	web      *http.Server
	webDone  chan struct{} // closed when web has stopped
}

// Start starts the servers on cfg.Dir, or joins them if another process (or another Start in this one) runs them. It waits for
// servers that are just starting or stopping, for as long as ctx lets it; it does not tie the servers' life to ctx. The caller
// closes what it gets.
func Start(ctx context.Context, cfg Config) (*Servers, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.BrokerPort == 0 {
		cfg.BrokerPort = DefaultBrokerPort
	}
	if cfg.RegistryPort == 0 {
		cfg.RegistryPort = DefaultRegistryPort
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the embedded servers' directory: %w", err)
	}
	lock, ends, err := lockOrJoin(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	if lock == nil {
		cfg.Logger.Info("joined embedded servers", "dir", cfg.Dir, "broker", ends.Broker, "registry", ends.Registry, "pid", ends.PID)
		return &Servers{ends: ends, joined: true}, nil
	}
	s := &Servers{lock: lock}
	if err := s.start(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded servers on %s: %w", cfg.Dir, err), s.Close())
	}
	cfg.Logger.Info("started embedded servers", "dir", cfg.Dir, "broker", s.ends.Broker, "registry", s.ends.Registry)
	return s, nil
}

// start starts what Close stops. On error the caller closes s.
func (s *Servers) start(cfg Config) error {
	data := filepath.Join(cfg.Dir, "broker")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	began := time.Now()
	rep, err := brokerlog.Repair(data, cfg.Logger)
	if err != nil {
		return err
	}
	cfg.Logger.Debug("read the embedded broker's data", "took", time.Since(began), "partitions", rep.Partitions, "committed", rep.Committed,
		"aborted", rep.Aborted, "truncated", rep.Truncated, "compacted", rep.Compacted)
	if s.registry, err = registry.Open(filepath.Join(cfg.Dir, "registry.jsonl")); err != nil {
		return err
	}
	ln, err := listen(cfg.BrokerPort)
	if err != nil {
		return err
	}
	if s.broker, err = startBroker(data, ln, cfg.Logger); err != nil {
		return err
	}
	web, err := listen(cfg.RegistryPort)
	if err != nil {
		return err
	}
	s.serve(web, cfg.Logger)
	s.ends = endpoints{Broker: ln.Addr().String(), Registry: "http://" + web.Addr().String(), PID: os.Getpid(), path: endpointsPath(cfg.Dir)}
	return s.ends.write()
}

// serve serves the registry on ln.
func (s *Servers) serve(ln net.Listener, log *slog.Logger) {
	s.web = &http.Server{
		Handler:           s.registry.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    1 << 14,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.webDone = make(chan struct{})
	go func() {
		defer close(s.webDone)
		if err := s.web.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the embedded registry stopped", "error", err)
		}
	}()
}

// Brokers returns the broker's address, in a list as clients want it.
func (s *Servers) Brokers() []string { return []string{s.ends.Broker} }

// RegistryURL returns the registry's base URL, without a slash at its end.
func (s *Servers) RegistryURL() string { return s.ends.Registry }

// Joined says whether the servers belong to somebody else, whose end is theirs too.
func (s *Servers) Joined() bool { return s.joined }

// Close stops the servers and returns when their data are on disk and their goroutines have been told to end. Joined servers go on.
// It may be called more than once.
func (s *Servers) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.stop() })
	return s.closeErr
}

func (s *Servers) stop() error {
	if s.joined {
		return nil
	}
	errs := []error{s.ends.remove()}
	if s.web != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := s.web.Shutdown(ctx); err != nil {
			errs = append(errs, s.web.Close())
		}
		<-s.webDone
	}
	if s.broker != nil {
		errs = append(errs, s.broker.close())
	}
	if s.registry != nil {
		errs = append(errs, s.registry.Close())
	}
	errs = append(errs, s.lock.Close()) // last: it lets the next one in
	return errors.Join(errs...)
}

// listen listens on the port on loopback, or on any free one.
func listen(port int) (net.Listener, error) {
	if port < 0 {
		port = 0
	}
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		ln, err = net.Listen("tcp", "127.0.0.1:0")
	}
	return ln, err
}
