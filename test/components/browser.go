package components

import (
	"fmt"
	"os/exec"
)

// browsers are the names under which a browser with the DevTools protocol is installed, the smallest first.
var browsers = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

// Browser returns the path of a browser that can be driven without a screen, by the DevTools protocol.
func Browser() (string, error) {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no browser is installed: none of %v", browsers)
}

// Axe returns the path of axe-core, a script that finds in a page what keeps people out who can't see, hear or move as others do.
func Axe() string { return cache("axe-core-"+version("AXE_CORE"), "axe.min.js") }
