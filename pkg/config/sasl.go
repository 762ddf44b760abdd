package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The values of SASL.Mechanism.
const (
	Plain       = "PLAIN"
	Scram256    = "SCRAM-SHA-256"
	Scram512    = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER"
	MSKIAM      = "AWS_MSK_IAM"
)

var mechanisms = []string{Plain, Scram256, Scram512, OAuthBearer, MSKIAM}

var (
	extensionName = regexp.MustCompile(`^[A-Za-z]+$`)                 // RFC 7628, 3.1
	bearerToken   = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)      // RFC 6750, 2.1
	regionName    = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]$`) // part of a host name
	roleARN       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/`)
)

// CurrentPassword returns the password as it is now, in clear text: one from a file is read again.
func (s SASL) CurrentPassword() (string, error) { return s.Password.current(s.PasswordFile) }

// CurrentToken returns the token as it is now, in clear text: one from a file is read again.
func (s SASL) CurrentToken() (string, error) {
	v, err := s.Token.current(s.TokenFile)
	if err == nil && !bearerToken.MatchString(v) {
		err = fmt.Errorf("%s: what is in it is not a token (letters, digits and ._~+/-)", s.TokenFile)
	}
	return v, err
}

// CurrentSecret returns the client's secret as it is now, in clear text: one from a file is read again.
func (o OAuth) CurrentSecret() (string, error) { return o.ClientSecret.current(o.ClientSecretFile) }

// current returns the value, read again if it came from a file.
func (s Secret) current(file string) (string, error) {
	if file == "" {
		return s.Reveal(), nil
	}
	v, err := Secret("file:" + file).resolve("")
	return v.Reveal(), err
}

// fileOf returns where a secret comes from, if that is a file.
func fileOf(s Secret, base string) string {
	path, ok := strings.CutPrefix(string(s), "file:")
	if !ok {
		return ""
	}
	return abs(base, path)
}

// check resolves the secrets and finds keys that do not go together.
func (s *SASL) check(k *checker, base string, kf *Kafka, warn *[]string) {
	if len(s.Extensions) == 0 {
		s.Extensions = nil // as if the key were not there
	}
	s.PasswordFile, s.TokenFile = fileOf(s.Password, base), fileOf(s.Token, base)
	s.OAuth.ClientSecretFile = fileOf(s.OAuth.ClientSecret, base)
	k.secret("kafka.sasl.password", base, &s.Password, warn)
	k.secret("kafka.sasl.token", base, &s.Token, warn)
	k.secret("kafka.sasl.oauth.client_secret", base, &s.OAuth.ClientSecret, warn)
	s.OAuth.TLS.check(k, "kafka.sasl.oauth.tls", base)
	s.checkForeign(k)
	switch s.Mechanism {
	case Plain, Scram256, Scram512:
		if s.Username == "" || s.Password == "" {
			k.fail("kafka.sasl", "mechanism %s needs a username and a password", s.Mechanism)
		}
	case OAuthBearer:
		s.checkOAuth(k, warn)
	case MSKIAM:
		s.checkAWS(k, kf)
	}
	if !kf.TLS.On() && (s.Mechanism == Plain || s.Mechanism == OAuthBearer) {
		what := map[string]string{Plain: "password", OAuthBearer: "token"}[s.Mechanism]
		*warn = append(*warn, fmt.Sprintf("%s: kafka.sasl: %s without tls sends the %s in clear text", k.pos.at(k.file, "kafka.sasl"), s.Mechanism, what))
	}
}

