package logformat

import "strconv"

// ParseInt reads a value of kind Int: one or more decimal digits, leading zeros allowed ($status is printed as %03ui), that fit 31
// bits. ok is false for anything else, the empty value and "-" included. It does not allocate.
func ParseInt(v []byte) (n int32, ok bool) {
	u, ok := parseDigits(v)
	if !ok || u > 1<<31-1 {
		return 0, false
	}
	return int32(u), true
}

// ParseLong reads a value of kind Long: decimal digits with an optional minus that fit 64 bits. ok is false for anything else, the
// empty value and "-" included. It does not allocate.
func ParseLong(v []byte) (n int64, ok bool) {
	negative := len(v) > 0 && v[0] == '-'
	if negative {
		v = v[1:]
	}
	u, ok := parseDigits(v)
	switch {
	case !ok || u > 1<<63 || (u == 1<<63 && !negative):
		return 0, false
	case negative:
		return -int64(u), true // of 1<<63 this is 1<<63 again, the smallest number, which is right
	}
	return int64(u), true
}

// parseDigits reads one or more decimal digits that fit 64 bits.
func parseDigits(v []byte) (n uint64, ok bool) {
	for _, c := range v {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-9)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(v) > 0
}

// ParseDouble reads a value of kind Double: digits with an optional minus and an optional fraction, as %T.%03M prints 0.005. The
// result is the float64 nearest to the text. Exponents, a leading or a trailing dot, and words such as "inf" are refused: Nginx prints
// none. It allocates only for numbers of more than fifteen digits.
func ParseDouble(v []byte) (x float64, ok bool) {
	digits := v
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	mantissa, point, ok := parseDecimal(digits)
	if !ok {
		return 0, false
	}
	fraction := 0
	if point >= 0 {
		fraction = len(digits) - point - 1
	}
	if mantissa > 1<<53 || fraction >= len(powersOf10) {
		return parseLongDouble(v)
	}
	// Both are exact as float64, so that one division rounds correctly.
	x = float64(mantissa) / powersOf10[fraction]
	if len(digits) != len(v) {
		x = -x
	}
	return x, true
}

// parseLongDouble reads what does not fit the exact division of ParseDouble; v was found to be a decimal number.
func parseLongDouble(v []byte) (float64, bool) {
	x, err := strconv.ParseFloat(string(v), 64)
	return x, err == nil
}

// powersOf10 are the powers of ten that a float64 holds exactly.
var powersOf10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
	1e19, 1e20, 1e21, 1e22}

// parseDecimal reads digits with at most one point between them. point is its index, -1 if there is none. The mantissa saturates
// above 1<<53, where nobody looks at its value any more.
func parseDecimal(v []byte) (mantissa uint64, point int, ok bool) {
	point = -1
	for i, c := range v {
		d := uint64(c - '0')
		switch {
		case d <= 9 && mantissa <= 1<<53:
			mantissa = mantissa*10 + d
		case d <= 9:
		case c == '.' && point < 0 && i > 0:
			point = i
		default:
			return 0, 0, false
		}
	}
	return mantissa, point, len(v) > 0 && point != len(v)-1
}

// ParseMsec reads a value of kind Msec, seconds since the Unix epoch with three decimals as $msec has them, and returns microseconds
// since the epoch. It does not allocate.
func ParseMsec(v []byte) (micros int64, ok bool) {
	point := len(v) - 4
	if point < 1 || v[point] != '.' {
		return 0, false
	}
	seconds, ok := parseDigits(v[:point])
	if !ok || seconds > maxSeconds {
		return 0, false
	}
	millis, ok := parseDigits(v[point+1:])
	return int64(seconds)*1e6 + int64(millis)*1e3, ok
}

// maxSeconds is the last second that ParseMsec accepts: 9999-12-31T23:59:59Z, the last that the calendar formats can print.
const maxSeconds = 253402300799
