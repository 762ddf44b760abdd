// dial_test.go shows what is said when what answers at an address is no broker, or no broker that speaks TLS, and that nothing a stranger sends
// makes us wait or take memory.
package kafka

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/login"
	"ngxtap/pkg/sink"
)

// stranger answers every connection with the same bytes, whatever it is sent, and hangs up.
func stranger(t *testing.T, says string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1024))
			conn.Write([]byte(says))
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// firstError returns what Check says of the brokers.
func firstError(t *testing.T, cfg Config) string {
	t.Helper()
	found := Check(within(t, 20*time.Second), cfg, checkSites(cfg))
	if len(found) == 0 || found[0].Level != Fail {
		t.Fatalf("got %+v", found)
	}
	return found[0].Text + ": " + found[0].Fix
}

func TestStrangersAreTold(t *testing.T) {
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	roots := web.Client().Transport.(*http.Transport).TLSClientConfig
	for _, c := range []struct {
		name, addr string
		tls        *tls.Config
		words      string
	}{
		{"TLS alert", stranger(t, "\x15\x03\x03\x00\x02\x02\x46"), nil, "speaks TLS: set kafka.tls"},
		{"HTTP", stranger(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), nil, "speaks HTTP: it is no broker"},
		{"SSH", stranger(t, "SSH-2.0-x\r\n"), nil, "does not speak Kafka's protocol"},
		{"nothing", stranger(t, ""), nil, "does this port want TLS or another login?"},
		{"HTTP in place of TLS", stranger(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), roots, "TLS is not spoken at this port"},
		{"nothing in place of TLS", stranger(t, ""), roots, "is TLS not spoken at this port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{Brokers: []string{c.addr}, Instance: "i", Site: "s", Topic: "t", TLS: c.tls}
			if got := firstError(t, cfg); !strings.Contains(got, c.words) || !strings.Contains(got, c.addr) {
				t.Errorf("want %q, got %s", c.words, got)
			}
		})
	}
}

// TestAlerts words what a broker thinks of the client's certificate.
func TestAlerts(t *testing.T) {
	sent := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New("tls: " + text)} }
	none := &cluster{cfg: &Config{}, creds: Credentials{TLS: &tls.Config{}}}
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	own := web.TLS.Certificates[0]
	own.Leaf = web.Certificate()
	good := &cluster{cfg: &Config{}, creds: Credentials{TLS: &tls.Config{Certificates: []tls.Certificate{own}}}}
	late := own
	expired := *own.Leaf
	expired.NotAfter = time.Now().Add(-time.Hour)
	late.Leaf = &expired
	old := &cluster{cfg: &Config{}, creds: Credentials{TLS: &tls.Config{Certificates: []tls.Certificate{late}}}}
	for _, c := range []struct {
		c      *cluster
		alert  string
		config bool
		words  string
	}{
		{none, "certificate required", true, "wants a client certificate"},
		{none, "bad certificate", true, "wants a client certificate"},
		{none, "handshake failure", true, "wants a client certificate"},
		{none, "protocol version not supported", false, "versions and ciphers"},
		{none, "internal error", false, "versions and ciphers"},
		{good, "unknown certificate authority", true, "refuses the client certificate"},
		{old, "expired certificate", false, "has expired on"},
		{old, "unknown certificate", false, "has expired on"},
	} {
		err := c.c.classify(fmt.Errorf("connect: %w", sent(c.alert)))
		if got := classOf(err); got != ClassTLS {
			t.Errorf("%s: class %s", c.alert, got)
		}
		if errors.Is(err, sink.ErrConfig) != c.config || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), c.alert) {
			t.Errorf("%s: %v", c.alert, err)
		}
	}
}

// answerOf makes an answer to SaslHandshake.
func answerOf(names ...string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1, 0, 33}, uint32(len(names)))
	for _, n := range names {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(n))), n...)
	}
	return b
}

func FuzzMechanisms(f *testing.F) {
	f.Add(answerOf("PLAIN", "SCRAM-SHA-512", "PLAIN", "\x1b[31m"))
	f.Add(answerOf()[:9])
	f.Add([]byte{0, 0, 0, 1, 0, 33, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'A'})
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, n := range parseMechanisms(answer) {
			if !mechanismName.MatchString(n) {
				t.Errorf("%q", n)
			}
		}
	})
}

func TestMechanismsAreParsed(t *testing.T) {
	if got := parseMechanisms(answerOf("PLAIN", "SCRAM-SHA-512", "PLAIN", "\x1b[31m")); !slices.Equal(got, []string{"PLAIN", "SCRAM-SHA-512"}) {
		t.Errorf("got %q", got)
	}
}

// given hands out one token.
type given struct {
	token   login.Token
	err     error
	refused int
}

func (g *given) Token(context.Context) (login.Token, error) { return g.token, g.err }
func (g *given) Refused(login.Token)                        { g.refused++ }

// TestCredentialsAreReadForEachConnection has a password that changes, and one that can't be read.
func TestCredentialsAreReadForEachConnection(t *testing.T) {
	password, failure := "one", error(nil)
	cfg := Config{Brokers: []string{"127.0.0.1:1"}, Instance: "i", Site: "s", Topic: "t", SASL: SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "one"},
		Renew: func() (Credentials, error) { return Credentials{Password: password}, failure }}
	cfg = cfg.complete()
	for _, want := range []string{"one", "two"} {
		password = want
		c, err := connect(&cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := c.conf.Net.SASL.SCRAMClientGeneratorFunc().(*scramClient)
		password = want + " later" // for a login on a connection that is open
		if err := s.Begin("u", c.conf.Net.SASL.Password, ""); err != nil || s.password != want+" later" || c.creds.Password != want {
			t.Errorf("want %q, got %q and %q, %v", want, c.creds.Password, s.password, err)
		}
		c.close()
	}
	failure = errors.New("gone")
	if _, err := connect(&cfg); err == nil || errors.Is(err, sink.ErrConfig) {
		t.Errorf("want an error that may pass, got %v", err)
	}
}

func TestTokensThatAreNotToBeHad(t *testing.T) {
	g := &given{err: errors.New("away")}
	cfg := Config{Brokers: []string{"127.0.0.1:1"}, Instance: "i", Site: "s", Topic: "t", SASL: SASL{Mechanism: AWSMSKIAM, Token: g}}
	cfg = cfg.complete()
	c, err := connect(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	_, err = c.bearer.Token()
	if err = c.classify(err); errors.Is(err, sink.ErrConfig) || classOf(err) != ClassLogin || !strings.Contains(err.Error(), "get a token for AWS_MSK_IAM: away") {
		t.Errorf("got %v", err)
	}
	g.err = fmt.Errorf("no: %w", login.ErrRefused)
	_, err = c.bearer.Token()
	if err = c.classify(err); !errors.Is(err, sink.ErrConfig) {
		t.Errorf("got %v", err)
	}
	g.token, g.err = login.NewToken("hunter2", time.Now().Add(-time.Minute), "about"), nil
	if _, err := c.bearer.Token(); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %v", g.token, g.token, g.token, cfg.SASL); strings.Contains(s, "hunter2") {
		t.Error("the token is printed")
	}
}
