package pipeline

// Shows what the census costs on the straight line: `go test ./pkg/pipeline -run NONE -bench Census`.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/sink/sinktest"
)

// censusForms are a format with 30 headers, each in a column of its own or all in the two of the kit, and lines of it: of several browsers, which
// leave some of the headers out.
func censusForms() map[string][]string {
	request := strings.Fields("Host Connection Cache-Control Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Upgrade-Insecure-Requests User-Agent Accept " +
		"Sec-Fetch-Site Sec-Fetch-Mode Sec-Fetch-User Sec-Fetch-Dest Referer Accept-Encoding Accept-Language Cookie X-Forwarded-For X-Request-Id If-None-Match")
	response := strings.Fields("Cache-Control Vary ETag X-Frame-Options X-Content-Type-Options Strict-Transport-Security Content-Security-Policy Set-Cookie " +
		"Content-Type Content-Length")
	named := "$status"
	for _, n := range request {
		named += ` "$http_` + strings.ToLower(strings.ReplaceAll(n, "-", "_")) + `"`
	}
	for _, n := range response {
		named += ` "$sent_http_` + strings.ToLower(strings.ReplaceAll(n, "-", "_")) + `"`
	}
	forms := map[string][]string{"named": {named}, "kit": {`$status "$ngxtap_request_headers" "$ngxtap_response_headers"`}}
	const value = "a value of middling length; q=0.9"
	for client := range 64 {
		line, lists := "200", [2][]string{}
		for side, names := range [][]string{request, response} {
			for i, n := range names {
				if client&(1<<(i%6)) != 0 && i%5 == 1 {
					line += ` "-"`
					continue
				}
				line += ` "` + value + `"`
				lists[side] = append(lists[side], n+"="+strings.ReplaceAll(value, "=", "%3D"))
			}
		}
		forms["named"] = append(forms["named"], line)
		forms["kit"] = append(forms["kit"], fmt.Sprintf(`200 "%s" "%s"`, strings.Join(lists[0], "&"), strings.Join(lists[1], "&")))
	}
	return forms
}

// commitEvery is how many lines a transaction of the benchmark has: at 5 a second, those of a site with 2500 lines a second.
const commitEvery = 512

// straight returns a line of a format that has no session, and a function that takes lines and commits what was counted now and then.
func straight(t testing.TB, format string, census bool) func(lines []string) {
	cfg := config(t, sinktest.NewMemory(), "none", newFormat(t, format))
	cfg.NoCensus = !census
	cfg.Drift = &Drift{}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLine(s, nil, nil, &state{})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, l)
	l.formats[0].names, err = avro.NewHeaderNames(l.formats[0].event, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.enter("g1")
	raw, n := map[string][]byte{}, 0
	return func(lines []string) {
		for _, text := range lines {
			b := raw[text]
			if b == nil {
				b = []byte(text)
				raw[text] = b
			}
			if !l.line(b, 0) || l.tally.quarantined != [len(reasons)]int64{} {
				t.Fatal("a line does not fit: " + text)
			}
			if len(l.batch.Buf) > batchBytes {
				l.batch.Release()
				l.batch = l.free.get()
			}
			if n++; n%commitEvery == 0 && l.census != nil {
				l.census.commit()
			}
		}
	}
}

// BenchmarkCensusRatio prints what a line costs with a census in units of one without: the least of many short turns, which both take one after the
// other, so that what else the machine does meets both.
func BenchmarkCensusRatio(b *testing.B) {
	const turns = 60
	for _, form := range []string{"named", "kit"} {
		b.Run(form, func(b *testing.B) {
			lines := censusForms()[form]
			rounds := commitEvery / (len(lines) - 1) // a commit in each turn
			var work [2]func([]string)
			least := [2]time.Duration{time.Hour, time.Hour}
			for i := range work {
				work[i] = straight(b, lines[0], i == 1)
			}
			for range turns {
				for i := range work {
					start := time.Now()
					for range rounds {
						work[i](lines[1:])
					}
					least[i] = min(least[i], time.Since(start))
				}
			}
			n := float64(rounds * (len(lines) - 1))
			b.ReportMetric(float64(least[1])/float64(least[0]), "with/without")
			b.ReportMetric(float64(least[0])/n, "ns/line-without")
			b.ReportMetric(float64(least[1])/n, "ns/line-with")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func TestCensusHotPathAllocatesNothing(t *testing.T) {
	for form, lines := range censusForms() {
		work := straight(t, lines[0], true)
		some := func() {
			for range commitEvery / (len(lines) - 1) {
				work(lines[1:])
			}
		}
		some()
		if n := testing.AllocsPerRun(20, some); n != 0 {
			t.Errorf("%s: %g allocations for %d lines and a commit", form, n, commitEvery)
		}
	}
}
