package logformat

// Shows that the two calendar formats are read exactly, against package time, and that what is no date is refused.

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	layoutLocal = "02/Jan/2006:15:04:05 -0700"
	layoutISO   = "2006-01-02T15:04:05-07:00"
)

func TestParseTimesAgainstPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "minutes ahead")*60)
		at := time.Unix(rapid.Int64Range(-62135596800+86400, maxSeconds-86400).Draw(t, "seconds"), 0).In(zone)
		if got, ok := ParseTimeLocal([]byte(at.Format(layoutLocal))); !ok || got != at.UnixMicro() {
			t.Fatalf("ParseTimeLocal(%s) = %d, %v, want %d", at.Format(layoutLocal), got, ok, at.UnixMicro())
		}
		if got, ok := ParseTimeISO([]byte(at.Format(layoutISO))); !ok || got != at.UnixMicro() {
			t.Fatalf("ParseTimeISO(%s) = %d, %v, want %d", at.Format(layoutISO), got, ok, at.UnixMicro())
		}
	})
}

// TestParseTimesAllDays takes each day of the years that the calendar's rules differ in, and the year 0.
func TestParseTimesAllDays(t *testing.T) {
	for _, year := range []int{0, 1, 1600, 1900, 1970, 1999, 2000, 2001, 2004, 2100, 9999} {
		for at := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == year; at = at.AddDate(0, 0, 1) {
			if got, ok := ParseTimeLocal([]byte(at.Format(layoutLocal))); !ok || got != at.UnixMicro() {
				t.Fatalf("ParseTimeLocal(%s) = %d, %v, want %d", at.Format(layoutLocal), got, ok, at.UnixMicro())
			}
		}
	}
}

func TestParseTimeEdges(t *testing.T) {
	local := func(in string, want int64, ok bool) {
		t.Helper()
		if got, gotOK := ParseTimeLocal([]byte(in)); gotOK != ok || (ok && got != want) {
			t.Errorf("ParseTimeLocal(%q) = %d, %v", in, got, gotOK)
		}
	}
	iso := func(in string, want int64, ok bool) {
		t.Helper()
		if got, gotOK := ParseTimeISO([]byte(in)); gotOK != ok || (ok && got != want) {
			t.Errorf("ParseTimeISO(%q) = %d, %v", in, got, gotOK)
		}
	}
	local("10/Oct/2000:13:55:36 -0700", 971211336000000, true)
	iso("2000-10-10T13:55:36-07:00", 971211336000000, true)
	// a leap second counts as the second after it
	local("31/Dec/2016:23:59:60 +0000", 1483228800000000, true)
	iso("2016-12-31T23:59:60+00:00", 1483228800000000, true)
	// no such date or time
	for _, in := range []string{"29/Feb/2001:00:00:00 +0000", "29/Feb/1900:00:00:00 +0000", "31/Apr/2000:00:00:00 +0000", "00/Jan/2000:00:00:00 +0000",
		"32/Jan/2000:00:00:00 +0000", "10/Oct/2000:24:00:00 +0000", "10/Oct/2000:00:60:00 +0000", "10/Oct/2000:00:00:61 +0000",
		"10/Oct/2000:00:00:00 +2400", "10/Oct/2000:00:00:00 +0060"} {
		local(in, 0, false)
	}
	// another form
	for _, in := range []string{"", "-", "10/oct/2000:13:55:36 -0700", "10/Okt/2000:13:55:36 -0700", "10/Oct/2000:13:55:36  0700", "1a/Oct/2000:13:55:36 -0700",
		"10/Oct/20x0:13:55:36 -0700", "10/Oct/2000 13:55:36 -0700", "10/Oct/2000:13:55:36 -0700 ", "10/Oct/2000:13:55:36 -07:0", "2000-10-10T13:55:36-07:00"} {
		local(in, 0, false)
	}
	for _, in := range []string{"", "-", "2000-13-10T13:55:36-07:00", "2000-00-10T13:55:36-07:00", "2000-10-10 13:55:36-07:00", "2000-10-10T13:55:36Z",
		"2000-10-10T13:55:36-0700", "2000-10-10T13.55:36-07:00", "2000/10/10T13:55:36-07:00", "2000-10-10T13:55:36*07:00", "2000-02-30T13:55:36-07:00"} {
		iso(in, 0, false)
	}
}
