package logformat

import "bytes"

// byteSet is a set of bytes.
type byteSet [256]bool

// add puts the bytes of s into the set.
func (b *byteSet) add(s string) {
	for i := range len(s) {
		b[s[i]] = true
	}
}

// union puts the bytes of other into the set.
func (b *byteSet) union(other *byteSet) {
	for i, in := range other {
		b[i] = b[i] || in
	}
}

// valueBytes returns the bytes that a value of kind k may hold in a line. In JSON mode a text may hold `"` too, but only behind a
// backslash; the set leaves it out.
func valueBytes(k Kind, e Escape) byteSet {
	var set byteSet
	switch k {
	case Token:
		for c := byte(0x21); c < 0x7f; c++ {
			set[c] = c != '"' && c != '\\'
		}
	case Int, Long:
		set.add("-0123456789")
	case Double, Msec:
		set.add("-.0123456789")
	case TimeLocal:
		set.add("0123456789/: +-JanFebMarAprMayJunJulAugSepOctNovDec")
	case TimeISO:
		set.add("0123456789:+-T")
	case IntList, LongList:
		set.add("-0123456789, :")
	case DoubleList:
		set.add("-.0123456789, :")
	default:
		for c := range set {
			set[c] = textByte(byte(c), e)
		}
	}
	return set
}

// textByte says whether c may stand in a text of mode e, escapes aside.
func textByte(c byte, e Escape) bool {
	switch e {
	case EscapeNone:
		return c != '\n'
	case EscapeJSON:
		return c >= 0x20 && c != '"'
	}
	return c >= 0x20 && c < 0x7f && c != '"'
}

// isText says whether values of kind k are free text.
func isText(k Kind) bool { return k == Text || k == Request || k == Headers || k == TextList }

// hasNoSpace says whether values of kind k are one word or one number.
func hasNoSpace(k Kind) bool {
	return k == Token || k == Int || k == Long || k == Double || k == Msec
}

// fixedLen returns the length of all values of kind k, 0 if they differ.
func fixedLen(k Kind) int {
	switch k {
	case TimeLocal:
		return timeLocalLen
	case TimeISO:
		return timeISOLen
	}
	return 0
}

// fits says whether v can be a value of kind k in a line of mode e. Numbers and lists may be missing: "-" or empty; the times may
// not, for the log module prints them itself.
func fits(k Kind, v []byte, e Escape) bool {
	switch k {
	case Token:
		return fitsToken(v)
	case Int:
		return isNull(v) || fitsInt(v)
	case Long:
		return isNull(v) || fitsLong(v)
	case Double:
		return isNull(v) || fitsDouble(v)
	case Msec:
		_, ok := ParseMsec(v)
		return ok
	case TimeLocal:
		_, ok := ParseTimeLocal(v)
		return ok
	case TimeISO:
		_, ok := ParseTimeISO(v)
		return ok
	case IntList:
		return fitsInt(v) || fitsList(v, fitsInt)
	case LongList:
		return fitsLong(v) || fitsList(v, fitsLong)
	case DoubleList:
		return fitsDouble(v) || fitsList(v, fitsDouble)
	}
	return fitsText(v, e)
}

// fitsUnquoted is fits for a value whose end was not given by a byte that it can't hold. There a list of addresses must show its
// own end, so that its items may not hold spaces.
func fitsUnquoted(k Kind, v []byte, e Escape) bool {
	return fits(k, v, e) && (k != TextList || fitsList(v, fitsWord))
}

// fitsToken says whether v is one word.
func fitsToken(v []byte) bool {
	for _, c := range v {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// fitsText says whether Nginx can have written v for a text in mode e.
func fitsText(v []byte, e Escape) bool {
	if isNull(v) {
		return true
	}
	if e == EscapeNone {
		return bytes.IndexByte(v, '\n') < 0
	}
	if !isPlain(v, e) {
		return false
	}
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 {
			return bytes.IndexByte(v, '"') < 0
		}
		_, n := unescapeOne(v[i:], e)
		if n == 0 || bytes.IndexByte(v[:i], '"') >= 0 {
			return false
		}
		v = v[i+n:]
	}
}

// fitsEscapes is fitsText for a text whose bytes were all looked at but for its backslashes.
func fitsEscapes(v []byte, e Escape) bool {
	for {
		i := bytes.IndexByte(v, '\\')
		if i < 0 {
			return true
		}
		_, n := unescapeOne(v[i:], e)
		if n == 0 {
			return false
		}
		v = v[i+n:]
	}
}
