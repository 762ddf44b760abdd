// Shows what `ngxtap check` says of each way to rotate a log, with the place of the directive; and that it says nothing but what is so of a stanza as it
// should be.
package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ngxtap/pkg/config"
)

// rotationFindings returns what check says of DIR/log/a.log under a configuration of logrotate; DIR is replaced in both.
func rotationFindings(t *testing.T, text string, change func(a *config.AccessLog)) string {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if err := os.Mkdir(log, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "logrotate.conf")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := config.SiteDefaults("shop")
	s.File = "shop.yaml"
	if change != nil {
		change(&s.AccessLog)
	}
	r := &report{}
	ro := readLogrotate(r, path)
	ro.check(r, &s, []string{filepath.Join(log, "a.log"), filepath.Join(log, "b.log")})
	ro.summary(r)
	var out strings.Builder
	r.print(escaper{&out})
	return strings.ReplaceAll(out.String(), dir, "DIR")
}

func TestCheckOfLogrotate(t *testing.T) {
	const usr1 = " postrotate\n  kill -USR1 `cat /run/nginx.pid`\n endscript\n"
	const good = " daily\n rotate 14\n compress\n delaycompress\n create\n" + usr1
	f := func(name, options string, want ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Helper()
			out := rotationFindings(t, "DIR/log/*.log {\n"+options+"}\n", nil)
			if n := strings.Count(out, "warning  ") + strings.Count(out, "error    "); n != len(want) {
				t.Errorf("want %d warnings:\n%s", len(want), out)
			}
			for _, w := range want {
				if !strings.Contains(out, w) {
					t.Errorf("%s\nlacks %q", out, w)
				}
			}
		})
	}
	f("as it should be", good)
	f("copytruncate", " daily\n rotate 14\n copytruncate\n", "warning  DIR/logrotate.conf:4: site shop: copytruncate loses lines by nature")
	f("nocopytruncate", good+" copytruncate\n nocopytruncate\n")
	f("nobody tells Nginx", " daily\n rotate 14\n", "DIR/logrotate.conf:1: site shop: nobody tells Nginx")
	f("a script that tells somebody else", " daily\n rotate 14\n postrotate\n  systemctl restart rsyslog\n endscript\n", "DIR/logrotate.conf:4: site shop: postrotate does not look as if")
	for _, script := range []string{"invoke-rc.d nginx rotate >/dev/null 2>&1", "systemctl reload nginx", "nginx -s reopen", "/usr/sbin/nginx -s reload", "service nginx rotate",
		"[ ! -f /var/run/nginx.pid ] || kill -USR1 `cat /var/run/nginx.pid`", "systemctl kill -s USR1 nginx.service"} {
		f(script, " daily\n rotate 14\n postrotate\n"+script+"\n endscript\n")
		f("last: "+script, " daily\n rotate 14\n lastaction\n"+script+"\n endscript\n")
	}
	f("too early", " daily\n rotate 14\n compress\n"+usr1, "DIR/logrotate.conf:4: site shop: a log is compressed as soon as it is rotated")
	f("xz too early", " daily\n rotate 14\n compress\n compresscmd /usr/bin/xz\n"+usr1, "DIR/logrotate.conf:5: site shop: xz compresses a log as soon as it is rotated")
	f("zstd in time", " compresscmd /usr/bin/zstd\n"+good)
	f("a compressor that is not used", " daily\n rotate 14\n compresscmd /usr/bin/xz\n"+usr1)
	f("olddir", good+" olddir old\n", "DIR/logrotate.conf:10: site shop: rotated logs are moved to DIR/log/old")
	f("hourly", " hourly\n rotate 24\n"+usr1, "DIR/logrotate.conf:3: site shop: rotated logs are kept for 24 hours")
	f("rotate 0", " daily\n rotate 0\n"+usr1, "DIR/logrotate.conf:3: site shop: a log is deleted when it is rotated")
	f("no rotate at all", " daily\n"+usr1, "DIR/logrotate.conf:1: site shop: a log is deleted when it is rotated")
	f("maxage", good+" maxage 1\n", "DIR/logrotate.conf:10: site shop: rotated logs are kept for 24 hours")
	f("maxage without end", " daily\n rotate -1\n maxage 365\n"+usr1)
	f("by size", " size 100M\n rotate 5\n"+usr1)
	f("shred", good+" shred\n", "DIR/logrotate.conf:10: site shop: shred overwrites")
	f("copy", good+" copy\n", "DIR/logrotate.conf:10: site shop: copy makes another file")
	f("twice", good+"}\nDIR/log/a.log {\n", "DIR/logrotate.conf:11: site shop: DIR/log/a.log is in the stanza of DIR/logrotate.conf:1 already")
	f("broken", good+" postrotate\n", "logrotate passes over this file")
	f("unknown option", good+" dayly\n", `DIR/logrotate.conf:10: unknown option "dayly"`)
}

func TestCheckSaysHowLongAnOutageMayBe(t *testing.T) {
	for options, want := range map[string]string{
		"daily\nrotate 14\n":            "rotated logs are kept for 14 days",
		"weekly\nrotate 52\n":           "rotated logs are kept for 364 days",
		"daily\nrotate -1\n":            "rotated logs are never deleted",
		"size 1M\nrotate 5\n":           "5 rotated logs are kept, and they are rotated by size",
		"rotate 5\n":                    "5 rotated logs are kept, and they are rotated by size",
		"daily\nrotate 9\nsize 1k\n":    "9 rotated logs are kept, and they are rotated by size",
		"daily\nrotate 9\nmaxsize 1G\n": "maxsize rotates earlier",
	} {
		if out := rotationFindings(t, "DIR/log/*.log {\n"+options+"}\n", nil); !strings.Contains(out, "ok       site shop: "+want) {
			t.Errorf("%q: %s\nlacks %q", options, out, want)
		}
	}
}

func TestCheckOfOlddir(t *testing.T) {
	for _, dirs := range [][]string{{"old"}, {"DIR"}} {
		text := "DIR/log/*.log {\n olddir DIR/log/old\n}\n"
		out := rotationFindings(t, text, func(a *config.AccessLog) { a.RotatedDirs = dirs })
		if got := strings.Contains(out, "rotated logs are moved to"); got != (dirs[0] == "DIR") {
			t.Errorf("rotated_dirs %v:\n%s", dirs, out)
		}
	}
}

func TestCheckWithoutLogrotate(t *testing.T) {
	if out := rotationFindings(t, "/other/*.log {\n}\n", nil); !strings.Contains(out, "ok       DIR/logrotate.conf: no stanza is for a log of a site") || strings.Contains(out, "warning") {
		t.Error(out)
	}
	r := &report{}
	if ro := readLogrotate(r, filepath.Join(t.TempDir(), "nothere")); ro.conf != nil || len(r.found) != 1 || r.found[0].Level != levelOK {
		t.Errorf("got %+v", r.found)
	}
}
