package tail

import "fmt"

// A deleted file takes its place on the disk until the last descriptor is closed, and du does not show it. While it is read that must
// be so, or its lines would be lost; but a site that can't deliver must not fill the disk with logs that logrotate believes deleted.

// Held returns how many files without a name are held open, and how many bytes they take on the disk. Any goroutine may call it.
func (t *Tailer) Held() (files int, bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held()
}

func (t *Tailer) held() (files int, bytes int64) {
	for _, s := range t.sources {
		for _, g := range s.gens {
			if g.deleted() {
				files++
				bytes += g.size
			}
		}
	}
	return files, bytes
}

// deleted says whether g is open and has no name any more.
func (g *generation) deleted() bool { return g.src != nil && !g.gz && g.nlink == 0 }

// relieve lets deleted files go while they take more than HeldBytes: those read to their end, then the oldest, whose rest is
// declared lost. A file that Nginx has not left yet is not let go, for that would give no room back.
func (t *Tailer) relieve() {
	_, bytes := t.held()
	for _, unread := range []bool{false, true} {
		for bytes > t.cfg.HeldBytes {
			g := t.oldestDeleted(unread)
			if g == nil {
				break
			}
			bytes -= g.size
			if !unread {
				g.final = true
				continue
			}
			t.lose(g, fmt.Sprintf("the file was deleted before it was read, and deleted files took more than %d bytes on the disk", t.cfg.HeldBytes))
		}
	}
}

// oldestDeleted returns the oldest deleted file that may be let go, among those with unread bytes or those without.
func (t *Tailer) oldestDeleted(unread bool) *generation {
	var oldest *generation
	for _, s := range t.sources {
		for i, g := range s.gens {
			left := i < len(s.gens)-1 || t.tick.Sub(g.quiet) >= t.cfg.RotateGrace
			if !g.deleted() || g.final || !left || unread != (g.offset+g.half < g.size) {
				continue
			}
			if oldest == nil || g.born < oldest.born {
				oldest = g
			}
		}
	}
	return oldest
}
