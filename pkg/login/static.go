package login

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// static hands out the token that another program keeps renewed.
type static struct {
	read func() (string, error)
}

// NewStatic returns a source that calls read for each login.
func NewStatic(read func() (string, error)) Source { return static{read} }

// Token implements Source. A token that has expired is handed out all the same: our clock may be the one that is wrong.
func (s static) Token(context.Context) (Token, error) {
	value, err := s.read()
	if err != nil {
		return Token{}, fmt.Errorf("read the token: %w", err)
	}
	return checked(value, time.Time{}, time.Now())
}

// Refused implements Source.
func (static) Refused(Token) {}

// checked makes a token of what was found. Without an end that is known otherwise it is asked itself for it.
func checked(value string, expires, now time.Time) (Token, error) {
	if !bearer.MatchString(value) {
		return Token{}, errors.New("what should be a token has other characters than letters, digits and ._~+/-")
	}
	if c, ok := peek(value); ok && expires.IsZero() {
		expires = c.expires()
	}
	return NewToken(value, expires, describe(value, now)), nil
}
