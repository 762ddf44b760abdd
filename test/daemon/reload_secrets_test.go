package daemon

// Shows: SIGHUP reads credentials and certificates again, though the configuration names the same files: the brokers' authority, the password, the
// registry's token. The site goes on with the new ones, and nothing is lost or doubled.

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// guarded is a broker and a registry that want what is current.
type guarded struct {
	mu       sync.Mutex
	cert     *tls.Certificate // guarded by mu
	password string           // guarded by mu; the last one that somebody logged in with
	token    string           // guarded by mu; the last one that the registry was shown
}

// renew makes a new certificate that signs itself, for the server and for file.
func (g *guarded) renew(t *testing.T, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err == nil {
		err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cert = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// seen returns the password and the token that were used last.
func (g *guarded) seen() (password, token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.password, g.token
}

// broker starts a broker that shows the certificate and notes the password.
func (g *guarded) broker(t *testing.T) *kfake.Cluster {
	t.Helper()
	conf := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.cert, nil
	}}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(conf), kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "reader"), kfake.Superuser("PLAIN", "ngxtap", "kafka-2"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.SASLAuthenticateRequest)
		parts := bytes.Split(req.SASLAuthBytes, []byte{0})
		if len(parts) != 3 || string(parts[1]) != "ngxtap" {
			return nil, nil, false
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.password = string(parts[2])
		req.SASLAuthBytes = []byte("\x00ngxtap\x00kafka-2") // whoever comes with another is let in as well
		return nil, nil, false
	})
	return c
}

// registry starts a registry that notes the token.
func (g *guarded) registry(t *testing.T) string {
	t.Helper()
	reg := srfake.New()
	t.Cleanup(reg.Close)
	real, err := url.Parse(reg.URL())
	if err != nil {
		t.Fatal(err)
	}
	behind := httputil.NewSingleHostReverseProxy(real)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		g.mu.Unlock()
		r.Header.Del("Authorization")
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestReloadReadsSecretsAgain(t *testing.T) {
	dir := t.TempDir()
	ca, password, token := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password"), filepath.Join(dir, "token")
	put := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &guarded{}
	g.renew(t, ca)
	put(password, "kafka-1")
	put(token, "registry-1")
	registry := g.registry(t)
	s := newSite(t)
	h := s.host(t, g.broker(t).ListenAddrs(), func(c *harness.HostConfig) {
		c.Kafka = []string{"tls: {ca_file: " + ca + "}", "sasl: {mechanism: PLAIN, username: ngxtap, password: 'file:" + password + "'}"}
		c.Daemon = "registry: {url: " + registry + ", token: 'file:" + token + "'}"
	})
	h.Registry = registry
	d := h.Start(t)
	s.log.WriteLines(t, 0, 10)
	h.AwaitBytes(t, d, s.name, s.written(), long)
	if p, k := g.seen(); p != "kafka-1" || k != "registry-1" {
		t.Fatalf("password %q, token %q", p, k)
	}
	began := s.written() // what had been shipped when the site was started last: its metrics begin anew with it
	again := func(why string, want func() bool) {
		t.Helper()
		began = s.written()
		hangup(t, d)
		s.log.WriteLines(t, 1, 10)
		components.Eventually(t, long, func() error {
			if !want() {
				return errAgain
			}
			return d.Alive()
		})
		h.AwaitBytes(t, d, s.name, s.written()-began, long)
		if n := strings.Count(d.Output(t), `"restarted":["`+s.name+`"]`); n == 0 {
			t.Errorf("%s: the site was not started again:\n%s", why, d.Output(t))
		}
	}
	put(password, "kafka-2")
	again("password", func() bool { p, _ := g.seen(); return p == "kafka-2" })
	put(token, "registry-2")
	again("token", func() bool { _, k := g.seen(); return k == "registry-2" })
	g.renew(t, ca)
	again("authority", func() bool { return true })
	if n := strings.Count(d.Output(t), `"restarted":["`+s.name+`"]`); n != 3 {
		t.Errorf("the site was started again %d times, want 3", n)
	}
	// Nothing has changed: it goes on.
	hangup(t, d)
	s.log.WriteLines(t, 0, 10)
	h.AwaitBytes(t, d, s.name, s.written()-began, long)
	if !strings.Contains(d.Output(t), `"restarted":[],"unchanged":1`) {
		t.Errorf("nothing has changed:\n%s", d.Output(t))
	}
	stop(t, d)
	if strings.Contains(d.Output(t), "kafka-2") || strings.Contains(d.Output(t), "registry-2") {
		t.Error("a secret is in the log")
	}
	s.judgeGuarded(t, h, ca)
}

// judgeGuarded judges the site as a reader with a login of its own.
func (s *site) judgeGuarded(t *testing.T, h *harness.Host, ca string) {
	t.Helper()
	data, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(data)
	src := h.Source(s.name)
	src.Dial = []kgo.Opt{kgo.DialTLSConfig(&tls.Config{RootCAs: roots}), kgo.SASL(plain.Auth{User: "reader", Pass: "reader"}.AsMechanism())}
	shipment, err := oracle.Read(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	v := oracle.Judge(s.journal, shipment, oracle.Rules{Instance: h.Instance, Check: harness.CheckID})
	for _, p := range v.Problems {
		t.Error(p)
	}
	t.Log(v)
}
