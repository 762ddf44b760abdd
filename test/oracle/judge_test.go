package oracle

// Shows: the judge accepts what is right, and names each thing that can be wrong.

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
)

// world is a journal of two generations and a shipment that fits it.
type world struct {
	j *Journal
	g [2]*Generation
	s *Shipment
}

func newWorld() *world {
	w := &world{j: &Journal{}, s: &Shipment{}}
	counts := map[string]Count{}
	for i := range w.g {
		id := fmt.Sprintf("id%d", i)
		w.g[i] = w.j.Begin("a.log", fmt.Sprint(i))
		var n Count
		at := int64(0)
		for k := range 20 {
			line := fmt.Sprintf("generation %d line %d", i, k)
			switch k {
			case 7:
				line = "" // blank
			case 8:
				line = "\r"
			}
			w.g[i].Append([]byte(line + "\n"))
			size := int64(len(line)) + 1
			n.Read += size
			if k == 7 || k == 8 {
				n.Blank += size
			} else {
				rec := Record{Topic: "t", Offset: int64(len(w.s.Records)), Host: "h", File: id, At: at, Length: size - 1,
					CRC: crc32.Checksum([]byte(line), castagnoli), Value: map[string]any{"line": line}}
				if k == 12 {
					rec.Quarantine, rec.Topic = true, "t.quarantine"
					n.Quarantined += size
				} else {
					n.Events += size
				}
				w.s.Records = append(w.s.Records, rec)
			}
			at += size
		}
		counts[id] = n
	}
	w.s.Commits = []Commit{{Seq: 1, Counts: map[string]Count{}}, {Seq: 2, Counts: counts}}
	return w
}

var strict = Rules{Instance: "h", Check: func(line []byte, event map[string]any) string {
	if string(line) != event["line"] {
		return "the content is another"
	}
	return ""
}, Fits: func(line []byte) bool { return !bytes.HasSuffix(line, []byte(" 12")) }}

func TestJudgeAccepts(t *testing.T) {
	w := newWorld()
	v := Judge(w.j, w.s, strict)
	if !v.OK() || v.Lines != 36 || v.Events != 34 || v.Quarantined != 2 {
		t.Errorf("%v\n%s", v, strings.Join(v.Problems, "\n"))
	}
}

func TestJudgeNames(t *testing.T) {
	drop := func(w *world, i int) { w.s.Records = append(w.s.Records[:i], w.s.Records[i+1:]...) }
	last := func(w *world) map[string]Count { return w.s.Commits[1].Counts }
	tests := []struct {
		name  string
		spoil func(w *world)
		want  string
	}{
		{"a line is missing", func(w *world) { drop(w, 3) }, "bytes from 60 to 80 are missing"},
		{"the first line is missing", func(w *world) { drop(w, 0) }, "bytes from 0 to 20 are missing"},
		{"the last line is missing", func(w *world) { drop(w, len(w.s.Records)-1) }, "are missing"},
		{"a generation is missing", func(w *world) { w.s.Records = w.s.Records[18:] }, "nothing of it arrived"},
		{"a line is there twice", func(w *world) { w.s.Records = append(w.s.Records, w.s.Records[2]) }, "is there again"},
		{"a line is quarantined as well", func(w *world) {
			r := w.s.Records[2]
			r.Quarantine, r.Topic = true, "t.quarantine"
			w.s.Records = append(w.s.Records, r)
		}, "is there again"},
		{"a line that fits is in quarantine", func(w *world) { w.s.Records[3].Quarantine = true }, "is in quarantine, though it fits"},
		{"out of order", func(w *world) { r := w.s.Records; r[4], r[5] = r[5], r[4] }, "comes after its offset"},
		{"another checksum", func(w *world) { w.s.Records[4].CRC++ }, "no such bytes"},
		{"a shorter length", func(w *world) {
			r := &w.s.Records[4]
			r.Length--
			data := w.g[0].written().data
			r.CRC = crc32.Checksum(data[r.At:r.At+r.Length], castagnoli)
		}, "does not end where the line ends"},
		{"another content", func(w *world) { w.s.Records[4].Value = map[string]any{"line": "x"} }, "the content is another"},
		{"another host", func(w *world) { w.s.Records[4].Host = "x" }, "origin.host"},
		{"a generation of nobody", func(w *world) {
			r := w.s.Records[4]
			r.File = "idX"
			r.CRC++
			w.s.Records = append(w.s.Records, r)
		}, "none that was written"},
		{"a generation under two ids", func(w *world) { w.s.Records[4].File = "idX" }, "idX"},
		{"counts that do not balance", func(w *world) { n := last(w)["id0"]; n.Read++; last(w)["id0"] = n }, "does not balance"},
		{"counts that are not of the records", func(w *world) {
			n := last(w)["id0"]
			n.Events--
			n.Blank++
			last(w)["id0"] = n
		}, "the state counts"},
		{"a commit is missing", func(w *world) { w.s.Commits[1].Seq = 3 }, "commit 3 follows commit 1"},
		{"a loss that nobody caused", func(w *world) {
			n := last(w)["id0"]
			n.Read, n.Lost = n.Read+5, 5
			last(w)["id0"] = n
		}, "though nothing was taken away"},
		{"a loss that is not declared", func(w *world) { w.g[0].MayLose("cut"); drop(w, 3) }, "are missing (cut) but only 0 are declared"},
		{"a generation lost without a word", func(w *world) { w.g[0].MayLose("cut"); w.s.Records = w.s.Records[18:]; delete(last(w), "id0") }, "its loss is not declared"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			tt.spoil(w)
			v := Judge(w.j, w.s, strict)
			if all := strings.Join(v.Problems, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("want %q in:\n%s", tt.want, all)
			}
		})
	}
}

