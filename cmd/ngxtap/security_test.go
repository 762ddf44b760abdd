package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"ngxtap/pkg/config"
	"ngxtap/pkg/sink"
	"ngxtap/pkg/sink/kafka"
)

// TestTLSAndLoginFromTheConfiguration ships a line to brokers that want TLS and a login, all of it said in YAML, with the password from the
// environment; and says what is wrong when it is.
func TestTLSAndLoginFromTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	cert := selfSigned(t, filepath.Join(dir, "ca.pem"))
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser(mechanism, "shipper", "right-password"),
				kfake.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			daemon := fmt.Sprintf("instance: web-01\nstate_dir: state\nkafka:\n  brokers: ['%s']\n  tls: {ca_file: ../ca.pem}\n"+
				"  sasl: {mechanism: %s, username: shipper, password: '${NGXTAP_TEST_PASSWORD}'}\n", c.ListenAddrs()[0], mechanism)
			file := siteIn(t, filepath.Join(dir, mechanism), daemon)
			t.Setenv("NGXTAP_TEST_PASSWORD", "right-password")
			if code, out := runIn(t, "run", "--once", "-c", file); code != exitOK || !strings.Contains(out, "site shop: 1 events") {
				t.Errorf("exit code %d\n%s", code, out)
			}
			code, out := runIn(t, "check", "--user", "", "-c", file)
			if code != exitOK || !strings.Contains(out, "TLS: true") {
				t.Errorf("check: exit code %d\n%s", code, out)
			}
			t.Setenv("NGXTAP_TEST_PASSWORD", "wrong-password")
			code, out = runIn(t, "check", "--user", "", "-c", file)
			if code != exitFailed || strings.Contains(out, "wrong-password") || strings.Contains(out, "right-password") {
				t.Errorf("check with a wrong password: exit code %d\n%s", code, out)
			}
		})
	}
	file := siteIn(t, filepath.Join(dir, "bad"), "kafka: {tls: {ca_file: sites.d/shop.yaml}}\nstate_dir: state\n")
	if code, out := runIn(t, "check", "--user", "", "-c", file); code != exitConfig || !strings.Contains(out, "holds no certificate") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}

// TestNewPasswordNeedsNoRestart: each session asks for its own configuration of connections, and that reads the password's file again.
func TestNewPasswordNeedsNoRestart(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "password")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(secret, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("old\n")
	cfg, err := config.Load(siteIn(t, dir, "state_dir: state\nkafka:\n  on_state_regression: trust_local\n  sasl: {mechanism: SCRAM-SHA-512, username: u, password: 'file:password'}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := func(password string) {
		t.Helper()
		kc, err := kafkaConfig(cfg, &cfg.Sites[0], slog.New(slog.DiscardHandler))
		if err != nil || kc.SASL.Password != password || kc.OnRegression != kafka.RegressionTrustLocal {
			t.Errorf("want password %q, got %q, on_state_regression %s, error %v", password, kc.SASL.Password, kc.OnRegression, err)
		}
	}
	want("old")
	put("new\n")
	want("new")
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	if _, err := kafkaConfig(cfg, nil, slog.New(slog.DiscardHandler)); err == nil || errors.Is(err, sink.ErrConfig) {
		t.Errorf("without the file: want an error that is tried again, got %v", err)
	}
}

// TestRenewedClientCertificateIsUsed: a session that waits because its certificate has expired must take the new one by itself.
func TestRenewedClientCertificateIsUsed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "client.pem")
	c := config.TLS{CertFile: file, KeyFile: filepath.Join(dir, "client.key")}
	renew := func() []byte {
		t.Helper()
		cert := selfSigned(t, file)
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
			t.Fatal(err)
		}
		return cert.Certificate[0]
	}
	if _, err := c.Client(); err == nil {
		t.Error("a certificate that is not there was accepted")
	}
	renew()
	tc, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	want := renew()
	got, err := tc.GetClientCertificate(nil)
	if err != nil || !bytes.Equal(got.Certificate[0], want) {
		t.Errorf("not the renewed certificate; error %v", err)
	}
}

// siteIn writes a configuration with one site and a log of one line, and returns the daemon's file.
func siteIn(t *testing.T, dir, daemon string) string {
	t.Helper()
	for name, text := range map[string]string{
		"ngxtap.yaml": daemon, "access.log": "200\n",
		"sites.d/shop.yaml": "site: shop\naccess_log: {paths: [../access.log], log_format: '$status'}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "ngxtap.yaml")
}

// runIn runs a command line and returns its exit code and all it printed.
func runIn(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out lockedBuffer
	code := run(t.Context(), args, stdio{strings.NewReader(""), &out, &out})
	return code, out.b.String()
}

// lockedBuffer takes what several goroutines print.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// selfSigned returns a certificate for 127.0.0.1 that trusts itself, and writes its PEM to file.
func selfSigned(t *testing.T, file string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// String returns what was written so far.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
