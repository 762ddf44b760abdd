package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// TestPresign compares with what another program (a dozen lines of Python, by the text of Signature Version 4) computed for the same keys.
func TestPresign(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for session, want := range map[string]string{
		"":                 "00629abe90095b91c1a9e460b67a01a8e4e7499b99f571276b99dd9258dd65e5",
		"sess/ion+token==": "76e74aa197b0651d2d53c38ebcc917237bd4601e3aaeea85cd0e6f28fdad1073",
	} {
		token, err := presign(t.Context(), aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: session}, "eu-central-1", at)
		if err != nil {
			t.Fatal(err)
		}
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(string(text))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("X-Amz-Signature") != want || q.Get("Action") != "kafka-cluster:Connect" || u.Host != "kafka.eu-central-1.amazonaws.com" ||
			q.Get("X-Amz-Expires") != "900" || q.Get("User-Agent") == "" || q.Get("X-Amz-Security-Token") != session {
			t.Errorf("got %s", text)
		}
	}
}

// isolate leaves the SDK nothing to find but what a test sets.
func isolate(t *testing.T, env ...string) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
}

// credentialOf returns the access key, the date and the region that a token was signed with.
func credentialOf(t *testing.T, token Token) []string {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(u.Query().Get("X-Amz-Credential"), "/")
}

