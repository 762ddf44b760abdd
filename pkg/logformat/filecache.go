package logformat

import (
	"strings"
	"time"
)

// FileCache is one open_log_file_cache directive (ngx_http_log_module): how long Nginx keeps logs with variables in their paths open.
type FileCache struct {
	Off   bool          // open_log_file_cache off
	Valid time.Duration // after which Nginx looks whether the file is still the one of its name; 0: not given, which means a minute
	File  string
	Line  int // counted from 1
}

// maxFileCaches bounds Conf.FileCaches.
const maxFileCaches = 256

// fileCache reads `open_log_file_cache off` and `open_log_file_cache max=N [inactive=T] [min_uses=N] [valid=T]`. What Nginx would refuse in it is not
// looked for.
func (r *confReader) fileCache(l *lexer, b *confBlock, st lexStatement) {
	if b.scope > confLocation || len(r.conf.FileCaches) == maxFileCaches {
		return
	}
	c := FileCache{File: l.file, Line: st.line}
	for _, word := range st.words[1:] {
		if word == "off" {
			c.Off = true
		}
		if v, ok := strings.CutPrefix(word, "valid="); ok {
			c.Valid, _ = confTime(v)
		}
	}
	r.conf.FileCaches = append(r.conf.FileCaches, c)
}

// confUnits are those of ngx_parse_time, largest first, in seconds.
var confUnits = []struct {
	unit    byte
	seconds int64
}{{'y', 365 * 86400}, {'M', 30 * 86400}, {'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}, {0, 1}}

// confTime reads a time of whole seconds as ngx_parse_time does: "90", "90s", "1m30s", "1m 30s". ok is false for what Nginx would refuse.
func confTime(s string) (d time.Duration, ok bool) {
	const most = 1 << 31 // seconds: sixty-eight years
	var total, n int64
	digits, next := false, 0
	take := func(unit byte) bool {
		for ; next < len(confUnits); next++ {
			if confUnits[next].unit == unit {
				total += n * confUnits[next].seconds
				n, digits = 0, false
				next++
				return total < most
			}
		}
		return false // unknown, or smaller than one before it
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n, digits = n*10+int64(c-'0'), true
			if n >= most {
				return 0, false
			}
		case c == ' ' && !digits && i > 0:
		case !digits || !take(c):
			return 0, false
		}
	}
	if digits && !take(0) {
		return 0, false
	}
	return time.Duration(total) * time.Second, s != ""
}
