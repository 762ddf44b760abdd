package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"

	"ngxtap/pkg/sink"
)

// whyOut looks for the reason when sarama found no broker: it keeps some of them to itself, and does not say which broker refused a login.
func (c *cluster) whyOut(err error) error {
	for _, addr := range c.cfg.Brokers {
		if why := c.why(addr); why != nil {
			return why
		}
	}
	return err
}

// why returns what stands between us and a broker, nil if nothing does.
func (c *cluster) why(addr string) error {
	b := sarama.NewBroker(addr)
	if err := b.Open(c.conf); err != nil {
		return err
	}
	defer b.Close()
	if _, err := b.Connected(); err != nil {
		err = fmt.Errorf("connect to broker %s: %w", addr, err)
		var shake *handshakeError // explainTLS has more to say
		switch {
		case !hungUp(err) || errors.As(err, &shake):
			return err
		case c.creds.TLS != nil:
			return fmt.Errorf("%w: it hung up at once: does it want a client certificate (kafka.tls.cert_file) or another login?", err)
		}
		return fmt.Errorf("%w: it hung up at once: does this port want TLS or another login?", err)
	}
	if _, err := b.GetMetadata(sarama.NewMetadataRequest(c.conf.Version, []string{c.cfg.State})); err != nil {
		err = fmt.Errorf("ask broker %s: %w", addr, err)
		if c.cfg.SASL.Mechanism == "" && hungUp(err) {
			return fmt.Errorf("%w: it hung up on the first request: this port wants a login, and none is configured: set kafka.sasl", err)
		}
		return err
	}
	return nil
}

// hungUp reports whether the other side ended the connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explainTLS adds what to do to what went wrong with TLS, and sink.ErrConfig where waiting does not help.
func (c *cluster) explainTLS(err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var other *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	var shake *handshakeError
	switch {
	case errors.As(err, &host):
		return fmt.Errorf("%w: the broker's certificate is for other names: use one of them in kafka.brokers and in the broker's advertised.listeners, "+
			"or say it in kafka.tls.server_name: %w", err, sink.ErrConfig)
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: who signed the broker's certificate is not trusted here: put that authority's certificate into kafka.tls.ca_file: %w", err, sink.ErrConfig)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return passingError{fmt.Errorf("%w: the broker's certificate must be renewed there (kafka.tls can't help), or this host's clock is wrong", err)}
	case errors.As(err, &invalid), errors.As(err, &other):
		return fmt.Errorf("%w: the broker's certificate is not accepted: look at kafka.tls and at that certificate: %w", err, sink.ErrConfig)
	case errors.As(err, &noTLS):
		return fmt.Errorf("%w: TLS is not spoken at this port: use the port of a listener with TLS, or take kafka.tls away", err)
	case alert(err) != "":
		return c.explainAlert(err, alert(err))
	case errors.As(err, &shake) && hungUp(err):
		return fmt.Errorf("%w: it hung up: is TLS not spoken at this port, or does it want a client certificate (kafka.tls.cert_file)?", err)
	}
	return err
}

// alert returns the words of a TLS alert that the other side sent; "" if it is none. They have no type of their own in Go.
func alert(err error) string {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return remote.Err.Error()
	}
	return ""
}

// certificateAlerts are those by which a server says that it does not like the client's certificate (RFC 8446, 6.2), as Go words them.
var certificateAlerts = regexp.MustCompile(`certificate|unknown certificate authority|access denied`)

// explainAlert says what to do about a TLS alert that the broker sent.
func (c *cluster) explainAlert(err error, alert string) error {
	leaf := c.ownCertificate()
	switch {
	case !certificateAlerts.MatchString(alert) && !strings.Contains(alert, "handshake failure"):
		return fmt.Errorf("%w: the broker ends TLS: do its versions and ciphers (TLS 1.2 or newer) and kafka.tls.server_name fit?", err)
	case leaf == nil:
		return fmt.Errorf("%w: the broker wants a client certificate (mutual TLS), and none is configured: set kafka.tls.cert_file and key_file: %w", err, sink.ErrConfig)
	case time.Now().After(leaf.NotAfter):
		return passingError{fmt.Errorf("%w: the client certificate %q has expired on %s: renew kafka.tls.cert_file; it is read again for each connection",
			err, leaf.Subject.String(), leaf.NotAfter.UTC().Format(time.RFC3339))}
	}
	return fmt.Errorf("%w: the broker refuses the client certificate %q, signed by %q: does it trust that authority? Look at kafka.tls.cert_file and at the broker's truststore: %w",
		err, leaf.Subject.String(), leaf.Issuer.String(), sink.ErrConfig)
}

// ownCertificate returns the client's certificate, nil if there is none.
func (c *cluster) ownCertificate() *x509.Certificate {
	conf := c.creds.TLS
	switch {
	case conf == nil:
		return nil
	case conf.GetClientCertificate != nil:
		if cert, err := conf.GetClientCertificate(&tls.CertificateRequestInfo{}); err == nil {
			return cert.Leaf
		}
	case len(conf.Certificates) > 0:
		return conf.Certificates[0].Leaf
	}
	return nil
}

// maxHandshake is how long the answer to a SaslHandshake may be, in bytes.
const maxHandshake = 4096

// mechanisms asks a broker which mechanisms its port offers; sarama has the answer and drops it. It returns nil where it can't find out.
func (c *cluster) mechanisms(addr string) []string {
	conn, err := c.dialer.Dial("tcp", addr)
	if err != nil {
		return nil
	}
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(c.cfg.DialTimeout)) != nil {
		return nil
	}
	// SaslHandshake (17) version 1: key, version, correlation id, no client id, and the mechanism that was refused.
	refused := string(c.conf.Net.SASL.Mechanism)
	msg := []byte{0, 17, 0, 1, 0, 0, 0, 1, 0xff, 0xff}
	msg = append(binary.BigEndian.AppendUint16(msg, uint16(len(refused))), refused...)
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(msg))), msg...)); err != nil {
		return nil
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(conn, head); err != nil || binary.BigEndian.Uint32(head) > maxHandshake {
		return nil
	}
	answer := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil
	}
	return parseMechanisms(answer)
}

// mechanismName is what SASL calls a mechanism (RFC 4422, 3.1); whoever answers is not trusted to.
var mechanismName = regexp.MustCompile(`^[A-Z0-9_-]{1,20}$`)

// parseMechanisms reads an answer to SaslHandshake: correlation id, error code, and names.
func parseMechanisms(answer []byte) (names []string) {
	if len(answer) < 10 {
		return nil
	}
	rest := answer[10:]
	for range binary.BigEndian.Uint32(answer[6:]) {
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			break
		}
		n := 2 + int(binary.BigEndian.Uint16(rest))
		if name := string(rest[2:n]); mechanismName.MatchString(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		rest = rest[n:]
	}
	return names
}
