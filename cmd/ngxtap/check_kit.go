package main

import (
	"fmt"
	"slices"
	"strings"

	"ngxtap/pkg/avro"
	"ngxtap/pkg/config"
	"ngxtap/pkg/logformat"
	"ngxtap/pkg/pipeline"
	"ngxtap/pkg/schema"
)

// kitFunctions are what the kit's js_set lines call.
var kitFunctions = map[string]string{
	"ngxtap_request_headers":  "request_headers",
	"ngxtap_response_headers": "response_headers",
}

// kit is the report of one site's nginx.conf.
type kit struct {
	r    *report
	site string
}

// warn adds a warning whose text begins with its place.
func (k kit) warn(w what, format string, args ...any) {
	k.r.warn(placedAt(w, fmt.Sprintf(format, args...)).of(k.site))
}

// warnFormat repeats what compiling a format warned of.
func warnFormat(r *report, site string, f *pipeline.Format) {
	for _, w := range f.LogFormat().Warnings() {
		r.warn(placedAt(whatNginx, w).of(site)) // it names the format and its place
	}
}

// checkKit warns of what makes the variables that hold all headers empty, early or somebody else's, and of formats and access_logs that lose
// or forge data. All of it is warnings: ngxtap ships what the log holds.
func checkKit(r *report, s *config.Site, conf *logformat.Conf, formats []*pipeline.Format) {
	k := kit{r, s.Site}
	used := map[string]bool{}
	for _, f := range formats {
		for _, c := range f.LogFormat().Columns() {
			if c.Kind == logformat.Headers {
				used[c.Name] = true
			}
		}
		checkJSON(k, f.LogFormat())
		checkDuplicates(k, f.LogFormat())
		checkDumps(k, f.LogFormat(), s.Headers.Keep)
	}
	checkPromoted(k, formats)
	if conf == nil {
		return // the site's own file has the format; nothing tells who writes the log
	}
	for _, name := range []string{"ngxtap_request_headers", "ngxtap_response_headers"} {
		if used[name] {
			checkSetters(k, conf, name)
			checkUses(k, conf, name)
		}
	}
}

// checkSetters looks at what gives a variable that holds all headers its value.
func checkSetters(k kit, conf *logformat.Conf, name string) {
	set := false
	for _, st := range conf.Setters {
		if st.Variable != name {
			continue
		}
		set = true
		switch st.Directive {
		case "js_set":
			checkScript(k, conf, &st)
		case "map": // the kit for Lua makes room with it
		default:
			k.warn(whatKit, "%s: %s gives $%s a value that is not of the kit; take it out, or give your variable another name", st.Where(), st.Directive, name)
		}
	}
	if !set {
		k.warn(whatKit, "nothing in %s sets $%s, which a format uses: Nginx refuses to start so. Put include ngxtap.conf; into http (nginx/README.md)", conf.Files[0], name)
	}
}

// checkScript looks at one js_set.
func checkScript(k kit, conf *logformat.Conf, st *logformat.VariableSetter) {
	script, function, ok := strings.Cut(st.Value, ".")
	switch {
	case !ok:
		k.warn(whatKit, "%s: js_set $%s %s is of an njs before 0.4, which the kit does not work with: js_import ngxtap from ngxtap.js; js_set $%s ngxtap.%s;",
			st.Where(), st.Variable, st.Value, st.Variable, kitFunctions[st.Variable])
		return
	case !slices.Contains(conf.Scripts, script):
		k.warn(whatKit, "%s: js_set names the script %s, which no js_import imports: Nginx refuses to start so. js_import %s from ngxtap.js;", st.Where(), script, script)
	case function != kitFunctions[st.Variable]:
		k.warn(whatKit, "%s: $%s is set by %s, not by %s of the kit. JSON of headersIn and headersOut, or of their raw pairs, is read too, but duplicates "+
			"(Set-Cookie) or Content-Type may be missing in it; anything else goes to quarantine", st.Where(), st.Variable, st.Value, kitFunctions[st.Variable])
	}
	loaded := slices.ContainsFunc(conf.Modules, func(m string) bool { return strings.HasPrefix(m, "ngx_http_js_module") })
	if !loaded && !slices.ContainsFunc(conf.Files, func(f string) bool { return strings.Contains(f, "modules-enabled") || strings.Contains(f, "/modules/") }) {
		k.warn(whatKit, "%s: js_set needs the njs module, and nothing loads it: unless it is compiled in, put load_module modules/ngx_http_js_module.so; at the "+
			"top of nginx.conf", st.Where())
	}
}

