package pipeline

// Shows: what people are told of the recent past is what was committed, bounded, and holds no byte of a line; an event costs nothing for it.

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ngxtap/pkg/schema"
	"ngxtap/pkg/sink/sinktest"
	"ngxtap/pkg/tail"
)

func TestRecentRejects(t *testing.T) {
	text := "200 \"fine\"\n"
	var offsets []int64
	for i := range 2*keepRejects + 3 {
		offsets = append(offsets, int64(len(text)))
		text += fmt.Sprintf("s3cret-%d \"x\"\n", i)
	}
	path := logFile(t, text)
	s := once(t, config(t, sinktest.NewMemory(), path))
	got := s.Stats().Recent().Rejects
	if len(got) != keepRejects {
		t.Fatalf("%d are kept, want %d", len(got), keepRejects)
	}
	for i, r := range got {
		if want := offsets[len(offsets)-1-i]; r.Offset != want {
			t.Errorf("reject %d is of offset %d, want %d: the newest first", i, r.Offset, want)
		}
		if r.Path != path || r.File == "" || r.Reason != ReasonMisfit || r.Column != 0 || r.Variable != "status" || r.Time == 0 {
			t.Errorf("reject %d: %+v", i, r)
		}
		if strings.Contains(fmt.Sprintf("%+v", r), "s3cret") {
			t.Errorf("a byte of the line is in %+v", r)
		}
	}
	times := s.Stats().CommitTimes()
	if int64(len(times)) != s.Stats().Commits.Load() {
		t.Errorf("%d commit times of %d commits", len(times), s.Stats().Commits.Load())
	}
	slowest, n := s.Stats().SlowestCommit(0)
	if n != int64(len(times)) || slowest <= 0 {
		t.Errorf("slowest of %d is %v", n, slowest)
	}
	if slowest, _ = s.Stats().SlowestCommit(n); slowest != 0 {
		t.Errorf("the slowest of no commits is %v", slowest)
	}
	formats := s.Stats().Formats()
	if len(formats) != 1 || formats[0].Use != FormatToEvents || formats[0].Retired || formats[0].Frame == nil ||
		formats[0].Record != "ngxtap.shop.AccessEvent" || len(formats[0].Fingerprint) != 16 {
		t.Errorf("formats: %+v", formats)
	}
	if files := s.Stats().View(t.Context()).Files; len(files) != 1 || files[0].Path != path {
		t.Errorf("files: %+v", files)
	}
}

func TestRecentIsOfWhatWasCommitted(t *testing.T) {
	s := NewStats()
	var l line
	l.site, l.fileID = &Site{}, "g1"
	f := newFormat(t, textFormat)
	for i := range keepRejects + 5 {
		l.noteReject(int64(i), 1, f, &rejection{reason: ReasonMisfit, column: -1})
	}
	l.noteLoss(&tail.Chunk{File: &tail.File{ID: "g0", Path: "/a"}, Offset: 9, Lost: &tail.Lost{Bytes: 7, Reason: "deleted"}})
	if r := s.Recent(); len(r.Rejects) != 0 || len(r.Losses) != 0 {
		t.Fatalf("told before the commit: %+v", r)
	}
	s.commit(&l.tally, time.Millisecond, 0)
	r := s.Recent()
	if len(r.Rejects) != keepRejects || r.Rejects[0].Offset != keepRejects+4 || r.Rejects[keepRejects-1].Offset != 5 {
		t.Errorf("rejects: %+v", r.Rejects)
	}
	if len(r.Losses) != 1 || r.Losses[0].Bytes != 7 || r.Losses[0].Path != "/a" || r.Losses[0].Why != "deleted" {
		t.Errorf("losses: %+v", r.Losses)
	}
	l.noteReject(100, 1, f, &rejection{reason: ReasonOversize})
	s.commit(&l.tally, time.Millisecond, 0)
	if r = s.Recent(); len(r.Rejects) != keepRejects || r.Rejects[0].Offset != 100 || r.Rejects[1].Offset != keepRejects+4 {
		t.Errorf("rejects after one more: %+v", r.Rejects)
	}
}

// A storm of refused lines costs a copy of a few words for each.
func TestRejectsAllocateOncePerCommit(t *testing.T) {
	var l line
	l.site, l.fileID, l.path = &Site{}, "g1", "/var/log/a.log"
	f := newFormat(t, textFormat)
	rej := rejection{reason: ReasonMisfit, text: "no number", column: 3, variable: "status"}
	l.noteReject(0, 1, f, &rej)
	if n := testing.AllocsPerRun(1000, func() { l.noteReject(1, 1, f, &rej) }); n != 0 {
		t.Errorf("%v allocations for a refused line", n)
	}
}

func TestRecentChangesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	e := schema.ChangeEvent{Text: long, Old: &schema.Writer{LogFormat: long, Schema: long, Fingerprint: 1}}
	for range 1000 {
		e.Diffs = append(e.Diffs, schema.Diff{Path: long, Old: long, New: long, Text: long})
	}
	s := NewStats()
	for range 2 * keepChanges {
		s.commit(&tally{changes: []schema.ChangeEvent{e}}, 0, 0)
	}
	got := s.Recent().Changes
	if len(got) != keepChanges {
		t.Fatalf("%d changes are kept", len(got))
	}
	c := got[0]
	if len(c.Diffs) != keepDiffs || c.LeftOut != 1000-keepDiffs || c.Old.Schema != "" || c.Old.Fingerprint != 1 || c.New != nil {
		t.Errorf("diffs %d, left out %d, old %+v", len(c.Diffs), c.LeftOut, c.Old)
	}
	if n := len(fmt.Sprintf("%+v %+v", c, c.Old)); n > 64<<10 {
		t.Errorf("a change takes %d bytes", n)
	}
	if len(e.Diffs) != 1000 || e.Old.Schema != long {
		t.Error("the event itself was changed")
	}
}

func TestRingKeepsTheLast(t *testing.T) {
	var r, to ring[int]
	if len(r.newest()) != 0 {
		t.Error("an empty ring has values")
	}
	for i := range 7 {
		r.add(3, i)
	}
	r.moveTo(&to, 2)
	if got := fmt.Sprint(r.newest(), to.newest()); got != "[6 5 4] [6 5]" {
		t.Errorf("got %s", got)
	}
}
