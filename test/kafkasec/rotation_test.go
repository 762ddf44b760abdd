package kafkasec

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ngxtap/test/components"
	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// started starts the daemon and waits until it has shipped what is in the log.
func (s *site) started(t *testing.T) *components.Program {
	t.Helper()
	d := s.Start(t)
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	return d
}

// ends stops the daemon in good order and judges what arrived.
func (s *site) ends(t *testing.T, d *components.Program) {
	t.Helper()
	d.Signal(t, syscall.SIGTERM)
	if code := d.Wait(t, long); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.Judge(t, s.name, s.journal, oracle.Rules{})
}

// for a while: three sessions of five seconds, and the begin of a fourth.
const severalSessions = 17 * time.Second

// TestSessionsOfBrokersEnd ships under load through listeners that end the login of a connection after five seconds (KIP-368). Every connection
// must log in again in time: were one closed, a new session of the site would be counted.
func TestSessionsOfBrokersEnd(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	w.scram(t, "shop", "right512", 2)
	w.awsKeys(t, map[string]string{accessKey: accessSecret})
	p := newIDP(t, w.ca, w.signer)
	p.set(func(p *idp) { p.life = 8 * time.Second })
	secret := put(t, t.TempDir(), "secret", []byte(clientSecret))
	for _, c := range []struct {
		name, listener, sasl string
		env                  []string
	}{
		{"PLAIN", "SHORTPLAIN", login("PLAIN", "shop", "right"), nil},
		{"SCRAM-SHA-512", "SHORTSCRAM", login("SCRAM-SHA-512", "shop", "right512"), nil},
		{"OAUTHBEARER", "SHORTOAUTH", w.oauth(p, secret), nil},
		{"AWS_MSK_IAM", "SHORTMSK", mskLogin, awsEnv(t, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := w.ships(t, c.listener, w.tls(), c.sasl)
			s.Env = c.env
			d := s.started(t)
			end := time.Now().Add(severalSessions)
			s.keepShipping(t, d, func() bool { return time.Now().After(end) })
			if n := s.metric(t, "ngxtap_sessions_total"); n != 1 {
				t.Errorf("%d sessions, want 1: a connection was lost", n)
			}
			s.ends(t, d)
		})
	}
	t.Cleanup(func() {
		if n := p.count(); n < 4 {
			t.Errorf("%d tokens of 8 s were asked for in %v", n, severalSessions)
		}
	})
}

// TestPasswordIsRotated changes the password at the broker first and then in the file, as an operator does who can't do both at once.
func TestPasswordIsRotated(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	w.scram(t, "rotated", "old", 2)
	w.allow(t, "User:rotated")
	dir := t.TempDir()
	file := put(t, dir, "password", []byte("old\n"))
	s := w.ships(t, "SHORTSCRAM", w.tls(), login("SCRAM-SHA-512", "rotated", "file:"+file))
	d := s.started(t)
	w.scram(t, "rotated", "new", 2)
	s.log.WriteLines(t, 0, 5)
	components.Eventually(t, long, func() error { return s.refused(t, d) })
	put(t, dir, "password", []byte("new\n"))
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	end := time.Now().Add(7 * time.Second) // and log in again with the new one
	s.keepShipping(t, d, func() bool { return time.Now().After(end) })
	s.ends(t, d)
}

// refused writes a line, so that there is something to log in for, and returns nil once a login has been refused.
func (s *site) refused(t *testing.T, d *components.Program) error {
	t.Helper()
	s.log.WriteLines(t, 0, 1)
	if n := s.metric(t, "ngxtap_sessions_total"); n < 2 {
		return fmt.Errorf("%d sessions", n)
	}
	return d.Alive()
}

// TestPasswordIsRotatedFirstInTheFile is the other order: logins on connections that are open use the new one at once.
func TestPasswordIsRotatedFirstInTheFile(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	w.scram(t, "rotated2", "old", 2)
	w.allow(t, "User:rotated2")
	dir := t.TempDir()
	file := put(t, dir, "password", []byte("old\n"))
	s := w.ships(t, "SHORTSCRAM", w.tls(), login("SCRAM-SHA-512", "rotated2", "file:"+file))
	d := s.started(t)
	put(t, dir, "password", []byte("new\n"))
	w.scram(t, "rotated2", "new", 2)
	// A login in the moment between the two is refused, and costs a session; from here on none is.
	s.log.WriteLines(t, 0, 5)
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	before := s.metric(t, "ngxtap_sessions_total")
	end := time.Now().Add(7 * time.Second)
	s.keepShipping(t, d, func() bool { return time.Now().After(end) })
	if n := s.metric(t, "ngxtap_sessions_total"); n != before {
		t.Errorf("%d sessions, want %d: the old password was used", n, before)
	}
	s.ends(t, d)
}

