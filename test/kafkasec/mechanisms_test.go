package kafkasec

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	t.Run("works", func(t *testing.T) { w.ships(t, "TLS", w.tls()).works(t) })
	t.Run("TLS in one file", func(t *testing.T) {
		pem := put(t, t.TempDir(), "shop.pem", w.ca.issue(t, "shop", time.Now().Add(time.Hour)))
		w.ships(t, "MTLS", w.tls("cert_file: "+pem)).works(t)
	})
	t.Run("two files", func(t *testing.T) {
		pem := put(t, t.TempDir(), "shop.pem", w.ca.issue(t, "shop", time.Now().Add(time.Hour)))
		w.ships(t, "MTLS", w.tls("cert_file: "+pem, "key_file: "+pem)).works(t)
	})
	addr := func(listener string) string { return w.Listener(listener) }
	t.Run("unknown authority", func(t *testing.T) {
		other := put(t, t.TempDir(), "other.pem", newAuthority(t, "Other CA").pem)
		w.ships(t, "TLS", "tls: {ca_file: "+other+"}").fails(t, false, addr("TLS"), "certificate signed by unknown authority||is issued by CN=Test CA, which is not among", "kafka.tls.ca_file")
	})
	t.Run("the system's authorities", func(t *testing.T) {
		w.ships(t, "TLS", "tls: {enabled: true}").fails(t, false, addr("TLS"), "kafka.tls.ca_file")
	})
	t.Run("wrong name", func(t *testing.T) {
		w.ships(t, "TLS", w.tls("server_name: kafka.test")).fails(t, false, addr("TLS"), "valid for broker.test, not kafka.test||is not for the name kafka.test but for broker.test, 127.0.0.1", "kafka.tls.server_name", "advertised.listeners||as its certificate does")
	})
	t.Run("the broker's certificate has expired", func(t *testing.T) {
		w.ships(t, "OLD", w.tls()).fails(t, true, addr("OLD"), "expired||has ended on", "must be renewed there||renew it")
	})
	t.Run("no TLS at a port with it", func(t *testing.T) {
		w.ships(t, "TLS").fails(t, true, addr("TLS"), "speaks TLS", "kafka.tls: {enabled: true}")
	})
	t.Run("TLS at a port without", func(t *testing.T) {
		s := w.ships(t, "TLS", w.tls(), "brokers: ['"+w.Bootstrap+"']")
		s.fails(t, true, w.Bootstrap, "is TLS not spoken at this port||does this port speak TLS?")
	})
	t.Run("no client certificate", func(t *testing.T) {
		w.ships(t, "MTLS", w.tls()).fails(t, false, addr("MTLS"), "wants a client certificate", "kafka.tls.cert_file")
	})
	t.Run("a stranger's client certificate", func(t *testing.T) {
		stranger := newAuthority(t, "Stranger CA")
		pem := put(t, t.TempDir(), "shop.pem", stranger.issue(t, "shop", time.Now().Add(time.Hour)))
		w.ships(t, "MTLS", w.tls("cert_file: "+pem)).fails(t, false, addr("MTLS"), "refuses the client certificate", "CN=shop", "Stranger CA", "truststore")
	})
	t.Run("an expired client certificate", func(t *testing.T) {
		pem := put(t, t.TempDir(), "shop.pem", w.ca.issue(t, "shop", time.Now().Add(-time.Hour)))
		w.ships(t, "MTLS", w.tls("cert_file: "+pem)).fails(t, true, addr("MTLS"), "CN=shop", "has expired on", "renew kafka.tls.cert_file")
	})
	t.Run("an encrypted key", func(t *testing.T) {
		dir := t.TempDir()
		pem := put(t, dir, "shop.pem", w.ca.issue(t, "shop", time.Now().Add(time.Hour)))
		key := filepath.Join(dir, "shop.key")
		if out, err := exec.Command("openssl", "pkey", "-in", pem, "-aes256", "-passout", "pass:x", "-out", key).CombinedOutput(); err != nil {
			t.Skipf("openssl: %v\n%s", err, out)
		}
		code, out := w.ships(t, "MTLS", w.tls("cert_file: "+pem, "key_file: "+key)).ngxtap(t, "check", "--user", "")
		if code != 78 || !strings.Contains(out, "the key is encrypted") || !strings.Contains(out, "ngxtap.yaml:") {
			t.Errorf("exit code %d\n%s", code, out)
		}
	})
	t.Run("a client certificate without rights", func(t *testing.T) {
		pem := put(t, t.TempDir(), "other.pem", w.ca.issue(t, "other", time.Now().Add(time.Hour)))
		w.ships(t, "MTLS", w.tls("cert_file: "+pem)).fails(t, false, "grant Describe||Write")
	})
}

