package admin

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Numbers and texts as people read them, in a page and in a terminal.

// HumanCount writes a number in at most five characters and a letter: 0, 0.3, 42, 1.2k, 35M.
func HumanCount(v float64) string { return scaled(v, 1000, []string{"", "k", "M", "G", "T", "P"}) }

// HumanBytes writes a number of bytes: 0 B, 17 kB, 1.2 GB.
func HumanBytes(v float64) string {
	return scaled(v, 1000, []string{" B", " kB", " MB", " GB", " TB", " PB"})
}

// scaled writes v with the unit that leaves it below step.
func scaled(v, step float64, units []string) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	u := 0
	for v >= step-step/2000 && u < len(units)-1 {
		v /= step
		u++
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	if v > 0 && v < 9.95 {
		if text = strconv.FormatFloat(v, 'f', 1, 64); text[len(text)-2:] == ".0" {
			text = text[:len(text)-2]
		}
	}
	if text == "0" && v > 0 {
		text = "<0.1"
	}
	return sign + text + units[u]
}

// HumanSeconds writes how long something took: 0 ms, 0.4 ms, 12 ms, 1.3 s, 4 min.
func HumanSeconds(s float64) string {
	switch {
	case math.IsNaN(s):
		return "–"
	case s < 0.9995:
		return scaled(s*1000, 1e9, []string{" ms"})
	case s < 99.5:
		return scaled(s, 1e9, []string{" s"})
	}
	return HumanAge(time.Duration(s * float64(time.Second)))
}

// HumanAge writes a longer time in its two largest units: 12 s, 4 min 3 s, 3 h 20 min, 2 d 4 h.
func HumanAge(d time.Duration) string {
	s := int64(max(0, d) / time.Second)
	for _, u := range []struct {
		seconds  int64
		big, low string
		lower    int64
	}{{86400, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", "s", 1}} {
		if s < u.seconds {
			continue
		}
		text := fmt.Sprintf("%d %s", s/u.seconds, u.big)
		if rest := s % u.seconds / u.lower; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.low)
		}
		return text
	}
	return fmt.Sprintf("%d s", s)
}

// Visible returns s with everything escaped that does not print by itself: control characters, and those that turn the direction of what
// follows, with which a file name could make a line say something else than it does.
func Visible(s string) string {
	plain := true
	for _, r := range s {
		plain = plain && unicode.IsPrint(r) && r != utf8.RuneError
	}
	if plain {
		return s
	}
	var b []byte
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b = append(b, s[:n]...)
		case r == '\n':
			b = append(b, `\n`...)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
		s = s[n:]
	}
	return string(b)
}
