package tail

import "testing"

// TestNamed: which names are those of a log and of what becomes of it.
func TestNamed(t *testing.T) {
	c := Config{Paths: []string{"/var/log/nginx/access.log", "/srv/*/logs/*.log"}, RotatedDirs: []string{"old", "/archive"}}
	for path, want := range map[string]bool{
		"/var/log/nginx/access.log": true, "/var/log/nginx/access.log.1": true, "/var/log/nginx/access.log.2.gz": true, "/var/log/nginx/access.log.gz": true,
		"/var/log/nginx/access.log-20260131": true, "/var/log/nginx/access-20260131.log": true, "/var/log/nginx/old/access.log.1": true,
		"/archive/access.log.3": true, "/srv/a/logs/shop.log": true, "/srv/a/logs/shop.log.1": true, "/srv/a/logs/shop.log-20260131.gz": true,
		"/srv/a/logs/old/shop.log.1": true, "/var/log/nginx/../nginx/access.log.1": true,
		"/var/log/nginx/error.log": false, "/var/log/nginx/access.log.bak": false, "/var/log/access.log": false, "/srv/a/b/logs/shop.log": false,
		"/srv/a/logs/shop.txt": false, "/": false, "/var/log/nginx/access.logs": false,
	} {
		if got := c.Named(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
