package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ngxtap/test/harness"
	"ngxtap/test/oracle"
)

// The formats of a log: the second has one variable more. A line of one never fits the other.
var (
	firstFormat  = harness.LogFormat
	secondFormat = strings.Replace(firstFormat, "$body_bytes_sent", "$body_bytes_sent $request_time", 1)
)

// What tells the lines of the formats apart, in lines that harness.Line makes.
const (
	firstMark  = ` "-" "curl/8.0" "`
	secondMark = ` 0.125 "-" "curl/8.0" "`
)

// edits lets the format of some sites be edited once, while a daemon runs or not, and their workers be reloaded one after the other. The
// rest of a seed's script is the same with it and without. It never comes before the first commit: nobody remembers a format that no
// daemon has committed, and so a second edit must not come before the first is known.
func (s *script) edits() {
	rnd := rand.New(rand.NewPCG(s.seed, 0x65646974))
	from, log := 0, 0
	if s.virgin {
		from = 1
	}
	for i := range s.sites {
		site := &s.sites[i]
		first := log
		log += len(site.logs)
		if rnd.IntN(100) >= 40 {
			continue
		}
		l := &s.lives[from+rnd.IntN(len(s.lives)-from)]
		edit := op{do: "edit format", log: first}
		down := rnd.IntN(3) == 0
		if down {
			l.before = slices.Insert(l.before, rnd.IntN(len(l.before)+1), edit)
		}
		at := 0
		if !down {
			at = rnd.IntN(len(l.ops))
			l.ops = slices.Insert(l.ops, at, edit)
		}
		for k, log := range site.logs {
			for w := range log.workers {
				if rnd.IntN(4) > 0 { // the others write in the first format to the end
					at := min(len(l.ops), at+1+rnd.IntN(len(l.ops)-at))
					l.ops = slices.Insert(l.ops, at, op{do: "reload", log: first + k, m: w})
				}
			}
		}
	}
}

// writeConf writes the site's nginx.conf and returns its path.
func (s *siteWorld) writeConf(t testing.TB, root, format string) string {
	s.conf = filepath.Join(root, s.name+".conf")
	must(t, os.WriteFile(s.conf+"~", []byte("events {}\nhttp {\n\tlog_format shop '"+format+"';\n}\n"), 0o644))
	must(t, os.Rename(s.conf+"~", s.conf))
	return s.conf
}

// edit gives a site the second format, if a daemon has committed anything of it.
func (w *world) edit(site *siteWorld) bool {
	if w.prog.read(site.name) == 0 {
		return false
	}
	site.writeConf(w.t, filepath.Dir(site.conf), secondFormat)
	site.edited = true
	return true
}

// reload lets a worker write in the second format from now on, if nginx.conf has it.
func (w *logWorld) reload(worker int) bool {
	if !w.site.edited {
		return false
	}
	w.newer[worker] = true
	return true
}

// inFormat turns a line of the first format into one of the worker's format.
func (w *logWorld) inFormat(worker int, line string) string {
	if !w.newer[worker%w.workers] {
		return line
	}
	return strings.Replace(line, firstMark, secondMark, 1)
}

var fitting = regexp.MustCompile(`^192\.0\.2\.7 - - \[[^]]+\] "GET /item/id-\d+\?pad=p* HTTP/1\.1" 200 \d+( 0\.125)? "-" "curl/8\.0" "id-\d+"\r?$`)

// fits says whether a line must be an event.
func (s *siteWorld) fits(line []byte) bool {
	return (s.maxLine == 0 || len(line) < s.maxLine) && fitting.Match(line)
}

// checkFormat compares an event with its line: it has the id, and what the second format has more exactly if its line has it.
func checkFormat(line []byte, event map[string]any) string {
	want := "<nil>"
	if bytes.Contains(line, []byte(secondMark)) {
		want = "map[double:0.125]"
	}
	if got := fmt.Sprint(event["request_time"]); got != want {
		return fmt.Sprintf("its request_time is %s, want %s", got, want)
	}
	return harness.CheckID(line, event)
}

// announcements checks that an edit was announced once, and nothing else.
func (w *world) announcements(site *siteWorld) {
	if w.s.atLeast {
		return
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	all, err := oracle.Changes(ctx, w.host.Source(site.name), "ngxtap.schema-changes")
	must(w.t, err)
	want := 0
	if site.edited {
		want = 1
	}
	if len(all) != want {
		w.t.Errorf("site %s: %d changes are announced, want %d: %+v", site.name, len(all), want, all)
	}
}
