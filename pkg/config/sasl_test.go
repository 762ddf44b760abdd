package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogins reads each way of logging in, and says with file and line what is wrong with others.
func TestLogins(t *testing.T) {
	const oauth = "mechanism: OAUTHBEARER\n    oauth: {token_url: 'https://idp.example.com/t', client_id: a, client_secret: b"
	for _, c := range []struct {
		name, sasl string
		words      string // of the error, or of the warnings after "warns: "; "": all is well
	}{
		{"scram", "mechanism: SCRAM-SHA-512\n    username: u\n    password: p", ""},
		{"plain", "mechanism: PLAIN\n    username: u\n    password: p", ""},
		{"unknown", "mechanism: GSSAPI", `ngxtap.yaml:4: kafka.sasl.mechanism: "GSSAPI" is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, AWS_MSK_IAM`},
		{"token", "mechanism: OAUTHBEARER\n    token: 'file:token'", ""},
		{"token with a space", "mechanism: OAUTHBEARER\n    token: 'a b'", "ngxtap.yaml:5: kafka.sasl.token: is not a token"},
		{"no token", "mechanism: OAUTHBEARER", "kafka.sasl: mechanism OAUTHBEARER needs a token"},
		{"oauth", oauth + ", scope: 'a b', audience: kafka}\n    extensions: [{name: logicalCluster, value: lkc-1}]", ""},
		{"both", oauth + "}\n    token: x", "ngxtap.yaml:6: kafka.sasl.token: use either token or oauth"},
		{"no client", "mechanism: OAUTHBEARER\n    oauth: {token_url: 'https://x/'}", "ngxtap.yaml:5: kafka.sasl.oauth: needs client_id and client_secret"},
		{"no url", "mechanism: OAUTHBEARER\n    oauth: {token_url: idp, client_id: a, client_secret: b}", "kafka.sasl.oauth.token_url: is not a URL"},
		{"secret in the url", "mechanism: OAUTHBEARER\n    oauth: {token_url: 'https://a:canary@x/', client_id: a, client_secret: b}", "keep the secret out of the URL"},
		{"http", "mechanism: OAUTHBEARER\n    oauth: {token_url: 'http://x/', client_id: a, client_secret: b}", "warns: http sends the client's secret in clear text"},
		{"http and tls", "mechanism: OAUTHBEARER\n    oauth: {token_url: 'http://x/', client_id: a, client_secret: b, tls: {enabled: true}}", "is http, but oauth.tls is set"},
		{"client_auth", oauth + ", client_auth: jwt}", `kafka.sasl.oauth.client_auth: "jwt" is not one of basic, post`},
		{"extension auth", "mechanism: OAUTHBEARER\n    token: x\n    extensions: [{name: auth, value: y}]", "kafka.sasl.extensions[0].name: auth is taken already"},
		{"extension name", "mechanism: OAUTHBEARER\n    token: x\n    extensions: [{name: a-b, value: y}]", "letters only"},
		{"extension value", "mechanism: OAUTHBEARER\n    token: x\n    extensions: [{name: a, value: \"y\\x01auth\"}]", "kafka.sasl.extensions[0].value: holds what is not printable"},
		{"msk", "mechanism: AWS_MSK_IAM\n    aws: {region: eu-central-1, role_arn: 'arn:aws:iam::123456789012:role/x', external_id: e}", ""},
		{"msk gov", "mechanism: AWS_MSK_IAM\n    aws: {region: us-gov-west-1}", ""},
		{"region", "mechanism: AWS_MSK_IAM\n    aws: {region: Frankfurt}", `ngxtap.yaml:5: kafka.sasl.aws.region: "Frankfurt" is not a region`},
		{"role", "mechanism: AWS_MSK_IAM\n    aws: {role_arn: writer}", "is not the ARN of a role"},
		{"external id", "mechanism: AWS_MSK_IAM\n    aws: {external_id: e}", "goes with role_arn"},
		{"aws elsewhere", "mechanism: PLAIN\n    username: u\n    password: p\n    aws: {region: eu-central-1}", "ngxtap.yaml:7: kafka.sasl.aws: does not go with mechanism PLAIN, but with AWS_MSK_IAM"},
		{"username elsewhere", "mechanism: AWS_MSK_IAM\n    username: u", "kafka.sasl.username: does not go with mechanism AWS_MSK_IAM, but with PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
		{"token without mechanism", "token: x", "kafka.sasl.token: needs a mechanism: set kafka.sasl.mechanism to one of OAUTHBEARER"},
		{"skip verify", "mechanism: PLAIN\n  tls: {insecure_skip_verify: true}", "unknown key kafka.tls.insecure_skip_verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "kafka:\n  tls: {enabled: true}\n  sasl:\n    " + c.sasl + "\n"
			if strings.Contains(c.sasl, "\n  tls:") {
				text = "kafka:\n  sasl:\n    " + c.sasl + "\n"
			}
			file := write(t, text, site)
			put(t, filepath.Join(filepath.Dir(file), "token"), []byte("abc\n"))
			cfg, err := Load(file)
			got := fmt.Sprint(err)
			want, warns := strings.CutPrefix(c.words, "warns: ")
			if warns && err == nil {
				got = strings.Join(cfg.Warnings, "\n")
			}
			if c.words == "" && (err != nil || len(cfg.Warnings) > 0) || !strings.Contains(got, want) || strings.Contains(got, "canary") {
				t.Errorf("want %q, got %s", c.words, got)
			}
			if c.words == "" {
				if s := cfg.Kafka.SASL; strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), "abc") {
					t.Error("a secret is printed")
				}
			}
		})
	}
	if _, err := Load(write(t, "kafka: {sasl: {mechanism: AWS_MSK_IAM}}\n", site)); err == nil || !strings.Contains(err.Error(), "over TLS only") {
		t.Errorf("without tls: %v", err)
	}
	cfg, err := Load(write(t, "kafka: {sasl: {mechanism: OAUTHBEARER, token: x}}\n", site))
	if err != nil || !strings.Contains(strings.Join(cfg.Warnings, "\n"), "OAUTHBEARER without tls sends the token in clear text") {
		t.Errorf("without tls: %v %v", err, cfg)
	}
}

