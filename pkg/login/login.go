// Package login gets the tokens with which Kafka's OAUTHBEARER mechanism logs in: from whoever renews them in a file, from a token endpoint, or
// signed with AWS credentials for MSK.
//
// The promise: a token that is handed out is good for a while yet, if its source can give one; what it was made of is read again
// rather than remembered, so that whatever is rotated is used without a restart; and no secret is in an error.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Token is what a source hands out. Printing it tells no secret.
type Token struct {
	value   string
	Expires time.Time // zero: not known
	About   string    // what the token says of itself, for an error when it is refused; never the token
}

// Reveal returns the token in clear text.
func (t Token) Reveal() string { return t.value }

// String says what the token is about.
func (t Token) String() string { return t.About }

// GoString is the same for %#v.
func (t Token) GoString() string { return t.String() }

// NewToken returns a token that expires at a time, zero if that is not known.
func NewToken(value string, expires time.Time, about string) Token {
	return Token{value: value, Expires: expires, About: about}
}

// Source hands out tokens. It is safe for concurrent use: all connections of a daemon share one.
type Source interface {
	// Token returns a token to log in with now. It returns soon after ctx ends, and within half a minute in any case. The error wraps
	// ErrRefused where trying again can't help.
	Token(ctx context.Context) (Token, error)
	// Refused tells that a broker did not take the token: it is not handed out again if the source can get another.
	Refused(t Token)
}

// ErrRefused is returned (wrapped) when whoever gives the tokens says no, rather than nothing.
var ErrRefused = errors.New("no token is given")

// fetchTimeout is how long one attempt to get a token may take.
const fetchTimeout = 15 * time.Second

// The times of cache.
const (
	unknownLife = time.Minute      // how long a token of which nobody says when it ends is used
	askAgain    = 2 * time.Second  // after a failure, so that sixty sites don't ask sixty times
	keepMargin  = 10 * time.Second // what must be left of a token that is used because there is no newer one
)

// cache keeps the token of a fetch until it is time for another.
type cache struct {
	fetch func(context.Context) (Token, error)
	log   *slog.Logger

	turn    chan struct{} // holds one word for whoever may touch the fields below
	token   Token
	renewAt time.Time
	err     error     // of the last fetch
	asked   time.Time // when that was
}

func newCache(log *slog.Logger, fetch func(context.Context) (Token, error)) *cache {
	c := &cache{fetch: fetch, log: log, turn: make(chan struct{}, 1)}
	c.turn <- struct{}{}
	return c
}

// lock waits for the turn or the end of ctx.
func (c *cache) lock(ctx context.Context) error {
	select {
	case <-c.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a token: %w", context.Cause(ctx))
	}
}

// Token implements Source.
func (c *cache) Token(ctx context.Context) (Token, error) {
	if err := c.lock(ctx); err != nil {
		return Token{}, err
	}
	defer func() { c.turn <- struct{}{} }()
	now := time.Now()
	if c.token.value != "" && now.Before(c.renewAt) {
		return c.token, nil
	}
	if c.err == nil || now.Sub(c.asked) > askAgain {
		c.renew(ctx, now)
	}
	if c.err == nil {
		return c.token, nil
	}
	if c.token.value != "" && time.Until(c.token.Expires) > keepMargin {
		return c.token, nil
	}
	return Token{}, c.err
}

// renew asks for a new token. The end of ctx is no answer, and not remembered as one. The caller has the turn.
func (c *cache) renew(ctx context.Context, now time.Time) {
	limited, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	t, err := c.fetch(limited)
	c.err, c.asked = err, time.Now()
	switch {
	case err == nil:
		c.token, c.renewAt = t, renewal(now, t.Expires)
	case ctx.Err() != nil:
		c.asked = time.Time{}
	case c.token.value != "":
		c.log.Warn("no new token; going on with the old one while it lasts", "expires", c.token.Expires, "error", err)
	}
}

// renewal returns when a token that was asked for at now should be replaced: when a fifth of its life is left, or half a minute. A broker ends
// the session of a connection with the token, and wants the next login before: that one needs a token that lasts.
func renewal(now, expires time.Time) time.Time {
	if expires.IsZero() {
		return now.Add(unknownLife)
	}
	life := expires.Sub(now)
	return expires.Add(-max(life/5, min(30*time.Second, life/2)))
}

// Refused implements Source.
func (c *cache) Refused(t Token) {
	<-c.turn
	defer func() { c.turn <- struct{}{} }()
	if t.value == c.token.value {
		c.token = Token{}
	}
}
