package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ngxtap/pkg/config"
	"ngxtap/pkg/pipeline"
)

// headersOptions are the flags of ngxtap headers.
type headersOptions struct {
	site  string
	sort  string
	since string
	json  bool

	window time.Duration // what since says; 0: all
}

// headerOrders are the orders of the list, by the word that --sort takes.
var headerOrders = map[string]func(a, b *seenHeader) int{
	"count": func(a, b *seenHeader) int { return cmp.Compare(b.Count, a.Count) },
	"name":  func(*seenHeader, *seenHeader) int { return 0 },
	"first": func(a, b *seenHeader) int { return cmp.Compare(b.First, a.First) },
	"last":  func(a, b *seenHeader) int { return cmp.Compare(b.Last, a.Last) },
}

// notKept stands for the names without room; no header can have it.
const notKept = "(not kept)"

func (a *app) headersCmd() *cobra.Command {
	var o headersOptions
	cmd := &cobra.Command{
		Use:   "headers",
		Short: "List every header name that was ever seen: how often, when first, when last",
		Long: `List every header name that the committed events of this host's sites have had: of requests, of responses and of upstreams' responses, also one that
came only once, and those that headers.deny or headers.secrets keep out of events. Only names, never values. The daemon writes the list to
state_dir once a minute and when it stops. "(other)" stands for what no header can be named, and for names of more than 64 bytes; what is
bounded, and what "not kept" means, is in docs/headers-census.md.`,
		Example: `  ngxtap headers --site shop --sort first | head -20
  ngxtap headers --new 7d
  ngxtap headers --json | jq -r 'select(.side == "request" and .count < 10) | .name'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c.Flags().Changed("new")); err != nil {
				return err
			}
			return failed(a.headers(&o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.site, "site", "", "only the headers of this site; default: of all that are configured")
	f.StringVar(&o.sort, "sort", "count", "count (most first), name, first or last (newest first)")
	f.StringVar(&o.since, "new", "", "only names that were first seen so long ago at most: 90m, 24h, 7d")
	f.BoolVar(&o.json, "json", false, "one JSON object a line, with the event that brought each name")
	return cmd
}

// check reads the flags that can be wrong.
func (o *headersOptions) check(hasNew bool) (err error) {
	if headerOrders[o.sort] == nil {
		return fmt.Errorf("--sort %q: want count, name, first or last", o.sort)
	}
	if hasNew {
		o.window, err = parseAge(o.since)
		if err != nil || o.window <= 0 {
			return fmt.Errorf("--new %q: want a time such as 90m, 24h or 7d", o.since)
		}
	}
	return nil
}

// parseAge is time.ParseDuration, and knows days.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// censusFile is where the census of a site is kept: beside what else this host knows of the cluster that has its events.
func censusFile(dir, site string) string { return filepath.Join(dir, "census-"+site) }

func (a *app) headers(o *headersOptions) error {
	cfg, err := a.load(a.logger())
	if err != nil {
		return err
	}
	sites := cfg.Sites
	if o.site != "" {
		s, err := siteNamed(cfg, o.site)
		if err != nil {
			return err
		}
		sites = []config.Site{*s}
	}
	dir := cfg.StateDir
	if a.embedded {
		dir = embeddedDir(dir)
	}
	out := bufio.NewWriter(a.out)
	var errs []error
	for i := range sites {
		s := &sites[i]
		c, err := pipeline.ReadCensus(censusFile(dir, s.Site), s.Site)
		switch {
		case err == nil:
			if err = a.printCensus(out, o, c); err != nil {
				return err
			}
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(a.err, "ngxtap: site %s: %s\n", s.Site, a.noCensus(s, dir))
		case errors.Is(err, fs.ErrPermission):
			errs = append(errs, fmt.Errorf("site %s: %w; run this as root, or as the user of the daemon", s.Site, err))
		default:
			errs = append(errs, fmt.Errorf("site %s: %w; the daemon begins a new one at its next start", s.Site, err))
		}
	}
	return errors.Join(append(errs, out.Flush())...)
}

// noCensus says why there is no census of a site.
func (a *app) noCensus(s *config.Site, dir string) string {
	if !s.Headers.Census {
		return "header names are not counted, for headers.census is false"
	}
	text := fmt.Sprintf("no header names were counted so far, in %s: the daemon writes them with its first events", dir)
	if !a.embedded {
		text += "; if it runs with --embedded, say so here too"
	}
	return text
}

// seenHeader is a header name in the list.
type seenHeader struct {
	*pipeline.CensusName
	side string
}

// list returns the names that are wanted, in their order. Names without room are at the end.
func (o *headersOptions) list(c *pipeline.Census, now time.Time) (names, lost []seenHeader) {
	from := int64(math.MinInt64)
	if o.window > 0 {
		from = now.Add(-o.window).UnixMicro()
	}
	for i := range c.Sides {
		s := &c.Sides[i]
		for j := range s.Names {
			if n := &s.Names[j]; n.First >= from {
				names = append(names, seenHeader{n, s.Side})
			}
		}
		if s.NotKept.Count > 0 {
			lost = append(lost, seenHeader{&s.NotKept, s.Side})
		}
	}
	order := headerOrders[o.sort]
	slices.SortStableFunc(names, func(a, b seenHeader) int {
		return cmp.Or(order(&a, &b), cmp.Compare(a.Name, b.Name)) // sides are in their order already
	})
	return names, lost
}

func (a *app) printCensus(out *bufio.Writer, o *headersOptions, c *pipeline.Census) error {
	names, lost := o.list(c, time.Now())
	if o.window > 0 && time.Since(time.UnixMicro(c.Began)) < o.window {
		fmt.Fprintf(a.err, "ngxtap: site %s: counting began only at %s, so all names are new since then\n", c.Site, seconds(c.Began))
	}
	if o.json {
		for _, h := range append(names, lost...) {
			if err := h.printJSON(out, c); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Fprintf(out, "site %s: %d events since %s, as of %s\n", oneLine(c.Site), c.Events, seconds(c.Began), seconds(c.Written))
	if len(names) == 0 {
		fmt.Fprintf(out, "  no such names\n")
	} else {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "  SIDE\tNAME\tEVENTS\tSHARE\tFIRST SEEN\tLAST SEEN\n")
		for _, h := range names {
			fmt.Fprintf(w, "  %s\t%s\t%d\t%s\t%s\t%s\n", h.side, oneLine(h.Name), h.Count, shareOf(h.Count, c.Events), seconds(h.First), seconds(h.Last))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for _, h := range lost {
		fmt.Fprintf(out, "  %s: there was no room for names %d times, last at %s; names that are seen often are all in the list\n", h.side, h.Count, seconds(h.Last))
	}
	return nil
}

// shareOf is n of total in per cent, rounded down, so that only all is 100 %.
func shareOf(n, total int64) string {
	p := math.Floor(float64(n)/float64(max(total, 1))*1e4) / 1e2
	if p == 0 {
		return "< 0.01 %"
	}
	return fmt.Sprintf("%.2f %%", p)
}

// seconds is a time for people, to the second.
func seconds(micros int64) string { return time.UnixMicro(micros).UTC().Format(time.RFC3339) }

// seenHeaderJSON is a header name, for programs.
type seenHeaderJSON struct {
	Site   string   `json:"site"`
	Side   string   `json:"side"`
	Name   string   `json:"name"`
	Count  int64    `json:"count"` // of events; of "(not kept)": of names in events
	Share  *float64 `json:"share"` // of Events; null for "(not kept)"
	First  string   `json:"first_seen"`
	Last   string   `json:"last_seen"`
	File   *string  `json:"first_file"` // with the next, origin.file and origin.offset of the event that brought it
	Offset *int64   `json:"first_offset"`
	Events int64    `json:"events"` // of the site, since Began
	Began  string   `json:"began"`
}

func (h *seenHeader) printJSON(out *bufio.Writer, c *pipeline.Census) error {
	j := seenHeaderJSON{Site: c.Site, Side: h.side, Name: h.Name, Count: h.Count, First: micros(h.First), Last: micros(h.Last), Events: c.Events, Began: micros(c.Began)}
	if h.Name == "" {
		j.Name = notKept
	} else {
		share := float64(h.Count) / float64(max(c.Events, 1))
		j.Share = &share
	}
	if h.File != "" {
		j.File, j.Offset = &h.File, &h.Offset
	}
	text, err := json.Marshal(&j)
	if err != nil {
		return fmt.Errorf("encode a header as JSON: %w", err)
	}
	out.Write(appendPrintable(nil, text, "")) // a bufio.Writer keeps its error for Flush
	return out.WriteByte('\n')
}
