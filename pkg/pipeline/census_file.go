package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"ngxtap/pkg/logformat"
)

// Census is a copy of the list of all header names that the committed events of a site have had. Times are Unix microseconds, by the time of
// the events but for Began and Written.
type Census struct {
	V       int          `json:"v"`
	Site    string       `json:"site"`
	Began   int64        `json:"began"`   // when counting began, by the clock
	Written int64        `json:"written"` // when this copy was made
	Events  int64        `json:"events"`  // counted since then
	Sides   []CensusSide `json:"sides"`   // request, response and upstream, those that had any names
}

// CensusSide is the headers of one side.
type CensusSide struct {
	Side  string       `json:"side"`  // request, response or upstream
	Names []CensusName `json:"names"` // sorted
	// NotKept counts the names for which there was no room, once for each event that had them. It has no Name.
	NotKept CensusName `json:"not_kept"`
}

// CensusName is a header name, in lower case; "(other)" stands for all that no header can have and those of more than 64 bytes.
type CensusName struct {
	Name  string `json:"name,omitempty"`
	Count int64  `json:"count"` // events that had it
	First int64  `json:"first"`
	Last  int64  `json:"last"`
	// File and Offset identify the event that brought it: its origin.file and origin.offset. File is empty for "(other)".
	File   string `json:"file,omitempty"`
	Offset int64  `json:"offset,omitempty"`
	// Windows and Known are for telling of new names: in how many windows it came, as far as that matters, and that it is not new any more.
	Windows uint8 `json:"windows,omitempty"`
	Known   bool  `json:"known,omitempty"`
}

const (
	censusVersion = 1
	// The longest file that is read, in bytes: more than a full census takes.
	censusFileMost = 8 << 20
	// No count is higher; one of a million events a second gets there after thirty thousand years.
	censusMost = 1 << 60
	// So often the file is written at most.
	censusPause = time.Minute
)

// sideNames are the sides by their family.
var sideNames = [...]string{logformat.RequestHeader: "request", logformat.ResponseHeader: "response", logformat.UpstreamHeader: "upstream"}

// copy returns what is committed.
func (c *census) copy() *Census {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := &Census{V: censusVersion, Site: c.site, Began: c.began, Written: time.Now().UnixMicro(), Events: c.events}
	for i := range c.sides {
		s := &c.sides[i]
		side := CensusSide{Side: sideNames[i], NotKept: CensusName{Count: s.lost.count, First: s.lost.first, Last: s.lost.last}}
		for _, n := range s.sorted() {
			side.Names = append(side.Names, CensusName{Name: n.name, Count: n.total.count, First: n.total.first, Last: n.total.last,
				File: n.at.file, Offset: n.at.offset, Windows: n.windows, Known: n.known})
		}
		if len(side.Names) > 0 || side.NotKept.Count > 0 {
			out.Sides = append(out.Sides, side)
		}
	}
	return out
}

// ReadCensus reads the file in which a daemon keeps the census of a site. The error wraps fs.ErrNotExist if there is none yet, and says what is
// wrong if the file is not one that this ngxtap can have written for the site.
func ReadCensus(file, site string) (*Census, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, censusFileMost))
	if err != nil {
		return nil, fmt.Errorf("read the census %s: %w", file, err)
	}
	c, err := parseCensus(data)
	if err == nil && c.Site != site {
		err = fmt.Errorf("it is that of site %.64q", c.Site)
	}
	if err != nil {
		return nil, fmt.Errorf("read the census %s: %w", file, err)
	}
	return c, nil
}

// parseCensus reads a line of JSON and a line with its CRC-32C.
func parseCensus(data []byte) (*Census, error) {
	line, sum, ok := bytes.Cut(data, []byte("\n"))
	if !ok || string(sum) != censusSum(line) {
		return nil, errors.New("its checksum does not fit; it is torn, or no census")
	}
	c := &Census{}
	if err := json.Unmarshal(line, c); err != nil {
		return nil, fmt.Errorf("it is no census: %w", err)
	}
	if c.V != censusVersion {
		return nil, fmt.Errorf("it has version %d, this ngxtap knows version %d", c.V, censusVersion)
	}
	if c.Events < 0 || c.Events > censusMost {
		return nil, errors.New("its events are not counted right")
	}
	for i := range c.Sides {
		if err := c.Sides[i].check(); err != nil {
			return nil, fmt.Errorf("side %d: %w", i+1, err)
		}
		if i > 0 && familyOf(c.Sides[i].Side) <= familyOf(c.Sides[i-1].Side) {
			return nil, fmt.Errorf("side %d is not in its order", i+1)
		}
	}
	return c, nil
}

