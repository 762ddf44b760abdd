package avro

import (
	"crypto/sha256"
	"hash/crc32"
	"math"
	"unicode/utf8"
)

// Quarantined is one rejected line, a record of schema.QuarantinedLine.
type Quarantined struct {
	Time        int64  // when it was rejected, microseconds since the Unix epoch
	Origin      Origin // of the line
	Reason      string // for people; must not hold bytes of the line
	Column      int    // byte offset in the line where it stopped fitting, -1 where that is not known
	Variable    string // the variable that did not fit, empty at a literal
	Format      string // name of the log_format that was tried last
	Fingerprint uint64 // of the event schema of that format
	MaxRaw      int    // the most bytes of the line that are kept, 0 for all
	Whole       *Whole // set where only the line's head is at hand; MaxRaw is then not used

	NoSum bool    // crc32c is 0, and raw_sha256 null
	Seal  *Sealer // encrypts the line; nil: it goes out as it is
	// As read; what is written follows from the line.
	RawKey    string // id of the key that the line is encrypted with, empty if it is not
	Truncated bool   // only the line's head is there
}

// Whole is what is known of a line of which only the head was kept.
type Whole struct {
	Length int64    // bytes without the newline
	CRC32C uint32   // of those bytes
	SHA256 [32]byte // of those bytes
}

// AppendQuarantined appends the record of a rejected line to dst. line is the whole line without its newline, or its head where
// q.Whole describes the line; where it is longer than q.MaxRaw the record holds its head and the SHA-256 of all of it. Without q.Seal the
// bytes of the line go out as they are.
func AppendQuarantined(dst, line []byte, q *Quarantined) []byte {
	raw, whole := line, q.Whole
	if whole == nil {
		whole = &Whole{Length: int64(len(line)), CRC32C: crc32.Checksum(line, castagnoli)}
		if q.MaxRaw > 0 && len(raw) > q.MaxRaw {
			raw, whole.SHA256 = raw[:q.MaxRaw], sha256.Sum256(line)
		}
	}
	dst = appendLong(dst, q.Time)
	dst = appendValid(dst, q.Origin.Site)
	dst = appendValid(dst, q.Origin.Host)
	dst = appendValid(dst, q.Origin.File)
	dst = appendLong(dst, q.Origin.Offset)
	dst = appendLong(dst, min(whole.Length, math.MaxInt32)) // origin.length is an int; the field line_length has all of it
	if q.NoSum {
		dst = append(dst, 0)
	} else {
		dst = appendLong(dst, int64(int32(whole.CRC32C)))
	}
	dst = appendValid(dst, q.Reason)
	dst = appendLong(dst, int64(q.Column))
	if q.Variable == "" {
		dst = append(dst, branchNull)
	} else {
		dst = appendValid(append(dst, branchValue), q.Variable)
	}
	dst = appendValid(dst, q.Format)
	dst = appendFingerprint(dst, q.Fingerprint)
	if q.Seal == nil {
		dst = appendBytes(dst, raw)
	} else {
		dst = appendLen(dst, len(raw)+sealOverhead)
		dst = q.Seal.append(dst, raw, &q.Origin)
	}
	dst = appendLong(dst, whole.Length)
	switch {
	case int64(len(raw)) == whole.Length:
		dst = append(dst, branchNull, 0)
	case q.NoSum:
		dst = append(dst, branchNull, 1)
	default:
		dst = appendBytes(append(dst, branchValue), whole.SHA256[:])
		dst = append(dst, 1)
	}
	if q.Seal == nil {
		return append(dst, branchNull)
	}
	return appendString(append(dst, branchValue), q.Seal.key.id)
}

// appendFingerprint writes a fingerprint as a string of 16 hexadecimal digits.
func appendFingerprint(dst []byte, fp uint64) []byte {
	const digits = "0123456789abcdef"
	dst = appendLen(dst, 16)
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, digits[fp>>shift&15])
	}
	return dst
}

// appendValid writes a string that may not be UTF-8.
func appendValid(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return appendString(dst, s)
	}
	return appendBytes(dst, appendRepaired(nil, []byte(s)))
}
