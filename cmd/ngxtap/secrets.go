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
	if k := s.Headers.HashKey.Reveal(); k != "" {
		key = []byte(k)
	}
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
	return avro.NewSecrets(mode, key, s.Headers.Keep)
}

// hostKey returns this host's own key for hashed secrets, made at the first start and kept in the state folder. With the folder it is
// lost, and hashes from before can't be joined with those after: who needs that sets headers.hash_key.
func hostKey(stateDir string) ([]byte, error) {
	file := filepath.Join(stateDir, "hash.key")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = makeKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("key for hashed secrets: %w", err)
	}
	key, err := hex.DecodeString(string(text))
	if err != nil || len(key) < 16 {
		return nil, fmt.Errorf("%s: not a key of ngxtap; restore it, or remove it to have a new one made", file)
	}
	return key, nil
}

// makeKey makes a key and keeps it. It is on the disk before it has its name: half a key after a power cut would keep ngxtap from starting.
func makeKey(file string) ([]byte, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	text := []byte(hex.EncodeToString(key))
	f, err := os.OpenFile(fmt.Sprintf("%s.%d", file, os.Getpid()), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return text, nil
}
