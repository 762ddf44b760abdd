package logformat

// Lengths of the two times that Nginx prints with a fixed length (ngx_times.c).
const (
	timeLocalLen = len("28/Sep/1970:12:00:00 +0600")
	timeISOLen   = len("1970-09-28T12:00:00+06:00")
)

// ParseTimeLocal reads a value of kind TimeLocal, 10/Oct/2000:13:55:36 -0700, and returns microseconds since the Unix epoch.
// Month names are English in any locale, as ngx_times.c has them. The date must exist in the calendar. Second 60 is accepted, as
// a C library with leap seconds prints it, and counts as the first second of the next minute. It does not allocate.
func ParseTimeLocal(v []byte) (micros int64, ok bool) {
	if len(v) != timeLocalLen || v[2] != '/' || v[6] != '/' || v[11] != ':' || v[20] != ' ' {
		return 0, false
	}
	day, month, year := twoDigits(v, 0), monthNumber(v[3], v[4], v[5]), fourDigits(v, 7)
	date, ok := daysSinceEpoch(year, month, day)
	if !ok {
		return 0, false
	}
	clock, ok := secondsOfDay(v[12:20])
	if !ok {
		return 0, false
	}
	offset, ok := zoneOffset(v[21], twoDigits(v, 22), twoDigits(v, 24))
	return (int64(date)*86400 + int64(clock) - int64(offset)) * 1e6, ok
}

// ParseTimeISO reads a value of kind TimeISO, 2000-10-10T13:55:36-07:00, and returns microseconds since the Unix epoch. Dates and
// second 60 are treated as in ParseTimeLocal. It does not allocate.
func ParseTimeISO(v []byte) (micros int64, ok bool) {
	if len(v) != timeISOLen || v[4] != '-' || v[7] != '-' || v[10] != 'T' || v[22] != ':' {
		return 0, false
	}
	date, ok := daysSinceEpoch(fourDigits(v, 0), twoDigits(v, 5), twoDigits(v, 8))
	if !ok {
		return 0, false
	}
	clock, ok := secondsOfDay(v[11:19])
	if !ok {
		return 0, false
	}
	offset, ok := zoneOffset(v[19], twoDigits(v, 20), twoDigits(v, 23))
	return (int64(date)*86400 + int64(clock) - int64(offset)) * 1e6, ok
}

// notDigits is what twoDigits and fourDigits return for anything else: out of every range that is checked after them.
const notDigits = 1 << 20

// twoDigits reads v[i:i+2].
func twoDigits(v []byte, i int) int {
	a, b := v[i]-'0', v[i+1]-'0'
	if a > 9 || b > 9 {
		return notDigits
	}
	return int(a)*10 + int(b)
}

// fourDigits reads v[i:i+4].
func fourDigits(v []byte, i int) int {
	a, b := twoDigits(v, i), twoDigits(v, i+2)
	if a == notDigits || b == notDigits {
		return notDigits
	}
	return a*100 + b
}

// monthNumber returns 1 to 12, or notDigits for what is not the English abbreviation of a month.
func monthNumber(a, b, c byte) int {
	switch uint32(a)<<16 | uint32(b)<<8 | uint32(c) {
	case 'J'<<16 | 'a'<<8 | 'n':
		return 1
	case 'F'<<16 | 'e'<<8 | 'b':
		return 2
	case 'M'<<16 | 'a'<<8 | 'r':
		return 3
	case 'A'<<16 | 'p'<<8 | 'r':
		return 4
	case 'M'<<16 | 'a'<<8 | 'y':
		return 5
	case 'J'<<16 | 'u'<<8 | 'n':
		return 6
	case 'J'<<16 | 'u'<<8 | 'l':
		return 7
	case 'A'<<16 | 'u'<<8 | 'g':
		return 8
	case 'S'<<16 | 'e'<<8 | 'p':
		return 9
	case 'O'<<16 | 'c'<<8 | 't':
		return 10
	case 'N'<<16 | 'o'<<8 | 'v':
		return 11
	case 'D'<<16 | 'e'<<8 | 'c':
		return 12
	}
	return notDigits
}

// daysSinceEpoch counts the days from 1970-01-01 to a date of the Gregorian calendar; ok is false if there is no such date.
func daysSinceEpoch(year, month, day int) (days int, ok bool) {
	if year > 9999 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month) {
		return 0, false
	}
	// Years are counted from March on, so that the leap day is the last of its year.
	if month <= 2 {
		year--
		month += 12
	}
	// Of the year 0 in January or February this is -1, which no division below may round towards zero.
	y := year + 400
	days = y*365 + y/4 - y/100 + y/400 + (153*(month-3)+2)/5 + day - 1
	return days - 719468 - 146097, true
}

// daysOf returns how many days a month has.
func daysOf(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// secondsOfDay reads hh:mm:ss.
func secondsOfDay(v []byte) (seconds int, ok bool) {
	h, m, s := twoDigits(v, 0), twoDigits(v, 3), twoDigits(v, 6)
	if v[2] != ':' || v[5] != ':' || h > 23 || m > 59 || s > 60 {
		return 0, false
	}
	return h*3600 + m*60 + s, true
}

// zoneOffset returns the seconds by which a zone is ahead of UTC.
func zoneOffset(sign byte, h, m int) (seconds int, ok bool) {
	if h > 23 || m > 59 {
		return 0, false
	}
	switch sign {
	case '+':
		return h*3600 + m*60, true
	case '-':
		return -(h*3600 + m*60), true
	}
	return 0, false
}