// server starts an endpoint of AWS.
func server(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// stsAnswer is what STS says when a role is taken on.
func stsAnswer(action string, expires time.Time) string {
	return fmt.Sprintf(`<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser>`+
		`<Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>%[2]s</SecretAccessKey><SessionToken>%[2]s</SessionToken><Expiration>%[3]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
		action, canary, expires.UTC().Format(time.RFC3339))
}

func TestCredentialSources(t *testing.T) {
	hour := time.Now().Add(time.Hour)
	jsonKeys := fmt.Sprintf(`{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAHERE","SecretAccessKey":%q,"Token":%q,"Expiration":%q}`, canary, canary, hour.UTC().Format(time.RFC3339))
	dir := t.TempDir()
	shared := filepath.Join(dir, "credentials")
	webToken := filepath.Join(dir, "web-token")
	for file, text := range map[string]string{shared: "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = " + canary + "\n[kafka]\naws_access_key_id = AKIAKAFKA\naws_secret_access_key = " + canary + "\n", webToken: canary} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var asked []url.Values // by STS
	sts := server(t, func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		asked = append(asked, r.PostForm)
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, stsAnswer(r.PostForm.Get("Action"), hour))
	})
	container := server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != canary {
			t.Error("the container's token is missing")
		}
		io.WriteString(w, jsonKeys)
	})
	instance := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "PUT" && r.URL.Path == "/latest/api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			io.WriteString(w, canary)
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != canary: // IMDSv2 only
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			io.WriteString(w, "role")
		default:
			io.WriteString(w, jsonKeys)
		}
	})
	for _, c := range []struct {
		name string
		env  []string
		cfg  AWSConfig
		key  string
		sts  string // the action asked for
	}{
		{"environment", []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=" + canary}, AWSConfig{}, "AKIAENV", ""},
		{"shared file", []string{"AWS_SHARED_CREDENTIALS_FILE=" + shared}, AWSConfig{}, "AKIADEFAULT", ""},
		{"profile", []string{"AWS_SHARED_CREDENTIALS_FILE=" + shared}, AWSConfig{Profile: "kafka"}, "AKIAKAFKA", ""},
		{"role", []string{"AWS_SHARED_CREDENTIALS_FILE=" + shared}, AWSConfig{RoleARN: "arn:aws:iam::1:role/r", ExternalID: "ext"}, "ASIAROLE", "AssumeRole"},
		{"web identity", []string{"AWS_ROLE_ARN=arn:aws:iam::1:role/r", "AWS_WEB_IDENTITY_TOKEN_FILE=" + webToken}, AWSConfig{}, "ASIAROLE", "AssumeRoleWithWebIdentity"},
		{"container", []string{"AWS_CONTAINER_CREDENTIALS_FULL_URI=" + container, "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + canary}, AWSConfig{}, "ASIAHERE", ""},
		{"instance", []string{"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + instance}, AWSConfig{}, "ASIAHERE", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			isolate(t, append(c.env, "AWS_ENDPOINT_URL_STS="+sts)...)
			asked = nil
			c.cfg.Brokers = []string{"b-1.shop.x1y2.c3.kafka.eu-west-1.amazonaws.com:9098"}
			c.cfg.Session = "ngxtap-web-01"
			s := NewMSK(c.cfg)
			for range 2 {
				token, err := s.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := credentialOf(t, token); got[0] != c.key || got[2] != "eu-west-1" {
					t.Errorf("signed with %v", got)
				}
				if left := time.Until(token.Expires); left > mskLife || left < mskLife-time.Minute {
					t.Errorf("good for %v", left)
				}
				refusesCanary(t, token)
				s.Refused(token) // so that credentials are got anew: under the same name, or the broker would say that the principal has changed
			}
			if c.sts == "" {
				return
			}
			if len(asked) != 2 {
				t.Fatalf("STS was asked %d times", len(asked))
			}
			for _, a := range asked {
				if a.Get("Action") != c.sts || a.Get("RoleSessionName") != "ngxtap-web-01" || a.Get("ExternalId") != c.cfg.ExternalID {
					t.Errorf("STS was asked %v", a)
				}
			}
		})
	}
}

func TestAWSErrors(t *testing.T) {
	sts := server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>`)
	})
	keys := []string{"AWS_ACCESS_KEY_ID=AKIAENV", "AWS_SECRET_ACCESS_KEY=" + canary, "AWS_ENDPOINT_URL_STS=" + sts}
	for _, c := range []struct {
		name    string
		env     []string
		cfg     AWSConfig
		refused bool
		words   string
	}{
		{"nothing found", nil, AWSConfig{Region: "eu-west-1"}, false, "find AWS credentials"},
		{"no region", keys, AWSConfig{}, true, "set kafka.sasl.aws.region"},
		{"no profile", keys, AWSConfig{Region: "eu-west-1", Profile: "nobody"}, true, `profile "nobody" is not in the shared files`},
		{"role refused", keys, AWSConfig{Region: "eu-west-1", RoleARN: "arn:aws:iam::1:role/r"}, true, "may they take on the role arn:aws:iam::1:role/r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			isolate(t, c.env...)
			_, err := NewMSK(c.cfg).Token(t.Context())
			if err == nil || errors.Is(err, ErrRefused) != c.refused || !strings.Contains(err.Error(), c.words) {
				t.Errorf("want %q, refused %v; got %v", c.words, c.refused, err)
			}
			refusesCanary(t, err)
		})
	}
}

func TestRegionOfBrokers(t *testing.T) {
	for broker, want := range map[string]string{
		"b-1.shop.x1y2.c3.kafka.eu-west-1.amazonaws.com:9098":          "eu-west-1",
		"boot-abc.c1.kafka-serverless.us-east-2.amazonaws.com:9098":    "us-east-2",
		"b-1-public.shop.x1.c3.kafka.cn-north-1.amazonaws.com.cn:9198": "cn-north-1",
		"kafka.example.com:9092":                                       "",
		"b-1.kafka.eu-west-1.amazonaws.com.evil.example:9098":          "",
	} {
		if got := NewMSK(AWSConfig{Brokers: []string{broker}}).(*msk).region; got != want {
			t.Errorf("%s: %q, want %q", broker, got, want)
		}
	}
}

func TestSessionNameFits(t *testing.T) {
	if got := NewMSK(AWSConfig{Session: "ngxtap-" + strings.Repeat("x", 100)}).(*msk).cfg.Session; len(got) != 64 {
		t.Errorf("%d characters; STS takes 64", len(got))
	}
}
