package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ngxtap/pkg/admin"
)

// topOrder is the value of --sort.
type topOrder struct{ key string }

// topOrders are the ways to sort, with their keys; the first is the default.
var topOrders = []struct {
	name string
	key  byte
	less func(a, b *admin.Site) int
}{
	{"trouble", 't', func(a, b *admin.Site) int { return 0 }}, // as the daemon has them
	{"name", 'n', func(a, b *admin.Site) int { return cmp.Compare(a.Name, b.Name) }},
	{"lines", 'l', func(a, b *admin.Site) int { return cmp.Compare(b.Rates.Lines, a.Rates.Lines) }},
	{"bytes", 'b', func(a, b *admin.Site) int { return cmp.Compare(b.Rates.Bytes, a.Rates.Bytes) }},
	{"lag", 'g', func(a, b *admin.Site) int { return cmp.Compare(b.LagBytes, a.LagBytes) }},
	{"commit", 'c', func(a, b *admin.Site) int { return cmp.Compare(b.Commit.P99, a.Commit.P99) }},
	{"rejects", 'r', func(a, b *admin.Site) int { return cmp.Compare(b.Rates.Rejects, a.Rates.Rejects) }},
}

// String implements pflag.Value.
func (o *topOrder) String() string { return cmp.Or(o.key, topOrders[0].name) }

// Type implements pflag.Value.
func (o *topOrder) Type() string { return "order" }

// Set implements pflag.Value.
func (o *topOrder) Set(s string) error {
	for _, order := range topOrders {
		if order.name == s {
			o.key = s
			return nil
		}
	}
	return errors.New("use trouble, name, lines, bytes, lag, commit or rejects")
}

// topView is what top shows.
type topView struct {
	sort   string
	colour bool
	status *admin.Status // nil: none came yet
	err    error         // why the last one did not come
	at     time.Time     // when the last answer or error came
	first  int           // of the sites, on the screen
}

// update takes over an answer. The last good one stays on the screen when the daemon stops answering.
func (v *topView) update(st *admin.Status, err error) {
	v.err, v.at = err, time.Now()
	if err == nil {
		v.status = st
	}
}

// column is one column of the table.
type column struct {
	title string
	left  bool // aligned to the left
	rank  int  // the higher, the sooner it gives way on a narrow terminal
	text  func(s *admin.Site, now time.Time) string
}

var topColumns = []column{
	{"SITE", true, 0, func(s *admin.Site, _ time.Time) string { return oneLine(s.Name) }},
	{"STATE", true, 0, func(s *admin.Site, _ time.Time) string { return stateMark(s) + oneLine(s.State) }},
	{"FOR", false, 7, func(s *admin.Site, now time.Time) string { return shortAge(now.Sub(s.Since)) }},
	{"EVENTS/S", false, 1, func(s *admin.Site, _ time.Time) string { return admin.HumanCount(s.Rates.Lines) }},
	{"DATA/S", false, 4, func(s *admin.Site, _ time.Time) string { return admin.HumanBytes(s.Rates.Bytes) }},
	{"LAG", false, 2, func(s *admin.Site, _ time.Time) string { return admin.HumanBytes(float64(s.LagBytes)) }},
	{"LATE", false, 6, func(s *admin.Site, _ time.Time) string { return lateText(s) }},
	{"P50", false, 8, func(s *admin.Site, _ time.Time) string { return commitText(s, s.Commit.P50) }},
	{"P99", false, 5, func(s *admin.Site, _ time.Time) string { return commitText(s, s.Commit.P99) }},
	{"REFUSED/S", false, 3, func(s *admin.Site, _ time.Time) string { return admin.HumanCount(s.Rates.Rejects) }},
	{"EVENTS", false, 10, func(s *admin.Site, _ time.Time) string { return admin.HumanCount(float64(s.Counters.Events)) }},
	{"LAST CHANGE", true, 9, func(s *admin.Site, now time.Time) string {
		if len(s.Changes) == 0 {
			return "-"
		}
		return oneLine(s.Changes[0].Class) + " " + shortAge(now.Sub(s.Changes[0].Time)) + " ago"
	}},
}

// stateMark says by a sign what the colour says too.
func stateMark(s *admin.Site) string {
	switch {
	case bad(s):
		return "! "
	case len(s.Attention) > 0:
		return "* "
	}
	return "  "
}

func bad(s *admin.Site) bool {
	return s.State == admin.StateHeld || s.State == admin.StateFailed || s.State == admin.StateRecovering
}

func commitText(s *admin.Site, seconds float64) string {
	if s.Commit.Over == 0 {
		return "-"
	}
	return admin.HumanSeconds(seconds)
}

// lateText is the age that the oldest line which is not committed has at the most.
func lateText(s *admin.Site) string {
	if s.LagSeconds <= 0 {
		return "-"
	}
	return admin.HumanSeconds(s.LagSeconds)
}

// shortAge is an age in its largest unit.
func shortAge(d time.Duration) string {
	words := strings.Fields(admin.HumanAge(d))
	return words[0] + strings.Replace(words[1], "min", "m", 1)
}

