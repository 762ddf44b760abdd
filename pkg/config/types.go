package config

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Secret is a string that never prints. Use Reveal where it is needed, as late as possible.
type Secret string

const redacted = "[redacted]"

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the value from JSON, YAML and slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the value in clear text.
func (s Secret) Reveal() string { return string(s) }

// resolve turns ${VAR} and file:PATH into the value they stand for. base is the folder that a relative path starts from.
func (s Secret) resolve(base string) (Secret, error) {
	v := string(s)
	switch {
	case strings.HasPrefix(v, "${") && strings.HasSuffix(v, "}"):
		name := v[2 : len(v)-1]
		val, ok := os.LookupEnv(name)
		if !ok || val == "" {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return Secret(val), nil
	case strings.HasPrefix(v, "file:"):
		b, err := os.ReadFile(abs(base, strings.TrimPrefix(v, "file:")))
		if err != nil {
			return "", fmt.Errorf("read the secret: %w", err)
		}
		val := strings.TrimRight(string(b), "\r\n")
		if val == "" {
			return "", fmt.Errorf("the file %s is empty", strings.TrimPrefix(v, "file:"))
		}
		return Secret(val), nil
	}
	return s, nil
}

// literal reports whether the value itself stands in the file.
func (s Secret) literal() bool {
	return s != "" && !strings.HasPrefix(string(s), "${") && !strings.HasPrefix(string(s), "file:")
}

// Size is a number of bytes. It reads 1048576, 512KiB, 1MiB, 64kB.
type Size int64

var sizeUnits = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1000}, {"MB", 1000 * 1000}, {"GB", 1000 * 1000 * 1000}, {"B", 1}, {"", 1}}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	t := strings.TrimSpace(string(text))
	for _, u := range sizeUnits {
		num, ok := strings.CutSuffix(t, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.factor {
			break
		}
		*s = Size(n * u.factor)
		return nil
	}
	return fmt.Errorf("%q is not a size: write 1048576, 512KiB or 1MiB", t)
}

// String prints the size with the largest binary unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		suffix string
		factor Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.factor && s%u.factor == 0 {
			return strconv.FormatInt(int64(s/u.factor), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}
