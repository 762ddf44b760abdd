package avro

import "ngxtap/pkg/schema"

// AppendSchemaChange appends c to dst, as a record of schema.SchemaChange.
func AppendSchemaChange(dst []byte, c *schema.ChangeEvent) []byte {
	dst = appendLong(dst, c.Time)
	for _, s := range [...]string{c.Site, c.Host, c.ID, string(c.Source), c.Class.String(), string(c.Action), c.Format} {
		dst = appendValid(dst, s)
	}
	dst = appendOptional(dst, c.Where)
	dst = appendValid(dst, c.Text)
	dst = appendWriter(dst, c.Old)
	dst = appendWriter(dst, c.New)
	if len(c.Diffs) > 0 {
		dst = appendLen(dst, len(c.Diffs))
		for i := range c.Diffs {
			dst = appendDiff(dst, &c.Diffs[i])
		}
	}
	dst = append(dst, 0) // the end of the array
	dst = appendOptional(dst, c.File)
	if c.File == "" {
		return append(dst, branchNull)
	}
	return appendLong(append(dst, branchValue), c.Offset)
}

func appendDiff(dst []byte, d *schema.Diff) []byte {
	for _, s := range [...]string{d.Path, string(d.Kind), d.Class.String(), d.Old, d.New} {
		dst = appendValid(dst, s)
	}
	meaning := byte(0)
	if d.Meaning {
		meaning = 1
	}
	return appendValid(append(dst, meaning), d.Text)
}

func appendWriter(dst []byte, w *schema.Writer) []byte {
	if w == nil {
		return append(dst, branchNull)
	}
	dst = append(dst, branchValue)
	for _, s := range [...]string{w.LogFormat, w.Escape, w.Schema} {
		dst = appendValid(dst, s)
	}
	return appendFingerprint(dst, w.Fingerprint)
}

// appendOptional writes a string of a union with null; the empty string is null.
func appendOptional(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, branchNull)
	}
	return appendValid(append(dst, branchValue), s)
}
