package schema

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

const (
	maxAnswer  = 16 << 20 // bytes of an answer that are read; the largest schemas are far smaller
	maxBackoff = 5 * time.Second

	maxRetryAfter = 10 * time.Second // a site may be waiting; its own pause comes on top
)

// do sends a request until a registry answers it, at most r.attempts times, beginning with the registry that answered last. It
// waits between the attempts, for as long as an answer asks for (Retry-After) within bounds. The error wraps ErrUnavailable if
// none answered; otherwise it is that of the answer. It says what to do about it where that is known.
func (r *Registry) do(ctx context.Context, send func(context.Context, *sr.Client) error) error {
	err := r.attempt(ctx, send)
	if !errors.Is(ctx.Err(), context.Canceled) { // otherwise it is us who gave up
		r.stats.note(err)
	}
	return err
}

func (r *Registry) attempt(ctx context.Context, send func(context.Context, *sr.Client) error) error {
	r.mu.Lock()
	first := r.first
	r.mu.Unlock()
	wait := r.backoff
	var err error
	for attempt := range r.attempts {
		at := (first + attempt) % len(r.clients)
		var h http.Header // of the answer
		err = send(context.WithValue(ctx, headerKey{}, &h), r.clients[at])
		if err == nil || !retryable(err) {
			r.mu.Lock()
			r.first = at
			r.mu.Unlock()
			return explained(err, h)
		}
		err = explained(err, h)
		if ctx.Err() != nil || attempt+1 == r.attempts || r.sleep(ctx, max(wait, retryAfter(h, time.Now()))) != nil {
			break
		}
		wait = min(2*wait, maxBackoff)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w before the wait ended: %w: %w", ErrUnavailable, context.Cause(ctx), err)
	}
	return fmt.Errorf("%w in %d attempts: %w", ErrUnavailable, r.attempts, err)
}

// retryAfter is how long an answer asks to be left alone, cut to maxRetryAfter; 0 if it does not say so.
func retryAfter(h http.Header, now time.Time) time.Duration {
	s := h.Get("Retry-After")
	d := time.Duration(0)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		d = time.Duration(min(max(n, 0), int64(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), maxRetryAfter)
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

// retryable tells whether a request may succeed later, or at another URL. An answer with a status from 400 to 499 is the registry's
// word, except for those that say "not now". Anything that is no answer of a registry (no connection, no JSON, a redirect to
// somewhere else) says nothing about the schema.
func retryable(err error) bool {
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return true
	}
	s := answer.StatusCode
	return s < 400 || s >= 500 || s == http.StatusTooManyRequests || s == http.StatusRequestTimeout
}

func newHTTPClient(t *tls.Config, timeout time.Duration) *http.Client {
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if t != nil {
		transport.TLSClientConfig = t.Clone()
	}
	return &http.Client{
		Timeout: timeout, Transport: &boundedTransport{transport},
		// Following one could make a GET of a POST, and could show the password to somebody else or in clear text.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// headerKey is where do keeps a place in a request's context for the header of its answer, which sr does not show.
type headerKey struct{}

// boundedTransport cuts answers off at maxAnswer: the client reads them into memory as a whole.
type boundedTransport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t *boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if h, ok := req.Context().Value(headerKey{}).(*http.Header); ok {
		*h = resp.Header
	}
	resp.Body = &boundedBody{resp.Body, maxAnswer}
	return resp, nil
}

// boundedBody ends with an error where it is longer than left.
type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
