package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"ngxtap/pkg/config"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// dialTimeout is how long one address may take to be reached and to show its certificate.
const dialTimeout = 5 * time.Second

// tlsCheck looks at the certificates of one kind of server, and at ours for it.
type tlsCheck struct {
	r       *report
	cfg     *config.Config
	t       config.TLS
	key     string // of t in the configuration
	server  what
	client  what
	trusted what
	now     time.Time
}

func (c *tlsCheck) finding(w what, key, text, fix string) finding {
	file, line := c.cfg.Where(c.key + key)
	return finding{What: w, File: file, Line: line, Text: text, Fix: fix}
}

// own looks at the files of the configuration.
func (c *tlsCheck) own() {
	for _, f := range []struct {
		w         what
		key, path string
	}{{c.trusted, ".ca_file", c.t.CAFile}, {c.client, ".cert_file", c.t.CertFile}} {
		if f.path == "" {
			continue
		}
		certs, err := readCertificates(f.path)
		if err != nil {
			c.r.misfit(c.finding(f.w, f.key, fmt.Sprintf("%s: %v", oneLine(f.path), err), "it must hold certificates in PEM form"))
			continue
		}
		if f.w == c.client {
			certs = certs[:1] // what follows leads to the authority
		}
		for _, cert := range certs {
			c.age(cert, f.w, f.key, oneLine(f.path)+": the certificate of "+oneLine(cert.Subject.String()))
		}
		if f.w == c.client && len(certs[0].ExtKeyUsage) > 0 && !slices.Contains(certs[0].ExtKeyUsage,
			x509.ExtKeyUsageClientAuth) && !slices.Contains(certs[0].ExtKeyUsage, x509.ExtKeyUsageAny) {
			c.r.warn(c.finding(f.w, f.key, oneLine(f.path)+": the certificate is not one for clients (extended key usage clientAuth); servers may "+
				"refuse it", "have one issued with clientAuth"))
		}
	}
}

// readCertificates returns the certificates in a file, at least one.
func readCertificates(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return certs, nil
}

// age says when a certificate ends, if that is soon.
func (c *tlsCheck) age(cert *x509.Certificate, w what, key, whose string) {
	end := cert.NotAfter.UTC().Format("2006-01-02 15:04 MST")
	switch left := cert.NotAfter.Sub(c.now); {
	case left <= 0:
		c.r.fail(c.finding(w, key, whose+" has ended on "+end, "renew it (or set this host's clock, which says "+c.now.UTC().Format(time.RFC3339)+")"))
	case c.now.Before(cert.NotBefore):
		c.r.fail(c.finding(w, key, whose+" begins only on "+cert.NotBefore.UTC().Format("2006-01-02 15:04 MST"),
			"set this host's clock, which says "+c.now.UTC().Format(time.RFC3339)))
	case left < soon:
		c.r.warn(c.finding(w, key, fmt.Sprintf("%s ends in %d days, on %s", whose, int(left.Hours()/24), end),
			"renew it; ngxtap takes the new one up by itself"))
	}
}

// servers looks at the certificate of every address that can be reached. It returns how many will not do, and how many were seen.
func (c *tlsCheck) servers(ctx context.Context, addrs []string) (bad, seen int) {
	reports := make([]report, len(addrs))
	shown := make([]bool, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() {
			one := *c
			one.r = &reports[i]
			shown[i] = one.one(ctx, addr)
		})
	}
	wg.Wait()
	for i := range reports {
		if shown[i] {
			seen++
		}
		if reports[i].code != exitOK {
			bad++
		}
		c.r.take(&reports[i])
	}
	return bad, seen
}

// one looks at one address. It returns false if that did not answer, which others say.
func (c *tlsCheck) one(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conf, err := c.t.Client()
	if err != nil {
		c.r.misfit(c.finding(c.server, "", err.Error(), ""))
		return false
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer conn.Close()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	var chain []*x509.Certificate
	conf.InsecureSkipVerify = true // only to look at what is shown; it is verified below, and nothing is sent
	conf.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		for _, r := range raw {
			cert, err := x509.ParseCertificate(r)
			if err != nil {
				return err
			}
			chain = append(chain, cert)
		}
		return nil
	}
	err = tls.Client(conn, conf).HandshakeContext(ctx)
	if len(chain) == 0 {
		fix := "does this port speak TLS? Look at " + c.key + " and the port"
		c.r.fail(c.finding(c.server, "", fmt.Sprintf("%s: no certificate is shown: %v", addr, err), fix))
		return true
	}
	c.judge(addr, conf, chain)
	return true
}

// judge verifies what a server has shown, and says what is wrong with it and not only that something is.
func (c *tlsCheck) judge(addr string, conf *tls.Config, chain []*x509.Certificate) {
	leaf := chain[0]
	whose := fmt.Sprintf("%s: the certificate of %s", addr, oneLine(leaf.Subject.String()))
	if c.now.After(leaf.NotAfter) || c.now.Before(leaf.NotBefore) {
		c.age(leaf, c.server, "", whose)
		return
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: conf.RootCAs, Intermediates: between, CurrentTime: c.now})
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		trusted := "the authorities that this system trusts"
		if c.t.CAFile != "" {
			trusted = oneLine(c.t.CAFile)
		}
		issuer := oneLine(chain[len(chain)-1].Issuer.String())
		c.r.fail(c.finding(c.trusted, ".ca_file", fmt.Sprintf("%s is issued by %s, which is not among %s", whose, issuer, trusted),
			fmt.Sprintf("put the certificate of that authority into a file and name it in %s.ca_file", c.key)))
	case err != nil:
		c.r.fail(c.finding(c.server, "", fmt.Sprintf("%s: %v", whose, err), "renew it"))
	default:
		if err := leaf.VerifyHostname(conf.ServerName); err != nil {
			names := append(slices.Clone(leaf.DNSNames), addresses(leaf)...)
			c.r.fail(c.finding(c.server, ".server_name", fmt.Sprintf("%s is not for the name %s but for %s", whose, conf.ServerName,
				oneLine(strings.Join(names, ", "))),
				"name the server as its certificate does, or set "+c.key+".server_name"))
			return
		}
		c.age(leaf, c.server, "", whose)
	}
}

func addresses(cert *x509.Certificate) []string {
	var all []string
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
