package pipeline

// Census returns a copy of the list of all header names that committed events have had, at most 2000 for each side; nil if none is kept. What
// was counted before this start is part of it, as far as the file had it.
func (s *Stats) Census() *Census {
	if s.census == nil {
		return nil
	}
	return s.census.copy()
}

// CensusSize is how many names the census has of one side.
type CensusSize struct {
	Side    string // request, response or upstream
	Names   int
	NotKept int64 // how often there was no room for a name, see CensusSide.NotKept
}

// CensusSizes returns the sizes of the list of each side, in the order of Census; nil if none is kept.
func (s *Stats) CensusSizes() []CensusSize {
	c := s.census
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var sizes []CensusSize
	for i := range c.sides {
		if name := sideNames[i]; name != "" {
			side := &c.sides[i]
			n := len(side.names)
			if side.names[oddName].total.count == 0 {
				n-- // it stands for no name yet
			}
			sizes = append(sizes, CensusSize{Side: name, Names: n, NotKept: side.lost.count})
		}
	}
	return sizes
}
