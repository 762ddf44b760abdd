package page

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	defer harness.Cleanup()
	return m.Run()
}

// The page of the real daemon, with the browser's own clock: lines arrive, a line is refused, the format changes, and the page shows each without being
// loaded anew; names that somebody chose to do harm stay text; when the daemon stops, the page says so.
func TestRealDaemon(t *testing.T) {
	components.Require(t, components.PartBrowser)
	dir := t.TempDir()
	log := filepath.Join(dir, "a<b>\u202e&'\x1bc.log")
	conf := filepath.Join(dir, "nginx.conf")
	put := func(path, text string, flags int) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flags, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	nginx := "events {}\nhttp { log_format f '%s'; access_log /var/log/nginx/x.log f; }\n"
	put(conf, fmt.Sprintf(nginx, `$status "$http_x_id"`), os.O_TRUNC)
	put(log, "200 \"a\"\n", os.O_APPEND)
	h := harness.NewHost(t, harness.HostConfig{Brokers: []string{"127.0.0.1:1"}, Sites: []harness.Site{{
		Name: "shop", Paths: []string{`"` + filepath.Join(dir, `a<b>\u202e&'\ec.log`) + `"`}, AccessLog: []string{"nginx_conf: " + conf, "format: f"},
	}}})
	daemon := h.Start(t, "--embedded")
	h.AwaitBytes(t, daemon, "shop", 8, patience)
	url := "http://" + h.Admin
	p := startBrowser(t).open(t, url, 1280, 900, realTime)
	p.expected = "net::ERR_" // at the end
	p.visit(url + "/")
	p.eval(`window.mark = 1; document.querySelector("details").open = true`, nil)
	p.until(`document.getElementById("overall").innerText.trim() === "The site is running"`)
	put(log, strings.Repeat("404 \"b\"\n", 500)+"s3cret\n", os.O_APPEND)
	p.until(`document.querySelector("details dl").innerText.includes("501")`)
	p.until(`document.getElementById("rejectlist").innerText.includes("a<b>\\u202e&'\\u001bc.log:4008")`)
	p.until(`document.querySelector("#plot-lines path.line").getAttribute("d").length > 20`)
	put(conf, fmt.Sprintf(nginx, `$status "$http_x_id" $request_time`), os.O_TRUNC)
	p.until(`document.querySelectorAll("#changelist .timeline > li").length === 1`)
	p.eval(`document.querySelector("#changelist details").open = true`, nil)
	var change, text string
	p.eval(`document.getElementById("changelist").innerText`, &change)
	for _, want := range []string{"shop", "request_time", "added", "action: evolve", `$status "$http_x_id" $request_time`} {
		if !strings.Contains(change, want) {
			t.Errorf("the change lacks %q:\n%s", want, change)
		}
	}
	p.eval("document.body.textContent + window.mark", &text)
	if strings.Contains(text, "s3cret") || strings.ContainsAny(text, "\u202e\x1b") || !strings.HasSuffix(text, "1") {
		t.Error("a byte of a refused line or a control character is in the page, or it was loaded anew")
	}
	p.picture("daemon")
	daemon.Signal(t, syscall.SIGTERM)
	if code := daemon.Wait(t, patience); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p.until(`document.getElementById("stale").innerText.startsWith("No answer since")`)
}
