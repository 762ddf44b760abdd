// Package admin serves what operators look at: metrics in Prometheus' text format, health, and the status of the daemon as JSON and as a page.
//
// The promise: it only reads, it answers within bounds, whoever asks for whatever, and nothing of what it says is a secret.
package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
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

// Config says where a Server listens and what it serves.
type Config struct {
	Listen      string // host:port (port 0 takes a free one) or unix:PATH
	AllowRemote bool   // Listen may be an address that other hosts reach
	Metrics     prometheus.Gatherer
	Health      Health // at /healthz
	Checks      []Check
	// Status returns the status with histories of that span. It is asked at most about twice a second and may be slow; the Status is not
	// changed by whoever made it from then on. May be nil: no status is served.
	Status func(Span) *Status
	// Complain is told of a bug that a request has met; the request is answered with 500. May be nil.
	Complain func(error)
}

// Server is the daemon's HTTP port. Close it when done.
type Server struct {
	http *http.Server
	addr net.Addr
	done chan error // receives Serve's result once; closed by its goroutine
}

// Bounds of what clients may do.
const (
	maxConnections = 64
	maxHeader      = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 20 * time.Second
	idleTimeout    = time.Minute
)

// Start listens and serves until Close.
func Start(c Config) (*Server, error) {
	l, err := Listen(c.Listen, c.AllowRemote)
	if err != nil {
		return nil, fmt.Errorf("admin.listen: %w; choose another address or set it to off", err)
	}
	local := !c.AllowRemote && !strings.HasPrefix(c.Listen, UnixPrefix) // a browser can't be led to a unix socket
	crowd := newCrowd(l, maxConnections)
	s := &Server{
		http: &http.Server{
			Handler: guarded(c.caught(routes(&c)), local), MaxHeaderBytes: maxHeader,
			ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
			ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong is their business, and would fill the log
			ConnState: func(conn net.Conn, state http.ConnState) {
				if state == http.StateClosed || state == http.StateHijacked {
					crowd.left(conn)
				} else {
					crowd.moved(conn)
				}
			},
		},
		addr: l.Addr(),
		done: make(chan error, 1),
	}
	go func() {
		defer close(s.done)
		s.done <- s.http.Serve(crowd)
	}()
	return s, nil
}

// routes says what is served where.
func routes(c *Config) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(c.Metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("/healthz", c.Health.serve)
	for _, check := range c.Checks {
		mux.HandleFunc(check.Path, check.Ask.serve)
	}
	if c.Status != nil {
		v := &view{status: newCache(c.Status)}
		mux.HandleFunc("/api/v1/status", v.api)
		mux.HandleFunc("/{$}", v.page)
		mux.HandleFunc("/assets/{name}", asset)
	}
	return mux
}

// caught answers with 500 where a handler has a bug, and tells of it: nobody reads the server's own log of errors, which clients could fill.
func (c *Config) caught(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if c.Complain != nil {
				c.Complain(fmt.Errorf("%s %.200q: %v; this is a bug in ngxtap", r.Method, r.URL.Path, p))
			}
			http.Error(w, "this is a bug in ngxtap; its log says more", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// guarded lets only requests through that read, and, with local, only those that name this host: a page of somebody else, open in the browser of
// a person who can reach this port, could otherwise read it under a name that it has led here (DNS rebinding).
func guarded(next http.Handler, local bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD: nothing can be changed here", http.StatusMethodNotAllowed)
		case local && !localHost(r.Host):
			http.Error(w, "this port answers to localhost, 127.0.0.1 and [::1]; set admin.allow_remote for other names", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// localHost says whether the Host of a request is a name of this host. HTTP/1.0 has none, and no browser leaves it out.
func localHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return hostport == "" || Loopback(host)
}

// Addr returns the address that is listened on: host:port, or the path of a socket.
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
