package logformat

// Shows which formats compile, which are refused or warned of and with what words, and what a compiled format tells of itself.

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// combined is the format that Nginx has built in.
const combined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`

// mustCompile compiles text.
func mustCompile(tb testing.TB, text string, e Escape) *Format {
	tb.Helper()
	f, err := Compile(Inline(text, e), Options{TrustUnescaped: true})
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestCompileCombined(t *testing.T) {
	f := mustCompile(t, combined, EscapeDefault)
	var names []string
	for _, c := range f.Columns() {
		names = append(names, c.Name)
		if want := c.Name == "request" || strings.HasPrefix(c.Name, "http_"); c.Quoted != want {
			t.Errorf("$%s: Quoted = %v", c.Name, c.Quoted)
		}
	}
	if want := []string{"remote_addr", "remote_user", "time_local", "request", "status", "body_bytes_sent", "http_referer",
		"http_user_agent"}; !slices.Equal(names, want) {
		t.Errorf("columns %q", names)
	}
	var literals []string
	for i := range len(names) + 1 {
		literals = append(literals, f.Literal(i))
	}
	if want := []string{``, ` - `, ` [`, `] "`, `" `, ` `, ` "`, `" "`, `"`}; !slices.Equal(literals, want) {
		t.Errorf("literals %q", literals)
	}
	if len(f.Warnings()) != 0 {
		t.Errorf("warnings %q", f.Warnings())
	}
	if f.Escape() != EscapeDefault || f.Definition().Text != combined {
		t.Error("the definition is lost")
	}
	if !f.Missing([]byte("-")) || f.Missing(nil) {
		t.Error("missing is a dash here")
	}
	if f := mustCompile(t, `"$status"`, EscapeJSON); f.Missing([]byte("-")) || !f.Missing(nil) {
		t.Error("missing is nothing in JSON mode")
	}
}

func TestCompileBracesAndCase(t *testing.T) {
	f := mustCompile(t, `${Remote_Addr}x ${status} $status`, EscapeDefault)
	if c := f.Columns(); len(c) != 3 || c[0].Name != "remote_addr" || c[1].Kind != Int || c[2].Name != "status" || f.Literal(1) != "x " {
		t.Errorf("%+v", c)
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct {
		text   string
		escape Escape
		want   []string // parts of the error
	}{
		{`plain`, EscapeDefault, []string{"no variables"}},
		{``, EscapeDefault, []string{"no variables"}},
		{`$status ${http_a`, EscapeDefault, []string{"column 9", "closing brace", "${http_a}"}},
		{`$status ${http a}`, EscapeDefault, []string{"column 9", "closing brace"}},
		{`$status $`, EscapeDefault, []string{"column 9", "without the name"}},
		{`$status $ $pid`, EscapeDefault, []string{"column 9", "without the name"}},
		{`$status ${}`, EscapeDefault, []string{"column 9", "without the name"}},
		{`$$status`, EscapeDefault, []string{"column 1", "without the name"}},
		{`$host$request_uri`, EscapeDefault, []string{"column 6", "nothing between $host and $request_uri", "separator"}},
		{`$http_referer $http_user_agent`, EscapeDefault, []string{"column 15", "$http_referer", "quotes"}},
		{`$request $http_user_agent`, EscapeJSON, []string{"quotes"}},
		{`$http_referer, $http_user_agent`, EscapeDefault, []string{"quotes"}},
		{`$http_referer $request_id $http_user_agent`, EscapeDefault, []string{"quotes"}},
		{`$http_referer $host $http_user_agent`, EscapeDefault, []string{"quotes"}},
		{"$status\n$pid", EscapeDefault, []string{"column 8", "line feed"}},
		{"$status\n", EscapeDefault, []string{"column 8", "line feed"}},
		{`$http_a\$status`, EscapeDefault, []string{"backslash", "$status"}},
		{`$http_a [\$status]$http_b "`, EscapeDefault, []string{"backslash", "$status"}},
		{`"$http_a\"$host"`, EscapeJSON, []string{"backslash"}},
		{`"$http_a\"`, EscapeDefault, nil}, // the end of the text shows in spite of the backslash,
		{strings.Repeat("$status ", maxColumns+1), EscapeDefault, []string{"1025", "1024"}},
	} {
		d := Inline(c.text, c.escape)
		d.File, d.Line, d.Name = "/etc/nginx/nginx.conf", 12, "main"
		_, err := Compile(d, Options{})
		if c.want == nil {
			if err != nil {
				t.Errorf("%q: %v", c.text, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%q was not refused", c.text)
			continue
		}
		for _, part := range append(c.want, `/etc/nginx/nginx.conf:12: log_format "main": `) {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %q does not say %q", c.text, err, part)
			}
		}
	}
	if _, err := Compile(Inline(strings.Repeat("$status ", maxColumns), EscapeDefault), Options{}); err != nil {
		t.Error(err)
	}
}

func TestCompileUnescaped(t *testing.T) {
	d := Inline(`"$request" "$http_user_agent"`, EscapeNone)
	if _, err := Compile(d, Options{}); err == nil || !strings.Contains(err.Error(), "forge") {
		t.Errorf("escape=none was taken: %v", err)
	}
	f, err := Compile(d, Options{TrustUnescaped: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Warnings()) != 2 || !strings.Contains(f.Warnings()[0], "forge") || !strings.Contains(f.Warnings()[1], "$request") {
		t.Errorf("warnings %q", f.Warnings())
	}
}

func TestCompileWarns(t *testing.T) {
	for text, want := range map[string]string{
		`$remote_user [$time_local] "$request"`:                   "",
		`$status $request`:                                        "",
		`$request $status $body_bytes_sent`:                       "", // whole numbers show their start from the right
		`$http_user_agent $request_id`:                            "",
		`$http_referer	$http_user_agent`:                          "", // a tab is always escaped
		`"$http_referer" "$http_user_agent"`:                      "",
		`$upstream_addr $upstream_status $upstream_response_time`: "",
		`$http_referer|$http_user_agent|$status`:                  "$http_referer or $http_user_agent",
		`ref=$http_referer ua=$http_user_agent rt=$request_time`:  "$http_referer or $http_user_agent",
		`$remote_user $status $host "$request"`:                   "$remote_user or $host",
		`$request_method $request_uri $server_protocol`:           "$request_method or $request_uri",
	} {
		f, err := Compile(Inline(text, EscapeDefault), Options{})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got := strings.Join(f.Warnings(), "\n")
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: warnings %q, want %q", text, got, want)
		}
	}
}

func TestMisfitIsAnError(t *testing.T) {
	_, err := mustCompile(t, combined, EscapeDefault).Split(nil, []byte("x"))
	var m *Misfit
	if !errors.As(err, &m) {
		t.Errorf("%T", err)
	}
}
