package logformat

// ParseInt reads the value of an Int.
func ParseInt(v []byte) (int32, bool) { return 0, false }

// ParseLong reads the value of a Long.
func ParseLong(v []byte) (int64, bool) { return 0, false }

// ParseDouble reads the value of a Double.
func ParseDouble(v []byte) (float64, bool) { return 0, false }

// ParseMsec reads the value of an Msec: microseconds since the Unix epoch.
func ParseMsec(v []byte) (micros int64, ok bool) { return 0, false }

// ParseTimeLocal reads the value of a TimeLocal: microseconds since the Unix epoch.
func ParseTimeLocal(v []byte) (micros int64, ok bool) { return 0, false }

// ParseTimeISO reads the value of a TimeISO: microseconds since the Unix epoch.
func ParseTimeISO(v []byte) (micros int64, ok bool) { return 0, false }

// NextListItem returns the first item of a list value, and what follows its separator; ok is false at the end.
// An item that is empty or "-" has no value (null).
func NextListItem(v []byte) (item, rest []byte, ok bool) { return nil, nil, false }

// CountList returns how many items NextListItem will find.
func CountList(v []byte) int { return 0 }

// RequestLine is the parts of a request line, still escaped; all belong to the value that was split.
type RequestLine struct {
	Method, Path, Query, Protocol []byte
	HasQuery                      bool
}

// SplitRequest cuts an HTTP request line; ok is false where v is not one.
func SplitRequest(v []byte) (r RequestLine, ok bool) { return RequestLine{}, false }