func put(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pair returns a certificate that ends then, and its key.
func pair(t *testing.T, ends time.Time) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func TestTLSFiles(t *testing.T) {
	year := time.Now().AddDate(1, 0, 0)
	cert, key := pair(t, year)
	_, other := pair(t, year)
	old, oldKey := pair(t, time.Now().Add(-time.Hour))
	locked := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")})
	cat := func(parts ...[]byte) (all []byte) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for _, c := range []struct {
		name, tls string
		words     string // of the error; "": all is well
	}{
		{"two files", "cert_file: cert.pem, key_file: key.pem", ""},
		{"one file", "cert_file: both.pem", ""},
		{"one file, key last", "cert_file: both2.pem", ""},
		{"the system's authorities", "enabled: true", ""},
		{"authority", "ca_file: cert.pem", ""},
		{"authority that is none", "ca_file: key.pem", "ngxtap.yaml:2: kafka.tls.ca_file: DIR/key.pem: holds no certificate"},
		{"no key", "cert_file: cert.pem", "ngxtap.yaml:2: kafka.tls.cert_file: DIR/cert.pem: holds no private key in PEM form; set key_file"},
		{"no certificate", "key_file: key.pem", "kafka.tls.key_file: cert_file and key_file go together"},
		{"another's key", "cert_file: cert.pem, key_file: other.pem", "DIR/cert.pem with the key in DIR/other.pem: private key does not match public key"},
		{"encrypted key", "cert_file: cert.pem, key_file: locked.pem", "kafka.tls.cert_file: DIR/locked.pem: the key is encrypted"},
		{"encrypted key of old", "cert_file: cert.pem, key_file: legacy.pem", "the key is encrypted"},
		{"missing file", "cert_file: none.pem", "no such file"},
		{"expired, to be renewed", "cert_file: old.pem", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, "kafka:\n  tls: {"+c.tls+"}\n", site)
			dir := filepath.Dir(file)
			for name, text := range map[string][]byte{"cert": cert, "key": key, "other": other, "both": cat(key, cert), "both2": cat(cert, key), "locked": locked, "legacy": legacy,
				"old": cat(old, oldKey)} {
				put(t, filepath.Join(dir, name+".pem"), text)
			}
			cfg, err := Load(file)
			got := strings.ReplaceAll(fmt.Sprint(err), dir, "DIR")
			if c.words == "" && (err != nil || len(cfg.Warnings) > 0) || !strings.Contains(got, c.words) {
				t.Errorf("want %q, got %s", c.words, got)
			}
			if err == nil {
				if conf, err := cfg.Kafka.TLS.Client(); err != nil || conf.InsecureSkipVerify || conf.MinVersion < 0x0303 {
					t.Errorf("client: %+v, %v", conf, err)
				}
			}
		})
	}
}
