package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/login"
	"ngxtap/pkg/sink"
)

// AWSMSKIAM is the mechanism by which we call the login with AWS credentials, as other programs do. What is spoken is OAUTHBEARER, with a
// signed URL as the token, which brokers of MSK take as well as their own.
const AWSMSKIAM = "AWS_MSK_IAM"

// SASL is how to log in. The zero value means not at all.
type SASL struct {
	Mechanism  string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM
	Username   string // of PLAIN and SCRAM
	Password   string // of PLAIN and SCRAM
	Token      login.Source
	Extensions map[string]string // of OAUTHBEARER (RFC 7628)
}

// String never shows the password.
func (s SASL) String() string {
	switch {
	case s.Mechanism == "":
		return "none"
	case s.Username == "":
		return s.Mechanism
	}
	return s.Mechanism + " as " + s.Username
}

// GoString never shows the password.
func (s SASL) GoString() string { return s.String() }

// Credentials are what is rotated.
type Credentials struct {
	TLS      *tls.Config // nil: no TLS
	Password string
}

// String never shows the password.
func (c Credentials) String() string { return fmt.Sprintf("credentials, TLS: %v", c.TLS != nil) }

// GoString never shows the password.
func (c Credentials) GoString() string { return c.String() }

// credentials returns those of now.
func (cfg *Config) credentials() (Credentials, error) {
	if cfg.Renew == nil {
		return Credentials{cfg.TLS, cfg.SASL.Password}, nil
	}
	c, err := cfg.Renew()
	if err != nil {
		return Credentials{}, fmt.Errorf("read the credentials again: %w", err)
	}
	return c, nil
}

// applyLogin enters the login into c. Whatever it can asks again for each login on a connection, since brokers want another one now and
// then on connections that are open (KIP-368); of PLAIN the password is that of when the connections were opened.
func (cfg *Config) applyLogin(c *sarama.Config, d *dialer, creds Credentials) error {
	s := &cfg.SASL
	if s.Mechanism == "" {
		return nil
	}
	sasl := &c.Net.SASL
	sasl.Enable, sasl.User, sasl.Password = true, s.Username, creds.Password
	sasl.Mechanism = sarama.SASLMechanism(s.Mechanism)
	switch s.Mechanism {
	case sarama.SASLTypePlaintext:
	case sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512:
		current := func() (string, error) {
			now, err := cfg.credentials()
			return now.Password, err
		}
		sasl.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			return &scramClient{sha512: s.Mechanism == sarama.SASLTypeSCRAMSHA512, current: current}
		}
	case sarama.SASLTypeOAuth, AWSMSKIAM:
		if s.Token == nil {
			return fmt.Errorf("kafka: sasl mechanism %s needs a source of tokens: %w", s.Mechanism, sink.ErrConfig)
		}
		ctx := context.Background()
		if d != nil {
			ctx = d.ctx
		}
		sasl.Mechanism = sarama.SASLTypeOAuth
		sasl.TokenProvider = &bearer{ctx: ctx, sasl: s}
	default:
		return fmt.Errorf("kafka: sasl mechanism %q: want PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM: %w", s.Mechanism, sink.ErrConfig)
	}
	return nil
}

// bearer gives sarama its tokens, for the connections of one cluster.
type bearer struct {
	ctx  context.Context // ends with the connections
	sasl *SASL
	mu   sync.Mutex
	last login.Token // guarded by mu
}

