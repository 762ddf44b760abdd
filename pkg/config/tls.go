package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// check reads the files, so that what is wrong with them is said with the line that names them. That a certificate has ended is not: it may be renewed.
func (t *TLS) check(k *checker, key, base string) {
	t.CAFile, t.CertFile, t.KeyFile = abs(base, t.CAFile), abs(base, t.CertFile), abs(base, t.KeyFile)
	if t.CAFile != "" {
		if _, err := t.roots(); err != nil {
			k.fail(key+".ca_file", "%v", err)
		}
	}
	switch {
	case t.CertFile == "" && t.KeyFile != "":
		k.fail(key+".key_file", "cert_file and key_file go together: name the certificate of this key")
	case t.CertFile != "":
		if _, err := t.certificate(); err != nil {
			k.fail(key+".cert_file", "%v", err)
		}
	}
}

// Client returns the client's side of TLS. The trusted certificates are those of now; the client's own certificate is read anew for each
// connection, so a renewed one is used without a new call.
func (t TLS) Client() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		roots, err := t.roots()
		if err != nil {
			return nil, err
		}
		c.RootCAs = roots
	}
	if t.CertFile != "" {
		if _, err := t.certificate(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.certificate() }
	}
	return c, nil
}

// roots reads the certificates to trust.
func (t TLS) roots() (*x509.CertPool, error) {
	text, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the trusted certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: holds no certificate in PEM form", t.CAFile)
	}
	return pool, nil
}

// certificate reads the client's own certificate and its key.
func (t TLS) certificate() (*tls.Certificate, error) {
	certPEM, err := os.ReadFile(t.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate: %w", err)
	}
	keyFile, keyPEM := t.KeyFile, certPEM
	if keyFile == "" {
		keyFile = t.CertFile
	} else if keyPEM, err = os.ReadFile(keyFile); err != nil {
		return nil, fmt.Errorf("read the key of the client certificate: %w", err)
	}
	if err := plainKey(keyPEM); err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("%s with the key in %s: %s", t.CertFile, keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return &cert, nil
}

// plainKey looks for a private key that can be used without a password.
func plainKey(text []byte) error {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return errors.New("holds no private key in PEM form; set key_file to the file that does")
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return errors.New("the key is encrypted, and nobody is there to type its password: store it decrypted (openssl pkey -in OLD -out NEW), readable by ngxtap's user only")
		case bytes.HasSuffix([]byte(block.Type), []byte("PRIVATE KEY")):
			return nil
		}
	}
}
