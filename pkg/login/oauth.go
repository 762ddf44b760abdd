package login

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// OAuthConfig says how tokens are asked for with the client credentials grant (RFC 6749, 4.4).
type OAuthConfig struct {
	TokenURL string
	ClientID string
	Secret   func() (string, error) // called for each token
	Post     bool                   // id and secret go in the body (client_secret_post) and not in the Authorization header
	Scope    string                 // several with spaces between them
	Audience string
	TLS      func() (*tls.Config, error) // called for each token; nil: the system's certificates
	Logger   *slog.Logger
}

// oauth asks for tokens.
type oauth struct {
	cfg OAuthConfig
	at  string // the endpoint, without what may be secret
}

// NewOAuth returns a source of tokens from a token endpoint. Redirects are not followed: they would take the secret elsewhere.
func NewOAuth(cfg OAuthConfig) (Source, error) {
	u, err := url.Parse(cfg.TokenURL)
	if err != nil {
		return nil, errors.New("the token endpoint's URL can't be read")
	}
	o := &oauth{cfg: cfg, at: u.Scheme + "://" + u.Host + u.EscapedPath()}
	return newCache(cfg.Logger, o.fetch), nil
}

// fetch asks the endpoint once.
func (o *oauth) fetch(ctx context.Context) (Token, error) {
	secret, err := o.cfg.Secret()
	if err != nil {
		return Token{}, fmt.Errorf("the client's secret for %s: %w", o.at, err)
	}
	client, err := o.client()
	if err != nil {
		return Token{}, fmt.Errorf("tls of %s: %w", o.at, err)
	}
	c := clientcredentials.Config{ClientID: o.cfg.ClientID, ClientSecret: secret, TokenURL: o.cfg.TokenURL, AuthStyle: oauth2.AuthStyleInHeader}
	if o.cfg.Post {
		c.AuthStyle = oauth2.AuthStyleInParams
	}
	if o.cfg.Scope != "" {
		c.Scopes = []string{o.cfg.Scope}
	}
	if o.cfg.Audience != "" {
		c.EndpointParams = url.Values{"audience": {o.cfg.Audience}}
	}
	asked := time.Now()
	t, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
	if err != nil {
		return Token{}, o.explain(err)
	}
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") {
		return Token{}, fmt.Errorf("token endpoint %s gives tokens of another type than Bearer: %w", o.at, ErrRefused)
	}
	token, err := checked(t.AccessToken, t.Expiry, asked)
	if err != nil {
		return Token{}, fmt.Errorf("token endpoint %s: %w", o.at, err)
	}
	return token, nil
}

// client returns a client for one request.
func (o *oauth) client() (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if o.cfg.TLS != nil {
		conf, err := o.cfg.TLS()
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig = conf
	}
	return &http.Client{Transport: t, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

// hints by the error codes of RFC 6749, 5.2.
var hints = map[string]string{
	"invalid_client":         "client_id or client_secret is wrong, or the endpoint wants the other client_auth (basic or post)",
	"unauthorized_client":    "this client may not use the grant client_credentials: allow it there",
	"invalid_scope":          "look at kafka.sasl.oauth.scope",
	"invalid_target":         "look at kafka.sasl.oauth.audience",
	"invalid_request":        "look at kafka.sasl.oauth: scope, audience and client_auth",
	"unsupported_grant_type": "the endpoint does not know the grant client_credentials: is it the right URL?",
	"invalid_grant":          "look at client_id and client_secret",
	"access_denied":          "this client gets no token there: look at its rights and at scope and audience",
}

// explain says what the endpoint answered. Of its words only those of RFC 6749 are told, in quotes: an answer may repeat the secret, and is
// somebody else's text.
func (o *oauth) explain(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) || refused.Response == nil {
		var u *url.Error // its text has the whole URL
		if errors.As(err, &u) {
			err = fmt.Errorf("ask token endpoint %s: %w", o.at, u.Err)
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
				return fmt.Errorf("%w: its certificate is not accepted: look at kafka.sasl.oauth.tls (ca_file, server_name): %w", err, ErrRefused)
			}
			return err
		}
		if strings.Contains(err.Error(), "cannot parse json") || strings.Contains(err.Error(), "missing access_token") {
			return fmt.Errorf("token endpoint %s gives no token in what it answers: is it the right URL?", o.at)
		}
		return fmt.Errorf("ask token endpoint %s: its answer can't be used", o.at)
	}
	status := refused.Response.StatusCode
	text := fmt.Sprintf("token endpoint %s answers HTTP %d", o.at, status)
	if code := refused.ErrorCode; code != "" {
		text += " " + shown(code)
	}
	switch hint := hints[refused.ErrorCode]; {
	case status >= 300 && status < 400:
		return fmt.Errorf("%s: it wants to send us elsewhere, which would take the secret there: set token_url to the right address: %w", text, ErrRefused)
	case hint != "":
		return fmt.Errorf("%s: %s: %w", text, hint, ErrRefused)
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusBadRequest:
		return fmt.Errorf("%s: %s: %w", text, hints[cmp.Or(map[int]string{http.StatusBadRequest: "invalid_request"}[status], "invalid_client")], ErrRefused)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return fmt.Errorf("%s: is token_url the right URL?: %w", text, ErrRefused)
	}
	return errors.New(text)
}
