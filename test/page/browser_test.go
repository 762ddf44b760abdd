package page

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ngxtap/test/components"
)

// patience is how long a browser may take for one step on a machine that is slow and busy.
const patience = time.Minute

// browser is a real browser without a screen. It is driven by the DevTools protocol over a pipe (file descriptors 3 and 4: messages of JSON, each
// ended by a zero byte), so no port of ours is open and no library is needed.
type browser struct {
	to io.WriteCloser

	mu      sync.Mutex // guards the following
	next    int
	waiting map[int]chan message
	pages   map[string]*tab // by session
	err     error           // why nothing more comes
}

type message struct {
	ID      int                       `json:"id,omitempty"`
	Session string                    `json:"sessionId,omitempty"`
	Method  string                    `json:"method,omitempty"`
	Params  json.RawMessage           `json:"params,omitempty"`
	Result  json.RawMessage           `json:"result,omitempty"`
	Error   *struct{ Message string } `json:"error,omitempty"`
}

// startBrowser starts a browser with a profile of its own. It is gone when the test is.
func startBrowser(t testing.TB) *browser {
	t.Helper()
	components.Require(t, components.PartBrowser)
	path, err := components.Browser()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "ngxtap-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps", "--no-proxy-server", "--hide-scrollbars",
		"--force-color-profile=srgb", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	var said bytes.Buffer
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{inR, outW}, &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	b := &browser{to: inW, waiting: map[int]chan message{}, pages: map[string]*tab{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(outR)
	}()
	t.Cleanup(func() {
		_ = b.call("", "Browser.close", nil, nil) // it may be gone already
		inW.Close()
		_ = cmd.Process.Kill()
		err := cmd.Wait()
		outR.Close()
		<-read
		if t.Failed() {
			t.Logf("the browser ended with %v and said: %.2000s", err, said.String())
		}
		os.RemoveAll(profile)
	})
	return b
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// read hands on what the browser says, until it says nothing more.
func (b *browser) read(from io.Reader) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := in.ReadBytes(0)
		var m message
		if err == nil {
			err = json.Unmarshal(line[:len(line)-1], &m)
		}
		b.mu.Lock()
		if err != nil {
			b.err = fmt.Errorf("the browser is gone: %w", err)
			for id, c := range b.waiting {
				close(c)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		if c := b.waiting[m.ID]; c != nil {
			delete(b.waiting, m.ID)
			c <- m
		} else if p := b.pages[m.Session]; p != nil {
			p.event(&m)
		}
		b.mu.Unlock()
	}
}

// call asks the browser for something and waits for the answer.
func (b *browser) call(session, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	b.mu.Lock()
	if b.err != nil {
		defer b.mu.Unlock()
		return b.err
	}
	b.next++
	m := message{ID: b.next, Session: session, Method: method, Params: raw}
	answer := make(chan message, 1)
	b.waiting[m.ID] = answer
	raw, err = json.Marshal(m)
	if err == nil {
		_, err = b.to.Write(append(raw, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("%s: the browser is gone", method)
		case m.Error != nil:
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		case result != nil:
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer in %v", method, patience)
	}
}

// tab is one page in a browser.
type tab struct {
	t       testing.TB
	b       *browser
	session string
	// expected is a part of the complaints that a test provokes.
	expected string
	loaded   chan struct{} // receives when a document and all it needs are there

	// Guarded by b.mu.
	complaints []string // errors and warnings of the console, exceptions, violations of the policy
	requests   []string // URLs
}

// open opens an empty page of that size. At the end of the test nothing may have been complained of, and nothing asked for but from origin.
func (b *browser) open(t testing.TB, origin string, width, height int, how mode) *tab {
	t.Helper()
	var context struct{ BrowserContextID string }
	p := &tab{t: t, b: b, loaded: make(chan struct{}, 1)}
	p.must(b.call("", "Target.createBrowserContext", nil, &context))
	var target struct{ TargetID string }
	p.must(b.call("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID, "width": width, "height": height}, &target))
	var session struct{ SessionID string }
	p.must(b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session))
	p.session = session.SessionID
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.call(domain+".enable", nil)
	}
	p.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500})
	scheme := "light"
	if how == dark {
		scheme = "dark"
	}
	p.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
	script := watch
	if how != realTime {
		script += clock
	}
	p.call("Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": script})
	t.Cleanup(func() {
		_ = b.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": context.BrowserContextID}, nil) // the browser may be gone
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, c := range p.complaints {
			if p.expected != "" && strings.Contains(c, p.expected) {
				continue
			}
			t.Errorf("the page complains: %s", c)
		}
		for _, url := range p.requests {
			if !strings.HasPrefix(url, origin) && !strings.HasPrefix(url, "about:") && !strings.HasPrefix(url, "data:") {
				t.Errorf("the page asks somebody else: %s", url)
			}
		}
	})
	return p
}

// mode says how a page is looked at.
type mode int

const (
	light    mode = iota
	dark          // with the colours of the night
	realTime      // by daylight, and the page has its own clock
)

// watch runs before any script of a page: it reports violations of the policy, and helps to wait.
const watch = `
addEventListener("securitypolicyviolation", e => console.error("policy: " + e.violatedDirective + " " + e.blockedURI));
window.until = (set => (f, act) => new Promise(done => {
	const look = () => { if (f()) done(true); else { if (act) act(); set(look, 20); } };
	look();
}))(setTimeout);`

// clock hands the page's clock to the test. A call of tick() is what two seconds are to the page.
const clock = `{
	const due = new Map(), set = window.setTimeout, clear = window.clearTimeout;
	let id = 1e9;
	window.setTimeout = (f, ms, ...rest) => ms === 2000 ? (due.set(++id, f), id) : set(f, ms, ...rest);
	window.clearTimeout = n => due.delete(n) || clear(n);
	window.tick = () => { const all = [...due.values()]; due.clear(); all.forEach(f => f()); return all.length; };
	window.ticking = () => due.size;
}`

// event notes what a page does. The caller holds b.mu.
func (p *tab) event(m *message) {
	var e struct {
		Type             string
		Args             []struct{ Value, Description any }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
		Entry   struct{ Level, Text, URL string }
		Request struct{ URL string }
	}
	if json.Unmarshal(m.Params, &e) != nil {
		return
	}
	switch m.Method {
	case "Runtime.consoleAPICalled":
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			p.complaints = append(p.complaints, fmt.Sprintf("console %s: %v", e.Type, e.Args))
		}
	case "Runtime.exceptionThrown":
		p.complaints = append(p.complaints, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
	case "Log.entryAdded":
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.complaints = append(p.complaints, e.Entry.Text+" "+e.Entry.URL)
		}
	case "Page.loadEventFired":
		select {
		case p.loaded <- struct{}{}:
		default:
		}
	case "Network.requestWillBeSent":
		p.requests = append(p.requests, e.Request.URL)
	}
}

