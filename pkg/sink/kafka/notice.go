package kafka

import (
	"log/slog"
	"time"
)

// notice says something that lasts: once after a while, and then rarely.
type notice struct {
	log  *slog.Logger
	next time.Time
	said bool
}

// noticeEvery is how often something that lasts is said again.
const noticeEvery = time.Minute

func newNotice(log *slog.Logger, after time.Duration) *notice {
	return &notice{log: log, next: time.Now().Add(after)}
}

func (n *notice) warn(msg string, args ...any) {
	if t := time.Now(); !t.Before(n.next) {
		n.log.Warn(msg, args...)
		n.next, n.said = t.Add(noticeEvery), true
	}
}
