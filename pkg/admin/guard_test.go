package admin

// Shows: the port only reads, answers this host only, keeps within bounds whatever clients send, and a slow client keeps nobody else waiting.

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestOnlyReads(t *testing.T) {
	s := start(t, nil)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"} {
		for _, path := range []string{"/", "/api/v1/status", "/metrics", "/healthz", "/assets/page.js", "/nothing"} {
			req, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %s", method, path, resp.Status)
			}
		}
	}
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/api/v1/status": "application/json", "/assets/page.js": "text/javascript; charset=utf-8",
		"/assets/page.css": "text/css; charset=utf-8", "/assets/icon.svg": "image/svg+xml", "/healthz": "text/plain; charset=utf-8"} {
		resp, body := get(t, s, path)
		if h := resp.Header; resp.StatusCode != 200 || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" || body == "" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %s %v", path, resp.Status, h)
		}
		head, err := client.Head("http://" + s.Addr() + path)
		if err != nil || head.StatusCode != 200 {
			t.Errorf("HEAD %s: %v", path, err)
		}
	}
	if csp := pagePolicy; strings.Contains(csp, "unsafe") || strings.Contains(csp, "http:") || strings.Contains(csp, "*") {
		t.Errorf("the policy is lax: %s", csp)
	}
	for _, path := range []string{"/assets/page.html", "/assets/..%2fpage.html", "/assets/", "/assets", "/web/page.js", "/debug/pprof/", "/api/v1/", "/index.html"} {
		if resp, _ := get(t, s, path); resp.StatusCode != 404 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// A page of somebody else that has led a name here (DNS rebinding) gets nothing.
func TestAnswersToThisHostOnly(t *testing.T) {
	s := start(t, nil)
	_, port, _ := net.SplitHostPort(s.Addr())
	for host, want := range map[string]int{"localhost": 200, "localhost:" + port: 200, "LOCALHOST.": 200, "127.0.0.1": 200, "127.9.9.9:1": 200, "[::1]:" + port: 200, "[::1]": 200,
		"evil.example": 403, "evil.example:" + port: 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.7": 403, "[::ffff:10.0.0.7]:80": 403, "0x7f.1": 403} {
		req, err := http.NewRequest("GET", "http://"+s.Addr()+"/api/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
	remote := guarded(http.NotFoundHandler(), false)
	w := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "http://pod-7.cluster.local:9464/x", nil)
	if remote.ServeHTTP(w, req); w.Code != 404 {
		t.Errorf("with allow_remote: %d", w.Code)
	}
}

func TestListensOnTheLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		if l, err := Listen(addr, false); err == nil || !strings.Contains(err.Error(), "allow_remote") {
			t.Errorf("%s: %v %v", addr, l, err)
		}
		l, err := Listen(addr, true)
		if err != nil {
			t.Errorf("%s, remote: %v", addr, err)
			continue
		}
		l.Close()
	}
}

func TestUnixSocket(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077)) // an administrator's
	path := filepath.Join(t.TempDir(), "admin.sock")
	listen := func() *Server {
		t.Helper()
		s, err := Start(Config{Listen: UnixPrefix + path, Metrics: prometheus.NewRegistry(), Health: func() (bool, string) { return true, "fine" }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := listen()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode: %v %v", info, err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	resp, err := client.Get("http://anything/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, err := Listen(UnixPrefix+path, false); err == nil || !strings.Contains(err.Error(), "somebody listens on "+path) {
		t.Errorf("a socket that is in use is taken over: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	// What a killed daemon left is taken over.
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	s = listen()
	// Somebody took the name meanwhile: it stays theirs.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	theirs, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a socket of somebody else was removed: %v", err)
	}
	// A file is no socket.
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{file, link, t.TempDir()} {
		if _, err := Listen(UnixPrefix+p, false); err == nil || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: %v", p, err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "x" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// Clients that take for ever: many times as many as there may be connections. Each new one takes the place of the oldest, so whoever asks is answered
// at once, long before any of them has waited for its time-out.
func TestSlowClientsKeepNobodyWaiting(t *testing.T) {
	s := start(t, nil)
	for i := range 4 * maxConnections {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		}
		if i%16 == 15 {
			if resp, _ := get(t, s, "/healthz"); resp.StatusCode != 200 {
				t.Fatalf("after %d slow clients: %s", i+1, resp.Status)
			}
		}
	}
}

// fuzzed is what a server tells whatever comes in.
var fuzzed = sync.OnceValues(func() (*http.Server, *oneConn) {
	l := &oneConn{conns: make(chan net.Conn)}
	handler := guarded(routes(&Config{Metrics: prometheus.NewRegistry(), Health: func() (bool, string) { return true, "fine" }, Status: func(Span) *Status { return sample() }}), true)
	watched := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				text := fmt.Sprintf("%v: %s %q", p, r.Method, r.URL)
				panics.Store(&text)
			}
		}()
		handler.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: watched, MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0)}
	return srv, l
})

