package tail

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Descriptors kept for what is no log: connections to Kafka and to a registry, the admin port, the lock. Without them not even the logs
// that are open could be shipped.
const (
	keptLeast = 32 // but not more than half of all
	keptShare = 8  // one in so many
)

// spare returns nil if a log may have the descriptor fd. The kernel gives the lowest that is free, so that its number says how many
// are in use. The limit is asked for every time: it can be raised from outside (prlimit) while we run.
func spare(fd int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur == unix.RLIM_INFINITY {
		return nil
	}
	kept := min(max(keptLeast, limit.Cur/keptShare), limit.Cur/2)
	if uint64(fd) < limit.Cur-kept {
		return nil
	}
	return fmt.Errorf("%w: of %d descriptors %d are kept for connections; it is read as soon as one is free: raise the limit (LimitNOFILE in the unit)",
		unix.EMFILE, limit.Cur, kept)
}
