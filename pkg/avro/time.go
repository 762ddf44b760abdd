package avro

import (
	"bytes"

	"ngxtap/pkg/logformat"
)

// timeMemo remembers the time that a column held last: lines of one second have it in common.
type timeMemo struct {
	text   [32]byte
	n      int // bytes of text; 0: nothing yet
	micros int64
}

// eventTime returns the time of a line in microseconds since the Unix epoch: that of the first of the columns that has a value,
// or readTime.
func (e *Encoder) eventTime(columns []int, line []byte, spans []logformat.Span, readTime int64) (int64, error) {
	for _, column := range columns {
		v := spans[column].Of(line)
		if e.missing(v) {
			continue
		}
		memo := &e.clocks[column]
		if memo.n > 0 && bytes.Equal(memo.text[:memo.n], v) {
			return memo.micros, nil
		}
		micros, ok := parseTime(e.columns[column].Kind, v)
		if !ok {
			return 0, misfit(&e.columns[column], spans[column], "not a time as Nginx writes it")
		}
		if len(v) <= len(memo.text) {
			memo.n, memo.micros = copy(memo.text[:], v), micros
		}
		return micros, nil
	}
	return readTime, nil
}

func parseTime(kind logformat.Kind, v []byte) (micros int64, ok bool) {
	switch kind {
	case logformat.Msec:
		return logformat.ParseMsec(v)
	case logformat.TimeISO:
		return logformat.ParseTimeISO(v)
	}
	return logformat.ParseTimeLocal(v)
}
