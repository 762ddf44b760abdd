package avro

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// SecretMode says what becomes of a secret value.
type SecretMode uint8

// The modes.
const (
	SecretHash SecretMode = iota // "hmac-sha256:" and 32 hexadecimal digits stand for it, equal for equal values
	SecretDrop                   // it is left out: no map entry, null, or an empty parameter
)

// ParseSecretMode reads a mode as the configuration spells it; the empty string is SecretHash.
func ParseSecretMode(s string) (SecretMode, error) {
	switch s {
	case "", "hash":
		return SecretHash, nil
	case "drop":
		return SecretDrop, nil
	}
	return 0, fmt.Errorf("unknown way to treat secrets %q: use hash or drop", s)
}

// Secrets says which values must not leave the host in clear text. It does not change, and can be shared by encoders.
//
// Secret are the headers authorization, proxy-authorization, cookie, set-cookie, x-api-key, x-auth-token, *-token and *-secret, the
// variables that hold one cookie, and the parameters of query strings that are named like a token, key, password, session or
// signature, wherever a request's target stands: $request, $request_uri, $args, $arg_NAME, and headers that hold a URL.
type Secrets struct {
	mode SecretMode
	key  []byte
	keep map[string]bool
}

// minKey is the least length of a key in bytes that makes guessing useless.
const minKey = 16

// NewSecrets returns the rules of a mode. key is the HMAC key of SecretHash: the same key on every host lets joins work. keep names
// headers and parameters, in any case, that stay in clear text although they look secret.
func NewSecrets(mode SecretMode, key []byte, keep []string) (*Secrets, error) {
	if mode == SecretHash && len(key) < minKey {
		return nil, fmt.Errorf("set up hashing of secrets: the key has %d bytes, want at least %d", len(key), minKey)
	}
	s := &Secrets{mode: mode, key: bytes.Clone(key), keep: map[string]bool{}}
	for _, name := range keep {
		if name == "" {
			return nil, errors.New("set up hashing of secrets: the list of names to keep has an empty name")
		}
		s.keep[strings.ToLower(name)] = true
	}
	return s, nil
}

// policy is what happens to the text of a value.
type policy uint8

const (
	inClear      policy = iota
	wholeSecret         // the value is a secret
	urlSecrets          // the value may hold a URL with secret parameters
	querySecrets        // the value is a query string
)

// header returns the policy for a header; name is in lower case.
func (s *Secrets) header(name []byte) policy {
	if s == nil {
		return inClear
	}
	p := headerPolicy(name)
	if p == wholeSecret && s.keep[string(name)] {
		return inClear
	}
	return p
}

func headerPolicy(name []byte) policy {
	switch string(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token":
		return wholeSecret
	case "referer", "location", "content-location", "refresh", "link",
		"x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri", "x-accel-redirect":
		return urlSecrets
	}
	if bytes.HasSuffix(name, []byte("-token")) || bytes.HasSuffix(name, []byte("-secret")) {
		return wholeSecret
	}
	return inClear
}

// MayHoldSecret tells whether a variable that is not a header field may hold a secret by the rules of Secrets, so that its value must
// not leave the host in another way than through an encoder.
func MayHoldSecret(name string) bool { return (&Secrets{}).variable(name) != inClear }

// variable returns the policy for a variable that is not a header field.
func (s *Secrets) variable(name string) policy {
	if s == nil {
		return inClear
	}
	switch name {
	case "request", "request_uri":
		return urlSecrets
	case "args", "query_string", "request_body":
		return querySecrets
	}
	for _, family := range []struct{ prefix, header string }{
		{"cookie_", "cookie"}, {"upstream_cookie_", "set-cookie"},
	} {
		if strings.HasPrefix(name, family.prefix) {
			return s.header([]byte(family.header))
		}
	}
	for _, prefix := range []string{"sent_trailer_", "upstream_trailer_"} {
		if trailer, ok := strings.CutPrefix(name, prefix); ok {
			return s.header([]byte(strings.ReplaceAll(trailer, "_", "-")))
		}
	}
	if arg, ok := strings.CutPrefix(name, "arg_"); ok && s.parameter([]byte(arg)) {
		return wholeSecret
	}
	return inClear
}

// redactor replaces secrets. It belongs to one encoder.
type redactor struct {
	*Secrets
	mac hash.Hash
	sum [sha256.Size]byte
}

func newRedactor(s *Secrets) *redactor {
	if s == nil {
		return nil
	}
	r := &redactor{Secrets: s}
	if s.mode == SecretHash {
		r.mac = hmac.New(sha256.New, s.key)
	}
	return r
}

const macPrefix = "hmac-sha256:"

// appendSecret appends what stands for a secret. An empty value is no secret.
func (r *redactor) appendSecret(dst, value []byte) []byte {
	if r.mode == SecretDrop || len(value) == 0 {
		return dst
	}
	r.mac.Reset()
	r.mac.Write(value)
	sum := r.mac.Sum(r.sum[:0])
	dst = append(dst, macPrefix...)
	return hex.AppendEncode(dst, sum[:16])
}