// login returns the section sasl.
func login(mechanism, user, password string) string {
	return fmt.Sprintf("sasl: {mechanism: %s, username: %s, password: %s}", mechanism, user, password)
}

func TestPlain(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	t.Run("works", func(t *testing.T) { w.ships(t, "PLAIN", w.tls(), login("PLAIN", "shop", "right")).works(t) })
	t.Run("wrong password", func(t *testing.T) {
		w.ships(t, "PLAIN", w.tls(), login("PLAIN", "shop", "wrong-canary")).fails(t, false, w.Listener("PLAIN"),
			"the login is refused (PLAIN as shop)", "wrong user name or password", "kafka.sasl.password")
	})
	t.Run("mechanism not enabled", func(t *testing.T) {
		w.ships(t, "PLAIN", w.tls(), login("SCRAM-SHA-512", "shop", "right")).fails(t, false, w.Listener("PLAIN"),
			"does not offer kafka.sasl.mechanism SCRAM-SHA-512", "but PLAIN")
	})
	t.Run("no login", func(t *testing.T) {
		w.ships(t, "PLAIN", w.tls()).fails(t, true, w.Listener("PLAIN"), "wants a login", "set kafka.sasl")
	})
	t.Run("a login where none is wanted", func(t *testing.T) {
		w.ships(t, "TLS", w.tls(), login("PLAIN", "shop", "right")).fails(t, false, w.Listener("TLS"), "does not expect a login at this port")
	})
	t.Run("no rights", func(t *testing.T) {
		w.ships(t, "PLAIN", w.tls(), login("PLAIN", "shop2", "right2")).fails(t, false, "grant Describe||Write")
	})
}

// scram sets a user's password for one mechanism: 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
func (w *world) scram(t testing.TB, user, password string, mechanism int8) {
	t.Helper()
	const iterations = 4096
	up := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
	up.Name, up.Mechanism, up.Iterations, up.Salt = user, mechanism, iterations, make([]byte, 16)
	rand.Read(up.Salt)
	var err error
	if mechanism == 1 {
		up.SaltedPassword, err = pbkdf2.Key(sha256.New, password, up.Salt, iterations, sha256.Size)
	} else {
		up.SaltedPassword, err = pbkdf2.Key(sha512.New, password, up.Salt, iterations, sha512.Size)
	}
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	req.Upsertions = append(req.Upsertions, up)
	resp, err := req.RequestWith(t.Context(), w.admin(t))
	if err != nil || resp.Results[0].ErrorCode != 0 {
		t.Fatalf("set the password: %v %+v", err, resp)
	}
}

