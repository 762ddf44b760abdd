package avro

import (
	"encoding/base64"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"time"
)

// appendJSON appends a native value of goavro.
func appendJSON(dst []byte, s *shape, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case map[string]any:
		return appendObject(dst, s, v)
	case []any:
		return appendArray(dst, s, v)
	case string:
		return appendQuoted(dst, v), nil
	case []byte:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"'), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float32:
		return appendFloat(dst, float64(v), 32), nil
	case float64:
		return appendFloat(dst, v, 64), nil
	case time.Time:
		return appendTime(dst, s, v), nil
	case time.Duration:
		return appendQuoted(dst, time.Unix(0, 0).UTC().Add(v).Format("15:04:05.000000")), nil
	case *big.Rat:
		return appendQuoted(dst, v.FloatString(decimalDigits(v))), nil
	}
	return dst, fmt.Errorf("no JSON for a value of Go type %T", v)
}

// appendObject appends what goavro holds in a Go map: a record, an Avro map, or the tagged value of a union.
func appendObject(dst []byte, s *shape, v map[string]any) ([]byte, error) {
	var err error
	switch s.kind {
	case "union":
		for name, value := range v {
			return appendJSON(dst, s.branch(name), value)
		}
	case "record", "error":
		dst = append(dst, '{')
		for i, f := range s.fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, f.name), ':')
			if dst, err = appendJSON(dst, f.shape, v[f.name]); err != nil {
				return dst, fmt.Errorf("field %s: %w", f.name, err)
			}
		}
		return append(dst, '}'), nil
	case "map":
		dst = append(dst, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, key), ':')
			if dst, err = appendJSON(dst, s.items, v[key]); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return dst, fmt.Errorf("a map of %d values where the schema says %q", len(v), s.kind)
}

func appendArray(dst []byte, s *shape, v []any) ([]byte, error) {
	if s.kind != "array" {
		return dst, fmt.Errorf("an array where the schema says %q", s.kind)
	}
	dst = append(dst, '[')
	for i, item := range v {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, s.items, item); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendTime(dst []byte, s *shape, t time.Time) []byte {
	layout := "2006-01-02T15:04:05.000000Z"
	if s.name == "int.date" {
		layout = time.DateOnly
	}
	return appendQuoted(dst, t.UTC().Format(layout))
}

// decimalDigits returns how many digits after the point write a decimal exactly: its denominator divides a power of ten.
func decimalDigits(v *big.Rat) int {
	digits, _ := v.FloatPrec()
	return digits
}

// appendFloat appends a number as encoding/json does, or a string for those that JSON lacks.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// appendQuoted appends a JSON string. Only what must be escaped is: "<" stays "<".
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s { // ranging over runes makes U+FFFD of what is not UTF-8
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20 || r >= 0x7F && r < 0xA0: // C1 is to terminals what ESC is
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