// checkForeign finds keys that belong to another mechanism: they would be of no effect without a word.
func (s *SASL) checkForeign(k *checker) {
	scram := []string{Plain, Scram256, Scram512}
	for _, f := range []struct {
		key  string
		set  bool
		with []string
	}{
		{"username", s.Username != "", scram}, {"password", s.Password != "", scram},
		{"token", s.Token != "", []string{OAuthBearer}}, {"oauth", s.OAuth.set(), []string{OAuthBearer}},
		{"extensions", len(s.Extensions) > 0, []string{OAuthBearer}}, {"aws", s.AWS != AWS{}, []string{MSKIAM}},
	} {
		switch {
		case !f.set || slices.Contains(f.with, s.Mechanism) || s.Mechanism != "" && !slices.Contains(mechanisms, s.Mechanism):
		case s.Mechanism == "":
			k.fail("kafka.sasl."+f.key, "needs a mechanism: set kafka.sasl.mechanism to one of %s", strings.Join(f.with, ", "))
		default:
			k.fail("kafka.sasl."+f.key, "does not go with mechanism %s, but with %s", s.Mechanism, strings.Join(f.with, ", "))
		}
	}
}

// set reports whether any key is.
func (o OAuth) set() bool { return o != OAuth{} }

func (s *SASL) checkOAuth(k *checker, warn *[]string) {
	o := &s.OAuth
	switch {
	case s.Token == "" && !o.set():
		k.fail("kafka.sasl", "mechanism OAUTHBEARER needs a token (token: file:PATH) or a token endpoint (oauth: {token_url: …, client_id: …, client_secret: …})")
	case s.Token != "" && o.set():
		k.fail("kafka.sasl.token", "use either token or oauth")
	case s.Token != "":
		if !bearerToken.MatchString(s.Token.Reveal()) {
			k.fail("kafka.sasl.token", "is not a token (letters, digits and ._~+/-)")
		}
	default:
		o.check(k, warn)
	}
	seen := map[string]bool{"auth": true} // RFC 7628: the token's own
	for i, e := range s.Extensions {
		at := fmt.Sprintf("kafka.sasl.extensions[%d]", i)
		switch {
		case !extensionName.MatchString(e.Name):
			k.fail(at+".name", "%q is not the name of an extension: letters only", e.Name)
		case seen[e.Name]:
			k.fail(at+".name", "%s is taken already", e.Name)
		case strings.ContainsFunc(e.Value, func(r rune) bool { return (r < ' ' || r > '~') && r != '\t' && r != '\r' && r != '\n' }):
			k.fail(at+".value", "holds what is not printable ASCII")
		}
		seen[e.Name] = true
	}
}

func (o *OAuth) check(k *checker, warn *[]string) {
	const key = "kafka.sasl.oauth"
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		k.fail(key+".token_url", "is not a URL such as https://idp.example.com/oauth2/token") // it may hold a secret: not printed
	case u.User != nil:
		k.fail(key+".token_url", "keep the secret out of the URL: use client_id and client_secret")
	case u.Scheme == "http" && o.TLS.On():
		k.fail(key+".token_url", "is http, but oauth.tls is set: use https")
	case u.Scheme == "http":
		*warn = append(*warn, fmt.Sprintf("%s: %s.token_url: http sends the client's secret in clear text", k.pos.at(k.file, key+".token_url"), key))
	}
	if o.ClientID == "" || o.ClientSecret == "" {
		k.fail(key, "needs client_id and client_secret")
	}
	if o.ClientAuth == "" {
		o.ClientAuth = "basic"
	}
}

func (s *SASL) checkAWS(k *checker, kf *Kafka) {
	if !kf.TLS.On() {
		k.fail("kafka.sasl.mechanism", "AWS_MSK_IAM goes over TLS only: set kafka.tls: {enabled: true}, and the brokers' port for IAM (9098, or 9198 from outside)")
	}
	a := &s.AWS
	if a.Region != "" && !regionName.MatchString(a.Region) {
		k.fail("kafka.sasl.aws.region", "%q is not a region such as eu-central-1", a.Region)
	}
	if a.RoleARN != "" && !roleARN.MatchString(a.RoleARN) {
		k.fail("kafka.sasl.aws.role_arn", "%q is not the ARN of a role such as arn:aws:iam::123456789012:role/kafka-writer", a.RoleARN)
	}
	if a.ExternalID != "" && a.RoleARN == "" {
		k.fail("kafka.sasl.aws.external_id", "goes with role_arn")
	}
}
