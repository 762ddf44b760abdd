package logformat

import "bytes"

// NextListItem takes the first item off a list such as "a, b : c", as ngx_http_upstream.c prints the $upstream_* variables: ", "
// stands between the servers that were tried in turn, " : " between the server groups that an internal redirect went through. item and
// rest belong to v. ok is false when v is empty: the list is at its end.
//
// An item that is empty or "-" has no value (null): a server that was not reached has no status. Nginx ends a list with " : " when
// the last group was answered without a server, such as from a cache; nothing follows it, so it adds no item. The colons of IPv6 and
// unix: addresses have no space on both sides, and separate nothing.
func NextListItem(v []byte) (item, rest []byte, ok bool) {
	if len(v) == 0 {
		return nil, nil, false
	}
	for i := 0; ; {
		space := bytes.IndexByte(v[i:], ' ')
		if space < 0 {
			return v, nil, true
		}
		i += space
		if i > 0 && v[i-1] == ',' {
			return v[:i-1], v[i+1:], true
		}
		if i+2 < len(v) && v[i+1] == ':' && v[i+2] == ' ' {
			return v[:i], v[i+3:], true
		}
		i++
	}
}

// CountList returns how many items NextListItem finds in v.
func CountList(v []byte) int {
	n := 0
	for _, rest, ok := NextListItem(v); ok; _, rest, ok = NextListItem(rest) {
		n++
	}
	return n
}

// fitsList says whether v is a list whose items are null or fit. Unlike NextListItem it is strict about where an item may be empty:
// only beside " : ", for there Nginx leaves an address out, and in a list that is empty altogether.
func fitsList(v []byte, fits func(item []byte) bool) bool {
	afterGroup := true // the start counts as one: the first group may have no server either
	for {
		item, rest, ok := NextListItem(v)
		if !ok {
			return afterGroup
		}
		beforeComma := len(v) > len(item) && v[len(item)] == ','
		if len(item) == 0 && (beforeComma || !afterGroup) {
			return false
		}
		if !isNull(item) && !fits(item) {
			return false
		}
		if len(item) == len(v) {
			return true
		}
		afterGroup = !beforeComma
		v = rest
	}
}

// isNull says whether a typed value or a list item stands for no value.
func isNull(v []byte) bool { return len(v) == 0 || (len(v) == 1 && v[0] == '-') }

// fitsInt says whether v is an Int.
func fitsInt(v []byte) bool { _, ok := ParseInt(v); return ok }

// fitsLong says whether v is a Long.
func fitsLong(v []byte) bool { _, ok := ParseLong(v); return ok }

// fitsDouble says whether v is a Double.
func fitsDouble(v []byte) bool { _, ok := ParseDouble(v); return ok }

// fitsWord says whether v, an item of a TextList, has neither a space nor a comma at its end, so that the end of the item is plain to
// see in an unquoted list.
func fitsWord(v []byte) bool { return bytes.IndexByte(v, ' ') < 0 && v[len(v)-1] != ',' }
