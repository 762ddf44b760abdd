package evolution

// Shows: an edit of nginx.conf that breaks it is reported once, with file and line, and changes nothing; its repair is noticed; a comment
// is no change; included files and files that a pattern finds anew are watched like nginx.conf itself. A line that comes right after the
// edit is read by it, and where no program can tell two formats apart, what was written before the edit is read by the old one.

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"ngxtap/test/components"
)

// mentions counts the lines of the daemon's log that hold a text.
func (s *site) mentions(t *testing.T, text string) (n int) {
	t.Helper()
	for line := range strings.Lines(s.daemon.Output(t)) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func TestBrokenEdit(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartRegistry)
	s := newSite(t, shared.Registry(t).URL, nginxConf(plain), "")
	s.start(t, plain)

	// Line 40 is a number that nothing else in the log has.
	s.write(t, "nginx.conf", strings.Repeat("\n", 39)+"events { }; }\n"+nginxConf(longer))
	where := s.conf + ":40"
	components.Eventually(t, long, func() error {
		if s.mentions(t, where) == 0 {
			return fmt.Errorf("the log does not say that %s is wrong", where)
		}
		return s.daemon.Alive()
	})
	s.lines(t, plain, 50)
	s.arrived(t)
	if status, text, err := health(t, s.host.Admin); err != nil || status != 200 {
		t.Errorf("/healthz says %d, %v: %s; lines go on as before", status, err, text)
	}

	// Mended to what it was: nothing has changed then.
	s.write(t, "nginx.conf", nginxConf(plain))
	s.lines(t, plain, 50)
	s.arrived(t)
	// And edited for good: that it is announced shows that the watch went on all the time.
	s.write(t, "nginx.conf", nginxConf(longer))
	if c := s.announced(t, 1); c.Class != "full" || c.Source != "configuration" || !strings.Contains(c.Text, "request_length") {
		t.Errorf("announced: %s", told(s.changes(t)))
	}
	s.lines(t, longer, 50)
	if n := s.mentions(t, where); n != 1 {
		t.Errorf("the log says %d times that %s is wrong, want once:\n%s", n, where, s.daemon.Output(t))
	}
	s.finish(t)
}

// A comment, white space and other directives are no change of the format.
func TestCommentIsNoChange(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartRegistry)
	s := newSite(t, shared.Registry(t).URL, nginxConf(plain), "")
	s.start(t, plain)
	edits := []string{
		"# a comment\n" + nginxConf(plain),
		strings.Replace(nginxConf(plain), `"$request" `, "\"$request\" '\n\t\t\t# the same text in two strings\n\t\t\t'", 1),
		nginxConf(plain, "client_max_body_size 8m;", "log_format unused '$status $request_time';"),
	}
	for _, text := range edits {
		s.write(t, "nginx.conf", text)
		s.lines(t, plain, 20)
		s.arrived(t)
	}
	s.write(t, "nginx.conf", nginxConf(longer)) // shows that edits are noticed, so that all before were looked at
	s.announced(t, 1)
	s.lines(t, plain, 5)
	s.lines(t, longer, 5)
	s.finish(t)
}

// A format in an included file is edited, and a file appears that a pattern includes and that writes a second format to the same log.
func TestIncludedEdit(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartRegistry)
	s := newSite(t, shared.Registry(t).URL, "http {\n\tinclude conf.d/*.conf;\n\taccess_log LOG shop;\n}\n", "")
	format := func(name, text string) string { return "log_format " + name + " '" + text + "';\n" }
	s.write(t, "conf.d/formats.conf", format("shop", plain))
	s.start(t, plain)
	s.write(t, "conf.d/formats.conf", format("shop", longer))
	if c := s.announced(t, 1); c.Class != "full" || c.Format != "shop" {
		t.Errorf("announced: %s", told(s.changes(t)))
	}
	s.lines(t, longer, 20)
	s.lines(t, plain, 20)
	s.arrived(t)

	s.write(t, "conf.d/more.conf", format("more", third)+"access_log LOG more;\n")
	if c := s.announced(t, 2); c.Format != "more" {
		t.Errorf("announced: %s", told(s.changes(t)))
	}
	for range 20 {
		s.lines(t, third, 1)
		s.lines(t, longer, 2)
		s.lines(t, plain, 1)
	}
	s.finish(t)
}

// The first line of a new format may come right after the edit, whenever the daemon looked last.
func TestLineRightAfterTheEdit(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartRegistry)
	s := newSite(t, shared.Registry(t).URL, nginxConf(longer), "")
	s.start(t, longer)
	const edits = 20
	before := longer
	for i := range edits {
		s.lines(t, before, 1) // upon which the daemon looks
		after := strings.Replace(longer, ` "$request"`, fmt.Sprintf(` edit-%d "$request"`, i), 1)
		s.write(t, "nginx.conf", nginxConf(after))
		s.lines(t, after, 1)
		s.arrived(t)
		before = after
	}
	s.announced(t, edits)
	s.finish(t)
}

// Two columns of integers change places. What was written before the edit is read by the old format, even if it is read after it; what is
// written after the announcement is read by the new one, also by the next daemon.
func TestColumnsChangePlaces(t *testing.T) {
	components.Require(t, components.PartKafka, components.PartRegistry)
	s := newSite(t, shared.Registry(t).URL, nginxConf(straight), "")
	s.start(t, straight)
	s.daemon.Signal(t, syscall.SIGSTOP)
	s.lines(t, straight, 3000)
	s.write(t, "nginx.conf", nginxConf(swapped))
	s.daemon.Signal(t, syscall.SIGCONT)
	if c := s.announced(t, 1); !strings.Contains(c.Text, "beware") {
		t.Errorf("it is not said that lines of the one fit the other: %s", c.Text)
	}
	s.lines(t, swapped, 100)
	s.daemon.Kill()
	s.lines(t, swapped, 100)
	s.daemon = s.host.Start(t)
	s.lines(t, swapped, 100)
	s.finish(t)
}
