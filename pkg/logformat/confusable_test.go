package logformat

// Shows which edits of a format leave lines that the new format takes although the old one wrote them.

import (
	"testing"

	"pgregory.net/rapid"
)

func compiled(t testing.TB, text string, e Escape) *Format {
	t.Helper()
	f, err := Compile(Inline(text, e), Options{TrustUnescaped: true})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestConfusable(t *testing.T) {
	f := func(old, new string, want bool) {
		t.Helper()
		for _, e := range []Escape{EscapeDefault, EscapeJSON} {
			if got := Confusable(compiled(t, old, e), compiled(t, new, e)); got != want {
				t.Errorf("escape=%s: lines of %q taken for %q: %v, want %v", e, old, new, got, want)
			}
		}
	}
	// whole numbers that change places, and one put for another
	f(`$msec $status $body_bytes_sent`, `$msec $body_bytes_sent $status`, true)
	f(`$msec $request_length`, `$msec $bytes_sent`, true)
	// a whole number is a number with a fraction too, but not the other way round
	f(`$msec $bytes_sent`, `$msec $request_time`, true)
	f(`$msec $request_time`, `$msec $bytes_sent`, false)
	// texts take all, and what is missing fits every type
	f(`$msec "$http_referer" "$http_user_agent"`, `$msec "$http_user_agent" "$http_referer"`, true)
	f(`$msec "$http_referer"`, `$msec "$upstream_status"`, true)
	f(`$msec "$status"`, `$msec "$http_referer"`, true)
	f(`$msec "$http_a" "$http_b" "$http_c"`, `$msec "$upstream_status" "$http_b" "$upstream_response_time"`, true)
	f(`$msec "$ngxtap_request_headers" "$ngxtap_response_headers"`, `$msec "$ngxtap_response_headers" "$ngxtap_request_headers"`, true)
	// a column without quotes takes what were two
	f(`$msec $host $remote_addr`, `$msec $remote_addr`, false) // one word each
	f(`$msec $host $http_user_agent`, `$msec $http_user_agent`, true)
	// the same variables in the same order mean the same, whatever stands between
	f(`$msec $status "$request"`, `$msec $status "$request"`, false)
	f(`$msec $status "$request"`, `$msec [$status] "$request"`, false)
	f(`$msec $uri`, `$msec  $uri`, false)
	// ordinary edits can be told apart
	f(`$msec $status "$request"`, `$msec $status "$request" $request_time`, false)
	f(`$msec $status "$request" $request_time`, `$msec $status "$request"`, false)
	f(`$msec $status "$request"`, `$msec $request_time $status "$request"`, false)
	f(`$msec $status`, `$time_iso8601 $status`, false)
	f(`$msec "$upstream_response_time"`, `$msec "$status"`, true) // where it is missing
	f(`$msec "$request_time"`, `$msec "$status"`, false)
	f(`$msec "$http_user_agent"`, `$msec "$ngxtap_request_headers"`, true) // likewise
	f(`$msec "$request"`, `$msec "$status"`, true)                         // likewise
	f(`{"t":"$msec","s":"$status","b":"$bytes_sent"}`, `{"t":"$msec","b":"$bytes_sent","s":"$status"}`, false)
	f(`{"t":"$msec","s":"$status","b":"$bytes_sent"}`, `{"t":"$msec","s":"$bytes_sent","b":"$status"}`, true)
}

// TestConfusableOfOneFormat shows that a format is never confused with itself, and that nothing panics, for generated formats.
func TestConfusableOfOneFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawFormat(t), drawFormat(t)
		if a == nil || b == nil {
			return
		}
		if Confusable(a, a) {
			t.Fatalf("%q is confused with itself", a.def.Text)
		}
		if got := Confusable(a, b); got && sameVariables(a, b) || got != Confusable(a, b) {
			t.Fatalf("%q and %q: %v", a.def.Text, b.def.Text, got)
		}
	})
}

func BenchmarkConfusable(b *testing.B) {
	old := compiled(b, `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`, EscapeDefault)
	new := compiled(b, `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time`,
		EscapeDefault)
	for b.Loop() {
		if Confusable(old, new) {
			b.Fatal("confused")
		}
	}
}