// lines makes the screen: width 0 means as wide as need be, height 0 as high. No line is wider than width, and there are never more than height.
func (v *topView) lines(width, height int) []string {
	p := painter{width: width, colour: v.colour}
	st := v.status
	if st == nil {
		p.wrap(v.problem(), sgrRed)
		return p.fit(height)
	}
	sites := v.sorted()
	t := &st.Totals
	p.wrap(fmt.Sprintf("ngxtap on %s, up %s; %d of %d sites run", oneLine(st.Instance), admin.HumanAge(st.Time.Sub(st.Started)), t.Running, t.Sites), sgrBold)
	p.wrap(fmt.Sprintf("%s events/s, %s/s, lag %s, %s refused/s; as of %s UTC", admin.HumanCount(t.Rates.Lines), admin.HumanBytes(t.Rates.Bytes),
		admin.HumanBytes(float64(t.LagBytes)), admin.HumanCount(t.Rates.Rejects), st.Time.UTC().Format("15:04:05")), 0)
	if v.err != nil {
		p.wrap(v.problem(), sgrRed)
	}
	for _, a := range st.Attention {
		p.wrap("* "+oneLine(a), sgrYellow)
	}
	p.text("", 0)
	var notes painter
	notes.width, notes.colour = width, v.colour
	for _, s := range sites {
		if s.Reason != "" {
			notes.wrap(fmt.Sprintf("! %s: %s", oneLine(s.Name), oneLine(s.Reason)), sgrRed)
		}
		for _, a := range s.Attention {
			notes.wrap(fmt.Sprintf("* %s: %s", oneLine(s.Name), oneLine(a)), sgrYellow)
		}
	}
	room := len(sites)
	if height > 0 { // the table comes first; reasons take what is left, but a few lines are theirs
		room = min(room, max(1, height-len(p.out)-3-min(len(notes.out), 4)))
	}
	v.first = max(0, min(v.first, len(sites)-room))
	v.table(&p, sites[v.first:v.first+room])
	if left := len(sites) - room; left > 0 {
		p.text(fmt.Sprintf("%d to %d of %d sites; %d omitted by the daemon", v.first+1, v.first+room, len(sites), st.Omitted), sgrDim)
	} else if st.Omitted > 0 {
		p.text(fmt.Sprintf("%d more sites are omitted by the daemon", st.Omitted), sgrDim)
	}
	if len(notes.out) > 0 {
		p.text("", 0)
		p.out = append(p.out, notes.out...)
	}
	return p.fit(height)
}

func (v *topView) problem() string {
	if v.err == nil {
		return "asking the daemon …"
	}
	return fmt.Sprintf("at %s: %s", v.at.Format("15:04:05"), oneLine(v.err.Error()))
}

func (v *topView) sorted() []*admin.Site {
	var sites []*admin.Site
	for i := range v.status.Sites {
		sites = append(sites, &v.status.Sites[i])
	}
	for _, o := range topOrders {
		if o.name == v.sort {
			slices.SortStableFunc(sites, o.less)
		}
	}
	return sites
}

// table prints sites with as many columns as there is room for.
func (v *topView) table(p *painter, sites []*admin.Site) {
	columns := slices.Clone(topColumns)
	var widths []int
	for {
		widths = v.widths(columns, sites)
		total := len(columns) - 1
		for _, w := range widths {
			total += w
		}
		worst := slices.IndexFunc(columns, func(c column) bool { return c.rank == maxRank(columns) })
		if p.width == 0 || total <= p.width || columns[worst].rank == 0 {
			break
		}
		columns = slices.Delete(columns, worst, worst+1)
	}
	if names := p.width - widths[1] - 1; p.width > 0 && len(columns) == 2 { // so narrow that names are cut
		widths[0] = max(4, min(widths[0], names))
	}
	p.text(joined(columns, widths, func(c *column) string { return c.title }), sgrBold)
	for _, s := range sites {
		paint := 0
		switch {
		case bad(s):
			paint = sgrRed
		case len(s.Attention) > 0:
			paint = sgrYellow
		}
		p.text(joined(columns, widths, func(c *column) string { return c.text(s, v.status.Time) }), paint)
	}
}

func maxRank(columns []column) int {
	return slices.MaxFunc(columns, func(a, b column) int { return cmp.Compare(a.rank, b.rank) }).rank
}

func (v *topView) widths(columns []column, sites []*admin.Site) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = len(c.title)
		for _, s := range sites {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text(s, v.status.Time)))
		}
	}
	return widths
}

func joined(columns []column, widths []int, text func(*column) string) string {
	var b strings.Builder
	for i := range columns {
		c := &columns[i]
		cell := clip(text(c), widths[i])
		pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(cell)))
		if i > 0 {
			b.WriteByte(' ')
		}
		if c.left {
			b.WriteString(cell + pad)
		} else {
			b.WriteString(pad + cell)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Colours of a terminal, as SGR numbers.
const (
	sgrBold   = 1
	sgrDim    = 2
	sgrRed    = 31
	sgrYellow = 33
)

// painter gathers lines.
type painter struct {
	width  int
	colour bool
	out    []string
}

// text adds a line, cut to the width.
func (p *painter) text(s string, colour int) {
	if p.width > 0 {
		s = clip(s, p.width)
	}
	if p.colour && colour != 0 {
		s = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, s)
	}
	p.out = append(p.out, s)
}

// wrap adds a text in as many lines as it takes.
func (p *painter) wrap(s string, colour int) {
	for p.width > 8 && utf8.RuneCountInString(s) > p.width {
		r := []rune(s)
		cut := p.width
		for i := p.width; i > p.width/2; i-- {
			if r[i] == ' ' {
				cut = i
				break
			}
		}
		p.text(string(r[:cut]), colour)
		s = "  " + strings.TrimLeft(string(r[cut:]), " ")
	}
	p.text(s, colour)
}

func (p *painter) fit(height int) []string {
	if height > 0 && len(p.out) > height {
		return p.out[:height]
	}
	return p.out
}

// clip cuts s to n characters, the last an ellipsis if something was cut.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	r := []rune(s)
	return string(r[:max(0, n-1)]) + "…"
}