// checkUses looks at where a variable that holds all headers is used besides log_format.
func checkUses(k kit, conf *logformat.Conf, name string) {
	if slices.ContainsFunc(conf.Setters, func(s logformat.VariableSetter) bool { return s.Variable == name && s.NoCache }) {
		return
	}
	for _, u := range conf.Uses {
		if u.Variable != name {
			continue
		}
		effect := "the value that it has there is kept for the log, before the response headers are there"
		if name == "ngxtap_request_headers" {
			effect = "the value that it has there is kept for the log; with Lua it is still empty there"
		}
		k.warn(whatKit, "%s: %s (%s) uses $%s: %s. Name the variable in log_format only; here use $http_NAME or $sent_http_NAME, or a js_set variable "+
			"of another name", u.Where(), u.Directive, u.Context, name, effect)
	}
}

// always are variables that have a value in every request.
var always = []string{"status", "body_bytes_sent", "bytes_sent", "request_time", "msec", "connection", "connection_requests", "request_length", "pid",
	"remote_port", "server_port", "connection_time", "proxy_protocol_port"}

// checkJSON warns of a format that looks like JSON and at times is none.
func checkJSON(k kit, f *logformat.Format) {
	d := f.Definition()
	if d.Escape != logformat.EscapeJSON || !strings.HasPrefix(strings.TrimSpace(d.Text), "{") {
		return
	}
	for _, c := range f.Columns() {
		number := c.Kind == logformat.Int || c.Kind == logformat.Long || c.Kind == logformat.Double || c.Kind == logformat.Msec
		if c.Quoted || number && slices.Contains(always, c.Name) {
			continue
		}
		k.warn(whatJSON, "%s: log_format %s: $%s stands without quotes: where it has no value, or one that is no number, the line is no JSON for anybody. "+
			`Write "$%s"`, place(d), d.Name, c.Name, c.Name)
	}
}

// checkDuplicates warns of the one header that can't be put together again.
func checkDuplicates(k kit, f *logformat.Format) {
	d := f.Definition()
	for _, c := range f.Columns() {
		_, header, ok := c.Header()
		if !ok || header != "set-cookie" {
			continue
		}
		all := slices.ContainsFunc(f.Columns(), func(c logformat.Column) bool { return c.Name == "ngxtap_response_headers" })
		if !all {
			k.warn(whatSetCookie, "%s: log_format %s: of several Set-Cookie headers $%s holds the first (Nginx before 1.23), or all joined so that they can't be told "+
				"apart; $ngxtap_response_headers of the kit has each", place(d), d.Name, c.Name)
		}
	}
}

// checkDumps warns of all headers in a variable that is not of the kit: of its form nothing is known, so all of it is hidden.
func checkDumps(k kit, f *logformat.Format, keep []string) {
	d := f.Definition()
	for _, c := range f.Columns() {
		if c.Kind != logformat.Text || !avro.IsHeaderDump(c.Name) || slices.ContainsFunc(keep, func(n string) bool { return strings.EqualFold(n, c.Name) }) {
			continue
		}
		k.warn(whatKit, "%s: log_format %s: $%s is named like all headers in one value, where nobody can tell what is secret: it is hidden as a whole. Log the kit's "+
			"$ngxtap_request_headers and $ngxtap_response_headers (nginx/README.md), whose headers are told apart; JSON of headersIn or rawHeadersIn will do under these "+
			"names too", place(d), d.Name, c.Name)
	}
}

// checkPromoted warns of fields that no variable of any format can fill.
func checkPromoted(k kit, formats []*pipeline.Format) {
	type promoted struct{ header, field string }
	var all []promoted
	filled := map[promoted]bool{}
	for _, f := range formats {
		for _, field := range f.Event().Fields() {
			if p := (promoted{field.Header, field.Name}); field.Source == schema.Promoted {
				filled[p] = filled[p] || len(field.Columns) > 0
				all = append(all, p)
			}
		}
	}
	for i, p := range all {
		if filled[p] || slices.Contains(all[:i], p) {
			continue
		}
		hint := ""
		if strings.Contains(p.header, "_") {
			hint = fmt.Sprintf("; the header of $http_%s is named %s", p.header, strings.ReplaceAll(p.header, "_", "-"))
		}
		k.warn(whatKit, "headers.promote: no format has a variable for the header %s, so the field %s is always null%s", p.header, p.field, hint)
	}
}
