// Keeps the page up to date: fetches it again every two seconds while somebody looks, and changes what has changed. What is open, filled in,
// or has the focus stays so. Without this script the page is complete, as of when it was loaded.
"use strict";
(() => {
	const parts = ["head", "plots", "sitelist", "changelist", "rejectlist", "foot"];
	const every = 2000;
	const form = document.getElementById("query");
	const stale = document.getElementById("stale");
	const announce = document.getElementById("announce");
	let timer = 0, running = null, answered = new Date();

	// patch makes the element now look like next.
	function patch(now, next) {
		for (const {name} of [...now.attributes]) {
			if (!next.hasAttribute(name) && !theirs(now, name)) now.removeAttribute(name);
		}
		for (const {name, value} of next.attributes) {
			if (now.getAttribute(name) !== value && !theirs(now, name)) now.setAttribute(name, value);
		}
		const named = new Map();
		for (const child of now.children) if (child.id) named.set(child.id, child);
		let at = now.firstChild;
		for (const want of [...next.childNodes]) {
			let have = want.id ? named.get(want.id) : null;
			if (!have && !want.id && at && !at.id && at.nodeName === want.nodeName) have = at;
			if (!have) {
				now.insertBefore(document.importNode(want, true), at);
				continue;
			}
			if (have === at) at = at.nextSibling;
			else move(now, have, at);
			if (have.nodeType === Node.ELEMENT_NODE) patch(have, want);
			else if (have.data !== want.data) have.data = want.data;
		}
		while (at) {
			const gone = at;
			at = at.nextSibling;
			gone.remove();
		}
	}

	// theirs: whether details are open is up to whoever looks.
	function theirs(element, attribute) {
		return attribute === "open" && element.nodeName === "DETAILS";
	}

	function move(parent, child, before) {
		const focus = document.activeElement;
		parent.insertBefore(child, before);
		if (child.contains(focus) && document.activeElement !== focus) focus.focus({preventScroll: true});
	}

	// states says what each site does, for the voice of a screen reader.
	function states() {
		const all = new Map();
		for (const s of document.querySelectorAll("[data-site]")) all.set(s.dataset.site, s.dataset.state);
		return all;
	}

	function query() {
		const q = new URLSearchParams();
		const plain = {q: "", sort: "trouble", history: "5m"};
		for (const [name, value] of new FormData(form)) if (value !== plain[name]) q.set(name, value);
		return q.size ? "?" + q : "";
	}

	async function refresh() {
		clearTimeout(timer);
		if (running) running.abort();
		const mine = running = new AbortController();
		const limit = setTimeout(() => mine.abort(), 10000);
		try {
			const response = await fetch("/" + query(), {signal: mine.signal, headers: {Accept: "text/html"}});
			if (!response.ok) throw new Error("status " + response.status);
			const next = new DOMParser().parseFromString(await response.text(), "text/html");
			if (running !== mine) return;
			const before = states();
			for (const id of parts) patch(document.getElementById(id), next.getElementById(id));
			document.title = next.title;
			tell(before);
			answered = new Date();
			stale.hidden = true;
		} catch {
			if (running !== mine) return;
			const text = "No answer since " + answered.toISOString().slice(11, 19) + " UTC: does the daemon run? What is shown is from then.";
			if (stale.textContent !== text) stale.textContent = text;
			stale.hidden = false;
		} finally {
			clearTimeout(limit);
			if (running === mine) {
				running = null;
				if (!document.hidden) timer = setTimeout(refresh, every);
			}
		}
	}

	// tell announces the sites whose state is another than before.
	function tell(before) {
		const news = [];
		for (const [site, state] of states()) {
			if (before.has(site) && before.get(site) !== state) news.push("Site " + site + " is " + state);
		}
		if (news.length > 5) news.splice(4, news.length, (news.length - 4) + " more sites changed");
		if (news.length) announce.textContent = news.join(". ") + ".";
	}

	function changed(event) {
		event.preventDefault();
		history.replaceState(null, "", "/" + query() + location.hash);
		refresh();
	}

	document.documentElement.classList.add("scripted");
	form.addEventListener("input", changed);
	form.addEventListener("submit", changed);
	document.addEventListener("visibilitychange", () => {
		clearTimeout(timer);
		if (!document.hidden) refresh();
	});
	if (!document.hidden) timer = setTimeout(refresh, every);
})();
