package page

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ngxtap/test/components"
)

// What axe-core finds of barriers in the page, in every look, closed and open.
func TestNoBarriers(t *testing.T) {
	components.Require(t, components.PartAxe)
	axe, err := os.ReadFile(components.Axe())
	if err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			p := b.open(t, url, look.width, look.height, look.mode)
			p.visit(url + "/")
			p.eval(string(axe)+"; undefined", nil)
			for _, script := range []string{"", openAll} {
				p.eval(script, nil)
				var found struct {
					Passes     int
					Violations []struct {
						ID, Help string
						Nodes    []struct{ HTML, FailureSummary string }
					}
				}
				p.eval(`axe.run(document, {resultTypes: ["violations", "passes"]}).then(r => ({Passes: r.passes.length, Violations: r.violations}))`, &found)
				if found.Passes < 20 {
					t.Errorf("only %d rules were looked at", found.Passes)
				}
				for _, v := range found.Violations {
					for _, n := range v.Nodes {
						t.Errorf("%s: %s\n%.200s\n%s", v.ID, v.Help, n.HTML, n.FailureSummary)
					}
				}
			}
		})
	}
}

// contrast returns, for all text that is seen, the contrast with what is behind it, where it is less than it should be (WCAG 2.2, 1.4.3), and how many
// texts there were. Nothing in the page is laid over anything else, so what is behind a text is the ground of what holds it.
const contrast = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return c.startsWith("color(") ? [m[0]*255, m[1]*255, m[2]*255, m[3] ?? 1] : [m[0], m[1], m[2], m[3] ?? 1]; };
	const over = (a, b) => [0, 1, 2].map(i => a[i]*a[3] + b[i]*(1-a[3])).concat(1);
	const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b; };
	const behind = e => { const all = []; for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3]) all.push(c); if (c[3] === 1) break; }
		return all.reverse().reduce((ground, c) => over(c, ground), [255, 255, 255, 1]); };
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), poor = [];
	let texts = 0;
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest(".unseen, .skip, thead.unseen, option")) continue;
		texts++;
		const ground = behind(e), ink = over(parse(getComputedStyle(e).color), ground);
		const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) poor.push(ratio.toFixed(2) + " " + walk.currentNode.data.trim().slice(0, 60));
	}
	const marks = [];
	for (const e of document.querySelectorAll(".shape, .spark .line")) {
		if (!e.checkVisibility()) continue;
		const line = e.matches(".line"), ground = behind(e.closest("td, th, p, li, figure, span.badge")), c = over(parse(getComputedStyle(e)[line ? "stroke" : "fill"]), ground);
		const [a, b] = [light(c), light(ground)].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
		if (ratio < 3) marks.push(ratio.toFixed(2) + " " + e.outerHTML.slice(0, 60));
	}
	return {Texts: texts, Poor: poor, Marks: marks};
})()`

func TestContrast(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	for _, look := range looks {
		p := b.open(t, url, look.width, look.height, look.mode)
		p.visit(url + "/")
		p.eval(openAll, nil)
		var got struct {
			Texts       int
			Poor, Marks []string
		}
		p.eval(contrast, &got)
		if got.Texts < 200 || len(got.Poor) > 0 || len(got.Marks) > 0 {
			t.Errorf("%s: of %d texts these can hardly be read: %q; and these marks be seen: %q", look.name, got.Texts, got.Poor, got.Marks)
		}
		var ground string
		if p.eval("getComputedStyle(document.body).backgroundColor", &ground); (ground == "rgb(20, 23, 26)") != (look.mode == dark) {
			t.Errorf("%s: the ground is %s", look.name, ground)
		}
	}
}

// What a colour says, a word and a shape say too; and nothing moves.
func TestNotByColourAlone(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(6).serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	var shapes map[string][]string
	p.eval(`[...document.querySelectorAll(".shape")].reduce((m, e) => { const k = e.classList[1]; (m[k] ??= []).includes(e.innerHTML) || m[k].push(e.innerHTML); return m; }, {})`, &shapes)
	seen := map[string]string{}
	for class, drawn := range shapes {
		if len(drawn) != 1 || seen[drawn[0]] != "" {
			t.Errorf("%s is drawn %q; another one, %s, may look the same", class, drawn, seen[drawn[0]])
		}
		seen[drawn[0]] = class
	}
	if len(shapes) != 3 {
		t.Errorf("shapes: %v", shapes)
	}
	var wordless int
	p.eval(`[...document.querySelectorAll(".shape")].filter(e => !e.parentElement.textContent.trim()).length`, &wordless)
	var moving int
	p.eval(`document.getAnimations().length + [...document.querySelectorAll("*")].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0).length`, &moving)
	if wordless != 0 || moving != 0 {
		t.Errorf("%d shapes without a word, %d things that move", wordless, moving)
	}
	for _, deficiency := range []string{"deuteranopia", "protanopia", "achromatopsia"} {
		p.call("Emulation.setEmulatedVisionDeficiency", map[string]any{"type": deficiency})
		p.picture(deficiency)
	}
}

// With the keyboard all controls are reached, in the order in which they are read, and it is seen which one has the focus.
func TestKeyboard(t *testing.T) {
	b := startBrowser(t)
	url := newWorld(3).serve(t)
	p := b.open(t, url, 1280, 900, light)
	p.visit(url + "/")
	p.eval(`document.getElementById("details-shop").open = true`, nil)
	const mark = `(document.activeElement === document.body ? "body" : document.activeElement.dataset.n)`
	var all int
	p.eval(`{let n = 0; for (const e of document.querySelectorAll("a[href], summary, input, select, button, [tabindex='0']")) if (e.checkVisibility()) e.dataset.n = n++; n}`, &all)
	if all < 12 {
		t.Fatalf("only %d controls", all)
	}
	var order []string
	for range all + 1 {
		p.press("Tab", "Tab", 9, 0)
		var at string
		p.eval(mark, &at)
		order = append(order, at)
		var hidden bool
		p.eval(`{const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
			e !== document.body && (s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2 || r.right <= 0 || r.bottom <= 0 || r.top >= innerHeight || r.left >= innerWidth)}`, &hidden)
		if hidden {
			t.Errorf("control %s has the focus and it is not seen", at)
		}
	}
	var want []string
	for i := range all {
		want = append(want, fmt.Sprint(i))
	}
	if !slices.Equal(order[:all], want) {
		t.Errorf("the order is %s, want %s", strings.Join(order, " "), strings.Join(want, " "))
	}
	if slices.Contains(want, order[all]) && order[all] != "0" {
		t.Errorf("there is no way out: after the last comes %s", order[all])
	}
	// The skip link leads to the sites; details open and close with Enter.
	p.visit(url + "/?q=shop")
	p.press("Tab", "Tab", 9, 0)
	p.enter()
	var focus string
	if p.eval(`location.hash + " " + document.activeElement.id`, &focus); focus != "#sites sites" {
		t.Errorf("the skip link leads to %q", focus)
	}
	p.eval(`document.querySelector("#details-shop summary").focus()`, nil)
	p.enter()
	p.until(`document.getElementById("details-shop").open`)
	p.enter()
	p.until(`!document.getElementById("details-shop").open`)
}
