// Package page looks at the status page with a real browser, as people do: on a desk, on a phone, in the dark, with the keyboard only, with a
// screen reader's eyes, and with a daemon whose names somebody chose to do harm.
package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ngxtap/pkg/admin"
)

// looks are the ways in which people look at the page.
var looks = []struct {
	name          string
	width, height int
	mode          mode
}{{"desktop", 1280, 900, light}, {"dark", 1280, 900, dark}, {"phone", 360, 740, light}, {"phone-dark", 360, 740, dark}, {"tablet", 800, 1000, light}}

// openAll opens all that can be opened.
const openAll = `document.querySelectorAll("details").forEach(d => d.open = true)`

// api asks the same port for the status as data.
func api(t testing.TB, url string) *admin.Status {
	t.Helper()
	resp, err := http.Get(url + "/api/v1/status?history=none")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	st := &admin.Status{}
	if err := json.NewDecoder(resp.Body).Decode(st); err != nil {
		t.Fatal(err)
	}
	return st
}

// shown is what the page shows of a site.
type shown struct {
	ID, Name, State string
	Cells           []string
	Why             []string
	Plots           []string
}

const readRows = `[...document.querySelectorAll("tbody[data-site]")].map(b => ({
	ID: b.id, Name: b.querySelector(".name").innerText, State: b.querySelector(".state").innerText.trim(),
	Cells: [...b.querySelectorAll(".num")].map(e => e.innerText), Why: [...b.querySelectorAll(".why")].map(e => e.innerText.trim()),
	Plots: [...b.querySelectorAll("svg.spark")].map(e => e.getAttribute("aria-label")),
}))`

func TestShowsWhatTheAPITells(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	st := api(t, url)
	for _, look := range looks[:3] {
		t.Run(look.name, func(t *testing.T) {
			p := b.open(t, url, look.width, look.height, look.mode)
			p.visit(url + "/")
			var rows []shown
			p.eval(readRows, &rows)
			if len(rows) != len(st.Sites) {
				t.Fatalf("%d sites are shown, the API has %d", len(rows), len(st.Sites))
			}
			for i, s := range st.Sites {
				r := rows[i]
				commit := admin.HumanSeconds(s.Commit.P50) + " / " + admin.HumanSeconds(s.Commit.P99)
				want := []string{admin.HumanCount(s.Rates.Lines), admin.HumanBytes(s.Rates.Bytes), admin.HumanBytes(float64(s.LagBytes)), commit,
					admin.HumanCount(s.Rates.Rejects)}
				if r.Name != s.Name || r.State != s.State || !slices.Equal(r.Cells[:len(want)], want) {
					t.Errorf("row %d shows %+v\nthe API has %s %s %v", i, r, s.Name, s.State, want)
				}
				why := s.Attention
				if s.Reason != "" {
					why = append([]string{s.Reason}, why...)
				}
				for k := range why {
					if len(r.Why) <= k || r.Why[k] != admin.Visible(why[k]) {
						t.Errorf("site %s says %q, the API %q", s.Name, r.Why, why)
					}
				}
				if len(r.Plots) != 3 {
					t.Errorf("site %s has the plots %q", s.Name, r.Plots)
				}
			}
			var title, overall string
			p.eval("document.title", &title)
			p.eval(`document.getElementById("overall").innerText.trim()`, &overall)
			if overall != "2 of 6 sites are not running" || title != overall+" – ngxtap on web-01" {
				t.Errorf("overall %q, title %q", overall, title)
			}
			var plots []string
			p.eval(`[...document.querySelectorAll("#plots figcaption b")].map(e => e.innerText)`, &plots)
			if len(plots) != 5 || plots[0] != admin.HumanCount(st.Totals.Rates.Lines) || plots[2] != admin.HumanBytes(float64(st.Totals.LagBytes)) {
				t.Errorf("plots show %q", plots)
			}
			var text string
			p.eval(openAll, nil)
			p.eval("document.body.innerText", &text)
			for _, want := range []string{"status was int and is string", "A new field with a default; old readers pass it over.", "3 differences and 3 more",
				"/var/log/nginx/shop.access.log:88100012", "the line is longer than max_line", "8f3c11ab90de4471", "nginx.shop.access-value, 100", "4a7f0c2e91b3",
				"rotated away", "no longer in nginx.conf", `"$app_status" $body_bytes_sent $request_time`, "kafka-2:9092"} {
				if !strings.Contains(text, want) {
					t.Errorf("the page does not show %q", want)
				}
			}
		})
	}
}

