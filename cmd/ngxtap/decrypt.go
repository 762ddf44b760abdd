package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
)

func (a *app) decryptCmd() *cobra.Command {
	var keyFiles []string
	cmd := &cobra.Command{
		Use:   "decrypt [VALUE…]",
		Short: "Turn encrypted addresses (addresses: encrypt) back",
		Long: `Print each VALUE, or all that comes on standard input, with the addresses of clients that are encrypted in it (ipcrypt:KEY:…) in clear text.
Everything else stays as it is, so the lines of "ngxtap cat", CSV and notes will do.

The keys are those of the configuration: headers.hash_key and headers.previous_hash_key of all sites, and the host's own, state_dir/hash.key. With
--key-file the configuration is not read. The exit code is 1 if nothing could be decrypted, and 3 if only a part.`,
		Example: `  ngxtap decrypt ipcrypt:1f2e3d4c:0123456789abcdef0123456789abcdef
  ngxtap cat nginx.shop.access -n 10 | ngxtap decrypt
  ngxtap decrypt --key-file old.key <events.json`,
		RunE: func(c *cobra.Command, values []string) error {
			return failed(untilStopped(c.Context(), func() error { return a.decrypt(keyFiles, values) }))
		},
	}
	cmd.Flags().StringSliceVar(&keyFiles, "key-file", nil, "file with a key: what headers.hash_key names, or a host's hash.key; may be given again")
	return cmd
}

func (a *app) decrypt(keyFiles, values []string) error {
	d := &decrypter{missing: map[string]int{}}
	if err := d.load(a.configFile, keyFiles); err != nil {
		return configError(err)
	}
	var out io.Writer = a.out
	if isTerminal(out) {
		out = escaper{out}
	}
	var err error
	if len(values) > 0 {
		err = d.values(out, values)
	} else {
		err = d.copy(out, a.in)
	}
	if err != nil {
		return err
	}
	return d.result(len(values) > 0)
}

// decrypter decrypts what it copies.
type decrypter struct {
	keys    avro.AddressKeys
	noHost  error // why the host's own key is not among them
	done    int
	missing map[string]int // by the id of a key, how many addresses want it
	others  int            // that want further keys
	out     []byte
}

// load adds the keys of files, or else of the configuration.
func (d *decrypter) load(configFile string, files []string) error {
	var keys [][]byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("--key-file: %w", err)
		}
		// Which of the two kinds of keys it is, the ids in the addresses tell.
		text = bytes.TrimRight(text, "\r\n")
		keys = append(keys, text)
		if key, err := hex.DecodeString(string(text)); err == nil && len(key) >= minKeySize {
			keys = append(keys, key)
		}
		if len(text) < minKeySize {
			return fmt.Errorf("--key-file %s: is too short to be a key: at least %d characters are wanted", name, minKeySize)
		}
	}
	if len(files) == 0 {
		cfg, err := config.Load(configFile)
		if err != nil {
			return err
		}
		keys, d.noHost = knownKeys(cfg)
	}
	for _, key := range keys {
		if _, err := d.keys.Add(key); err != nil {
			return err
		}
	}
	if d.keys.Len() == 0 {
		return fmt.Errorf("there is no key to decrypt with: %w; name one with --key-file", d.noHost)
	}
	return nil
}

// values prints each value on a line of its own.
func (d *decrypter) values(w io.Writer, values []string) error {
	for _, v := range values {
		d.take([]byte(v), true)
		d.out = append(d.out, '\n')
		if _, err := w.Write(d.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		d.out = d.out[:0]
	}
	return nil
}

// copy copies r to w as it comes, so that it can stand behind a program that follows a topic.
func (d *decrypter) copy(w io.Writer, r io.Reader) error {
	buf := make([]byte, 64<<10)
	kept := 0 // what begins like an encrypted address at the end of the last piece
	for {
		n, err := r.Read(buf[kept:])
		end := err != nil
		rest := d.take(buf[:kept+n], end)
		if _, werr := w.Write(d.out); werr != nil {
			return fmt.Errorf("write: %w", werr)
		}
		d.out = d.out[:0]
		kept = copy(buf, rest)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
}

// maxMissing is how many missing keys are counted one by one: what is copied may name any number.
const maxMissing = 16

// take appends b, decrypted, to out. Unless this is the end it returns what may be the beginning of an encrypted address.
func (d *decrypter) take(b []byte, end bool) (rest []byte) {
	for {
		i := bytes.IndexByte(b, 'i') // of ipcrypt
		if i < 0 {
			d.out = append(d.out, b...)
			return nil
		}
		d.out = append(d.out, b[:i]...)
		b = b[i:]
		out, n, err := d.keys.AppendDecrypted(d.out, b)
		var missing *avro.MissingKeyError
		switch {
		case err == nil:
			d.done++
			d.out, b = out, b[n:]
		case errors.As(err, &missing):
			if _, known := d.missing[missing.ID]; known || len(d.missing) < maxMissing {
				d.missing[missing.ID]++
			} else {
				d.others++
			}
			d.out, b = append(d.out, b[:n]...), b[n:]
		case errors.Is(err, avro.ErrCutOff) && !end:
			return b
		default:
			d.out, b = append(d.out, b[0]), b[1:]
		}
	}
}

// result says what could not be decrypted. Standard input may well hold nothing that is encrypted; a value that somebody names ought to.
func (d *decrypter) result(named bool) error {
	var why []string
	for _, id := range slices.Sorted(maps.Keys(d.missing)) {
		why = append(why, fmt.Sprintf("%d encrypted with key %s, which is not here", d.missing[id], id))
	}
	if d.others > 0 {
		why = append(why, fmt.Sprintf("%d with others", d.others))
	}
	switch {
	case len(why) > 0:
		hint := "run this on the host that read the lines, or name its key with --key-file"
		if d.noHost != nil && !errors.Is(d.noHost, fs.ErrNotExist) {
			hint = fmt.Sprintf("this host's own key can't be read: %v", d.noHost)
		}
		code := exitFailed
		if d.done > 0 {
			code = exitRejected
		}
		return &exitError{code, fmt.Errorf("addresses left as they are: %s; %s", strings.Join(why, ", "), hint)}
	case named && d.done == 0:
		return errors.New("there is no encrypted address in that: they look like ipcrypt:, the key's id, \":\" and 32 digits; a hash (hmac-sha256:…) can't be turned back")
	}
	return nil
}
