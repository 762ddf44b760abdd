package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
)

// newSecrets builds the site's rules for secret headers and query parameters. key is used where the site has none of its own;
// nil makes one up for this run.
func newSecrets(s *config.Site, key []byte) (*avro.Secrets, error) {
	key = siteKey(s, key)
	if key == nil {
		key = make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			return nil, fmt.Errorf("make a key for hashed secrets: %w", err)
		}
	}
	mode, err := avro.ParseSecretMode(s.Headers.Secrets)
	if err != nil {
		return nil, err
	}
	addresses, err := avro.ParseAddressMode(s.Addresses)
	if err != nil {
		return nil, err
	}
	return avro.NewSecrets(avro.Rules{Mode: mode, Key: key, Keep: s.Headers.Keep, KeepCookies: s.Headers.Cookies.Keep, Addresses: addresses})
}

// headerRules returns which headers of the site become part of events.
func headerRules(s *config.Site) avro.HeaderRules {
	h := &s.Headers
	return avro.HeaderRules{Allow: h.Allow, Deny: h.Deny, MaxHeaders: h.MaxHeaders, MaxValue: int(h.MaxValue)}
}

// siteKey returns the site's own key, or else the host's.
func siteKey(s *config.Site, host []byte) []byte {
	if k := s.Headers.HashKey.Reveal(); k != "" {
		return []byte(k)
	}
	return host
}

// sealKey returns what encrypts the site's lines in quarantine, nil where they stay as they are.
func sealKey(s *config.Site, host []byte) (*avro.SealKey, error) {
	if s.Quarantine.Raw == "clear" {
		return nil, nil
	}
	return avro.NewSealKey(siteKey(s, host))
}

// sealKeys are the keys that quarantined lines can be read with here, by id: the host's own, if this user may read it, and those of the
// configuration.
type sealKeys map[string]*avro.SealKey

func newSealKeys(cfg *config.Config) (sealKeys, error) {
	keys, _ := knownKeys(cfg) // without the host's own the lines say which key they want
	ring := sealKeys{}
	for _, key := range keys {
		k, err := avro.NewSealKey(key)
		if err != nil {
			return nil, err
		}
		ring[k.ID()] = k
	}
	return ring, nil
}

// knownKeys returns the keys for hashed secrets that are known here: the host's own, and those of the configuration. The error says why the
// host's own is not among them; the others are there all the same.
func knownKeys(cfg *config.Config) (keys [][]byte, err error) {
	key, err := readKey(keyFile(cfg.StateDir))
	if err == nil {
		keys = append(keys, key)
	}
	for i := range cfg.Sites {
		for _, k := range []config.Secret{cfg.Sites[i].Headers.HashKey, cfg.Sites[i].Headers.PreviousHashKey} {
			if k != "" {
				keys = append(keys, []byte(k.Reveal()))
			}
		}
	}
	return keys, err
}

// open returns the line that raw of a record stands for, or for people why it can't be read here.
func (r sealKeys) open(raw []byte, q *avro.Quarantined) (line []byte, sealed string) {
	if q.RawKey == "" {
		return raw, ""
	}
	k := r[q.RawKey]
	if k == nil {
		return nil, fmt.Sprintf("it is encrypted with key %s, which is not here: use the host that read it, or its headers.hash_key", q.RawKey)
	}
	line, err := k.Open(raw, q)
	if err != nil {
		return nil, err.Error()
	}
	return line, ""
}

// hostKey returns this host's own key for hashed secrets, made at the first start and kept in the state folder. With the folder it is
// lost, and hashes from before can't be joined with those after: who needs that sets headers.hash_key.
func hostKey(stateDir string) ([]byte, error) {
	file := keyFile(stateDir)
	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, fmt.Errorf("key for hashed secrets: %w", err)
		}
		key, err = readKey(file)
	}
	return key, err
}

// minKeySize is the least length of a key, in bytes.
const minKeySize = 16

func keyFile(stateDir string) string { return filepath.Join(stateDir, "hash.key") }

// readKey reads a key that makeKey has made.
func readKey(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("key for hashed secrets: %w", err)
	}
	key, err := hex.DecodeString(string(text))
	if err != nil || len(key) < minKeySize {
		return nil, fmt.Errorf("%s: not a key of ngxtap; restore it, or remove it to have a new one made", file)
	}
	return key, nil
}

// makeKey makes a key and keeps it. It is on the disk before it has its name: half a key after a power cut would keep ngxtap from starting.
func makeKey(file string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	text := []byte(hex.EncodeToString(key))
	f, err := os.OpenFile(fmt.Sprintf("%s.%d", file, os.Getpid()), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