// TestCertificateIsRotated puts another client's certificate in place, which has no rights, and then the first one's again, renewed. Each is used
// when there are new connections: the broker closes those that rest for four seconds.
func TestCertificateIsRotated(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	dir := t.TempDir()
	pem := put(t, dir, "client.pem", w.ca.issue(t, "shop", time.Now().Add(time.Hour)))
	s := w.ships(t, "MTLS", w.tls("cert_file: "+pem))
	d := s.started(t)
	put(t, dir, "client.pem", w.ca.issue(t, "other", time.Now().Add(time.Hour)))
	rested := time.Now().Add(7 * time.Second)
	components.Eventually(t, long, func() error {
		if time.Now().After(rested) { // this line finds the connections closed
			s.log.WriteLines(t, 0, 1)
			rested = time.Now().Add(7 * time.Second)
		}
		if !strings.Contains(d.Output(t), "grant") {
			return fmt.Errorf("the other certificate is not used yet")
		}
		return d.Alive()
	})
	put(t, dir, "client.pem", w.ca.issue(t, "shop", time.Now().Add(time.Hour)))
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	s.ends(t, d)
}

// TestTokenIsRotated has a token in a file that another program renews, late: the broker ends the login with the token, and the site goes on
// when there is a new one.
func TestTokenIsRotated(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	dir := t.TempDir()
	file := put(t, dir, "token", []byte(w.signer.token(t, time.Hour, nil)))
	s := w.ships(t, "OAUTH", w.tls(), "sasl: {mechanism: OAUTHBEARER, token: 'file:"+file+"'}")
	harness.Binary(t, false)
	put(t, dir, "token", []byte(w.signer.token(t, 6*time.Second, nil)))
	d := s.Start(t)
	components.Eventually(t, long, func() error { // renewed in time, until the daemon has started
		put(t, dir, "token", []byte(w.signer.token(t, 6*time.Second, nil)))
		n, err := oracle.Metric(t.Context(), s.Admin, "ngxtap_read_bytes_total", `site="`+s.name+`"`)
		if err == nil && int64(n) < harness.Bytes(s.journal) {
			err = fmt.Errorf("%v bytes are committed", n)
		}
		return err
	})
	components.Eventually(t, long, func() error { return s.refused(t, d) })
	put(t, dir, "token", []byte(w.signer.token(t, time.Hour, nil)))
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	s.ends(t, d)
}

// TestClientSecretIsRotated changes the secret of the token endpoint, whose tokens are short, first there and then in the file.
func TestClientSecretIsRotated(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	p := newIDP(t, w.ca, w.signer)
	p.set(func(p *idp) { p.life = 5 * time.Second })
	dir := t.TempDir()
	file := put(t, dir, "secret", []byte(clientSecret))
	s := w.ships(t, "OAUTH", w.tls(), w.oauth(p, file))
	d := s.started(t)
	p.set(func(p *idp) { p.secret = "second" })
	components.Eventually(t, long, func() error { return s.refused(t, d) })
	put(t, dir, "secret", []byte("second"))
	s.AwaitBytes(t, d, s.name, harness.Bytes(s.journal), long)
	s.ends(t, d)
}

// TestAWSKeysAreRotated changes the keys in the shared file under a daemon that runs: the next login, within five seconds, signs with the new ones.
func TestAWSKeysAreRotated(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	keys := func(id string) []byte {
		return fmt.Appendf(nil, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", id, accessSecret)
	}
	dir := t.TempDir()
	put(t, dir, "credentials", keys("AKIAOLD"))
	w.awsKeys(t, map[string]string{"AKIAOLD": accessSecret, "AKIANEW": accessSecret})
	s := w.ships(t, "SHORTMSK", w.tls(), mskLogin)
	s.Env = awsEnv(t, "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(dir, "credentials"))
	d := s.started(t)
	put(t, dir, "credentials", keys("AKIANEW"))
	w.awsKeys(t, map[string]string{"AKIAOLD": ""})
	end := time.Now().Add(7 * time.Second)
	s.keepShipping(t, d, func() bool { return time.Now().After(end) })
	if n := s.metric(t, "ngxtap_sessions_total"); n != 1 {
		t.Errorf("%d sessions, want 1: the old keys were used", n)
	}
	s.ends(t, d)
}
