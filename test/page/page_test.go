// Package page looks at the status page with a real browser, as people do: on a desk, on a phone, in the dark, with the keyboard only, and with
// a daemon whose names somebody chose to do harm.
package page

import (
	"testing"
)

func TestPictures(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	for _, v := range []struct {
		name          string
		width, height int
		dark          bool
	}{{"desktop", 1280, 900, false}, {"dark", 1280, 900, true}, {"phone", 360, 740, false}} {
		p := b.open(t, url, v.width, v.height, v.dark)
		p.visit(url + "/")
		p.picture(v.name)
		p.eval(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil)
		p.picture(v.name + "-open")
	}
}
