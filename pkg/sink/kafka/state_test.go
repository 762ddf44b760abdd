// state_test.go shows that any position survives the state record byte for byte, and that ownership is judged as the package
// comment says.
package kafka

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"ngxtap/pkg/sink"
)

func FuzzStateRecordKeepsThePosition(f *testing.F) {
	for _, s := range []string{"", "{}", "[]", `{"a":"<b>&\u2028"}`, `{"a" : 1 }`, " {}", "{} ", "null", "{", "}", "[1}", "\x00", `{"position":{"position":1}}`, `{"a":"` + "\xff" + `"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, pos []byte) {
		in := stateRecord{V: stateVersion, Nonce: "run.1", Seq: 7, Host: "a\"b", PID: 1, Time: now()}
		data, err := appendState([]byte("prefix"), in, pos)
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.TrimPrefix(data, []byte("prefix"))
		if !json.Valid(data) {
			t.Fatalf("not JSON: %q", data)
		}
		out, err := parseState(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.position(), pos) {
			t.Errorf("want %q, got %q", pos, out.position())
		}
		if out.Nonce != in.Nonce || out.Seq != in.Seq || out.Host != in.Host {
			t.Errorf("want %+v, got %+v", in, *out)
		}
	})
}

func FuzzParseStateNeverPanics(f *testing.F) {
	f.Add([]byte(`{"v":1,"position":{"x":1},"position_base64":"AA=="}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := parseState(data); err == nil {
			r.position()
		}
	})
}

func TestOwnership(t *testing.T) {
	mine := NewOwner()
	old := NewOwner()
	old.established = true
	outrun := NewOwner()
	outrun.outrun, outrun.before = true, NewOwner().run
	rec := func(o *Owner, host string, released bool) *stateRecord {
		return &stateRecord{V: 1, Nonce: o.nonce(), Host: host, Released: released}
	}
	tests := []struct {
		name     string
		owner    *Owner // of the process that asks
		takeover bool
		newest   *stateRecord
		refused  bool
	}{
		{"nobody was there", mine, false, nil, false},
		{"an earlier run on this host", mine, false, rec(NewOwner(), "here", false), false},
		{"another host that left", mine, false, rec(NewOwner(), "there", true), false},
		{"another host that is there", mine, false, rec(NewOwner(), "there", false), true},
		{"another host, told to take over", mine, true, rec(NewOwner(), "there", false), false},
		{"ourselves a session ago", old, false, rec(old, "here", false), false},
		{"ourselves a session ago, under another host name", old, false, rec(old, "there", false), false},
		{"we were owner, now another host is", old, false, rec(NewOwner(), "there", false), true},
		{"we were owner, now a clone with our host name is", old, false, rec(NewOwner(), "here", false), true},
		{"we were owner, told to take over at the start, now another is", old, true, rec(NewOwner(), "there", false), true},
		{"we were owner, another was and left", old, false, rec(NewOwner(), "there", true), true},
		{"another run started after us", outrun, false, rec(NewOwner(), "here", false), true},
		{"another run started after us, told to take over", outrun, true, rec(NewOwner(), "there", false), true},
		{"another run starts too, and has not got as far as its marker", outrun, false, &stateRecord{V: 1, Nonce: outrun.before + ".1", Host: "here"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := Config{Instance: "i", Site: "s", Host: "here", Owner: tt.owner, Takeover: tt.takeover}
			err := newState(&cfg, nil, 3).mayStart(tt.newest)
			if errors.Is(err, sink.ErrNotOwner) != tt.refused || (err != nil) != tt.refused {
				t.Errorf("want refused %v, got %v", tt.refused, err)
			}
		})
	}
}
