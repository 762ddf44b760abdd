package avro

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
)

// An encrypted address is
//
//	ipcrypt:KID:0123456789abcdef0123456789abcdef
//
// KID names the key for hashed secrets as it does in hashes (KeyID). The digits are the 16 bytes of ipcrypt-deterministic
// (draft-denis-ipcrypt, "Methods for IP Address Encryption and Obfuscation"): one block of AES-128 over the address, IPv4 in its IPv4-mapped
// form, under the first 16 bytes of HMAC-SHA-256(key, addressLabel). They are digits, and not the IPv6 address that the draft would print,
// so that a port may follow, and nobody takes it for an address. docs/decisions/0008 has the reasons.
const (
	cryptPrefix  = "ipcrypt:"
	addressLabel = "ngxtap: addresses of clients, 1"
	idSize       = 8 // digits of a KeyID
	cryptSize    = len(cryptPrefix) + idSize + 1 + 2*aes.BlockSize
)

// addressCipher returns the cipher of the addresses that follows from the key for hashed secrets.
func addressCipher(key []byte) (cipher.Block, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("set up encryption of addresses: the key has %d bytes, want at least %d", len(key), minKey)
	}
	return aes.NewCipher(derive(key, []byte(addressLabel))[:16])
}

// appendEncrypted appends what stands for an address. All spellings of one have the same, and so have IPv4 and the same address in its
// IPv4-mapped form; a zone is left out, since only the host where it was seen knows what it means.
func (r *redactor) appendEncrypted(dst []byte, a netip.Addr) []byte {
	r.block = a.As16()
	r.cipher.Encrypt(r.block[:], r.block[:])
	dst = append(dst, r.cryptPrefix...)
	return hex.AppendEncode(dst, r.block[:])
}

// AddressKeys decrypts addresses with any of its keys. It is for one goroutine; the zero value has no keys.
type AddressKeys struct {
	byID  map[string]cipher.Block
	block [aes.BlockSize]byte
}

// Add adds a key for hashed secrets, as Rules.Key has it, and returns its id. One of fewer than 16 bytes is an error.
func (k *AddressKeys) Add(key []byte) (id string, err error) {
	c, err := addressCipher(key)
	if err != nil {
		return "", err
	}
	if k.byID == nil {
		k.byID = map[string]cipher.Block{}
	}
	id = KeyID(key)
	k.byID[id] = c
	return id, nil
}

// Len returns how many keys there are.
func (k *AddressKeys) Len() int { return len(k.byID) }

// Errors of AppendDecrypted.
var (
	// ErrNotEncrypted says that no encrypted address stands there.
	ErrNotEncrypted = errors.New("not an encrypted address")
	// ErrCutOff says that what stands there begins like an encrypted address, and ends with the text.
	ErrCutOff = errors.New("an encrypted address is cut off")
)

// MissingKeyError says that an address was encrypted with a key that is not here.
type MissingKeyError struct{ ID string }

// Error implements error.
func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("the address was encrypted with key %s, which is not here", e.ID)
}

// AppendDecrypted appends the address for which the beginning of text stands, and returns how many bytes of text that beginning has. With
// an error dst comes back as it was: ErrNotEncrypted, ErrCutOff, or a *MissingKeyError, with which n is right too. Nothing tells whether
// the digits are what was once written: any become some address.
func (k *AddressKeys) AppendDecrypted(dst, text []byte) (out []byte, n int, err error) {
	prefix := text[:min(len(text), len(cryptPrefix))]
	if !bytes.HasPrefix([]byte(cryptPrefix), prefix) {
		return dst, 0, ErrNotEncrypted
	}
	for i := len(cryptPrefix); i < min(len(text), cryptSize); i++ {
		if colon := i == len(cryptPrefix)+idSize; colon != (text[i] == ':') || !colon && !isLowerHex(text[i]) {
			return dst, 0, ErrNotEncrypted
		}
	}
	if len(text) < cryptSize {
		return dst, 0, ErrCutOff
	}
	id := text[len(cryptPrefix) : len(cryptPrefix)+idSize]
	c := k.byID[string(id)]
	if c == nil {
		return dst, cryptSize, &MissingKeyError{ID: string(id)}
	}
	if _, err := hex.Decode(k.block[:], text[cryptSize-2*aes.BlockSize:cryptSize]); err != nil {
		return dst, 0, ErrNotEncrypted // never: they are digits
	}
	c.Decrypt(k.block[:], k.block[:])
	return netip.AddrFrom16(k.block).Unmap().AppendTo(dst), cryptSize, nil
}

func isLowerHex(c byte) bool { return c-'0' < 10 || c-'a' < 6 }
