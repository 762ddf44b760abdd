package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	maxAnswer  = 16 << 20 // bytes of an answer that are read; the largest schemas are far smaller
	maxMessage = 2 << 10  // bytes of a registry's message that are kept
	maxBackoff = 5 * time.Second
)

// do sends a request until a registry answers it, at most r.attempts times, beginning with the registry that answered last. It
// waits between the attempts. The error wraps ErrUnavailable if none answered; otherwise it is that of the answer.
func (r *Registry) do(ctx context.Context, send func(context.Context, *sr.Client) error) error {
	r.mu.Lock()
	first := r.first
	r.mu.Unlock()
	wait := r.backoff
	var err error
	for attempt := range r.attempts {
		if attempt > 0 {
			if pause(ctx, wait) != nil {
				break
			}
			wait = min(2*wait, maxBackoff)
		}
		at := (first + attempt) % len(r.clients)
		err = send(ctx, r.clients[at])
		if err == nil || !retryable(err) {
			r.mu.Lock()
			r.first = at
			r.mu.Unlock()
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w before the wait ended: %w: %w", ErrUnavailable, context.Cause(ctx), err)
	}
	return fmt.Errorf("%w in %d attempts: %w", ErrUnavailable, r.attempts, err)
}

// pause waits, or returns early with the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryable tells whether a request may succeed later. An answer with a status below 500 is the registry's word, except for those
// that say "not now". Anything that is no answer of a registry (no connection, no JSON) says nothing about the schema.
func retryable(err error) bool {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return true
	}
	return answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode == http.StatusRequestTimeout
}

func newHTTPClient(t *tls.Config, timeout time.Duration) *http.Client {
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if t != nil {
		transport.TLSClientConfig = t.Clone()
	}
	return &http.Client{Timeout: timeout, Transport: &boundedTransport{transport}}
}

// boundedTransport cuts answers off at maxAnswer: the client reads them into memory as a whole.
type boundedTransport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

type boundedBody struct {
	io.Reader
	io.Closer
}

// bounded cuts a message of the far side to a length that fits a log line.
func bounded(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return s[:maxMessage] + "…"
}
