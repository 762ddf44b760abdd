package admin

// Shows: the API has the shape that docs/status.md promises, answers within bounds, and is made at most twice a second.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestShapeOfTheAPI(t *testing.T) {
	s := start(t, nil)
	resp, body := get(t, s, "/api/v1/status")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s", resp.Status, resp.Header)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(body), "", "  "); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.golden.json", indented.String())
	var st Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatal(err)
	}
	if h := st.Sites[0].History; st.Sites[0].Name != "shop" || h.Lines[0] == h.Lines[0] || h.Lines[1] != 1.235 || h.Lag[1] != 123500000 {
		t.Errorf("read back: %+v", st.Sites[0])
	}
}

// Every key is in docs/status.md.
func TestDocsTellEveryKey(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(ty reflect.Type) {
		switch ty.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(ty.Elem())
		case reflect.Struct:
			if seen[ty] || ty == reflect.TypeFor[time.Time]() {
				return
			}
			seen[ty] = true
			for f := range ty.Fields() {
				key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if !strings.Contains(string(doc), "`"+key+"`") {
					t.Errorf("docs/status.md does not tell `%s` of %s", key, ty)
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[Status]())
}

func TestQueries(t *testing.T) {
	s := start(t, nil)
	for path, want := range map[string]int{"?site=shop": 200, "?site=nobody": 404, "?history=none": 200, "?history=1h": 200, "?history=1y": 400, "?site=%00": 404, "/": 404} {
		if resp, body := get(t, s, "/api/v1/status"+path); resp.StatusCode != want {
			t.Errorf("%s: %s %s", path, resp.Status, body)
		}
	}
	_, body := get(t, s, "/api/v1/status?site=api")
	var st Status
	if err := json.Unmarshal([]byte(body), &st); err != nil || len(st.Sites) != 1 || st.Sites[0].Name != "api" || st.Omitted != 1 || st.Totals.Sites != 2 {
		t.Errorf("one site: %v %s", err, body)
	}
}

// Whatever there is, an answer is not larger than this.
func TestAnswersAreBounded(t *testing.T) {
	huge := func() *Status {
		st := sample()
		fat := st.Sites[1]
		long := strings.Repeat("<&é", 50_000)
		fat.Reason, fat.Attention = long, []string{long, long, long}
		fat.Rejects = nil
		for range 20 {
			fat.Rejects = append(fat.Rejects, Reject{Path: long, Text: long})
		}
		st.Sites = nil
		for i := range 3000 {
			fat.Name = fmt.Sprintf("s%04d", i)
			st.Sites = append(st.Sites, fat)
		}
		return st
	}
	s := start(t, huge)
	for _, path := range []string{"/api/v1/status", "/", "/?sort=lag"} {
		_, body := get(t, s, path)
		if len(body) > 16<<20 {
			t.Errorf("%s: %d bytes", path, len(body))
		}
	}
	_, body := get(t, s, "/api/v1/status")
	var st Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatal(err)
	}
	if len(st.Sites) != maxSites || st.Omitted != 1000 || !st.Sites[maxSites-1].Omitted || st.Totals.Sites != 3000 {
		t.Errorf("%d sites, %d omitted, the last %+v", len(st.Sites), st.Omitted, st.Sites[maxSites-1])
	}
}

func TestManyWhoAskGetOneAnswer(t *testing.T) {
	made := 0
	c := newCache(func(Span) *Status { made++; return sample() })
	now := then
	c.now = func() time.Time { return now }
	for range 100 {
		c.get(SpanMinutes)
	}
	if c.get(SpanHour); made != 2 {
		t.Errorf("made %d times", made)
	}
	now = now.Add(CacheFor)
	if c.get(SpanMinutes); made != 3 {
		t.Errorf("made %d times after a while", made)
	}
}

func TestSeriesAsJSON(t *testing.T) {
	in := Series{0, 1, float32(math.NaN()), 123456, 0.000123456, float32(math.Inf(1)), -2.5}
	b, err := json.Marshal(in)
	if err != nil || string(b) != "[0,1,null,123500,0.0001235,null,-2.5]" {
		t.Fatalf("%s %v", b, err)
	}
	var out Series
	if err := json.Unmarshal(b, &out); err != nil || len(out) != len(in) || out[2] == out[2] || out[3] != 123500 {
		t.Errorf("%v %v", out, err)
	}
	if b, _ = json.Marshal(Series(nil)); string(b) != "[]" {
		t.Errorf("none is %s", b)
	}
}

func TestHuman(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{HumanCount(0), "0"}, {HumanCount(0.04), "<0.1"}, {HumanCount(0.3), "0.3"}, {HumanCount(3), "3"}, {HumanCount(9.96), "10"}, {HumanCount(999.4), "999"},
		{HumanCount(999.6), "1k"}, {HumanCount(1234), "1.2k"}, {HumanCount(35e6), "35M"}, {HumanCount(2e20), "200000P"}, {HumanCount(-1500), "-1.5k"},
		{HumanCount(math.NaN()), "–"}, {HumanBytes(0), "0 B"}, {HumanBytes(1.5e9), "1.5 GB"}, {HumanSeconds(0), "0 ms"}, {HumanSeconds(0.0004), "0.4 ms"},
		{HumanSeconds(0.9999), "1 s"}, {HumanSeconds(1.26), "1.3 s"}, {HumanSeconds(240), "4 min"}, {HumanAge(59 * time.Second), "59 s"}, {HumanAge(-time.Hour), "0 s"},
		{HumanAge(4*time.Minute + 3*time.Second), "4 min 3 s"}, {HumanAge(3 * time.Hour), "3 h"}, {HumanAge(52*time.Hour + time.Minute), "2 d 4 h"},
		{Visible("plain é 漢"), "plain é 漢"}, {Visible("a\u202eb\x1b\n\xff\u200b\U000e0001"), `a\u202eb\u001b\n\xff\u200b\U000e0001`}, {Visible("\ufffd"), "\ufffd"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
