package avro

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
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
	SecretHash SecretMode = iota // "hmac-sha256:", the key's id, ":" and 32 hexadecimal digits stand for it, equal for equal values
	SecretDrop                   // it is left out: no map entry, null, or an empty parameter or cookie
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
// Secret are the headers of namedHeader, each cookie of Cookie and Set-Cookie, the variables that hold one cookie, the variables that are named
// like a token or password, and the parameters of query strings that are named like a token, key, password, session or signature, and
// passwords in URLs, wherever a request's target stands: $request, $request_uri, $uri, $args, $arg_NAME, variables that are named like a
// URL, and headers that hold one. Addresses of clients are treated as Rules.Addresses says.
type Secrets struct {
	mode      SecretMode
	key       []byte
	prefix    string // of every hash
	keep      map[string]bool
	cookies   map[string]bool
	addresses AddressMode

	cipher      cipher.Block // of EncryptAddresses
	cryptPrefix string       // of every encrypted address
}

// Rules are the choices of Secrets.
type Rules struct {
	Mode        SecretMode
	Key         []byte      // of HMAC; the same on every host lets joins work. Needed for SecretHash, HashAddresses and EncryptAddresses
	Keep        []string    // headers, variables and parameters, in any case, that stay in clear text although they look secret
	KeepCookies []string    // cookies, in any case, whose values stay
	Addresses   AddressMode // what becomes of addresses of clients
}

// minKey is the least length of a key in bytes that makes guessing useless.
const minKey = 16

// NewSecrets returns what follows from the rules.
func NewSecrets(r Rules) (*Secrets, error) {
	if (r.Mode == SecretHash || r.Addresses == HashAddresses) && len(r.Key) < minKey {
		return nil, fmt.Errorf("set up hashing of secrets: the key has %d bytes, want at least %d", len(r.Key), minKey)
	}
	s := &Secrets{mode: r.Mode, key: bytes.Clone(r.Key), prefix: macPrefix + KeyID(r.Key) + ":", addresses: r.Addresses,
		keep: map[string]bool{}, cookies: map[string]bool{}}
	if r.Addresses == EncryptAddresses {
		var err error
		if s.cipher, err = addressCipher(s.key); err != nil {
			return nil, err
		}
		s.cryptPrefix = cryptPrefix + KeyID(r.Key) + ":"
	}
	for set, names := range map[*map[string]bool][]string{&s.keep: r.Keep, &s.cookies: r.KeepCookies} {
		for _, name := range names {
			if name == "" {
				return nil, errors.New("set up hashing of secrets: the list of names to keep has an empty name")
			}
			(*set)[strings.ToLower(name)] = true
		}
	}
	return s, nil
}

// policy is what happens to the text of a value.
type policy uint8

const (
	inClear          policy = iota
	wholeSecret             // the value is a secret
	urlSecrets              // the value may hold a URL with secret parameters
	querySecrets            // the value is a query string
	bodySecrets             // the value is the body of a request: a form, or anything else
	lineSecrets             // the value is a request line that is none
	cookieSecrets           // the value is that of Cookie
	setCookieSecrets        // the value is that of Set-Cookie, or several joined
	oneAddress              // the value is the address of a client
	binaryAddress           // the value is its bytes
	addressList             // the value is a list of addresses
	forwardedList           // the value is that of Forwarded (RFC 7239)
)

// header returns the policy for a header; name is in lower case. To servers an underscore in it is a dash.
func (s *Secrets) header(name []byte) policy {
	switch {
	case s == nil:
		return inClear
	case bytes.IndexByte(name, '_') >= 0:
		return s.underscored(name)
	}
	return s.dashed(name, name)
}

func (s *Secrets) underscored(name []byte) policy {
	var buf [maxHeaderName]byte // nearly always enough
	return s.dashed(appendDashed(buf[:0], name), name)
}

