package kafkasec

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// The client that the identity provider knows. Id and secret hold what must be escaped in a Basic header (RFC 6749, 2.3.1).
const (
	clientID     = "ngx tap"
	clientSecret = "s3cret:+&%/canary"
)

// signer makes tokens that the brokers accept: their keys are those of its JWKS.
type signer struct{ key *rsa.PrivateKey }

func newSigner(t testing.TB) *signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{key}
}

// jwks returns the public key as the brokers read it (RFC 7517).
func (s *signer) jwks() []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Appendf(nil, `{"keys":[{"kty":"RSA","kid":"k1","use":"sig","alg":"RS256","n":"%s","e":"%s"}]}`,
		b64(s.key.N.Bytes()), b64(big.NewInt(int64(s.key.E)).Bytes()))
}

// token returns a JWT for the user shop, with claims changed or added.
func (s *signer) token(t testing.TB, life time.Duration, change map[string]any) string {
	t.Helper()
	now := time.Now()
	claims := map[string]any{"iss": "https://idp.test", "sub": "shop", "aud": "kafka", "scope": "kafka", "iat": now.Unix() - 1, "exp": now.Add(life).Unix()}
	for k, v := range change {
		claims[k] = v
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"alg":"RS256","typ":"JWT","kid":"k1"}`)) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

// idp is a token endpoint with TLS.
type idp struct {
	url string

	mu     sync.Mutex
	secret string         // guarded by mu
	life   time.Duration  // guarded by mu; of its tokens
	change map[string]any // guarded by mu; of their claims
	given  int            // guarded by mu; tokens
}

// newIDP starts an endpoint with a certificate of ca.
func newIDP(t *testing.T, ca *authority, s *signer) *idp {
	t.Helper()
	p := &idp{secret: clientSecret, life: time.Hour}
	text := ca.issue(t, "idp", time.Now().Add(time.Hour))
	cert, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		id, secret, ok := r.BasicAuth()
		want := [2]string{"ngx+tap", "s3cret%3A%2B%26%25%2Fcanary"}
		if p.secret != clientSecret {
			want[1] = p.secret
		}
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/token" || r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "kafka":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_request"}`)
		case !ok || [2]string{id, secret} != want:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is wrong"}`, secret)
		default:
			p.given++
			json.NewEncoder(w).Encode(map[string]any{"access_token": s.token(t, p.life, p.change), "token_type": "Bearer", "expires_in": int(p.life.Seconds())})
		}
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	p.url = srv.URL + "/token"
	return p
}

// set changes what the endpoint does from now on.
func (p *idp) set(change func(*idp)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

// count returns how many tokens were given.
func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given
}
