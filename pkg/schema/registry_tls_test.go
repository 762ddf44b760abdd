package schema

// Shows that a registry behind TLS is reached with its CA and a client's certificate, and what is said where one of them is wrong.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// clientCertificate makes a certificate that signs itself, and a pool that trusts it.
func clientCertificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ngxtap"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestRegistryTLS(t *testing.T) {
	certificate, trusted := clientCertificate(t)
	stranger, _ := clientCertificate(t)
	serve := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"id":5}`) })
	srv := httptest.NewUnstartedServer(serve)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	srv.StartTLS()
	defer srv.Close()
	plain := httptest.NewServer(serve)
	defer plain.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for _, c := range []struct {
		name, url string
		tls       *tls.Config
		says      string // "": it works
	}{
		{"own CA and client certificate", srv.URL, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}, ""},
		{"no CA", srv.URL, &tls.Config{Certificates: []tls.Certificate{certificate}}, "or that registry.tls.ca_file names"},
		{"nothing configured", srv.URL, nil, "or that registry.tls.ca_file names"},
		{"another name", srv.URL, &tls.Config{RootCAs: roots, ServerName: "registry.internal", Certificates: []tls.Certificate{certificate}}, "not registry.internal"},
		{"no client certificate", srv.URL, &tls.Config{RootCAs: roots}, "certificate required"},
		{"another client's certificate", srv.URL, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{stranger}}, "remote error: tls"},
		{"http for https", strings.Replace(srv.URL, "https:", "http:", 1), nil, "HTTP request to an HTTPS server"},
		{"https for http", strings.Replace(plain.URL, "http:", "https:", 1), nil, "HTTP response to HTTPS client"},
	} {
		r, _ := open(t, RegistryConfig{URLs: []string{c.url}, TLS: c.tls, Timeout: time.Minute})
		id, err := r.Register(t.Context(), "s", schemaA)
		switch {
		case c.says == "" && (err != nil || id.Number != 5):
			t.Errorf("%s: id %v, %v", c.name, id, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || id != (ID{}) || errors.Is(err, ErrRefused)):
			t.Errorf("%s: id %v, %v; want an error with %q", c.name, id, err, c.says)
		}
	}
}
