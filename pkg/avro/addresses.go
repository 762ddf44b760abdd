package avro

import (
	"bytes"
	"fmt"
	"net/netip"
	"unsafe"
)

// AddressMode says what becomes of the addresses of clients.
type AddressMode uint8

// The modes. A text that is no address, where one should stand, is hashed by all but the first, or left out without a key.
const (
	KeepAddresses     AddressMode = iota
	TruncateAddresses             // the network stands for it: /24, or /48 of IPv6
	HashAddresses                 // "hmac-sha256:…" stands for it, as for a secret
	EncryptAddresses              // "ipcrypt:…" stands for it, which AddressKeys turns back
)

// ParseAddressMode reads a mode as the configuration spells it; the empty string is KeepAddresses.
func ParseAddressMode(s string) (AddressMode, error) {
	switch s {
	case "", "keep":
		return KeepAddresses, nil
	case "truncate":
		return TruncateAddresses, nil
	case "hash":
		return HashAddresses, nil
	case "encrypt":
		return EncryptAddresses, nil
	}
	return 0, fmt.Errorf("unknown way to treat addresses %q: use keep, truncate, hash or encrypt", s)
}

// How much of an address is left when it is truncated, in bits.
const (
	bits4 = 24
	bits6 = 48
)

// maxAddress is more than the longest text of an address with a port, in bytes.
const maxAddress = 64

// appendAddress appends what stands for one address, with or without brackets and port. "unknown" stays.
func (r *redactor) appendAddress(dst, v []byte) []byte {
	if v = bytes.Trim(v, " \t"); string(v) == "unknown" || string(v) == "unix:" || len(v) == 0 {
		return append(dst, v...)
	}
	host, open, end := v, "", []byte(nil)
	switch {
	case v[0] == '[':
		if n := bytes.IndexByte(v, ']'); n > 0 && isPort(v[n+1:]) {
			host, open, end = v[1:n], "[", v[n:]
		}
	case bytes.Count(v, []byte{':'}) == 1:
		if n := bytes.IndexByte(v, ':'); isPort(v[n:]) {
			host, end = v[:n], v[n:]
		}
	}
	a, ok := parseAddress(host)
	if !ok {
		return r.appendHash(dst, v)
	}
	dst = append(dst, open...)
	if r.addresses == HashAddresses {
		dst = r.appendHash(dst, host)
	} else {
		dst = r.appendHidden(dst, a)
	}
	return append(dst, end...)
}

// appendHidden appends what stands for a well-formed address, but for HashAddresses, which hashes its text.
func (r *redactor) appendHidden(dst []byte, a netip.Addr) []byte {
	if r.addresses == EncryptAddresses {
		return r.appendEncrypted(dst, a)
	}
	return appendNetwork(dst, a)
}

// appendBinary appends what stands for the value of $binary_remote_addr, 4 or 16 bytes.
func (r *redactor) appendBinary(dst, v []byte) []byte {
	if a, ok := netip.AddrFromSlice(v); ok && r.addresses == EncryptAddresses {
		return r.appendEncrypted(dst, a)
	}
	return r.appendHash(dst, v)
}

// isPort tells whether v is empty or a colon and digits.
func isPort(v []byte) bool {
	return len(v) == 0 || v[0] == ':' && len(v) <= 6 && only(v[1:], "", false)
}

// appendNetwork appends the first address of the network of a; in IPv6 form where a was IPv4 in it.
func appendNetwork(dst []byte, a netip.Addr) []byte {
	bits := bits6
	switch {
	case a.Is4():
		bits = bits4
	case a.Is4In6():
		bits = 96 + bits4
	}
	p, err := a.Prefix(bits)
	if err != nil { // never: the bits fit
		return dst
	}
	return p.Addr().AppendTo(dst)
}

// parseAddress reads an address, without the zone that it may have; it allocates nothing for one that is well formed.
func parseAddress(v []byte) (netip.Addr, bool) {
	if len(v) > maxAddress || !only(v, ".:%", true) {
		return netip.Addr{}, false
	}
	v, zone, zoned := bytes.Cut(v, []byte{'%'})
	if len(v) == 0 || zoned && len(zone) == 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(unsafe.String(&v[0], len(v)))
	return a, err == nil && (a.Is6() || !zoned)
}

// appendAddresses appends a list of addresses with commas between them.
func (r *redactor) appendAddresses(dst, v []byte) []byte {
	for first := true; ; first = false {
		item, rest, more := bytes.Cut(v, []byte{','})
		if !first {
			dst = append(dst, ", "...)
		}
		dst = r.appendAddress(dst, item)
		if !more {
			return dst
		}
		v = rest
	}
}

// appendForwarded appends the value of Forwarded (RFC 7239): what follows for= is an address, what follows by=, host= and proto= is not
// the client's. A text that is not made of such pairs is hashed as a whole.
func (r *redactor) appendForwarded(dst, v []byte) []byte {
	before := len(dst)
	for rest := v; ; {
		end := bytes.IndexAny(rest, ",;")
		pair, sep := rest, byte(0)
		if end >= 0 {
			pair, sep = rest[:end], rest[end]
		}
		name, value, ok := bytes.Cut(pair, []byte{'='})
		quoted := len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"'
		switch word := bytes.TrimLeft(name, " "); {
		case len(bytes.Trim(pair, " ")) == 0:
			dst = append(dst, pair...)
		case ok && bytes.EqualFold(word, []byte("for")):
			dst = append(append(dst, name...), '=')
			if quoted {
				dst = r.appendAddress(append(dst, '"'), value[1:len(value)-1])
				dst = append(dst, '"')
			} else {
				dst = r.appendAddress(dst, value)
			}
		case ok && only(value, `.:-_[]"`, true) && (bytes.EqualFold(word, []byte("by")) || bytes.EqualFold(word, []byte("host")) || bytes.EqualFold(word, []byte("proto"))):
			dst = append(dst, pair...)
		default:
			return r.appendHash(dst[:before], v)
		}
		if sep == 0 {
			return dst
		}
		dst = append(dst, sep)
		rest = rest[end+1:]
	}
}