func TestScram(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	w.scram(t, "shop", "right256", 1)
	w.scram(t, "shop", "right512", 2)
	for mechanism, password := range map[string]string{"SCRAM-SHA-256": "right256", "SCRAM-SHA-512": "right512"} {
		t.Run(mechanism, func(t *testing.T) {
			w.ships(t, "SCRAM", w.tls(), login(mechanism, "shop", password)).works(t)
			w.ships(t, "SCRAM", w.tls(), login(mechanism, "shop", "wrong-canary")).fails(t, false, w.Listener("SCRAM"), "the login is refused ("+mechanism+" as shop)",
				"or the user has no "+mechanism+" credentials")
			w.ships(t, "SCRAM", w.tls(), login(mechanism, "nobody", password)).fails(t, false, w.Listener("SCRAM"), "the login is refused ("+mechanism+" as nobody)")
		})
	}
	t.Run("mechanism not enabled", func(t *testing.T) {
		w.ships(t, "SCRAM", w.tls(), login("PLAIN", "shop", "right")).fails(t, false, w.Listener("SCRAM"), "does not offer kafka.sasl.mechanism PLAIN", "but SCRAM-SHA-256, SCRAM-SHA-512")
	})
}

// oauth returns the section sasl that asks a token endpoint, with more keys of oauth.
func (w *world) oauth(p *idp, secretFile string, more ...string) string {
	keys := append([]string{"token_url: '" + p.url + "'", "client_id: '" + clientID + "'", "client_secret: 'file:" + secretFile + "'", "scope: kafka",
		w.tls()}, more...)
	return "sasl: {mechanism: OAUTHBEARER, oauth: {" + strings.Join(keys, ", ") + "}, extensions: [{name: logicalCluster, value: lkc-1}]}"
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	p := newIDP(t, w.ca, w.signer)
	secret := put(t, t.TempDir(), "secret", []byte(clientSecret+"\n"))
	t.Run("client credentials", func(t *testing.T) { w.ships(t, "OAUTH", w.tls(), w.oauth(p, secret)).works(t) })
	file := func(t *testing.T, token string) string {
		path := put(t, t.TempDir(), "token", []byte(token+"\n"))
		return "sasl: {mechanism: OAUTHBEARER, token: 'file:" + path + "'}"
	}
	t.Run("token in a file", func(t *testing.T) {
		w.ships(t, "OAUTH", w.tls(), file(t, w.signer.token(t, time.Hour, nil))).works(t)
	})
	t.Run("expired token", func(t *testing.T) {
		w.ships(t, "OAUTH", w.tls(), file(t, w.signer.token(t, -time.Hour, nil))).fails(t, true, w.Listener("OAUTH"),
			"the login is refused (OAUTHBEARER)", `subject "shop"`, "EXPIRED", "whoever renews the token is late")
	})
	t.Run("wrong audience", func(t *testing.T) {
		w.ships(t, "OAUTH", w.tls(), file(t, w.signer.token(t, time.Hour, map[string]any{"aud": "elsewhere"}))).fails(t, false, w.Listener("OAUTH"),
			"the login is refused (OAUTHBEARER)", `audience "elsewhere"`, "expect this audience")
	})
	t.Run("a stranger's key", func(t *testing.T) {
		w.ships(t, "OAUTH", w.tls(), file(t, newSigner(t).token(t, time.Hour, nil))).fails(t, false, w.Listener("OAUTH"), "the login is refused (OAUTHBEARER)", "trust this issuer and its keys")
	})
	t.Run("wrong client secret", func(t *testing.T) {
		wrong := put(t, t.TempDir(), "secret", []byte("wrong-canary"))
		w.ships(t, "OAUTH", w.tls(), w.oauth(p, wrong)).fails(t, false, "token endpoint "+p.url+" answers HTTP 401", "invalid_client",
			"client_secret is wrong", "OAUTHBEARER")
	})
	t.Run("endpoint away", func(t *testing.T) {
		away := &idp{url: "https://127.0.0.1:1/token"}
		w.ships(t, "OAUTH", w.tls(), w.oauth(away, secret)).fails(t, true, "ask token endpoint "+away.url, "connection refused")
	})
	t.Run("endpoint not trusted", func(t *testing.T) {
		other := put(t, t.TempDir(), "other.pem", newAuthority(t, "Other CA").pem)
		w.ships(t, "OAUTH", w.tls(), strings.Replace(w.oauth(p, secret), filepath.Join(w.dir, "ca.pem"), other, 1)).fails(t, false, "ask token endpoint "+p.url, "unknown authority", "kafka.sasl.oauth.tls")
	})
	t.Run("mechanism not enabled", func(t *testing.T) {
		w.ships(t, "PLAIN", w.tls(), w.oauth(p, secret)).fails(t, false, w.Listener("PLAIN"), "does not offer kafka.sasl.mechanism OAUTHBEARER", "but PLAIN")
	})
}

