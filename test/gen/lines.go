package main

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// linesPerSecond is how fast the clock of the log runs: a busy site's rate, so that $msec moves every line.
const linesPerSecond = 2000

// The log begins here, in UTC, and the zone it is written in.
var logStart = time.Date(2026, time.September, 1, 8, 0, 0, 0, time.UTC)

// generator makes access log lines one after the other. The same seed gives the same lines.
type generator struct {
	rnd    *rand.Rand
	n      uint64 // lines made so far
	second int64  // the Unix second that clock shows
	clock  []byte // $time_local of second
}

// newGenerator returns a generator whose lines depend on seed alone.
func newGenerator(seed uint64) *generator {
	return &generator{rnd: rand.New(rand.NewPCG(seed, 0x6e677874_61700000))}
}

// appendLine appends one line with its newline. It allocates nothing as long as dst has room.
func (g *generator) appendLine(dst []byte) []byte {
	r := g.rnd
	i := r.IntN(len(visits))
	v := &visits[i]
	micros := int64(g.n) * (1e6 / linesPerSecond)
	dst = append(dst, v.addr...)
	dst = strconv.AppendUint(dst, uint64(1+r.IntN(254)), 10)
	dst = append(dst, " - "...)
	dst = append(dst, v.user...)
	dst = append(dst, " ["...)
	dst = g.appendClock(dst, logStart.Unix()+micros/1e6)
	dst = append(dst, "] \""...)
	dst = append(dst, v.path...)
	dst = strconv.AppendUint(dst, r.Uint64N(1e6), 10)
	dst = append(dst, " HTTP/1.1\" "...)
	dst = append(dst, v.status...)
	dst = strconv.AppendUint(dst, r.Uint64N(200_000), 10)
	dst = append(dst, ' ')
	dst = appendThousandths(dst, logStart.UnixMilli()+micros/1e3)
	dst = append(dst, ' ')
	took := r.Int64N(900)
	dst = appendThousandths(dst, took)
	dst = append(dst, v.upstream...)
	dst = appendThousandths(dst, took)
	dst = append(dst, "\" \"shop.example\" \""...)
	dst = g.appendID(dst)
	dst = append(dst, v.request...)
	dst = append(dst, v.addr...)
	dst = strconv.AppendUint(dst, uint64(1+r.IntN(254)), 10)
	dst = append(dst, v.response...)
	dst = appendHex(dst, r.Uint64())
	dst = append(dst, v.tail...)
	g.n++
	return append(dst, '\n')
}

// appendClock appends $time_local of a Unix second, which it formats only when the second changes.
func (g *generator) appendClock(dst []byte, second int64) []byte {
	if second != g.second || g.clock == nil {
		g.second = second
		g.clock = time.Unix(second, 0).UTC().AppendFormat(g.clock[:0], "02/Jan/2006:15:04:05 -0700")
	}
	return append(dst, g.clock...)
}

// appendID appends an X-Request-Id: 16 random hex digits and 16 that count, so that no two lines of a run share one.
func (g *generator) appendID(dst []byte) []byte {
	return appendHex(appendHex(dst, g.rnd.Uint64()), g.n)
}

// appendHex appends n as 16 lower-case hex digits.
func appendHex(dst []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[n>>shift&15])
	}
	return dst
}

// appendThousandths appends n/1000 with three decimals, as Nginx writes $msec and the *_time variables.
func appendThousandths(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n/1000, 10)
	n %= 1000
	return append(dst, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

// visit is what stays the same in all lines of one kind: the pieces between the values that change.
type visit struct {
	addr, user, path, status, upstream string
	request, response, tail            string
}

// visits are the kinds of lines, made once from all combinations of the lists below.
var visits = makeVisits()

// makeVisits combines browsers, languages and pages. Every ETag carries escaped quotes, and one user agent in fifty escaped bytes.
func makeVisits() []visit {
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
		"shop-app/5.2 (\\xD0\\x91\\xD1\\x80\\xD0\\xB0\\xD1\\x83\\xD0\\xB7\\xD0\\xB5\\xD1\\x80; \\x22beta\\x22)",
	}
	languages := []string{"en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.5", "fr-FR,fr;q=0.8", "-"}
	addrs := []string{"192.0.2.", "198.51.100.", "203.0.113."}
	pages := []struct{ path, status, location, sent string }{
		{"GET /product/trail-bike?color=red&id=", "200 ", "-", "text/html; charset=utf-8"},
		{"GET /search?q=bike%20lock&sort=price&page=", "200 ", "-", "text/html; charset=utf-8"},
		{"GET /api/v1/orders/", "200 ", "-", "application/json"},
		{"POST /api/v1/cart/", "303 ", "https://shop.example/cart", "text/html; charset=utf-8"},
		{"GET /img/", "304 ", "-", "-"},
		{"GET /missing/", "404 ", "-", "text/html; charset=utf-8"},
	}
	var all []visit
	for i, agent := range agents {
		for j, lang := range languages {
			for k, page := range pages {
				if i == len(agents)-1 && (j > 0 || k > 1) {
					continue // keeps the agent with escaped bytes rare
				}
				content := "-"
				if page.status == "303 " {
					content = "application/x-www-form-urlencoded"
				}
				v := visit{addr: addrs[(i+j+k)%len(addrs)], user: "-", path: page.path, status: page.status}
				v.upstream = ` "10.0.0.1:8080" "` + page.status[:3] + `" "`
				if (i+j+k)%9 == 0 {
					v.upstream = ` "10.0.0.2:8080, 10.0.0.1:8080" "502, ` + page.status[:3] + `" "0.000, `
				}
				v.request = `" "` + agent + `" "https://shop.example/" "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" "` +
					lang + `" "gzip, deflate, br" "`
				v.response = `" "` + content + `" "` + page.sent + `" "private, max-age=600" "W/\x22`
				v.tail = `\x22" "` + page.location + `"`
				all = append(all, v)
			}
		}
	}
	return all
}
