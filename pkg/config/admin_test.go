package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminListens(t *testing.T) {
	for _, c := range []struct {
		yaml, listen, problem string
		byDefault             bool
	}{
		{"", AdminDefault, "", true},
		{"admin: {listen: ''}", AdminDefault, "", true},
		{"admin: {listen: off}", "off", "", false},
		{"admin: {listen: '127.0.0.1:9464'}", "127.0.0.1:9464", "", false},
		{"admin: {listen: '127.3.4.5:0'}", "127.3.4.5:0", "", false},
		{"admin: {listen: 'localhost:9464'}", "localhost:9464", "", false},
		{"admin: {listen: '[::1]:9464'}", "[::1]:9464", "", false},
		{"admin: {listen: 'unix:/run/ngxtap/admin.sock'}", "unix:/run/ngxtap/admin.sock", "", false},
		{"admin: {listen: '0.0.0.0:9464', allow_remote: true}", "0.0.0.0:9464", "", false},
		{"admin: {listen: '0.0.0.0:9464'}", "", "ngxtap.yaml:1: admin.listen: \"0.0.0.0:9464\" can be reached from other hosts: use 127.0.0.1 or a unix socket, or set admin.allow_remote", false},
		{"admin: {listen: ':9464'}", "", "can be reached from other hosts", false},
		{"admin: {listen: 'web-01:9464'}", "", "can be reached from other hosts", false},
		{"admin: {listen: '[::ffff:10.0.0.1]:9464'}", "", "can be reached from other hosts", false},
		{"admin: {listen: '9464'}", "", "is not host:port, such as 127.0.0.1:9464, nor unix:PATH, nor off", false},
		{"admin: {listen: '127.0.0.1:'}", "", "is not host:port", false},
		{"admin: {listen: 'unix:'}", "", "is not host:port, such as 127.0.0.1:9464, nor unix:PATH", false},
		{"admin: {listen: 'unix:/" + strings.Repeat("x", 120) + "'}", "", "choose a shorter one", false},
	} {
		file := write(t, c.yaml+"\n", site)
		cfg, err := Load(file)
		alone, aloneErr := LoadAdmin(file)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) || aloneErr == nil || !strings.Contains(aloneErr.Error(), c.problem) {
				t.Errorf("%s: %v / %v\nwant %s", c.yaml, err, aloneErr, c.problem)
			}
			continue
		}
		if err != nil || aloneErr != nil {
			t.Errorf("%s: %v / %v", c.yaml, err, aloneErr)
			continue
		}
		if cfg.Admin.Listen != c.listen || cfg.AdminByDefault != c.byDefault || alone != cfg.Admin {
			t.Errorf("%s: %+v, alone %+v", c.yaml, cfg.Admin, alone)
		}
	}
}

// Who only looks at the daemon needs none of its passwords; a socket's path starts from the file's folder; the environment counts.
func TestAdminAlone(t *testing.T) {
	file := write(t, "kafka: {sasl: {mechanism: PLAIN, username: u, password: 'file:/nowhere/secret'}}\nadmin: {listen: 'unix:a.sock'}\n", site)
	a, err := LoadAdmin(file)
	if want := "unix:" + filepath.Join(filepath.Dir(file), "a.sock"); err != nil || a.Listen != want {
		t.Errorf("%+v %v, want %s", a, err, want)
	}
	t.Setenv("NGXTAP_ADMIN_LISTEN", "127.0.0.1:1")
	if a, err = LoadAdmin(file); err != nil || a.Listen != "127.0.0.1:1" {
		t.Errorf("%+v %v", a, err)
	}
	if _, err = LoadAdmin(filepath.Join(t.TempDir(), "gone.yaml")); !os.IsNotExist(err) && !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}