// dashed is header for a name in which dashes stand for underscores; sent is the name as it came.
func (s *Secrets) dashed(name, sent []byte) policy {
	p := headerPolicy(name)
	switch p {
	case wholeSecret, cookieSecrets, setCookieSecrets:
		if s.keep[string(sent)] || s.keep[string(name)] {
			return inClear
		}
	case oneAddress, addressList, forwardedList:
		if s.addresses == KeepAddresses {
			return inClear
		}
	}
	return p
}

func appendDashed(dst, name []byte) []byte {
	for _, c := range name {
		if c == '_' {
			c = '-'
		}
		dst = append(dst, c)
	}
	return dst
}

func headerPolicy(name []byte) policy {
	switch string(name) {
	case "cookie":
		return cookieSecrets
	case "set-cookie":
		return setCookieSecrets
	case "referer", "location", "refresh", "link", "destination", "x-forwarded-path", "x-envoy-original-path":
		return urlSecrets
	case "forwarded":
		return forwardedList
	case "forwarded-for", "x-forwarded":
		return addressList
	case "cf-connecting-ipv6", "cf-pseudo-ipv4", "x-envoy-external-address", "client-ip", "real-ip", "remote-ip", "remote-addr":
		return oneAddress
	}
	return namedHeader(name)
}

// headerEnd is what the names of headers of a policy end in.
type headerEnd struct {
	end    string
	policy policy
}

// headerEnds are by their last two bytes (lastTwo): a kit brings names by the dozen, and nearly all of them meet none.
var headerEnds = func() (by [256][]headerEnd) {
	for p, ends := range map[policy][]string{
		wholeSecret: {"-token", "-secret", "-password", "-api-key", "-apikey", "-access-key", "-auth-key", "-jwt", "-jwt-assertion", "-authorization", "-signature",
			"session-id", "-session", "-sessionid", "-cookie", "-otp", "-passwd", "-passphrase", "-secret-key", "-private-key",
			"-subscription-key", "-functions-key", "-rapidapi-key", "-master-key", "-session-key", "-auth", "-authentication", "-credential", "-credentials", "-signature-256",
			"-hmac-sha256"},
		oneAddress: {"-client-ip", "-clientip", "-real-ip", "-connecting-ip", "-remote-ip", "-remote-addr", "-originating-ip", "-user-ip", "-src-ip",
			"-proxyuser-ip", "-connection-ip", "-socketip", "-viewer-address"},
		addressList: {"-forwarded-for", "-proxied-for"},
		urlSecrets:  {"-url", "-uri", "-location", "-referer", "-referrer", "-redirect"},
	} {
		for _, end := range ends {
			c := lastTwo([]byte(end))
			by[c] = append(by[c], headerEnd{end, p})
		}
	}
	return by
}()

// lastTwo makes one byte of the last two of a name.
func lastTwo(name []byte) byte { return name[len(name)-1]*29 + name[len(name)-2] }

// namedHeader returns the policy for a header of which nothing is known but its name.
func namedHeader(name []byte) policy {
	if len(name) < 2 {
		return inClear
	}
	switch string(name) {
	case "authorization", "api-key", "apikey", "token", "secret", "jwt", "session", "x-amzn-oidc-data", "cookie2", "set-cookie2", "signature", "password", "passwd",
		"passphrase", "otp", "dpop", "auth", "authentication":
		return wholeSecret
	}
	if len(name) >= 6 && (string(name[:6]) == "x-csrf" || string(name[:6]) == "x-xsrf") {
		return wholeSecret
	}
	for _, e := range headerEnds[lastTwo(name)] {
		if len(name) >= len(e.end) && string(name[len(name)-len(e.end):]) == e.end {
			return e.policy
		}
	}
	return inClear
}

// HidesSum tells whether the checksum of a line must not leave the host: addresses are so short that who knows the rest of a line could
// find them by it.
func (s *Secrets) HidesSum() bool { return s != nil && s.addresses != KeepAddresses }

