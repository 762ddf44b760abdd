package quarantine

// Shows: with the schema's id in a record header, list and replay know lines and what was replayed as with any other framing.

import (
	"fmt"
	"strings"
	"testing"

	"ngxtap/test/components"
	"ngxtap/test/harness"
)

func TestReplayWithIDsInHeaders(t *testing.T) {
	w := newWorld(t, 100, 50, true)
	w.framing = "header"
	w.quarantine(t, "web-01")
	h := w.host(t, "web-01", right)
	for _, want := range []string{fmt.Sprintf("%d replayed, %d still fit no format, 0 can't be replayed, 0 were", w.want, w.stay),
		fmt.Sprintf("0 replayed, %d still fit no format, 0 can't be replayed, %d were", w.stay, w.want)} {
		run := w.replay(t, h, "")
		if code := run.Wait(t, long); code != 3 || !strings.Contains(run.Output(t), want) {
			t.Errorf("exit code %d, want 3 and %q", code, want)
		}
	}
	list := components.StartProgram(t, harness.Binary(t, true), "quarantine", "list", "-c", h.Config)
	if code := list.Wait(t, long); code != 0 || !strings.Contains(list.Output(t), fmt.Sprintf("100 lines, %d of them replayed", w.want)) {
		t.Errorf("exit code %d of list", code)
	}
	cat := components.StartProgram(t, harness.Binary(t, true), "cat", "nginx."+w.site+".access", "-c", h.Config)
	if code := cat.Wait(t, long); code != 0 || strings.Count(cat.Output(t), `"origin":`) != w.want {
		t.Errorf("exit code %d of cat, or not %d events", code, w.want)
	}
}