// The keys of TestMSK.
const (
	accessKey    = "AKIATESTTESTTESTTEST"
	accessSecret = "canary+secret/key"
	sessionToken = "canary//session+token=="
)

// awsEnv is an environment in which only what a test says gives credentials.
func awsEnv(t testing.TB, more ...string) []string {
	t.Helper()
	return append([]string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "HOME=" + t.TempDir(),
		"AWS_PROFILE=", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN="}, more...)
}

const mskLogin = "sasl: {mechanism: AWS_MSK_IAM, aws: {region: eu-central-1}}"

func TestMSK(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	w.awsKeys(t, map[string]string{accessKey: accessSecret, "ASIASESSION": accessSecret, "ASIASESSION.token": sessionToken})
	t.Run("environment", func(t *testing.T) {
		s := w.ships(t, "MSK", w.tls(), mskLogin)
		s.Env = awsEnv(t, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+accessSecret)
		s.works(t)
	})
	t.Run("environment with a session", func(t *testing.T) {
		s := w.ships(t, "MSK", w.tls(), mskLogin)
		s.Env = awsEnv(t, "AWS_ACCESS_KEY_ID=ASIASESSION", "AWS_SECRET_ACCESS_KEY="+accessSecret, "AWS_SESSION_TOKEN="+sessionToken)
		s.works(t)
	})
	t.Run("profile of the shared file", func(t *testing.T) {
		file := put(t, t.TempDir(), "credentials", fmt.Appendf(nil, "[kafka]\naws_access_key_id = %s\naws_secret_access_key = %s\n", accessKey, accessSecret))
		s := w.ships(t, "MSK", w.tls(), "sasl: {mechanism: AWS_MSK_IAM, aws: {region: eu-central-1, profile: kafka}}")
		s.Env = awsEnv(t, "AWS_SHARED_CREDENTIALS_FILE="+file)
		s.works(t)
	})
	fails := func(name, sasl string, waits bool, env []string, words ...string) {
		t.Run(name, func(t *testing.T) {
			s := w.ships(t, "MSK", w.tls(), sasl)
			s.Env = awsEnv(t, env...)
			s.fails(t, waits, words...)
		})
	}
	fails("wrong secret", mskLogin, false, []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=canary-wrong"}, w.Listener("MSK"),
		"the login is refused (AWS_MSK_IAM)", "access key "+accessKey, "EnvConfigCredentials", "kafka-cluster:Connect", "region eu-central-1")
	fails("wrong session", mskLogin, false, []string{"AWS_ACCESS_KEY_ID=ASIASESSION", "AWS_SECRET_ACCESS_KEY=" + accessSecret, "AWS_SESSION_TOKEN=canary"}, "the login is refused (AWS_MSK_IAM)")
	fails("wrong region", "sasl: {mechanism: AWS_MSK_IAM, aws: {region: us-east-1}}", false, []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + accessSecret},
		"the login is refused (AWS_MSK_IAM)", "region us-east-1", "is the region the cluster's")
	fails("no credentials", mskLogin, true, nil, "get a token for AWS_MSK_IAM", "find AWS credentials", "give this host a role")
	fails("no region", "sasl: {mechanism: AWS_MSK_IAM}", false, []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + accessSecret, "AWS_REGION=", "AWS_DEFAULT_REGION="},
		"set kafka.sasl.aws.region")
	fails("no such profile", "sasl: {mechanism: AWS_MSK_IAM, aws: {region: eu-central-1, profile: nobody}}", false, nil, `profile "nobody" is not in the shared files`)
}