// MayHold tells whether a variable that is not a header field may hold a secret by these rules, so that its value must not leave the host
// in another way than through an encoder. Without rules those of NewSecrets(Rules{}) count.
func (s *Secrets) MayHold(name string) bool {
	if s == nil {
		s = &Secrets{}
	}
	return s.variable(name) != inClear
}

// variable returns the policy for a variable that is not a header field; name is in lower case.
func (s *Secrets) variable(name string) policy {
	if s == nil || s.keep[name] {
		return inClear
	}
	switch name {
	case "request", "request_uri":
		return urlSecrets
	case "args", "query_string":
		return querySecrets
	case "request_body":
		return bodySecrets
	}
	for _, family := range []struct{ prefix, header string }{{"cookie_", "cookie"}, {"upstream_cookie_", "set-cookie"}} {
		if cookie, ok := strings.CutPrefix(name, family.prefix); ok {
			if s.cookies[cookie] || s.header([]byte(family.header)) == inClear {
				return inClear
			}
			return wholeSecret
		}
	}
	for _, prefix := range []string{"sent_trailer_", "upstream_trailer_"} {
		if trailer, ok := strings.CutPrefix(name, prefix); ok {
			return s.header([]byte(strings.ReplaceAll(trailer, "_", "-")))
		}
	}
	if arg, ok := strings.CutPrefix(name, "arg_"); ok {
		if s.parameter([]byte(arg)) {
			return wholeSecret
		}
		return urlSecrets // a page to go back to
	}
	return s.named(name)
}

// redactor replaces secrets. It belongs to one encoder.
type redactor struct {
	*Secrets
	mac     hash.Hash // nil without a key
	block   [aes.BlockSize]byte
	sum     [sha256.Size]byte
	decoded [maxNesting][]byte // scratch: what is encoded in a parameter
	users   []byte             // scratch: a text without passwords in its URLs
}

func newRedactor(s *Secrets) *redactor {
	if s == nil {
		return nil
	}
	r := &redactor{Secrets: s}
	if len(s.key) > 0 {
		r.mac = hmac.New(sha256.New, s.key)
	}
	return r
}

const macPrefix = "hmac-sha256:"

// appendSecret appends what stands for a secret. An empty value is no secret.
func (r *redactor) appendSecret(dst, value []byte) []byte {
	if r.mode == SecretDrop {
		return dst
	}
	return r.appendHash(dst, value)
}

// appendHash appends the hash of a value, or nothing for an empty one.
func (r *redactor) appendHash(dst, value []byte) []byte {
	if len(value) == 0 || r.mac == nil {
		return dst
	}
	r.mac.Reset()
	r.mac.Write(value)
	sum := r.mac.Sum(r.sum[:0])
	dst = append(dst, r.prefix...)
	return hex.AppendEncode(dst, sum[:16])
}

// appendSafe appends a value as its policy has it. changed is false if it holds no secret; dst is returned as it was then.
func (r *redactor) appendSafe(dst, v []byte, p policy) (out []byte, changed bool) {
	switch p {
	case urlSecrets:
		return r.appendRedacted(dst, v, false)
	case querySecrets:
		return r.appendRedacted(dst, v, true)
	case bodySecrets:
		if isForm(v) {
			return r.appendRedacted(dst, v, true)
		}
	case lineSecrets:
		return r.appendLine(dst, v)
	case cookieSecrets:
		return r.appendCookies(dst, v), true
	case setCookieSecrets:
		return r.appendSetCookies(dst, v), true
	case oneAddress:
		return r.appendAddress(dst, v), true
	case binaryAddress:
		return r.appendBinary(dst, v), true
	case addressList:
		return r.appendAddresses(dst, v), true
	case forwardedList:
		return r.appendForwarded(dst, v), true
	}
	return r.appendSecret(dst, v), true
}
