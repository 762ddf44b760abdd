package login

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// canary is in every secret of these tests; no error may hold it.
const canary = "c4n4ry"

// refusesCanary fails if an error or a token tells a secret.
func refusesCanary(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, canary) {
				t.Errorf("%s tells a secret: %s", verb, s)
			}
		}
	}
}

// endpoint starts a token endpoint and returns a source that asks it.
func endpoint(t *testing.T, change func(*OAuthConfig), answer http.HandlerFunc) Source {
	t.Helper()
	srv := httptest.NewServer(answer)
	t.Cleanup(srv.Close)
	cfg := OAuthConfig{TokenURL: srv.URL + "/token", ClientID: "me", Secret: func() (string, error) { return "s" + canary, nil }, Logger: quiet}
	if change != nil {
		change(&cfg)
	}
	s, err := NewOAuth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOAuthAsks(t *testing.T) {
	for _, post := range []bool{false, true} {
		s := endpoint(t, func(c *OAuthConfig) {
			c.ClientID, c.Secret, c.Post = "a b", func() (string, error) { return "ü:+%&", nil }, post
			c.Scope, c.Audience = "x y", "kafka"
		}, func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			id, secret, basic := r.BasicAuth()
			want := map[bool][2]string{false: {"a+b", "%C3%BC%3A%2B%25%26"}, true: {}}[post]
			if basic == post || [2]string{id, secret} != want || post && (r.PostForm.Get("client_id") != "a b" || r.PostForm.Get("client_secret") != "ü:+%&") {
				t.Errorf("post %v: basic %v %q %q, form %v", post, basic, id, secret, r.PostForm)
			}
			if r.Method != "POST" || r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("scope") != "x y" || r.PostForm.Get("audience") != "kafka" {
				t.Errorf("%s %v", r.Method, r.PostForm)
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"abc.DEF-1~_+/==","token_type":"bearer","expires_in":"300"}`)
		})
		got, err := s.Token(t.Context())
		if left := time.Until(got.Expires); err != nil || got.Reveal() != "abc.DEF-1~_+/==" || left < 4*time.Minute || left > 5*time.Minute {
			t.Errorf("got %v, %v left, error %v", got, left, err)
		}
	}
}

func TestOAuthErrors(t *testing.T) {
	says := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const j = "application/json"
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		refused bool
		words   string
	}{
		{"wrong secret", says(401, j, `{"error":"invalid_client","error_description":"s`+canary+` is wrong"}`), true, `HTTP 401 "invalid_client": client_id or client_secret is wrong`},
		{"wrong secret without words", says(401, "text/html", "<h1>"+canary), true, "HTTP 401: client_id or client_secret is wrong"},
		{"scope", says(400, j, `{"error":"invalid_scope"}`), true, "kafka.sasl.oauth.scope"},
		{"grant", says(400, j, `{"error":"unauthorized_client"}`), true, "may not use the grant"},
		{"unknown word", says(400, j, `{"error":"\u001b[31mugly"}`), true, `\x1b[31mugly`},
		{"error with 200", says(200, j, `{"error":"invalid_client"}`), true, "invalid_client"},
		{"not there", says(404, "text/html", "nothing"), true, "HTTP 404: is token_url the right URL?"},
		{"away", says(503, "text/html", canary), false, "HTTP 503"},
		{"too many", says(429, j, `{}`), false, "HTTP 429"},
		{"server error with a code", says(500, j, `{"error":"server_error"}`), false, "server_error"},
		{"a page", says(200, "text/html", "<html>"+canary), false, "gives no token"},
		{"no token", says(200, j, `{}`), false, "gives no token"},
		{"half an answer", says(200, j, `{"access_token":"`+canary), false, "gives no token"},
		{"a token with a newline", says(200, j, `{"access_token":"`+canary+`\nauth=x"}`), false, "other characters"},
		{"another type", says(200, j, `{"access_token":"`+canary+`","token_type":"mac"}`), true, "another type"},
		{"elsewhere", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/token" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, r, "/other?"+canary, http.StatusTemporaryRedirect)
		}, true, "send us elsewhere"},
		{"hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := endpoint(t, func(o *OAuthConfig) { o.TokenURL += "?key=" + canary }, c.answer)
			_, err := s.Token(t.Context())
			if err == nil || errors.Is(err, ErrRefused) != c.refused || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), "/token") {
				t.Errorf("want %q, refused %v; got %v", c.words, c.refused, err)
			}
			refusesCanary(t, err)
		})
	}
}

func TestOAuthTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"x"}`)
	}))
	defer srv.Close()
	srv.Config.ErrorLog = slog.NewLogLogger(quiet.Handler(), slog.LevelError)
	pool := x509.NewCertPool()
	cfg := OAuthConfig{TokenURL: srv.URL, Secret: func() (string, error) { return canary, nil }, Logger: quiet,
		TLS: func() (*tls.Config, error) { return &tls.Config{RootCAs: pool}, nil }}
	s, err := NewOAuth(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "kafka.sasl.oauth.tls") {
		t.Errorf("an unknown authority: %v", err)
	}
	pool.AddCert(srv.Certificate())
	s, _ = NewOAuth(cfg)
	if _, err := s.Token(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOAuthEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	s := endpoint(t, nil, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(asked)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := s.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestCache follows a token of five minutes through its life, in a time that is made.
func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, fail := 0, error(nil)
		c := newCache(quiet, func(context.Context) (Token, error) {
			n++
			if fail != nil {
				return Token{}, fail
			}
			return NewToken(fmt.Sprint("token", n), time.Now().Add(5*time.Minute), ""), nil
		})
		expect := func(want string, asked int) Token {
			t.Helper()
			got, err := c.Token(t.Context())
			if got.Reveal() != want || n != asked || (want == "") != (err != nil) {
				t.Errorf("got %q, %v after %d fetches; want %q after %d", got.Reveal(), err, n, want, asked)
			}
			return got
		}
		expect("token1", 1)
		time.Sleep(3*time.Minute + 59*time.Second)
		expect("token1", 1)
		time.Sleep(2 * time.Second) // a fifth is left
		fail = errors.New("away")
		expect("token1", 2)
		expect("token1", 2) // not asked at once again
		time.Sleep(askAgain + time.Millisecond)
		expect("token1", 3)
		time.Sleep(50 * time.Second) // less than keepMargin is left
		expect("", 4)
		fail = nil
		expect("", 4)
		time.Sleep(askAgain + time.Millisecond)
		old := expect("token5", 5)
		c.Refused(old)
		now := expect("token6", 6)
		c.Refused(old) // by another connection, late
		if expect("token6", 6) != now {
			t.Error("another token")
		}
	})
}

func TestRenewal(t *testing.T) {
	now := time.Now()
	for life, want := range map[time.Duration]time.Duration{
		time.Hour: 48 * time.Minute, 5 * time.Minute: 4 * time.Minute, time.Minute: 30 * time.Second, 10 * time.Second: 5 * time.Second, -time.Second: -time.Second + 200*time.Millisecond,
	} {
		if got := renewal(now, now.Add(life)).Sub(now); life > 0 && got != want {
			t.Errorf("life %v: renewed after %v, want %v", life, got, want)
		} else if life < 0 && got > 0 {
			t.Errorf("a token that has ended is used for %v", got)
		}
	}
	if got := renewal(now, time.Time{}).Sub(now); got != unknownLife {
		t.Errorf("unknown life: %v", got)
	}
}

// jwt makes a token with these claims and a signature that is a secret.
func jwt(claims string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(`{"alg":"RS256"}`)) + "." + b([]byte(claims)) + "." + canary
}

func TestStatic(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ token, words string }{
		{jwt(fmt.Sprintf(`{"iss":"https://idp","sub":"shop","aud":["a","b"],"exp":%d}`, now.Add(time.Hour).Unix())), `issuer "https://idp", subject "shop", audience "[a b]", good for`},
		{jwt(fmt.Sprintf(`{"exp":%d}`, now.Add(-time.Hour).Unix())), "EXPIRED 1h0m"},
		{jwt(fmt.Sprintf(`{"nbf":%d,"exp":1e10}`, now.Add(time.Hour).Unix())), "NOT YET valid for"},
		{jwt(`{"sub":"\u001b[31m\u000a` + strings.Repeat("x", 500) + `"}`), `\x1b[31m\nxxx`},
		{jwt(`{"exp":"soon"}`), "without an end"},
		{"opaque" + canary, "not a JWT"},
		{"a.b." + canary, "not a JWT"},
	} {
		got, err := NewStatic(func() (string, error) { return c.token, nil }).Token(t.Context())
		if err != nil || got.Reveal() != c.token || !strings.Contains(got.About, c.words) || len(got.About) > 500 {
			t.Errorf("want %q, got %q, %v", c.words, got.About, err)
		}
		refusesCanary(t, got)
	}
	for _, bad := range []string{"", "two " + canary, canary + "\x01auth=x", "ä"} {
		_, err := NewStatic(func() (string, error) { return bad, nil }).Token(t.Context())
		if err == nil {
			t.Errorf("%q was taken for a token", bad)
		}
		refusesCanary(t, err)
	}
}

func FuzzDescribe(f *testing.F) {
	for _, c := range []string{`{"iss":1,"sub":[{}],"aud":{"a":"b"},"exp":-1}`, `{"exp":1e308}`, `[]`, `null`, "", `{"exp":99999999999999999999}`} {
		f.Add(jwt(c))
	}
	f.Fuzz(func(t *testing.T, token string) {
		if got := describe(token, time.Unix(1e9, 0)); len(got) > 1000 || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%q", got)
		}
	})
}
