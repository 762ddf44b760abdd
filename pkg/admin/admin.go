// Package admin serves what operators look at: metrics in Prometheus' text format and health.
//
// The promise: it only reads, it answers within bounds, and nothing it says comes from log data.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health reports whether the daemon does its work, and why not if it does not. The text is shown to whoever asks.
type Health func() (ok bool, text string)

// serve answers 200 or 503, with the text.
func (h Health) serve(w http.ResponseWriter, _ *http.Request) {
	ok, text := h()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, text)
}

// Check is one more question that is answered like Health, at a path of its own.
type Check struct {
	Path string // such as /readyz
	Ask  Health
}

// Server is the daemon's HTTP port. Close it when done.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan error // receives Serve's result once; closed by its goroutine
}

// Start listens on addr (host:port; port 0 takes a free one) and serves /metrics, /healthz and the checks until Close.
func Start(addr string, metrics prometheus.Gatherer, health Health, checks ...Check) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w; choose another port or set it to off", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /healthz", health.serve)
	for _, c := range checks {
		mux.HandleFunc("GET "+c.Path, c.Ask.serve)
	}
	s := &Server{
		http: &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10},
		addr: l.Addr(),
		done: make(chan error, 1),
	}
	go func() {
		defer close(s.done)
		s.done <- s.http.Serve(l)
	}()
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.addr.String() }

// Close stops serving. Requests under way get a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	if serr := <-s.done; serr != nil && !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
