package login

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// maxClaim is how many bytes of a claim are shown.
const maxClaim = 120

// bearer is what a token is made of (RFC 6750, 2.1). What is not must not come into the message to the broker, or into an error.
var bearer = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// claims are those of RFC 7519 that say why a broker may not like a token.
type claims struct {
	Issuer   any `json:"iss"`
	Subject  any `json:"sub"`
	Audience any `json:"aud"`
	Expires  any `json:"exp"`
	Before   any `json:"nbf"`
}

// peek reads the claims of a token that is a JWT, without verifying it: that is the broker's part. ok is false if it is none.
func peek(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(text, &c) != nil {
		return claims{}, false
	}
	return c, true
}

// expires returns when the token ends, zero if it does not say.
func (c claims) expires() time.Time { return numericDate(c.Expires) }

// numericDate reads seconds since 1970, of whatever size a stranger wrote.
func numericDate(v any) time.Time {
	s, ok := v.(float64)
	if !ok || math.IsNaN(s) || s < 1 || s > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(s), 0)
}

// describe says in words what a token is about.
func describe(token string, now time.Time) string {
	c, ok := peek(token)
	if !ok {
		return "a token that is not a JWT"
	}
	text := "a JWT"
	for _, f := range []struct {
		name  string
		value any
	}{{"issuer", c.Issuer}, {"subject", c.Subject}, {"audience", c.Audience}} {
		if f.value != nil {
			text += fmt.Sprintf(", %s %s", f.name, shown(f.value))
		}
	}
	if t := c.expires(); t.IsZero() {
		text += ", without an end"
	} else if left := t.Sub(now); left <= 0 {
		text += fmt.Sprintf(", which EXPIRED %v ago by this host's clock", -left.Round(time.Second))
	} else {
		text += fmt.Sprintf(", good for %v more", left.Round(time.Second))
	}
	if t := numericDate(c.Before); t.After(now) {
		text += fmt.Sprintf(", NOT YET valid for %v by this host's clock", t.Sub(now).Round(time.Second))
	}
	return text
}

// shown prints a claim in one short line.
func shown(v any) string {
	text := fmt.Sprintf("%q", fmt.Sprint(v))
	if len(text) > maxClaim {
		text = text[:maxClaim] + `…"`
	}
	return text
}
