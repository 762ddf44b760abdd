package pipeline

// signal is something that is there or not, by its share of a window's lines: there when the share is above a threshold, and no longer
// there only when it was well below for some windows. How many depends on what was seen before: what comes and goes is told until its
// rhythm is known, and then no more.
type signal struct {
	on, told bool   // what is, and what was last told
	exp      uint8  // away must reach base<<exp before it is off
	away     uint16 // windows in a row without it, before and after it is off; 0 if it was never on
}

// patience says how long a signal waits before it is off.
type patience struct {
	base   uint16 // windows
	maxExp uint8
	// episodes says that what comes back after more than the longest wait is another thing than before, and not a slow rhythm.
	episodes bool
	// quiet is the share, as a part of the threshold, below which a signal is away.
	quiet float64
}

// The patience of lines in quarantine: trouble, of which each occurrence counts. And that of headers, for which to be there is normal:
// one that is only sent by day is told to be gone in the first night, and after that only when it is away for twice as long.
var (
	rejectPatience = patience{base: 5, maxExp: 4, episodes: true, quiet: 0.5}
	headerPatience = patience{base: 10, maxExp: 10, quiet: 0.25}
)

// maxAway is where away stops counting: two bytes in what is saved, and more than the longest patience.
const maxAway = 1<<14 - 1

// judge takes the count of one window of so many lines. enough says that they suffice to miss something.
func (s *signal) judge(count, lines int64, share float64, enough bool, p patience) {
	limit := share * float64(lines)
	if count >= atLeast && float64(count) > limit {
		if !s.on && s.away > 0 {
			s.learn(p)
		}
		s.on, s.away = true, 0
		return
	}
	switch {
	case !enough:
	case s.on && float64(count) >= limit*p.quiet:
		s.away = 0 // neither there nor gone: as it was
	case s.on:
		s.away++
		s.on = s.away < p.base<<s.exp
	case s.away > 0:
		s.away = min(s.away+1, maxAway)
		if p.episodes && s.away > p.base<<p.maxExp {
			s.away, s.exp = 0, 0
		}
	}
}

// learn makes the signal wait twice as long as it has just been away.
func (s *signal) learn(p patience) {
	for s.exp < p.maxExp && int(p.base)<<s.exp < 2*int(s.away) {
		s.exp++
	}
}

// known reports whether there is anything to remember.
func (s *signal) known() bool { return *s != signal{} }