func (p *tab) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) call(method string, params any) {
	p.t.Helper()
	p.must(p.b.call(p.session, method, params, nil))
}

// awaitLoad waits until a document is there.
func (p *tab) awaitLoad() {
	p.t.Helper()
	select {
	case <-p.loaded:
	case <-time.After(patience):
		p.t.Fatal("the page does not come")
	}
}

// visit goes to a URL and waits until all of it is there.
func (p *tab) visit(url string) {
	p.t.Helper()
	select {
	case <-p.loaded: // of the page before
	default:
	}
	var nav struct{ ErrorText string }
	p.must(p.b.call(p.session, "Page.navigate", map[string]any{"url": url}, &nav))
	if nav.ErrorText != "" {
		p.t.Fatalf("%s: %s", url, nav.ErrorText)
	}
	p.awaitLoad()
}

// eval runs a script in the page and puts what it returns into result.
func (p *tab) eval(script string, result any) {
	p.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	for {
		err := p.b.call(p.session, "Runtime.evaluate", map[string]any{"expression": script, "awaitPromise": true, "returnByValue": true}, &out)
		if err != nil && strings.Contains(err.Error(), "navigated") {
			continue // it was asked of the page before
		}
		p.must(err)
		break
	}
	if e := out.ExceptionDetails; e != nil {
		p.t.Fatalf("%s: %s %s", script, e.Text, e.Exception.Description)
	}
	if result != nil {
		p.must(json.Unmarshal(out.Result.Value, result))
	}
}

// until waits until a condition holds in the page.
func (p *tab) until(condition string) {
	p.t.Helper()
	p.eval("until(() => "+condition+")", nil)
}

// ticks lets two seconds after the other pass in the page until a condition holds.
func (p *tab) ticks(condition string) {
	p.t.Helper()
	p.eval("until(() => "+condition+", tick)", nil)
}

// press types a key.
func (p *tab) press(key, code string, vk int, modifiers int) {
	p.t.Helper()
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		p.call("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": vk, "modifiers": modifiers})
	}
}

// enter types Enter.
func (p *tab) enter() {
	p.t.Helper()
	p.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"})
	p.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13})
}

// picture writes all of the page as it looks to a file for a person.
func (p *tab) picture(name string) {
	p.t.Helper()
	var shot struct{ Data string }
	p.must(p.b.call(p.session, "Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &shot))
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	p.must(err)
	dir := os.Getenv("NGXTAP_PICTURES")
	if dir == "" {
		dir = p.t.ArtifactDir()
	}
	path := filepath.Join(dir, name+".png")
	p.must(os.WriteFile(path, png, 0o644))
	p.t.Logf("picture: %s", path)
}
