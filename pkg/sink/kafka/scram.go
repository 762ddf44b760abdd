package kafka

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// scramClient is the client's side of RFC 5802 without channel binding, for sarama.SCRAMClient. SASLprep is left out: Kafka
// leaves it out too.
type scramClient struct {
	sha512   bool
	current  func() (string, error) // the password of now; nil: what Begin is given
	password string
	nonce    string // ours
	bare     string // client-first-message-bare
	server   []byte // the signature that the server must show
	step     int
}

// errImpostor is a server that let us in without knowing our password.
var errImpostor = errors.New("scram: the server does not know the password either: is this the right server?")

// Begin prepares an exchange.
func (c *scramClient) Begin(user, password, authzID string) error {
	if c.current != nil {
		var err error
		if password, err = c.current(); err != nil {
			return err
		}
	}
	c.password, c.nonce, c.step = password, rand.Text(), 0
	user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
	c.bare = "n=" + user + ",r=" + c.nonce
	return nil
}

// Step answers the server's message.
func (c *scramClient) Step(challenge string) (string, error) {
	c.step++
	switch c.step {
	case 1:
		return "n,," + c.bare, nil
	case 2:
		return c.proof(challenge)
	case 3:
		if v, ok := strings.CutPrefix(challenge, "v="); ok && v == base64.StdEncoding.EncodeToString(c.server) {
			return "", nil
		}
		return "", errImpostor
	}
	return "", errors.New("scram: a message too many")
}

// Done reports whether the exchange is over.
func (c *scramClient) Done() bool { return c.step >= 3 }

// proof answers the server's first message r=nonce,s=salt,i=iterations.
func (c *scramClient) proof(first string) (string, error) {
	fields := map[byte]string{}
	for f := range strings.SplitSeq(first, ",") {
		if len(f) > 2 && f[1] == '=' {
			fields[f[0]] = f[2:]
		}
	}
	salt, err := base64.StdEncoding.DecodeString(fields['s'])
	if err != nil {
		return "", fmt.Errorf("scram: read the server's salt: %w", err)
	}
	iterations, err := strconv.Atoi(fields['i'])
	if err != nil || iterations < 1 {
		return "", fmt.Errorf("scram: the server asks for %q iterations", fields['i'])
	}
	if !strings.HasPrefix(fields['r'], c.nonce) {
		return "", errors.New("scram: the server answers another client")
	}
	newHash, size := sha256.New, sha256.Size
	if c.sha512 {
		newHash, size = sha512.New, sha512.Size
	}
	salted, err := pbkdf2.Key(newHash, c.password, salt, iterations, size)
	if err != nil {
		return "", fmt.Errorf("scram: derive the key: %w", err)
	}
	final := "c=biws,r=" + fields['r']
	message := []byte(c.bare + "," + first + "," + final)
	clientKey := mac(newHash, salted, []byte("Client Key"))
	h := newHash()
	h.Write(clientKey)
	signature := mac(newHash, h.Sum(nil), message)
	proof := bytes.Clone(clientKey)
	for i := range proof {
		proof[i] ^= signature[i]
	}
	c.server = mac(newHash, mac(newHash, salted, []byte("Server Key")), message)
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func mac(h func() hash.Hash, key, message []byte) []byte {
	m := hmac.New(h, key)
	m.Write(message)
	return m.Sum(nil)
}
