package admin

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// The page is made here, complete: it can be read without a script. The script only fetches it again every two seconds and puts what has changed
// into the page that is there, so that there is one place which says what a number looks like.

//go:embed web
var web embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"count": HumanCount, "bytes": HumanBytes, "seconds": HumanSeconds, "vis": Visible,
	"n":     func(n int64) float64 { return float64(n) },
	"clock": func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"day":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"some":  some[int], "some64": some[int64],
}).ParseFS(web, "web/page.html"))

// some writes a number with its noun: 1 file, 2 files.
func some[T int | int64](n T, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// pagePolicy lets the page use what this port serves and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// What the page shows at most, over all sites.
const (
	pageSites   = 500
	pageChanges = 50
	pageRejects = 50
)

// query is what a request wants to see.
type query struct {
	Text string // in the name or the state of a site
	Sort string
	Span Span
}

// orders are the ways to sort sites; the first is the default.
var orders = []struct {
	Name, Label string
	less        func(a, b *Site) int
}{
	{"trouble", "trouble first", nil}, // as they come
	{"name", "name", func(a, b *Site) int { return cmp.Compare(a.Name, b.Name) }},
	{"lines", "lines per second", func(a, b *Site) int { return cmp.Compare(b.Rates.Lines, a.Rates.Lines) }},
	{"lag", "lag", func(a, b *Site) int { return cmp.Compare(b.LagBytes, a.LagBytes) }},
	{"commit", "commit latency", func(a, b *Site) int { return cmp.Compare(b.Commit.P99, a.Commit.P99) }},
	{"rejects", "refused lines", func(a, b *Site) int { return cmp.Compare(b.Rates.Rejects, a.Rates.Rejects) }},
}

func readQuery(r *http.Request) query {
	q := query{Text: cut(r.URL.Query().Get("q"), 100), Sort: orders[0].Name, Span: SpanMinutes}
	if s, err := span(r); err == nil && s != SpanNone {
		q.Span = s
	}
	for _, o := range orders {
		if o.Name == r.URL.Query().Get("sort") {
			q.Sort = o.Name
		}
	}
	return q
}

// pageData is what the template shows.
type pageData struct {
	*Status
	Query    query
	Orders   any
	Overall  string // the state of it all in a sentence
	Level    string // ok, look or bad
	Age      string
	Plots    []plot
	Rows     []row
	Hidden   int // sites that fit the query and are not shown
	Changes  []pageChange
	Rejects  []pageReject
	Losses   int64
	Filtered bool
}

type row struct {
	*Site
	Level              string
	For                string // how long it has been in its state
	Lines, Lag, Commit spark
	LastChange         string
	Details            string // what there is, in short
}

type pageChange struct {
	Change
	Site, Level, Ago string
}

type pageReject struct {
	Reject
	Site string
}

// levels are how the page marks what Site.trouble says.
var levels = []string{"ok", "look", "bad"}

// page is GET /.
func (v *view) page(w http.ResponseWriter, r *http.Request) {
	q := readQuery(r)
	data := newPage(v.status.get(q.Span).bounded(), q)
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, data); err != nil { // can't be: a test shows all of it
		http.Error(w, "the page can't be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", pagePolicy)
	_, _ = w.Write(b.Bytes()) // a client that left needs no answer
}

// asset is GET /assets/NAME.
func asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	b, err := web.ReadFile("web/" + name)
	if err != nil || path.Ext(name) == ".html" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	_, _ = w.Write(b)
}

func newPage(st *Status, q query) *pageData {
	d := &pageData{Status: st, Query: q, Orders: orders, Age: HumanAge(st.Time.Sub(st.Started)), Filtered: q.Text != "", Losses: st.Totals.Counters.Losses}
	d.Overall, d.Level = overall(st)
	d.Plots = plotsOf(&st.Totals, q.Span)
	sites := make([]*Site, 0, len(st.Sites))
	for i := range st.Sites {
		if s := &st.Sites[i]; q.fits(s) {
			sites = append(sites, s)
		}
	}
	for _, o := range orders {
		if o.Name == q.Sort && o.less != nil {
			slices.SortStableFunc(sites, o.less)
		}
	}
	for _, s := range sites {
		d.add(s)
	}
	slices.SortStableFunc(d.Changes, func(a, b pageChange) int { return b.Time.Compare(a.Time) })
	slices.SortStableFunc(d.Rejects, func(a, b pageReject) int { return b.Time.Compare(a.Time) })
	d.Changes = d.Changes[:min(len(d.Changes), pageChanges)]
	d.Rejects = d.Rejects[:min(len(d.Rejects), pageRejects)]
	return d
}

func (q *query) fits(s *Site) bool {
	text := strings.ToLower(strings.TrimSpace(q.Text))
	return text == "" || strings.Contains(strings.ToLower(s.Name), text) || strings.Contains(s.State, text)
}

// add puts a site into the page.
func (d *pageData) add(s *Site) {
	for _, c := range s.Changes {
		d.Changes = append(d.Changes, pageChange{c, s.Name, levelOfClass(c.Class), HumanAge(d.Time.Sub(c.Time))})
	}
	for _, r := range s.Rejects {
		d.Rejects = append(d.Rejects, pageReject{r, s.Name})
	}
	if len(d.Rows) == pageSites {
		d.Hidden++
		return
	}
	r := row{Site: s, Level: levels[s.trouble()], For: HumanAge(d.Time.Sub(s.Since)), LastChange: "–"}
	if len(s.Changes) > 0 {
		r.LastChange = s.Changes[0].Class + ", " + HumanAge(d.Time.Sub(s.Changes[0].Time)) + " ago"
	}
	if h := s.History; h != nil {
		r.Lines = newSpark("Lines per second of "+s.Name, h.Lines, HumanCount)
		r.Lag = newSpark("Lag of "+s.Name, h.Lag, HumanBytes)
		r.Commit = newSpark("Slowest commits of "+s.Name, h.Commit, HumanSeconds)
	}
	r.Details = some(len(s.Formats), "format", "formats") + ", " + some(len(s.Files)+s.FilesOmitted, "file", "files")
	if s.Counters.Quarantined > 0 {
		r.Details += ", " + HumanCount(float64(s.Counters.Quarantined)) + " in quarantine"
	}
	if s.Counters.Losses > 0 {
		r.Details += ", " + some(s.Counters.Losses, "loss", "losses")
	}
	d.Rows = append(d.Rows, r)
}

// overall says how it all goes.
func overall(st *Status) (text, level string) {
	t := &st.Totals
	look := len(st.Attention) > 0
	starting := 0
	for i := range st.Sites {
		look = look || st.Sites[i].trouble() > 0
		if st.Sites[i].State == StateStarting {
			starting++
		}
	}
	switch {
	case t.Trouble > 0:
		return fmt.Sprintf("%d of %s not running", t.Trouble, some(t.Sites, "site is", "sites are")), "bad"
	case starting > 0:
		return fmt.Sprintf("%d of %s starting", starting, some(t.Sites, "site is", "sites are")), "look"
	case t.Running < t.Sites:
		return fmt.Sprintf("%d of %s running", t.Running, some(t.Sites, "site is", "sites are")), "look"
	case look:
		return some(t.Sites, "site is", "sites are") + " running; something needs a look", "look"
	case t.Sites == 1:
		return "The site is running", "ok"
	}
	return fmt.Sprintf("All %d sites are running", t.Sites), "ok"
}

// levelOfClass says how a change is marked.
func levelOfClass(class string) string {
	switch class {
	case "breaking":
		return "bad"
	case "backward", "forward":
		return "look"
	}
	return "ok"
}
