package avro

import (
	"bytes"
	"math"
	"slices"
	"strings"
)

// HeaderRules says which headers become part of events, and how much of them. The zero value takes all.
type HeaderRules struct {
	Allow      []string // names in lower case, of which the first or the last character may be "*"; empty: all
	Deny       []string // likewise, and "_" is "-"; wins over Allow
	MaxHeaders int      // the most values of one request or response; 0: no limit
	MaxValue   int      // the longest value in bytes; 0: no limit
}

// headerFilter is HeaderRules for a look-up.
type headerFilter struct {
	allow, deny          *nameSet // nil: all, none
	maxHeaders, maxValue int
}

func newHeaderFilter(r *HeaderRules) *headerFilter {
	f := &headerFilter{allow: newNameSet(slices.Concat(r.Allow, withDashes(r.Allow))), deny: newNameSet(withDashes(r.Deny)), maxHeaders: r.MaxHeaders, maxValue: r.MaxValue}
	if f.maxHeaders <= 0 {
		f.maxHeaders = math.MaxInt
	}
	if f.maxValue <= 0 {
		f.maxValue = math.MaxInt
	}
	return f
}

// withDashes returns names with dashes for their underscores: who denies x_secret, as $http_x_secret is written, means X-Secret. To allow x_secret allows both,
// to allow x-secret not x_secret.
func withDashes(names []string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		out = append(out, strings.ReplaceAll(n, "_", "-"))
	}
	return out
}

// takes tells whether a header becomes part of events; name is in lower case.
func (f *headerFilter) takes(name []byte) bool {
	if f.deny != nil && (f.deny.has(name) || f.deny.hasDashed(name)) {
		return false
	}
	return f.allow == nil || f.allow.has(name)
}

// nameSet is a list of names, some with "*".
type nameSet struct {
	exact               map[string]bool
	start, end, between [][]byte
}

// newNameSet returns nil for an empty list.
func newNameSet(names []string) *nameSet {
	if len(names) == 0 {
		return nil
	}
	s := &nameSet{exact: map[string]bool{}}
	for _, n := range names {
		text, before := strings.CutPrefix(n, "*")
		text, after := strings.CutSuffix(text, "*")
		switch {
		case before && after || n == "*":
			s.between = append(s.between, []byte(text))
		case before:
			s.end = append(s.end, []byte(text))
		case after:
			s.start = append(s.start, []byte(text))
		default:
			s.exact[n] = true
		}
	}
	return s
}

// hasDashed tells whether the name is in the set that it has to servers, with dashes for its underscores.
func (s *nameSet) hasDashed(name []byte) bool {
	if bytes.IndexByte(name, '_') < 0 {
		return false
	}
	var buf [maxHeaderName]byte // nearly always enough
	return s.has(appendDashed(buf[:0], name))
}

func (s *nameSet) has(name []byte) bool {
	if s.exact[string(name)] {
		return true
	}
	for _, p := range s.start {
		if bytes.HasPrefix(name, p) {
			return true
		}
	}
	for _, p := range s.end {
		if bytes.HasSuffix(name, p) {
			return true
		}
	}
	for _, p := range s.between {
		if bytes.Contains(name, p) {
			return true
		}
	}
	return false
}
