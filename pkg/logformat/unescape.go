package logformat

// AppendUnescaped appends the bytes that v stood for.
func AppendUnescaped(dst, v []byte, e Escape) []byte { return append(dst, v...) }
