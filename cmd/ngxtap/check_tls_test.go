package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/config"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), name+".pem")}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	pair := a.sign(t, cert, nil)
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	writePEM(t, a.file, pair.Certificate[0])
	return a
}

func writePEM(t *testing.T, file string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sign makes a certificate; without parent it signs itself.
func (a *authority) sign(t *testing.T, cert *x509.Certificate, parent *authority) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	by, with := cert, key
	if parent != nil {
		by, with = parent.cert, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, by, &key.PublicKey, with)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// server shows a certificate that is valid for so long, for a name, and returns its address.
func (a *authority) server(t *testing.T, name string, from, to time.Duration) string {
	t.Helper()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.ParseIP(name)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if leaf.IPAddresses[0] == nil {
		leaf.IPAddresses = nil
	}
	pair := a.sign(t, leaf, a)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake() // the other side says what is wrong
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestCheckOfCertificates(t *testing.T) {
	ca, other := newAuthority(t, "ca-one"), newAuthority(t, "ca-two")
	const hour, long = time.Hour, 1000 * time.Hour
	f := func(name, addr string, conf config.TLS, level string, words string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			r := &report{}
			c := &tlsCheck{r, &config.Config{Files: []string{"ngxtap.yaml"}}, conf, "kafka.tls", whatKafkaTLS, whatKafkaClient, whatKafkaCA, time.Now()}
			c.servers(t.Context(), []string{addr})
			var out strings.Builder
			r.print(&out)
			if level == "" {
				if out.Len() > 0 {
					t.Error(out.String())
				}
				return
			}
			if len(r.found) != 1 || r.found[0].Level != level || !strings.Contains(out.String(), words) || r.found[0].Fix == "" {
				t.Errorf("want %s with %q:\n%s", level, words, out.String())
			}
		})
	}
	trust := config.TLS{CAFile: ca.file}
	f("good", ca.server(t, "127.0.0.1", -hour, long), trust, "", "")
	f("soon", ca.server(t, "127.0.0.1", -hour, 73*hour), trust, levelWarning, "ends in 3 days")
	f("over", ca.server(t, "127.0.0.1", -2*hour, -hour), trust, levelError, "has ended on")
	f("not yet", ca.server(t, "127.0.0.1", hour, long), trust, levelError, "begins only on")
	f("another name", ca.server(t, "kafka.example", -hour, long), trust, levelError, "is not for the name 127.0.0.1 but for kafka.example; name the server as its certificate does, or set kafka.tls.server_name")
	f("a name that is set", ca.server(t, "kafka.example", -hour, long), config.TLS{CAFile: ca.file, ServerName: "kafka.example"}, "", "")
	f("another authority", ca.server(t, "127.0.0.1", -hour, long), config.TLS{CAFile: other.file}, levelError, "is issued by CN=ca-one, which is not among "+other.file)
	f("the system's authorities", ca.server(t, "127.0.0.1", -hour, long), config.TLS{Enabled: true}, levelError, "which is not among the authorities that this system trusts")
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() {
		if c, err := plain.Accept(); err == nil {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	f("no TLS there", plain.Addr().String(), trust, levelError, "does this port speak TLS?")
	f("nobody there", "127.0.0.1:1", trust, "", "") // the brokers' own check says so
}

func TestCheckOfOurCertificates(t *testing.T) {
	ca := newAuthority(t, "ca")
	dir := t.TempDir()
	f := func(name string, to time.Duration, usage x509.ExtKeyUsage, level, words string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			pair := ca.sign(t, &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "web-01"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(to),
				ExtKeyUsage: []x509.ExtKeyUsage{usage}}, ca)
			file := filepath.Join(dir, "client.pem")
			writePEM(t, file, pair.Certificate[0])
			r := &report{}
			c := &tlsCheck{r, &config.Config{Files: []string{"ngxtap.yaml"}}, config.TLS{CertFile: file, CAFile: ca.file}, "kafka.tls", whatKafkaTLS, whatKafkaClient, whatKafkaCA, time.Now()}
			c.own()
			switch {
			case level == "" && len(r.found) > 0, level != "" && (len(r.found) != 1 || r.found[0].Level != level || r.found[0].What != whatKafkaClient || !strings.Contains(r.found[0].Text, words)):
				t.Errorf("want %s with %q, got %+v", level, words, r.found)
			}
		})
	}
	f("good", 1000*time.Hour, x509.ExtKeyUsageClientAuth, "", "")
	f("soon", 49*time.Hour, x509.ExtKeyUsageClientAuth, levelWarning, "client.pem: the certificate of CN=web-01 ends in 2 days")
	f("over", -time.Hour, x509.ExtKeyUsageClientAuth, levelError, "has ended")
	f("for servers", 1000*time.Hour, x509.ExtKeyUsageServerAuth, levelWarning, "not one for clients")
}