// Names of headers and files come from whoever sends requests or writes the folder. They are text, all of it, and nothing else.
func TestHostileNamesAreText(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	p.eval(openAll, nil)
	var elements int
	p.eval(`document.querySelectorAll("img, iframe, object, embed, style, body script, [onerror], [style]").length`, &elements)
	if elements != 0 {
		t.Errorf("%d elements are in the page that nobody put there", elements)
	}
	var text string
	p.eval("document.body.textContent", &text)
	if !strings.Contains(text, admin.Visible(hostile)) || strings.ContainsAny(text, "\u202e\x1b\x00") {
		t.Error("a hostile name is not shown as text with its control characters escaped")
	}
	for _, query := range []string{"?q=%3Cscript%3Ealert(1)%3C/script%3E%22%3E", "?sort=%22onload=&history=evil&q=%00%E2%80%AE%ff"} {
		p.visit(url + "/" + query)
		var q string
		p.eval(`document.querySelector("input[name=q]").value + document.querySelectorAll("body script, [onload]").length`, &q)
		if !strings.HasSuffix(q, "0") {
			t.Errorf("%s: %q", query, q)
		}
	}
}

func TestFitsAPhone(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(50).serve(t)
	for _, width := range []int{320, 360, 412, 800, 1280, 2560} {
		p := b.open(t, url, width, 740, light)
		p.visit(url + "/")
		for _, opened := range []bool{false, true} {
			if opened {
				p.eval(openAll, nil)
			}
			var got struct {
				Scroll, Inner int
				Over          []string
			}
			p.eval(`({Scroll: document.documentElement.scrollWidth, Inner: innerWidth, Over: [...document.querySelectorAll("body *")].filter(e =>
				!e.closest(".scroll, .unseen, .skip, thead, svg") && e.getBoundingClientRect().right > innerWidth + 0.5).map(e => e.outerHTML.slice(0, 120)).slice(0, 5)})`, &got)
			if got.Scroll > width || got.Inner != width || len(got.Over) > 0 {
				t.Errorf("%d wide, opened %v: the page is %d wide, over the edge are %q", width, opened, got.Scroll, got.Over)
			}
		}
		if width <= 412 { // fingers
			var small []string
			p.eval(`[...document.querySelectorAll("summary, input, select")].filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 24).map(e => e.outerHTML.slice(0, 80))`, &small)
			if len(small) > 0 {
				t.Errorf("%d wide: too small for a finger: %q", width, small)
			}
		}
	}
}

// Fifty sites: trouble first, and the one that is looked for is found.
func TestFiftySites(t *testing.T) {
	b := startBrowser(t)
	w := newWorld(50)
	url := w.serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	names := func() (list []string) {
		p.eval(`[...document.querySelectorAll("tbody[data-site]")].map(b => b.dataset.site)`, &list)
		return list
	}
	if got := names(); len(got) != 50 || !slices.Equal(got[:4], []string{"api", "static", "blog", "images"}) {
		t.Errorf("%d sites, first %v", len(got), got[:4])
	}
	p.eval(`window.mark = 1; document.querySelector("input[name=q]").focus()`, nil)
	p.call("Input.insertText", map[string]any{"text": "Site-1"})
	p.until(`document.querySelectorAll("tbody[data-site]").length === 10`)
	p.eval(`{const s = document.querySelector("select[name=sort]"); s.value = "lines"; s.dispatchEvent(new Event("input", {bubbles: true}))}`, nil)
	st := api(t, url)
	slices.SortStableFunc(st.Sites, func(a, b admin.Site) int { return int(b.Rates.Lines - a.Rates.Lines) })
	var want []string
	for _, s := range st.Sites {
		if strings.HasPrefix(s.Name, "site-1") {
			want = append(want, s.Name)
		}
	}
	p.until(fmt.Sprintf(`document.querySelector("tbody[data-site]").dataset.site === %q`, want[0]))
	if got := names(); !slices.Equal(got, want) {
		t.Errorf("sorted by lines %v, want %v", got, want)
	}
	var state struct {
		Mark               int
		Search, Focus, Val string
	}
	p.eval(`({Mark: window.mark, Search: location.search, Focus: document.activeElement.name, Val: document.activeElement.value})`, &state)
	if state.Mark != 1 || state.Search != "?q=Site-1&sort=lines" || state.Focus != "q" || state.Val != "Site-1" {
		t.Errorf("after a search: %+v; the page may not be loaded anew, and its address leads back to it", state)
	}
	p.visit(url + "/?q=held")
	if got := names(); !slices.Equal(got, []string{"api"}) {
		t.Errorf("held are %v", got)
	}
	p.visit(url + "/?q=nothing+like+it")
	p.until(`document.getElementById("sitelist").innerText.includes("No site fits")`)
}

