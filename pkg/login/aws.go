package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// AWSConfig says which credentials sign tokens for MSK, and for which region.
type AWSConfig struct {
	Brokers    []string // host:port; the region is in the names of MSK's brokers
	Region     string   // wins over that
	Profile    string   // of the shared files; "": AWS_PROFILE or default
	RoleARN    string   // to take on with the credentials found; "": none
	ExternalID string
	Session    string // names the sessions of roles, for the logs of AWS
}

// What the token of MSK is made of: a request to connect, signed for a quarter of an hour, in a URL. It is what the signers that AWS gives away
// for this make: https://github.com/aws/aws-msk-iam-sasl-signer-go.
const (
	mskAction  = "kafka-cluster:Connect"
	mskService = "kafka-cluster"
	mskLife    = 15 * time.Minute
)

// earlier is how long before their end credentials that end are replaced: MSK refuses logins with little time left as "Session too short".
const earlier = 5 * time.Minute

// maxSession is how long the name of a session may be (AssumeRole, RoleSessionName).
const maxSession = 64

// msk signs tokens. Tokens are not kept: signing costs next to nothing, and credentials are kept by the SDK as long as they last.
type msk struct {
	cfg    AWSConfig
	region string // from the configuration or the brokers; "": ask the SDK
	turn   chan struct{}
	loaded *aws.Config // nil: to be read again; whoever has the turn may touch it
}

// mskHost is the name of a broker of MSK, provisioned or serverless.
var mskHost = regexp.MustCompile(`\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::\d+)?$`)

// NewMSK returns a source of tokens for the IAM login of Amazon MSK.
func NewMSK(cfg AWSConfig) Source {
	cfg.Session = cfg.Session[:min(len(cfg.Session), maxSession)]
	m := &msk{cfg: cfg, region: cfg.Region, turn: make(chan struct{}, 1)}
	m.turn <- struct{}{}
	for _, b := range cfg.Brokers {
		if found := mskHost.FindStringSubmatch(b); found != nil && m.region == "" {
			m.region = found[1]
		}
	}
	return m
}

// Token implements Source.
func (m *msk) Token(ctx context.Context) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return Token{}, fmt.Errorf("wait for AWS credentials: %w", context.Cause(ctx))
	}
	t, err := m.sign(ctx)
	if err != nil {
		m.loaded = nil // what is read again may be other
	}
	return t, err
}

// Refused implements Source: the credentials are read again.
func (m *msk) Refused(Token) {
	<-m.turn
	m.loaded = nil
	m.turn <- struct{}{}
}

// sign makes a token with the credentials of now.
func (m *msk) sign(ctx context.Context) (Token, error) {
	if m.loaded == nil {
		if err := m.load(ctx); err != nil {
			return Token{}, m.explain("read the AWS configuration", err)
		}
	}
	region := m.region
	if region == "" {
		region = m.loaded.Region
	}
	if region == "" {
		return Token{}, fmt.Errorf("AWS: no region: it is not in the brokers' names; set kafka.sasl.aws.region: %w", ErrRefused)
	}
	creds, err := m.loaded.Credentials.Retrieve(ctx)
	if err != nil {
		return Token{}, m.explain("find AWS credentials", err)
	}
	if !creds.CanExpire {
		m.loaded = nil // they stand in a file or the environment, where somebody may change them
	}
	now := time.Now()
	value, err := presign(ctx, creds, region, now)
	if err != nil {
		return Token{}, fmt.Errorf("AWS: sign the token: %w", err)
	}
	expires := now.Add(mskLife)
	if creds.CanExpire && creds.Expires.Before(expires) {
		expires = creds.Expires
	}
	return NewToken(value, expires, fmt.Sprintf("access key %s from %s, region %s", creds.AccessKeyID, creds.Source, region)), nil
}

// load reads the shared files and the environment. Roles get a session name that stays: brokers refuse to log in again under another
// one ("Cannot change principals during re-authentication").
func (m *msk) load(ctx context.Context) error {
	opts := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // it would write to standard error
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true })),
		config.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if os.Getenv("AWS_ROLE_SESSION_NAME") == "" {
				o.RoleSessionName = m.cfg.Session
			}
		}),
		config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = m.cfg.Session }),
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = earlier }),
	}
	if m.region != "" {
		opts = append(opts, config.WithRegion(m.region))
	}
	if m.cfg.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(m.cfg.Profile))
	}
	c, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return err
	}
	if m.cfg.RoleARN != "" {
		role := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), m.cfg.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = m.cfg.Session
			if m.cfg.ExternalID != "" {
				o.ExternalID = aws.String(m.cfg.ExternalID)
			}
		})
		c.Credentials = aws.NewCredentialsCache(role, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = earlier })
	}
	m.loaded = &c
	return nil
}

// presign returns the token: the URL of a request to connect, signed in its query (Signature Version 4), in base64url.
func presign(ctx context.Context, creds aws.Credentials, region string, now time.Time) (string, error) {
	u := url.URL{Scheme: "https", Host: "kafka." + region + ".amazonaws.com", Path: "/", RawQuery: url.Values{
		"Action": {mskAction}, "X-Amz-Expires": {strconv.Itoa(int(mskLife.Seconds()))}}.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, creds, req, hex.EncodeToString(nothing[:]), mskService, region, now.UTC())
	if err != nil {
		return "", err
	}
	signed += "&User-Agent=ngxtap" // not signed; MSK wants one
	return base64.RawURLEncoding.EncodeToString([]byte(signed)), nil
}

// saidNo are the answers of AWS that another try does not change.
var saidNo = []string{"AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ValidationError", "InvalidIdentityToken",
	"MalformedPolicyDocument", "OptInRequired", "RegionDisabledException"}

// explain says what to do about credentials that are not to be had.
func (m *msk) explain(what string, err error) error {
	var api smithy.APIError
	var profile config.SharedConfigProfileNotExistError
	switch {
	case errors.As(err, &profile):
		return fmt.Errorf("AWS: %s: profile %q is not in the shared files: look at kafka.sasl.aws.profile, AWS_PROFILE and the HOME of ngxtap's user: %w",
			what, profile.Profile, ErrRefused)
	case errors.As(err, &api) && slices.Contains(saidNo, api.ErrorCode()):
		hint := "look at the credentials that were found"
		if m.cfg.RoleARN != "" {
			hint = "may they take on the role " + m.cfg.RoleARN + " (its trust policy, sts:AssumeRole)?"
		}
		return fmt.Errorf("AWS: %s: %s says %s: %s: %s: %w", what, "STS", api.ErrorCode(), shown(api.ErrorMessage()), hint, ErrRefused)
	}
	return fmt.Errorf("AWS: %s: %w: give this host a role, or set AWS_PROFILE, or kafka.sasl.aws.profile", what, err)
}