// panics is what made a handler panic, nil if nothing did.
var panics atomic.Pointer[string]

// oneConn is a listener that a test hands connections to.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// FuzzBytes sends bytes to the server, as a client that speaks no HTTP, or half of it.
func FuzzBytes(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /api/v1/status?site=shop HTTP/1.0\r\n\r\n", "\x16\x03\x01\x02\x00", "", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"} {
		f.Add([]byte(s))
	}
	srv, l := fuzzed()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	f.Cleanup(func() {
		close(l.conns) // or Close would wait for Accept
		<-done
		srv.Close()
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		client, server := net.Pipe()
		l.conns <- server
		answer := make(chan []byte)
		go func() {
			out, _ := io.ReadAll(io.LimitReader(client, 8<<20)) // it ends when we hang up
			answer <- out
		}()
		for _, part := range []string{string(b), "\r\n\r\n", "GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"} {
			if _, err := io.WriteString(client, part); err != nil {
				break // the server hung up
			}
		}
		client.Close()
		if out := <-answer; len(out) == 8<<20 {
			t.Errorf("%d bytes in answer to %d", len(out), len(b))
		}
		if text := panics.Load(); text != nil {
			t.Fatalf("panic: %s", *text)
		}
	})
}

// FuzzRequest asks for things that are well formed and make no sense.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "q=<script>&sort=lag&history=1h", "localhost", "Accept", "text/html")
	f.Add("HEAD", "/api/v1/status", "site=shop&history=none", "[::1]:9464", "Accept-Encoding", "gzip")
	f.Add("GET", "/assets/../page.html", "%ff=%00;", "127.0.0.1", "Range", "bytes=0-1")
	f.Add("POST", "/metrics", "", "evil.example", "X-Http-Method-Override", "GET")
	srv, _ := fuzzed()
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value string) {
		req := httptest.NewRequest("GET", "/", nil)
		req.Method, req.URL.Path, req.URL.RawQuery, req.Host = method, path, query, host
		req.Header[name] = []string{value}
		w := httptest.NewRecorder()
		srv.Handler.ServeHTTP(w, req)
		if text := panics.Load(); text != nil {
			t.Fatalf("panic: %s", *text)
		}
		if method != "GET" && method != "HEAD" && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%q is answered with %d", method, w.Code)
		}
		if w.Body.Len() > 1<<20 || w.Code >= 500 {
			t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
		}
		if ct := w.Header().Get("Content-Type"); w.Body.Len() > 0 && ct == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" && path != "/metrics" {
			t.Errorf("content type %q, headers %v", ct, w.Header())
		}
		if w.Code == 200 && strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && method == "GET" && strings.Count(w.Body.String(), "<script") != 1 {
			t.Errorf("the page is not ours any more for %q", query)
		}
	})
}

// A bug in an answer is told, and takes nothing down.
func TestBugsAreTold(t *testing.T) {
	var told error
	s, err := Start(Config{Listen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(), Health: func() (bool, string) { return true, "fine" },
		Status: func(Span) *Status { panic("oops") }, Complain: func(err error) { told = err }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if resp, _ := get(t, s, "/api/v1/status"); resp.StatusCode != 500 || told == nil || !strings.Contains(told.Error(), "oops") {
			t.Errorf("%s, told %v", resp.Status, told)
		}
	}
	if resp, _ := get(t, s, "/healthz"); resp.StatusCode != 200 {
		t.Errorf("after a bug: %s", resp.Status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