// A loss that was allowed and declared with its bytes is no problem.
func TestJudgeAcceptsDeclaredLoss(t *testing.T) {
	w := newWorld()
	w.g[0].MayLose("deleted")
	n := w.s.Commits[1].Counts["id0"]
	rest := w.g[0].written().data[60:]
	n.Lost = int64(len(rest))
	n.Events, n.Quarantined, n.Blank = 60, 0, 0
	n.Read = n.Events + n.Lost
	w.s.Commits[1].Counts["id0"] = n
	w.s.Records = append(w.s.Records[:3:3], w.s.Records[18:]...)
	if v := Judge(w.j, w.s, strict); !v.OK() || v.Lost != int64(len(rest)) {
		t.Errorf("%v\n%s", v, strings.Join(v.Problems, "\n"))
	}
	// The other one: nothing of it arrived, and all of it is declared.
	w = newWorld()
	w.g[0].MayLose("deleted")
	size := int64(len(bytes.Clone(w.g[0].written().data)))
	w.s.Commits[1].Counts["id0"] = Count{Read: size, Lost: size}
	w.s.Records = w.s.Records[18:]
	if v := Judge(w.j, w.s, strict); !v.OK() {
		t.Errorf("%v\n%s", v, strings.Join(v.Problems, "\n"))
	}
}

// A loss that nobody could count is declared all the same; one declaration covers one generation.
func TestJudgeUncountedLoss(t *testing.T) {
	for _, tt := range []struct {
		uncounted int64
		want      bool
	}{{0, false}, {1, false}, {2, true}} {
		w := newWorld()
		w.g[0].MayLose("deleted")
		w.g[1].MayLose("deleted")
		w.s.Commits[1].Counts["id0"] = Count{Uncounted: tt.uncounted}
		delete(w.s.Commits[1].Counts, "id1")
		w.s.Records = nil
		if v := Judge(w.j, w.s, strict); v.OK() != tt.want {
			t.Errorf("%d declarations of two losses: %v", tt.uncounted, v.Problems)
		}
	}
	w := newWorld() // the end of a generation is missing
	w.g[0].MayLose("deleted")
	w.s.Commits[1].Counts["id0"] = Count{Read: 60, Events: 60, Uncounted: 1}
	w.s.Records = append(w.s.Records[:3:3], w.s.Records[18:]...)
	if v := Judge(w.j, w.s, strict); !v.OK() {
		t.Error(strings.Join(v.Problems, "\n"))
	}
}

// Where lines may be there twice, what comes again is in order again; what comes for the first time must not come too late.
func TestJudgeOrderOfDuplicates(t *testing.T) {
	rules := Rules{Instance: "h", Duplicates: true}
	w := newWorld()
	r := w.s.Records
	w.s.Records = append(append([]Record{}, r[:10]...), r[5:]...) // lines 5 to 9 come again
	if v := Judge(w.j, w.s, rules); !v.OK() || v.Duplicates != 5 {
		t.Errorf("%v\n%s", v, strings.Join(v.Problems, "\n"))
	}
	w = newWorld()
	r = w.s.Records
	r[4], r[5] = r[5], r[4]
	if v := Judge(w.j, w.s, rules); v.OK() {
		t.Error("lines that came in the wrong order were accepted")
	}
}
