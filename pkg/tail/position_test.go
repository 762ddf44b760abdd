// Shows that a position survives storage, that nonsense is refused, and that it holds no log content.
package tail

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestPositionRoundTrip(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.log"), "secret one\nsecret two\n")
	r := newRig(t, dir, Config{}, "a.log")
	r.drain()
	p := r.Position()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "secret") || !strings.HasPrefix(string(b), `{"v":1,`) {
		t.Errorf("stored as %s", b)
	}
	var q Position
	if err := json.Unmarshal(b, &q); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("read back %+v\nwant %+v", q, p)
	}
	f := p.Files[len(p.Files)-1]
	if f.Offset != 22 || f.Lines != 2 || f.ID != GenerationID([]byte("secret one\n")) || f.MarkLen != 22 {
		t.Errorf("state %+v", f)
	}
}

func TestPositionRefused(t *testing.T) {
	for _, s := range []string{
		`{"v":2}`, `{}`, `[]`, `{"v":1,"f":[{"p":"x","o":-1}]}`, `{"v":1,"f":[{"p":"x","o":5}]}`,
		`{"v":1,"f":[{"o":0}]}`, `{"v":1,"f":[{"p":"x","o":0,"hl":5,"hh":"abc","id":"A"}]}`, `{"v":1,"f":[{"p":"x","o":0,"hl":5000}]}`,
	} {
		var p Position
		err := json.Unmarshal([]byte(s), &p)
		if err == nil {
			var tl *Tailer
			if tl, err = Open(Config{Paths: []string{filepath.Join(t.TempDir(), "x")}}, &p); err == nil {
				tl.Close()
				t.Errorf("%s was accepted", s)
			}
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add([]byte(`{"v":1,"f":[{"p":"x","o":0,"id":"A","hl":3,"hh":"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}],"g":["x"]}`))
	f.Add([]byte(`{"v":1,"f":[{"p":"/x/y","b":"/x/z","o":9,"ml":9}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Position
		if json.Unmarshal(b, &p) != nil {
			return
		}
		for i := range p.Files {
			p.Files[i].Path, p.Files[i].Base = "x", "" // never look at files by a fuzzed name
		}
		tl, err := Open(Config{Paths: []string{"x"}, wake: &stepper{}}, &p)
		if err != nil {
			return
		}
		defer tl.Close()
		if _, err := tl.Read(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		tl.Position()
		tl.Status()
	})
}

func TestOpenRefusesConfig(t *testing.T) {
	for _, paths := range [][]string{nil, {"a[.log"}} {
		if tl, err := Open(Config{Paths: paths}, nil); err == nil {
			tl.Close()
			t.Errorf("%q was accepted", paths)
		}
	}
}