// Token implements sarama.AccessTokenProvider.
func (b *bearer) Token() (*sarama.AccessToken, error) {
	t, err := b.sasl.Token.Token(b.ctx)
	if err != nil {
		return nil, &tokenError{b.sasl.Mechanism, err}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = t
	return &sarama.AccessToken{Token: t.Reveal(), Extensions: b.sasl.Extensions}, nil
}

// tokenError is a token that was not to be had; no broker has part in it.
type tokenError struct {
	mechanism string
	err       error
}

// Error implements error.
func (e *tokenError) Error() string { return "get a token for " + e.mechanism + ": " + e.err.Error() }

// Unwrap implements the interface of package errors.
func (e *tokenError) Unwrap() error { return e.err }

// refused tells the source that its last token was not taken, and returns that.
func (b *bearer) refused() login.Token {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sasl.Token.Refused(b.last)
	return b.last
}

// aboutLogin reports whether err comes from logging in, where sarama leaves out which broker it was.
func aboutLogin(err error) bool {
	return errors.Is(err, sarama.ErrSASLAuthenticationFailed) || errors.Is(err, sarama.ErrUnsupportedSASLMechanism) || errors.Is(err, sarama.ErrIllegalSASLState)
}

// passing is an error that another try may well not meet, whatever it wraps.
type passingError struct{ err error }

// Error implements error.
func (e passingError) Error() string { return e.err.Error() }

// Unwrap implements the interface of package errors.
func (e passingError) Unwrap() error { return e.err }

// classify is the function classify for what went wrong on these connections: it knows with which credentials.
func (c *cluster) classify(err error) error {
	if c == nil || err == nil || errors.Is(err, sink.ErrConfig) || errors.Is(err, sink.ErrNotOwner) {
		return classify(err)
	}
	var token *tokenError
	switch {
	case errors.As(err, &token) && errors.Is(err, login.ErrRefused):
		return fmt.Errorf("%w: %w", err, sink.ErrConfig)
	case errors.As(err, &token):
		return err
	case errors.Is(err, sarama.ErrSASLAuthenticationFailed):
		return classify(c.loginRefused(err))
	case errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
		return fmt.Errorf("%w: the broker does not offer kafka.sasl.mechanism %s on this port%s: %w", err, c.cfg.SASL.Mechanism, c.offers(), sink.ErrConfig)
	case errors.Is(err, errImpostor):
		return fmt.Errorf("%w: %w", err, sink.ErrConfig)
	}
	return classify(c.explainTLS(err))
}

// loginRefused says who was refused and what is likely wrong.
func (c *cluster) loginRefused(err error) error {
	s := &c.cfg.SASL
	text := fmt.Sprintf("the login is refused (%v)", s)
	switch s.Mechanism {
	case sarama.SASLTypeOAuth, AWSMSKIAM:
		t := c.bearer.refused()
		if !t.Expires.IsZero() && time.Now().After(t.Expires) {
			return passingError{fmt.Errorf("%w: %s: %v: whoever renews the token is late, or a clock is wrong", err, text, t)}
		}
		if s.Mechanism == AWSMSKIAM {
			return fmt.Errorf("%w: %s: signed with %v: does the IAM policy of these credentials allow kafka-cluster:Connect on this cluster, is the region the cluster's, "+
				"and are the clocks right?: %w", err, text, t, sink.ErrConfig)
		}
		return fmt.Errorf("%w: %s: the token is %v: does the broker trust this issuer and its keys, and expect this audience and scope? Its log says which: %w", err, text, t, sink.ErrConfig)
	}
	if now, e := c.cfg.credentials(); e == nil && now.Password != c.creds.Password {
		return passingError{fmt.Errorf("%w: %s: the password has changed in the meantime; the next try has the new one", err, text)}
	}
	hint := "wrong user name or password"
	if strings.HasPrefix(s.Mechanism, "SCRAM") {
		hint += ", or the user has no " + s.Mechanism + " credentials"
	}
	return fmt.Errorf("%w: %s: %s: look at kafka.sasl.username and kafka.sasl.password: %w", err, text, hint, sink.ErrConfig)
}

// offers asks the first broker that answers which mechanisms its port has, and says it in words; "" if it can't be found out.
func (c *cluster) offers() string {
	for _, addr := range c.cfg.Brokers {
		if have := c.mechanisms(addr); len(have) > 0 {
			slices.Sort(have)
			return ", but " + strings.Join(have, ", ")
		}
	}
	return ""
}