// check finds what copy never makes.
func (s *CensusSide) check() error {
	if familyOf(s.Side) == 0 {
		return fmt.Errorf("%.64q is no side", s.Side)
	}
	if len(s.Names) > censusNames {
		return fmt.Errorf("it has %d names, the most is %d", len(s.Names), censusNames)
	}
	if n := &s.NotKept; n.Count < 0 || n.Count > censusMost || n.First > n.Last {
		return errors.New("the names that were not kept are not counted right")
	}
	for i := range s.Names {
		n := &s.Names[i]
		if n.Name != oddName && !canBeTold([]byte(n.Name)) || i > 0 && n.Name <= s.Names[i-1].Name || n.Count < 1 || n.Count > censusMost || n.First > n.Last || len(n.File) > maxName {
			return fmt.Errorf("name %d is none, or not in its order, or not counted right", i+1)
		}
	}
	return nil
}

// familyOf returns the family of a side, 0 if there is none of that name.
func familyOf(side string) logformat.Family {
	for i, name := range sideNames {
		if name == side && name != "" {
			return logformat.Family(i)
		}
	}
	return 0
}

func censusSum(line []byte) string {
	return fmt.Sprintf("%08x\n", crc32.Checksum(line, crc32.MakeTable(crc32.Castagnoli)))
}

// load goes on from the file, if there is one. Without it, or if it can't be read, it begins anew: what is lost is when names were first
// seen and how often, and no event depends on that. A file that can't be read, or is of a newer ngxtap, is kept, or the next write would end it.
func (c *census) load() {
	if c.file == "" {
		return
	}
	old, err := ReadCensus(c.file, c.site)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		kept := c.file + "~" // no site's name has such a character
		if e := os.Rename(c.file, kept); e != nil {
			kept, err = "", errors.Join(err, e)
		}
		c.log.Warn("the census of header names begins anew: what was counted before can't be used", "kept_as", kept, "error", err)
		return
	}
	c.use(old)
}

// use makes old what was counted so far.
func (c *census) use(old *Census) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	c.began, c.events = old.Began, old.Events
	for i := range old.Sides {
		from := &old.Sides[i]
		s := &c.sides[familyOf(from.Side)]
		s.lost = sightings{from.NotKept.Count, from.NotKept.First, from.NotKept.Last}
		for j := range from.Names {
			n := &from.Names[j]
			s.names[n.Name] = &censusName{name: n.Name, at: place{n.File, n.Offset}, total: sightings{n.Count, n.First, n.Last},
				windows: min(n.Windows, rareWindows), known: n.Known || n.Name == oddName, kept: true}
		}
	}
}

// save writes the file in the background if it is time to.
func (c *census) save(now time.Time, background *sync.WaitGroup) {
	if c.file == "" || !c.changed || now.Sub(c.saved) < censusPause && !now.Before(c.saved) || !c.saving.CompareAndSwap(false, true) {
		return
	}
	c.saved, c.changed = now, false
	list := c.copy()
	background.Go(func() {
		c.write(list)
		c.saving.Store(false)
	})
}

// close writes the file a last time. Nothing goes on in the background any more.
func (c *census) close() {
	if c.file != "" && (c.changed || c.problem != "") {
		c.changed = false
		c.write(c.copy())
	}
}

// write replaces the file. That it can't is said once, and when it can again.
func (c *census) write(list *Census) {
	err := writeCensus(c.file, list)
	switch {
	case err == nil && c.problem != "":
		c.problem = ""
		c.log.Info("the census of header names can be written again")
	case err != nil && c.problem == "":
		c.problem = err.Error()
		c.log.Warn("the census of header names can't be written; it is tried each minute, and until then a restart would forget what was counted", "error", err)
	}
}

// censusWriters is how many files are written at a time: with a thousand sites, a thousand threads would wait for the disk.
var censusWriters = make(chan struct{}, 4)

// writeCensus gives the file a new content in one step. After a power cut it is the old one or the new one.
func writeCensus(file string, list *Census) error {
	censusWriters <- struct{}{}
	defer func() { <-censusWriters }()
	data, err := censusBytes(list)
	if err != nil {
		return err
	}
	tmp := file + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write the census: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, file)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the census: %w", err), os.Remove(tmp))
	}
	return nil
}

// censusBytes returns what parseCensus reads.
func censusBytes(list *Census) ([]byte, error) {
	line, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the census: %w", err)
	}
	return append(append(line, '\n'), censusSum(line)...), nil
}
