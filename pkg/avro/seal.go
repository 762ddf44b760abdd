package avro

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// A quarantined line is encrypted, since nobody can tell where in a line that fits no format its secrets are. What stands for it is
//
//	salt, 16 bytes | number, 8 bytes | AES-256-GCM of the line | tag, 16 bytes
//
// under HMAC-SHA-256(HMAC-SHA-256(key, sealLabel), salt), with the number as nonce and the line's place (appendPlace) as additional data.
// Each sealer draws a salt and counts, so no nonce comes twice under one key, and no line needs random bytes.
const (
	saltSize     = 16
	numberSize   = 8
	sealOverhead = saltSize + numberSize + 16
	sealLabel    = "ngxtap: raw lines in quarantine, 1"
)

// KeyID returns what names a key in hashes and in encrypted lines: the first 4 bytes of its SHA-256, in hexadecimal.
func KeyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:4])
}

// SealKey encrypts and decrypts quarantined lines. Sealer may be called from any goroutine; all else belongs to one.
type SealKey struct {
	id     string
	master []byte
	opener cipher.AEAD // of salt; nil before the first
	salt   [saltSize]byte
}

// NewSealKey derives a key from the key for hashed secrets, of which it says nothing. A key of fewer than 16 bytes is an error.
func NewSealKey(key []byte) (*SealKey, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("set up encryption of quarantined lines: the key has %d bytes, want at least %d", len(key), minKey)
	}
	return &SealKey{id: KeyID(key), master: derive(key, []byte(sealLabel))}, nil
}

// ID returns the id of the key.
func (k *SealKey) ID() string { return k.id }

func derive(key, label []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(label)
	return mac.Sum(nil)
}

// gcm returns the cipher of one salt.
func (k *SealKey) gcm(salt []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(derive(k.master, salt))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Sealer encrypts lines, one after the other. It is for one goroutine.
type Sealer struct {
	key    *SealKey
	salt   [saltSize]byte
	aead   cipher.AEAD
	number uint64
	nonce  [12]byte
	place  []byte
}

// Sealer returns a new sealer of this key.
func (k *SealKey) Sealer() (*Sealer, error) {
	s := &Sealer{key: k}
	if _, err := rand.Read(s.salt[:]); err != nil {
		return nil, fmt.Errorf("set up encryption of quarantined lines: %w", err)
	}
	var err error
	if s.aead, err = k.gcm(s.salt[:]); err != nil {
		return nil, fmt.Errorf("set up encryption of quarantined lines: %w", err)
	}
	return s, nil
}

// append appends what stands for a line of that place. It allocates nothing once dst is large enough.
func (s *Sealer) append(dst, line []byte, o *Origin) []byte {
	s.number++
	binary.BigEndian.PutUint64(s.nonce[len(s.nonce)-numberSize:], s.number)
	s.place = appendPlace(s.place[:0], o)
	dst = append(dst, s.salt[:]...)
	dst = append(dst, s.nonce[len(s.nonce)-numberSize:]...)
	return s.aead.Seal(dst, s.nonce[:], line, s.place)
}

// appendPlace appends what ties an encrypted line to its record: as Avro, like the record itself.
func appendPlace(dst []byte, o *Origin) []byte {
	dst = appendValid(dst, o.Site)
	dst = appendValid(dst, o.Host)
	dst = appendValid(dst, o.File)
	return appendLong(dst, o.Offset)
}

// errSealed says that an encrypted line can't be read with its key: it, or the record around it, is not what was written.
var errSealed = errors.New("the encrypted line was changed, or belongs to another record")

// Open returns the line that raw of a record stands for; q is what ReadQuarantined read of that record.
func (k *SealKey) Open(raw []byte, q *Quarantined) ([]byte, error) {
	if len(raw) < sealOverhead {
		return nil, errSealed
	}
	salt := [saltSize]byte(raw[:saltSize])
	if k.opener == nil || salt != k.salt {
		var err error
		if k.opener, err = k.gcm(salt[:]); err != nil {
			return nil, err
		}
		k.salt = salt
	}
	var nonce [12]byte
	copy(nonce[len(nonce)-numberSize:], raw[saltSize:saltSize+numberSize])
	line, err := k.opener.Open(nil, nonce[:], raw[saltSize+numberSize:], appendPlace(nil, &q.Origin))
	if err != nil {
		return nil, errSealed
	}
	return line, nil
}
