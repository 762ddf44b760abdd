// alive_test.go shows that a session which waits for a broker shows signs of life, whatever that broker does: one that is stuck would not.
package kafka

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
)

// TestWaitShowsSignsOfLife starts a session at brokers that will never take it.
func TestWaitShowsSignsOfLife(t *testing.T) {
	closed := listen(t, nil).Addr().String()
	for name, addr := range map[string]string{
		"nobody listens": closed,
		"hangs up":       listen(t, func(c net.Conn) { c.Close() }).Addr().String(),
		"never answers":  listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }).Addr().String(),
		"talks nonsense": listen(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}).Addr().String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signs := make(chan struct{}, 1)
			s := newSink(t, Config{Brokers: []string{addr}, Instance: "web-01", Site: "shop", Topic: "nginx.shop", Host: "host-a",
				Logger: slog.New(slog.DiscardHandler), DialTimeout: time.Second, RequestTimeout: 50 * time.Millisecond,
				Alive: func() {
					select {
					case signs <- struct{}{}:
					default:
					}
				}})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := s.Recover(ctx); err == nil {
					t.Error("there is no broker to recover from")
				}
			})
			for range 3 { // "never answers" takes a read time-out for each
				select {
				case <-signs:
				case <-time.After(time.Minute):
					t.Error("a minute without a sign of life")
				}
			}
			cancel()
			wg.Wait()
		})
	}
}

// listen serves a free port; with nil it is free again when it returns.
func listen(t *testing.T, serve func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if serve == nil {
		l.Close()
		return l
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { defer c.Close(); serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l
}