// The page follows the daemon without being loaded anew, and leaves alone what the person does.
func TestFollowsTheDaemon(t *testing.T) {
	b := startBrowser(t)
	w := newWorld(6)
	url := w.serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	p.eval(`window.mark = 1; document.getElementById("details-shop").open = true; document.querySelector("#details-shop summary").focus();
		window.node = document.getElementById("site-shop")`, nil)
	w.change(func(st *admin.Status) {
		st.Sites[0].Rates.Lines = 7654321
		st.Sites[0].State, st.Sites[0].Reason = admin.StateHeld, "somebody must decide"
		st.Sites = append(st.Sites, newSite(9, "newcomer"))
		st.Sites = slices.Delete(st.Sites, 5, 6) // images
	})
	p.ticks(`document.querySelector("#site-shop .num").innerText === "7.7M"`)
	var got struct {
		Mark                             int
		Open, Same                       bool
		Focus, Announce, First, Headline string
		Gone, New                        bool
	}
	p.eval(`({Mark: window.mark, Open: document.getElementById("details-shop").open, Same: window.node === document.getElementById("site-shop"),
		Focus: document.activeElement.closest("details")?.id ?? document.activeElement.nodeName, Announce: document.getElementById("announce").textContent,
		First: [...document.querySelectorAll("tbody[data-site]")].slice(0, 3).map(b => b.dataset.site).join(" "), Headline: document.getElementById("overall").innerText.trim(),
		Gone: !document.getElementById("site-images"), New: !!document.getElementById("site-newcomer")})`, &got)
	if got.Mark != 1 || !got.Open || !got.Same || got.Focus != "details-shop" || got.Announce != "Site shop is held." || got.First != "api shop static" ||
		got.Headline != "3 of 6 sites are not running" || !got.Gone || !got.New {
		t.Errorf("after a change: %+v", got)
	}
	// Nobody looks: nobody asks, not even after an answer that was on its way.
	const asked = `performance.getEntriesByType("resource").filter(e => e.initiatorType === "fetch").length`
	var before, ticking int
	p.eval(asked, &before)
	p.eval(`tick(); Object.defineProperty(document, "hidden", {configurable: true, get: () => true}); document.dispatchEvent(new Event("visibilitychange"))`, nil)
	p.until(fmt.Sprintf("%s > %d", asked, before))
	p.eval(`fetch("/healthz").then(r => r.text())`, nil) // by its answer the page has dealt with the one before
	if p.eval("ticking()", &ticking); ticking != 0 {
		t.Errorf("a page that is hidden waits for %d refreshes", ticking)
	}
	p.eval(asked, &before)
	p.eval(`Object.defineProperty(document, "hidden", {configurable: true, get: () => false}); document.dispatchEvent(new Event("visibilitychange"))`, nil)
	p.until(fmt.Sprintf("%s > %d && ticking() === 1", asked, before)) // at once, without a tick
}

// A daemon that stops answering leaves what was, and says so.
func TestDaemonThatIsGone(t *testing.T) {
	b := startBrowser(t)
	w := newWorld(2)
	url := w.serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	p.expected = "net::ERR_"
	w.stop()
	p.ticks(`!document.getElementById("stale").hidden`)
	var text string
	p.eval(`document.getElementById("stale").innerText + document.querySelectorAll("tbody[data-site]").length`, &text)
	if !strings.HasPrefix(text, "No answer since ") || !strings.HasSuffix(text, "2") {
		t.Errorf("it says %q", text)
	}
}

// Without scripts the page is complete and can be searched.
func TestWithoutScripts(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	p := b.open(t, url, 360, 740, light)
	p.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true})
	p.visit(url + "/?q=sh&sort=name")
	var got struct {
		Sites  int
		Button bool
		Plots  int
	}
	p.eval(`({Sites: document.querySelectorAll("tbody[data-site]").length, Button: document.querySelector("form button").checkVisibility(),
		Plots: document.querySelectorAll("svg.spark path.line[d^=M]").length})`, &got)
	if got.Sites != 1 || !got.Button || got.Plots != 8 {
		t.Errorf("%+v", got)
	}
	p.eval(`document.querySelector("form button").click()`, nil)
	p.awaitLoad()
	var search string
	if p.eval("location.search", &search); search != "?q=sh&sort=name&history=5m" {
		t.Errorf("the form leads to %q", search)
	}
}

func TestPictures(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	for _, look := range looks {
		p := b.open(t, url, look.width, look.height, look.mode)
		p.visit(url + "/")
		p.picture(look.name)
		p.eval(openAll, nil)
		p.picture(look.name + "-open")
	}
}
